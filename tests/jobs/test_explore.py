"""The command `jobs.explore`: from the files of `jobs.decontaminate` to a page, and its mistakes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import Here
from tests.explore.lines import near, pair


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def held(page: Path) -> dict[str, Any]:
    """The data inside a page."""
    (data,) = re.findall(r'<script type="application/json" id="data">([^<]*)</script>', page.read_text())
    return orjson.loads(data)


def texts(page: Path) -> list[str]:
    return [problem[0] for problem in held(page)["problems"]]


def words_of(value: object) -> str:
    """The name of a case: its command line."""
    return " ".join(value) if isinstance(value, list) else "-"


@pytest.fixture
def files(tmp_path: Path) -> None:
    """A pipeline with two steps that decontaminated, the first with nearest questions."""
    pipeline = tmp_path / "runs/mine"
    write(pipeline / "03-near/contamination.jsonl", [pair("same", "a/Same?", "exact", 1.0)])
    write(
        pipeline / "03-near/nearest.jsonl", [near("close", ("a/Same?", 0.9)), near("far", ("a/Same?", 0.1))]
    )
    write(pipeline / "05-judged/contamination.jsonl", [pair("close", "a/Same?", "judge", 0.9)])
    write(pipeline / "04-judge/plan.json", [])


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "shown", "contaminated"),
    [
        (["input=runs/mine/03-near/contamination.jsonl"], ["same"], 1),
        (["nearest=runs/mine/03-near/nearest.jsonl"], ["close", "far"], 0),
        (["input=runs/*/*/contamination.jsonl"], ["same", "close"], 2),
        (["runs/mine"], ["same", "close", "far"], 2),
        (["mine"], ["same", "close", "far"], 2),
        (["runs/mine/03-near"], ["same", "close", "far"], 1),
        (["mine", "limit=1"], ["same"], 2),
        (["mine", "limit=null"], ["same", "close", "far"], 2),
    ],
    ids=words_of,
)
def test_files_or_a_directory_become_a_page(
    here: Here, tmp_path: Path, words: list[str], shown: list[str], contaminated: int
) -> None:
    code, out, err = here("explore", *words)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"explore\.html: {len(shown)} of \d problems, {contaminated} contaminated, [\d,]+ bytes\n", out
    )
    assert texts(tmp_path / "explore.html") == shown


def test_what_decontaminate_writes_is_read(here: Here, tmp_path: Path) -> None:
    question = "A baker sells 12 loaves each morning and 15 loaves each evening. How many in 7 days?"
    write(tmp_path / "a.jsonl", [{"question": "Find $x$."}, {"question": question}])
    write(
        tmp_path / "problems.jsonl",
        [{"problem": text} for text in (question, "find $x$", question.replace("7", "8"), "New?")],
    )
    assert here("decontaminate", "input=problems.jsonl", "test=[a=a.jsonl]")[0] == 0
    code, out, err = here("explore", ".", "out=page.html")
    assert (code, err) == (0, "")
    data = held(tmp_path / "page.html")
    assert data["sets"] == [{"name": "a", "counts": [1, 1, 1, 0, 0, 0], "questions": 2}]
    assert data["problems"][0] == [question, 0, "problems.jsonl:1", 0, [[0, 0, 1.0]], []]
    assert data["questions"][0] == [0, 1, question]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "input: missing; give input=contamination.jsonl or nearest=nearest.jsonl, or a directory"),
        (["input=no.jsonl"], "input=no.jsonl: no such file"),
        (["nearest=no.jsonl"], "nearest=no.jsonl: no such file"),
        (["no"], "no: no such run or directory; give one, or its name below runs"),
        (["a.jsonl"], "a.jsonl: is a file; give it with input= or nearest="),
        (["empty"], "empty: is no run, and holds neither contamination.jsonl nor nearest.jsonl"),
        (["mine", "empty"], "empty: a second directory"),
        (["mine", "nearest=a.jsonl"], "mine: give a directory, or files with input= and nearest=, not both"),
        (["mine", "out=page.txt"], "out=page.txt: not a page; give a name that ends in .html"),
        (["mine", "out=no/page.html"], "out=no/page.html: not a file that can be written"),
        (["mine", "limit=0"], "limit"),
        (["mine", "rows=3"], "rows: no such option"),
        (["input=a.jsonl"], "a.jsonl:1: not a line of JSON"),
        (["input=b.jsonl"], "b.jsonl:1: has no text at 'where'; give the contamination.jsonl"),
    ],
    ids=words_of,
)
def test_a_mistake_is_one_line(here: Here, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "a.jsonl").write_text("{\n")
    (tmp_path / "b.jsonl").write_text('{"problem": "p"}\n')
    (tmp_path / "empty").mkdir()
    code, out, err = here("explore", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))
