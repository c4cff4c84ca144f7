"""The command `jobs.decontaminate`: its report, its files, and its mistakes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pytest

from tests.conftest import Here
from tests.published import published_file

QUESTION = (
    "A baker sells 12 loaves each morning and 15 loaves each evening. How many does she sell in 7 days?"
)
OTHER = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take in all?"
)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def files(tmp_path: Path) -> None:
    """a.jsonl and b.jsonl are test sets; problems.jsonl holds six rows of four problems."""
    write(tmp_path / "a.jsonl", [{"question": QUESTION}, {"question": OTHER}])
    write(tmp_path / "b.jsonl", [{"problem": "Find $x$."}, {"problem": QUESTION}])
    problems = [
        QUESTION,
        QUESTION,
        QUESTION.replace("7 days", "8 days"),
        "find  x",
        "Something new?",
        "Something new?",
    ]
    write(
        tmp_path / "problems.jsonl",
        [{"problem": text, "sample": number} for number, text in enumerate(problems)],
    )


@pytest.mark.usefixtures("files")
def test_report_pairs_and_clean_rows(here: Here, tmp_path: Path) -> None:
    code, out, err = here(
        "decontaminate", "input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]", "clean=clean.jsonl"
    )
    assert (code, err) == (0, "")
    assert "4 problems, 3 contaminated, 5 pairs" in out
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line[:2] in ("a ", "b ")}
    assert table["a"] == ["1", "0", "1", "2", "50.0%", "1", "of", "2"]
    assert table["b"] == ["1", "1", "1", "3", "75.0%", "2", "of", "2"]
    pairs = lines(tmp_path / "contamination.jsonl")
    assert [(pair["where"], pair["test_set"], pair["test_index"], pair["method"]) for pair in pairs] == [
        ("problems.jsonl:1", "a", 0, "exact"),
        ("problems.jsonl:1", "b", 1, "exact"),
        ("problems.jsonl:3", "a", 0, "ngram"),
        ("problems.jsonl:3", "b", 1, "ngram"),
        ("problems.jsonl:4", "b", 0, "whole"),
    ]
    assert pairs[2]["problem"] == QUESTION.replace("7 days", "8 days")
    assert (pairs[2]["test_text"], pairs[2]["score"]) == (QUESTION, pytest.approx(19 / 20))
    assert [row["sample"] for row in lines(tmp_path / "clean.jsonl")] == [4, 5]


@pytest.mark.usefixtures("files")
def test_what_is_written_per_problem_can_be_limited_and_the_counts_stay(here: Here, tmp_path: Path) -> None:
    code, out, _ = here("decontaminate", "input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]", "top=1")
    assert code == 0
    assert "5 pairs" in out
    assert len(lines(tmp_path / "contamination.jsonl")) == 3


def test_a_problem_of_many_rows_counts_once_however_many_there_are(here: Here, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"question": QUESTION}])
    write(tmp_path / "problems.jsonl", [{"problem": QUESTION}] * 2500 + [{"problem": OTHER}] * 2500)
    arguments = ("input=problems.jsonl", "test=[a=a.jsonl]", "clean=clean.jsonl")
    assert "2 problems, 1 contaminated, 1 pairs" in here("decontaminate", *arguments)[1]
    assert len(lines(tmp_path / "clean.jsonl")) == 2500


def test_a_run_is_searched_by_its_dataset(here: Here, tmp_path: Path) -> None:
    made = here("generate", "teacher=rehearsal", "data.size=20", "run.dir=runs/r", "cluster.workers=1")
    assert made[0] == 0
    row = lines_of_zst(published_file(tmp_path / "runs/r/dataset/jsonl"))[0]
    write(tmp_path / "a.jsonl", [{"question": row["problem"]}])
    code, out, _ = here("decontaminate", "input=runs/r", "test=[a=a.jsonl]")
    assert code == 0
    assert "1 of 1" in out
    assert lines(tmp_path / "contamination.jsonl")[0]["method"] == "exact"


def lines_of_zst(path: Path) -> list[dict[str, Any]]:
    import zstandard

    text = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    return [orjson.loads(line) for line in text.splitlines()]


METHODS = [
    (["exact"], {"problems.jsonl:1": "exact"}),
    (["whole"], {"problems.jsonl:4": "whole"}),
    (["ngram"], {"problems.jsonl:1": "ngram", "problems.jsonl:3": "ngram"}),
    (["whole", "exact"], {"problems.jsonl:1": "exact", "problems.jsonl:4": "whole"}),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("methods", "found"), METHODS, ids=[",".join(methods) for methods, _ in METHODS])
def test_only_the_chosen_methods_count(
    here: Here, tmp_path: Path, methods: list[str], found: dict[str, str]
) -> None:
    arguments = ("input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]", f"methods=[{','.join(methods)}]")
    code, out, _ = here("decontaminate", *arguments)
    assert code == 0
    assert {pair["where"]: pair["method"] for pair in lines(tmp_path / "contamination.jsonl")} == found
    head = next(line for line in out.splitlines() if line.startswith("test set"))
    assert head.split()[2 : 2 + len(methods)] == methods


class Model:
    """Stands in for a sentence-transformers model: a text is whether it tells of loaves, of bolts or of x."""

    def __init__(self, name: str) -> None:
        assert name == "some/model"

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray:
        return np.array([[word in text for word in ("loaves", "bolts", "x")] for text in sentences], float)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> str:
    """`model=` that loads the stand-in."""
    package = ModuleType("sentence_transformers")
    monkeypatch.setattr(package, "SentenceTransformer", Model, raising=False)
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    return "model=some/model"


BOTH = ("input=problems.jsonl", "test=[a=a.jsonl,b=b.jsonl]")
NEAREST_OF = [
    ((), ["problems.jsonl:5"]),
    (("nearest_of=all",), [f"problems.jsonl:{number}" for number in (1, 3, 4, 5)]),
    (("methods=[exact]",), [f"problems.jsonl:{number}" for number in (3, 4, 5)]),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "where"), NEAREST_OF, ids=[" ".join(a) or "default" for a, _ in NEAREST_OF]
)
def test_problems_that_hit_nothing_get_their_nearest_questions(
    here: Here, tmp_path: Path, model: str, arguments: tuple[str, ...], where: list[str]
) -> None:
    code, out, _ = here("decontaminate", *BOTH, model, *arguments)
    assert code == 0
    assert f"{len(where)} problems with their nearest questions" in out
    assert [row["where"] for row in lines(tmp_path / "nearest.jsonl")] == where


@pytest.mark.usefixtures("files")
def test_the_nearest_questions_come_with_their_cosines(here: Here, tmp_path: Path, model: str) -> None:
    assert here("decontaminate", *BOTH, model, "top=2", "nearest_of=all")[0] == 0
    found = lines(tmp_path / "nearest.jsonl")[1]
    assert found["problem"] == QUESTION.replace("7 days", "8 days")
    assert found["nearest"] == [
        {"test_set": name, "test_index": index, "test_text": QUESTION, "method": "embedding", "score": 1.0}
        for name, index in (("a", 0), ("b", 1))
    ]


def test_an_empty_problem_has_no_nearest_question(here: Here, tmp_path: Path, model: str) -> None:
    write(tmp_path / "a.jsonl", [{"question": QUESTION}])
    write(tmp_path / "problems.jsonl", [{"problem": ""}, {"problem": " \n"}, {"problem": "x"}])
    assert here("decontaminate", "input=problems.jsonl", "test=[a=a.jsonl]", model)[0] == 0
    assert [row["problem"] for row in lines(tmp_path / "nearest.jsonl")] == ["x"]


def verdict(
    problem: str, index: int, forward: str | None = "no", backward: str | None = "no", **other: Any
) -> dict[str, Any]:
    """A row of a judge's dataset, about a question of test set a."""
    row = {"problem": problem, "question": (QUESTION, OTHER)[index], "test_set": "a", "test_index": index}
    return row | {"score": 0.5 - index / 10, "forward": forward, "backward": backward} | other


NEW = "Something new?"
ANSWERS = [
    ([("no", "no"), ("no", "no")], []),
    ([("yes", "no"), ("no", "no")], [(0, "judge")]),
    ([("no", "no"), ("no", "yes")], [(1, "judge")]),
    ([("yes", "yes"), (None, "yes")], [(0, "judge"), (1, "judge")]),
    ([(None, "no"), ("no", None)], []),
    ([(None, None), ("no", "no")], [(0, "unclear")]),
    ([(None, None), ("yes", "no")], [(1, "judge"), (0, "unclear")]),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("answers", "found"), ANSWERS, ids=[str(answers) for answers, _ in ANSWERS])
def test_one_yes_of_the_judge_is_contamination_and_so_is_no_readable_answer(
    here: Here, tmp_path: Path, answers: list[tuple[str | None, str | None]], found: list[tuple[int, str]]
) -> None:
    write(tmp_path / "verdicts.jsonl", [verdict(NEW, index, *both) for index, both in enumerate(answers)])
    arguments = (*BOTH, "verdicts=verdicts.jsonl", "clean=clean.jsonl")
    code, out, err = here("decontaminate", *arguments)
    assert (code, err) == (0, "")
    pairs = [pair for pair in lines(tmp_path / "contamination.jsonl") if pair["problem"] == NEW]
    assert [(pair["test_index"], pair["method"]) for pair in pairs] == found
    assert [row["sample"] for row in lines(tmp_path / "clean.jsonl")] == ([] if found else [4, 5])
    assert f"4 problems, {3 + bool(found)} contaminated, {5 + len(found)} pairs" in out
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line[:2] == "a "}
    methods = [method for _, method in found][:1]
    judge, unclear = str(methods.count("judge")), str(methods.count("unclear"))
    assert table["a"][:5] == ["1", "0", "1", judge, unclear]


@pytest.mark.usefixtures("files")
def test_a_pair_found_by_words_is_not_told_again_as_found_by_the_judge(here: Here, tmp_path: Path) -> None:
    rows = [verdict(NEW, 0), verdict(QUESTION, 0, "yes"), verdict(QUESTION, 1, "yes")]
    write(tmp_path / "verdicts.jsonl", rows)
    assert here("decontaminate", *BOTH, "verdicts=verdicts.jsonl")[0] == 0
    pairs = [pair for pair in lines(tmp_path / "contamination.jsonl") if pair["where"] == "problems.jsonl:1"]
    assert [(pair["test_set"], pair["test_index"], pair["method"]) for pair in pairs] == [
        ("a", 0, "exact"),
        ("b", 1, "exact"),
        ("a", 1, "judge"),
    ]


@pytest.mark.usefixtures("files")
def test_white_space_around_a_problem_plays_no_part_for_its_verdict(here: Here, tmp_path: Path) -> None:
    write(tmp_path / "problems.jsonl", [{"problem": f"\n{NEW} "}, {"problem": " "}])
    write(tmp_path / "verdicts.jsonl", [verdict(NEW, 0, "yes")])
    code, out, _ = here("decontaminate", *BOTH, "verdicts=verdicts.jsonl")
    assert (code, "2 problems, 1 contaminated" in out) == (0, True)


BAD_VERDICTS = [
    (
        [verdict("Other", 0)],
        "1 problems hit nothing by words and have no verdict, the first at problems.jsonl:5",
    ),
    ([], "holds no verdicts"),
    ([verdict(NEW, 0, test_set="c")], "verdicts.jsonl:1 is about the test set c; give it in test= as well"),
    ([verdict(NEW, 0, test_index=1)], "verdicts.jsonl:1 is about question 1 of a, which is another one"),
    ([verdict(NEW, 0, test_index=7)], "verdicts.jsonl:1 is about question 7 of a, which is another one"),
    (
        [verdict(NEW, 0, test_index=None)],
        "verdicts.jsonl:1 is about question None of a, which is another one",
    ),
    (
        [verdict(NEW, 0, forward="maybe")],
        "verdicts.jsonl:1 has maybe as forward; it is yes, no or null",
    ),
    (
        [{"problem": NEW}],
        "verdicts.jsonl:1 is not a verdict, it has no question; give a run with task=verdicts",
    ),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("rows", "message"), BAD_VERDICTS, ids=[message for _, message in BAD_VERDICTS])
def test_verdicts_that_do_not_fit_are_one_line_and_leave_no_file(
    here: Here, tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    write(tmp_path / "verdicts.jsonl", rows)
    before = sorted(path.name for path in tmp_path.iterdir())
    code, out, err = here("decontaminate", *BOTH, "verdicts=verdicts.jsonl", "clean=clean.jsonl")
    assert err.startswith(f"error: verdicts=verdicts.jsonl: {message}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


MISTAKES = [
    ([], "input: missing"),
    (["input=problems.jsonl"], "test=[]: missing"),
    (["input=none.jsonl", "test=[a=a.jsonl]"], "input=none.jsonl: no such file"),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "column=text"],
        "column=text: problems.jsonl:1 has no such",
    ),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "pairs=no/where.jsonl"],
        "pairs=no/where.jsonl: not a file",
    ),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "clean=problems.jsonl"],
        "clean=problems.jsonl: is read or",
    ),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "clean=contamination.jsonl"],
        "clean=contamination.jsonl: is",
    ),
    (["input=problems.jsonl", "test=[a=a.jsonl]", "pairs=a.jsonl"], "pairs=a.jsonl: is read or written"),
    (["input=problems.jsonl", "test=[a=a.jsonl]", "share=2"], "share=2.0: must be at most 1"),
    (
        ["input=problems.jsonl", "test=[a=a.jsonl]", "lenght=problem"],
        "lenght: no such option (did you mean length",
    ),
    (["problems.jsonl"], "problems.jsonl: not an option"),
    ([*BOTH, "methods=[exact,ngrams]"], "methods=ngrams: no such method; some of exact, whole, ngram"),
    ([*BOTH, "methods=[]"], "methods=[]: missing"),
    ([*BOTH, "nearest_of=some"], "nearest_of=some: not one of clean, all"),
    ([*BOTH, "model=m", "top=null"], "top=null: with model= every question is near"),
    ([*BOTH, "verdicts=none"], "verdicts=none: no such file"),
    ([*BOTH, "verdicts=problems.jsonl", "clean=problems.jsonl"], "clean=problems.jsonl: is read"),
    (["input=problems.jsonl", "test=[a=a.jsonl]", "model=m"], "model=m: the package sentence-transformers"),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) or "none" for a, _ in MISTAKES])
def test_a_mistake_is_one_line_with_exit_code_2_and_leaves_no_file(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = here("decontaminate", *arguments)
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert (code, out) == (2, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_help_lists_every_option(here: Here) -> None:
    code, out, _ = here("decontaminate", "--help")
    assert code == 0
    for option in ("input=null", "test=[]", "top=5", "share=0.6", "length=shorter"):
        assert f"  {option}\n" in out
    assert "RUN\n" not in out
