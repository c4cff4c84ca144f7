"""A model that trains in milliseconds, rows for it, and jobs.train on them in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.teachers import tiny
from omi_core.teachers.tiny.world import draw
from omi_core.training.train_options import Student
from tests.conftest import Here

WORLD = tiny.path("tiny")
Chat = Callable[[str, str], dict[str, Any]]
Train = Callable[..., tuple[int, str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What TRL and transformers warn of at their import is no fault of ours.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"), append=False)


def chat(problem: str, solution: str) -> dict[str, Any]:
    """A row with chat messages."""
    said = [{"role": "user", "content": problem}, {"role": "assistant", "content": solution}]
    return {"messages": said}


def preference(problem: str, responses: list[str], right: int = 1) -> dict[str, Any]:
    """A row of preference data, the first responses `right`."""
    judged = [at < right for at in range(len(responses))]
    return {"problem": problem, "responses": responses, "right": judged, "expected_answer": "1"}


def write_arrow(path: Path, examples: list[Any]) -> None:
    """Examples as a stage has them."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.large_list(pa.int32())) for name in ("input_ids", "labels")])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as out:
        columns = {"input_ids": [e.tokens for e in examples], "labels": [e.labels for e in examples]}
        out.write_batch(pa.record_batch(columns, schema=schema))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def small_model(directory: Path, **changes: Any) -> Path:
    """The embedded model's tokenizer, and its config with one thin layer."""
    directory.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(WORLD / name, directory / name)
    config = json.loads((WORLD / "config.json").read_text())
    thin = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 1, "num_key_value_heads": 1}
    (directory / "config.json").write_text(json.dumps(config | thin | {"num_hidden_layers": 1} | changes))
    return directory


SMALL = ("training.batch=4", "training.micro_batch=4", "training.steps=12", "training.save_every=4")
QUICK = ("training.learning_rate=3e-3", "training.report_to=[]")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a small model in `small` and 40 rows in `rows.jsonl`."""
    small_model(tmp_path / "small")
    write_rows(tmp_path / "rows.jsonl", [chat(each.text, each.solution) for each in draw(3, 40)])
    return tmp_path


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    """A small model of two layers, with random weights large enough that its losses differ."""
    directory = small_model(tmp_path_factory.mktemp("model") / "small", num_hidden_layers=2)
    return Student(model=str(directory), scratch=True, dtype="float32", init_std=0.3)


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def train(here: Here, place: Path, one_thread: None) -> Train:
    """jobs.train with the small model on the rows; further words win."""

    def run(*words: str) -> tuple[int, str, str]:
        given = {word.partition("=")[0] for word in words}
        own = (
            "data=rows.jsonl",
            "student.model=small",
            "student.scratch=true",
            "run.dir=out",
            *SMALL,
            *QUICK,
        )
        return here("train", *(word for word in own if word.partition("=")[0] not in given), *words)

    return run
