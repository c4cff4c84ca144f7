"""`jobs.reduce` on what was made before: the same command again, runs and imports with other options."""

from __future__ import annotations

from pathlib import Path

import orjson
import polars as pl
import pytest

from tests.conftest import Here
from tests.jobs.reducing import LISTS, ONE_PER_ROW, Reduce, write_jsonl


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


GENERATE = ("teacher=rehearsal", "data.size=30", "samples=4", "cluster.workers=1")


def test_a_run_reduced_again_gives_what_it_would_have_given_from_the_start(
    here: Here, tmp_path: Path
) -> None:
    other = ("filters.wrong_arithmetic=false", "answers.expected=majority", "filters.min_chars=30")
    assert here("generate", *GENERATE, "run.dir=first", "tasks=3")[0] == 0
    before = files_of(tmp_path / "first")
    code, _, err = here("reduce", "input=first", *other, "run.dir=again", "cluster.workers=1")
    assert code == 0, err
    assert here("generate", *GENERATE, *other, "run.dir=anew")[0] == 0
    assert files_of(tmp_path / "again/dataset") == files_of(tmp_path / "anew/dataset")
    assert files_of(tmp_path / "first") == before


def test_a_run_that_is_not_complete_cannot_be_reduced_again(here: Here, tmp_path: Path) -> None:
    assert here("generate", *GENERATE, "run.dir=first")[0] == 0
    journal = tmp_path / "first/generate/0001-00000.jsonl.zst"
    journal.write_bytes(journal.read_bytes()[:-5])
    code, _, err = here("reduce", "input=first", "run.dir=again")
    assert code == 2
    assert err == "error: input=first: 120 of its samples are missing; finish that run first\n"
    assert not (tmp_path / "again").exists()


def test_an_import_can_be_reduced_again_too(reduce: Reduce, here: Here, tmp_path: Path) -> None:
    reduce(ONE_PER_ROW)
    code, _, err = here(
        "reduce", "input=run", "answers.min_agreement=0.7", "run.dir=again", "cluster.workers=1"
    )
    assert code == 0, err
    assert "filters.max_tokens=1024: off, nothing counts the tokens" in err
    plan = orjson.loads((tmp_path / "again/plan.json").read_bytes())
    assert plan["content"]["filters"]["max_tokens"] is None
    published = pl.read_parquet(tmp_path / "again/dataset/data/*.parquet")
    assert published["problem"].to_list() == ["q"]
    code, _, err = here("reduce", "input=run", "filters.max_tokens=9", "run.dir=refused")
    assert code == 2 and err.startswith("error: filters.max_tokens=9: nothing counts the tokens")


def test_a_damaged_import_is_named_and_made_anew(reduce: Reduce, here: Here, tmp_path: Path) -> None:
    reduce(ONE_PER_ROW)
    journal = tmp_path / "run/generate/0001-00000.jsonl.zst"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    (tmp_path / "run/dataset").rename(tmp_path / "away")
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run", "cluster.workers=1")
    assert code == 1
    assert err.splitlines()[-1].startswith("failed: run/generate/0001-00000.jsonl.zst: ")
    assert err.splitlines()[-1].endswith("import the samples again with run.fresh=true")
    code, _, err = here("reduce", "input=in.jsonl", "run.dir=run", "cluster.workers=1", "run.fresh=true")
    assert code == 0, err


def test_the_same_command_again_does_nothing_and_a_changed_input_is_refused(
    reduce: Reduce, here: Here, tmp_path: Path
) -> None:
    reduce(ONE_PER_ROW)
    command = ["input=in.jsonl", "run.dir=run", "cluster.workers=1"]
    assert "complete, nothing to do" in here("reduce", *command)[2]
    write_jsonl(tmp_path / "in.jsonl", LISTS[:1])
    code, _, err = here("reduce", *command)
    assert code == 2
    assert err.startswith("error: run.dir=run: was made with another config (input ")


@pytest.mark.parametrize(
    "word",
    [
        *("data.answer=a", "data.limit=2", "data.name=mine", "data.on_bad_row=skip", "data.problem=q"),
        *("solution=[a]", "finish_reason=f", "reasoning=[t]", "reasoning_tags=[a,b]"),
    ],
)
def test_what_says_how_files_are_read_is_refused_for_a_run(
    reduce: Reduce, here: Here, tmp_path: Path, word: str
) -> None:
    reduce(ONE_PER_ROW)
    code, _, err = here("reduce", "input=run", word, "run.dir=again")
    option = word.partition("=")[0]
    assert (code, err) == (2, f"error: {option}: not read with input=RUN, whose samples are there; omit it\n")
    assert not (tmp_path / "again").exists()
