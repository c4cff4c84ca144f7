"""The search by embeddings with a real model: loaded without a network, and how much it finds."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import orjson
import pytest

from omi_core.decontaminate import EmbeddingSearch, Questions, load_model
from omi_core.decontaminate.nearest import Encoder, packaged
from tests.conftest import Here
from tests.decontaminate.planted import MODEL, original, rephrased, training


@pytest.fixture(scope="module")
def folder() -> Path:
    """The directory of the model that comes in a package."""
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (pip install '.[embeddings]')")
    path = packaged(MODEL)
    if path is None:
        pytest.skip(f"the package {MODEL} with a small model is not installed")
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Encoder:
    return load_model(str(folder))


def test_a_package_and_its_directory_are_the_same_model(folder: Path, model: Encoder) -> None:
    texts = ["How many ducks are there?", "Solve $x^2 = 4$."]
    ours = model.encode(texts, show_progress_bar=False)
    assert ours.shape == (2, 384)
    assert np.allclose(load_model(MODEL).encode(texts, show_progress_bar=False), ours)


HOSTILE = [
    "",
    " ",
    "\x00\x1b[2J",
    "\u202e" * 50,
    "x" * 1_000_000,
    "\U0001f986" * 300,
    "[CLS][SEP][PAD]",
    "\ud800",
]


def test_any_text_has_its_nearest_questions(model: Encoder) -> None:
    search = EmbeddingSearch([Questions("a", ["How many ducks?", "", "Solve for x."])], model)
    found = search.search(HOSTILE, k=2)
    assert [len(hits) for hits in found] == [2] * len(HOSTILE)
    assert all(-1 <= hit.score <= 1 for hits in found for hit in hits)


@pytest.mark.parametrize(
    "count",
    [120, pytest.param(None, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
    ids=["some", "all"],
)
def test_the_nearest_question_is_the_one_that_was_rephrased(
    here: Here, folder: Path, shared_data: Path, tmp_path: Path, count: int | None
) -> None:
    """For 95 % of the rephrased questions of GSM8K it stands at the first place; four hold no text."""
    planted = rephrased(shared_data)[:count]
    mixed = [*planted, *training(shared_data)[: len(planted) // 8]]
    Random(0).shuffle(mixed)
    write(tmp_path / "mixed.jsonl", "problem", mixed)
    write(tmp_path / "test.jsonl", "question", original(shared_data)[:count])
    arguments = ("input=mixed.jsonl", "test=[gsm8k=test.jsonl]", f"model={os.fspath(folder)}")
    code, _, err = here("decontaminate", *arguments)
    assert (code, err) == (0, "")
    rows = [orjson.loads(line) for line in (tmp_path / "nearest.jsonl").read_bytes().splitlines()]
    near = {row["problem"]: [hit["test_index"] for hit in row["nearest"]] for row in rows}
    first = sum(near.get(text, [None])[0] == number for number, text in enumerate(planted))
    assert first >= 0.95 * len(planted)
    assert all(len(found) == 5 for found in near.values())


def write(path: Path, column: str, texts: list[str]) -> None:
    path.write_bytes(b"".join(orjson.dumps({column: text}) + b"\n" for text in texts))
