"""Runs and pipelines from Python: composed by the words of the command line, planned, made, resumed, read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import orjson
import pytest

import omi_core
from omi_core.api import OpenRun
from omi_core.composing.compose import COMMANDS
from omi_core.store.files import read_json
from tests.conftest import Here

WORDS = ["teacher=rehearsal", "data.size=6", "samples=2", "cluster.workers=1"]


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_same_words_make_the_same_dataset_as_the_command(here: Here) -> None:
    assert here("generate", *WORDS, "run.dir=typed")[0] == 0
    run = omi_core.run(omi_core.plan(omi_core.compose("generate", [*WORDS, "run.dir=called"])))
    assert run is not None and run.stats is not None
    assert run.stats["content_hash"] == read_json(Path("typed/dataset/stats.json"))["content_hash"]
    assert read_json(Path("typed/plan.json")) == read_json(Path("called/plan.json"))


def test_a_run_is_read_at_every_stage() -> None:
    planned = omi_core.plan(omi_core.compose("generate", [*WORDS, "run.dir=r"]))
    found = omi_core.open_run("r")
    assert (found.stats, list(found.samples())) == (None, [])
    assert len(list(found.records())) == planned.plan.records == 6
    with pytest.raises(omi_core.ConfigError, match="^r: is not published yet"):
        next(found.rows())
    omi_core.run(planned)
    keys = [(sample.ordinal, sample.index) for sample in found.samples()]
    assert keys == [(ordinal, index) for ordinal in range(6) for index in range(2)]
    assert found.stats is not None and len(list(found.rows())) == found.stats["rows"]
    assert set(next(found.rows())) >= {"problem", "generated_solution", "expected_answer"}
    with pytest.raises(omi_core.ConfigError, match="^r: has no split small"):
        next(found.rows("small"))


def test_a_run_that_was_planned_is_resumed() -> None:
    omi_core.plan(omi_core.compose("generate", [*WORDS, "run.dir=r", "publish.splits.small=3"]))
    run = omi_core.resume("r", tasks=2)
    assert isinstance(run, OpenRun) and run.stats is not None
    assert len(list(run.rows("small"))) == 3
    with pytest.raises(omi_core.ConfigError, match="was not submitted to a cluster"):
        omi_core.resume("r", cluster={"time": "1:00:00"})


def test_a_pipeline_is_planned_made_and_resumed() -> None:
    words = ["recipe=rehearsal", "size=6", "test_size=2", "cluster.workers=1", "run.dir=p"]
    pipeline = omi_core.plan(omi_core.compose("pipeline", words))
    assert read_json(Path("p/pipeline.json"))
    assert omi_core.run(pipeline) is None
    last = omi_core.open_run(pipeline.directory(pipeline.steps[-1]))
    rows = list(last.rows())
    assert rows
    omi_core.resume("p")
    assert list(last.rows()) == rows


@pytest.mark.parametrize(
    ("command", "words"), [("generate", WORDS), ("pipeline", ["recipe=rehearsal", "size=4", "test_size=2"])]
)
def test_what_is_only_to_be_shown_is_neither_written_nor_run(
    tmp_path: Path, command: str, words: list[str]
) -> None:
    planned = omi_core.plan(omi_core.compose(command, [*words, "plan=true", "run.dir=x"]))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(omi_core.ConfigError, match="^plan=true: nothing was written"):
        omi_core.run(planned)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "words", "plan"),
    [
        ("generate", WORDS, "plan.json"),
        ("pipeline", ["recipe=rehearsal", "size=4", "test_size=2"], "pipeline.json"),
    ],
)
def test_a_fresh_one_takes_the_place_of_the_old(
    tmp_path: Path, command: str, words: list[str], plan: str
) -> None:
    omi_core.plan(omi_core.compose(command, [*words, "run.dir=x"]))
    (tmp_path / "x/mark").touch()
    omi_core.plan(omi_core.compose(command, [*words, "run.dir=x", "run.fresh=true"]))
    assert (tmp_path / "x" / plan).is_file() and not (tmp_path / "x/mark").exists()
    assert [path.name for path in tmp_path.glob("x.old-*")] == ["x.old-1"]


@pytest.mark.parametrize("given", [{"tasks": 3}, {"cluster": {"time": "1:00:00"}}], ids=["tasks", "cluster"])
def test_a_pipeline_is_not_resumed_with_options_of_its_steps(given: Any) -> None:
    omi_core.plan(omi_core.compose("pipeline", ["recipe=rehearsal", "size=4", "run.dir=p"]))
    with pytest.raises(omi_core.ConfigError, match=f"^{next(iter(given))}: of a pipeline give it to "):
        omi_core.resume("p", **given)


def test_a_step_that_fails_raises(tmp_path: Path) -> None:
    Path("in.jsonl").write_bytes(orjson.dumps({"problem": "2+2?"}) + b"\n")
    steps = (
        "a: {command: generate, options: {teacher: rehearsal, data: file, data.path: in.jsonl, samples: 1}}"
    )
    Path("r.yaml").write_text(f"steps: {{{steps}}}\n")
    pipeline = omi_core.plan(omi_core.compose("pipeline", ["recipe=r.yaml", "run.dir=p"]))
    Path("in.jsonl").unlink()
    with pytest.raises(omi_core.RunFailed, match="p: failed"):
        omi_core.run(pipeline)


def test_what_needs_no_plan_is_run_from_its_config() -> None:
    Path("in.jsonl").write_bytes(orjson.dumps({"problem": "What is 2 + 3?"}) + b"\n")
    Path("test.jsonl").write_bytes(orjson.dumps({"question": "What is 2 + 3?"}) + b"\n")
    config = omi_core.compose("decontaminate", ["input=in.jsonl", "test=[mine=test.jsonl]"])
    assert omi_core.run(config) is None
    assert Path("contamination.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("generate", ["sampels=3"], r"^sampels: no such option \(did you mean samples\?\)"),
        ("generate", ["samples=0"], "^samples=0: must be at least 1"),
        ("pipeline", ["recipe=none"], "^recipe=none: no such recipe"),
        ("status", [], "^status: composes no config; one of generate, "),
    ],
)
def test_a_mistake_raises_the_line_of_the_command(
    tmp_path: Path, command: str, words: list[str], message: str
) -> None:
    with pytest.raises(omi_core.ConfigError, match=message):
        omi_core.compose(command, words)
    with pytest.raises(omi_core.ConfigError, match="nowhere"):
        omi_core.open_run("nowhere")
    assert list(tmp_path.iterdir()) == []


def test_every_public_name_is_there_and_typed() -> None:
    for name in omi_core.__all__:
        assert getattr(omi_core, name).__doc__
    assert get_type_hints(omi_core.open_run)["return"] is OpenRun
    assert (Path(omi_core.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'compse'"):
        omi_core.compse  # type: ignore[attr-defined]  # noqa: B018
    assert set(COMMANDS) == {
        "generate",
        "tune",
        "evaluate",
        "score",
        "reduce",
        "decontaminate",
        "combine",
        "mix",
        "preferences",
        "train",
        "gather",
        "check",
    }


def test_importing_the_package_imports_no_more_of_it_and_no_other_package() -> None:
    code = "import sys; before = set(sys.modules); import omi_core; print(*(set(sys.modules) - before))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in shown.split() if name != "omi_core"}
    assert loaded <= sys.stdlib_module_names
