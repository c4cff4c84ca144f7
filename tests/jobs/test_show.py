"""`jobs.show`: a record of a run with all of its samples, and why each is a row or is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core import open_run
from tests.conftest import Here
from tests.jobs.evaluating import REHEARSED, benchmark, sums

WORDS = ("teacher=rehearsal", "data.size=40", "samples=12", "cluster.workers=1", "run.dir=run")
SHARES = ("teacher.rehearsal.wrong=0.3", "teacher.rehearsal.overlong=0.1", "teacher.rehearsal.hostile=0.1")
ADAPTIVE = ("adaptive.first=4", "adaptive.step=4")


@pytest.fixture
def run(here: Here, tmp_path: Path) -> Path:
    assert here("generate", *WORDS, *SHARES, *ADAPTIVE)[0] == 0
    return tmp_path / "run"


def told(here: Here, *words: str) -> Any:
    code, out, err = here("show", "run", *words, "json=true")
    assert code == 0, err
    return orjson.loads(out)


def test_what_became_of_all_samples_adds_up_to_the_statistics(here: Here, run: Path) -> None:
    fates: Counter[str] = Counter()
    for ordinal in range(40):
        fates.update(sample["outcome"] for sample in told(here, str(ordinal))["samples"])
    stats = open_run(run).stats
    assert stats is not None
    counts = stats["counts"]
    expected = {"row": counts["rows"], "unneeded": counts["unneeded"]}
    expected |= {name: found["dropped"] for name, found in counts["filters"].items()}
    expected |= counts["selection"]
    assert {name: count for name, count in expected.items() if count} == fates
    assert len(fates) >= 5


def test_the_rows_of_a_record_are_the_samples_that_became_rows(here: Here, run: Path) -> None:
    for record in list(open_run(run).records())[:10]:
        shown = told(here, record.id[:12])
        assert shown["record"]["id"] == record.id
        rows = {row["sample"]: row for row in open_run(run).rows() if row["record_id"] == record.id}
        kept = {sample["sample"]: sample for sample in shown["samples"] if sample["outcome"] == "row"}
        assert rows.keys() <= kept.keys()  # equal texts are one row
        assert {row["generated_solution"] for row in rows.values()} == {
            sample["text"] for sample in kept.values()
        }
        assert len({sample["group"] for sample in kept.values()}) <= 1


def test_a_person_reads_a_line_for_each_sample_and_one_whole_text(here: Here, run: Path) -> None:
    drawn = Counter(sample.ordinal for sample in open_run(run).samples())
    record = next(record for record in open_run(run).records() if drawn[record.ordinal] < 12)
    code, out, _ = here("show", "run", str(record.ordinal))
    assert code == 0
    assert record.text in out and f"ground truth: {record.expected_answer}" in out
    assert "more were not needed" in out and "is it right?" in out
    sample = next(open_run(run).samples())
    code, out, _ = here("show", "run", "0", "sample=0")
    assert code == 0 and sample.text in out


def test_the_place_of_a_mistake_is_marked(here: Here, tmp_path: Path) -> None:
    row = {
        "problem": "What is 3 * 4 + 1?",
        "generated_solution": "So 3 * 4 = 13. It is \\boxed{13}.",
        "answer": "13",
    }
    right = row | {"problem": "What is 3 * 4?", "generated_solution": "\\boxed{12}", "answer": "12"}
    (tmp_path / "solved.jsonl").write_bytes(orjson.dumps(row) + b"\n" + orjson.dumps(right))
    words = ("input=solved.jsonl", "data.answer=answer", "cluster.workers=1", "run.dir=run")
    assert here("reduce", *words, "filters.max_tokens=null")[0] == 0
    code, out, _ = here("show", "run", "0", "sample=0")
    assert code == 0 and "So >>>3 * 4 = 13<<<. It is" in out and "wrong arithmetic" in out


def test_samples_of_an_evaluation_are_told_by_their_verdicts(here: Here, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "first", sums(5))
    assert here("evaluate", *REHEARSED, f"benchmarks=[{name}]", "samples=4", "run.dir=run")[0] == 0
    verdicts = {sample["verdict"] for at in range(5) for sample in told(here, str(at))["samples"]}
    assert verdicts <= {"right", "wrong", "undecided", "none"} and "right" in verdicts


def test_other_tasks_have_their_samples_shown(here: Here) -> None:
    words = ("task=dialogues", "teacher=rehearsal", "data.size=3", "samples=2", "run.dir=run")
    assert here("generate", *words)[0] == 0
    code, out, err = here("show", "run", "1")
    assert code == 0, err
    assert "stop" in out


def test_of_several_right_samples_the_one_that_is_chosen_is_the_row(here: Here, tmp_path: Path) -> None:
    assert here("generate", *WORDS)[0] == 0
    assert here("score", "input=run", "teacher=rehearsal", "run.dir=scores", "cluster.workers=1")[0] == 0
    best = ("input=run", "answers.scores=scores", "answers.select=best", "run.dir=best")
    assert here("reduce", *best)[0] == 0
    rows = {row["record_id"]: row["sample"] for row in open_run(tmp_path / "best").rows()}
    for record in list(open_run(tmp_path / "best").records())[:5]:
        code, out, err = here("show", "best", str(record.ordinal), "json=true")
        assert code == 0, err
        outcomes = {each["sample"]: each["outcome"] for each in orjson.loads(out)["samples"]}
        assert [at for at, outcome in outcomes.items() if outcome == "row"] == [rows[record.id]]
        assert "other_solution" in outcomes.values()


def test_a_damaged_journal_is_told_in_a_line(here: Here, run: Path) -> None:
    (journal,) = (run / "generate").glob("*.jsonl.zst")
    spoiled = bytearray(journal.read_bytes())
    for at in range(100, len(spoiled), 200):
        spoiled[at] ^= 0x11
    journal.write_bytes(spoiled)
    code, out, err = here("show", "run", "3")
    assert (code, out) == (1, "") and err.startswith("failed: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "give a run and a record of it"),
        (("run",), "give a run and a record of it"),
        (("run", "40"), "40: no such record; give a number from 0 to 39"),
        (("run", "-1"), "-1"),
        (("run", "ffffffffffff"), "no such record"),
        (("run", "9" * 40), "no such record"),
        (("run", "0", "sample=12"), "sample=12: record 0 has no such sample"),
        (("other", "0"), "other: no such run"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(here: Here, run: Path, words: tuple[str, ...], line: str) -> None:
    code, out, err = here("show", *words)
    assert (code, out) == (2, "") and line in err and err.count("\n") == 1
