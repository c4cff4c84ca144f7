"""Fingerprints and published bytes as they were: a change of the code that alters one of them is seen here.

A fingerprint that changes makes every unfinished run of its kind impossible to resume. Bytes that change make
a dataset that was published once impossible to make again. After a change that is meant to do so:

    python -m pytest tests/test_golden.py --write-golden
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.pipeline import composing
from tests.conftest import Here

GOLDEN = Path(__file__).with_suffix(".json")
TOKENIZER = Path(__file__).parents[1] / "omi_core/teachers/tiny/strong/tokenizer.json"

# What a recipe needs to be given, where there is no connection to the hub.
RECIPES = {
    "acemath": [],
    "acemath_demo": [],
    "acemath_rm": [],
    "acemath_rm_demo": [],
    "general_sft": [
        "stage1={a: {path: a.jsonl}}",
        "stage2={a: {path: a.jsonl, share: 0.5}, b: {path: b.jsonl}}",
    ],
    "nemotron_mind": ["tokenizer=tokenizer.json", "corpus=web.parquet"],
    "nemotron_mind_demo": [],
    "openmathinstruct2": ["tokenizer=tokenizer.json"],
    "openmathinstruct2_demo": [],
    "rehearsal": [],
    "student_demo": [],
    "study_noise_demo": ["seeds=1"],  # one for all studies: test_study_recipes has the others
}

PROBLEMS = [
    {"problem": "What is 2 + 3?", "answer": "5", "source": "gsm8k"},
    {"problem": "What is $\\frac{1}{2} + \\frac{1}{3}$?", "answer": "\\frac{5}{6}", "source": "math"},
    {"problem": "Solve $x^2 = 4$ for $x > 0$.", "answer": "x = 2", "source": "math"},
    {"problem": "A coat costs \\$40 and is 15\\% off. Its price?", "answer": "\\$34", "source": "gsm8k"},
]
SOLUTIONS = [
    {"problem": row["problem"], "solution": f"It is \\boxed{{{row['answer']}}}.", "answer": row["answer"]}
    for row in [*PROBLEMS, *PROBLEMS[:2]]
] + [{"problem": "What is 2 + 3?", "solution": "2 + 3 = 6, so \\boxed{6}.", "answer": "5"}]
TEXTS = [
    {
        "text": f"Part {n}. " + "The angles of a triangle sum to $180^\\circ$, all three. " * (30 + n),
        "url": f"u/{n}",
    }
    for n in range(4)
]
FILES = {"problems.jsonl": PROBLEMS, "solutions.jsonl": SOLUTIONS, "texts.jsonl": TEXTS}

REHEARSED = ("teacher=rehearsal", "cluster.workers=1")
SOLVED = ["generate", *REHEARSED, "data.size=12", "samples=4", "publish.chat=answer", "run.dir=solved"]
OWN = ["data=file", "data.path=problems.jsonl", "data.answer=answer", "data.source=from:source"]
# Commands in order. What they leave is compared.
RUNS: dict[str, list[list[str]]] = {
    "solutions": [SOLVED],
    "solutions of a file": [
        [
            "generate",
            *REHEARSED,
            *OWN,
            "samples=6",
            "answers.expected=majority",
            "publish.splits.ten=10",
            "run.dir=own",
        ]
    ],
    "every filter": [
        [
            *("generate", *REHEARSED, "data.size=20", "samples=3", "seed=3", "run.dir=filtered"),
            *("filters.max_tokens=200", "filters.min_chars=30", "filters.tokenizer=tokenizer.json"),
            *("answers.min_agreement=0.4", "teacher.rehearsal.malformed=0.2", "teacher.rehearsal.wrong=0.3"),
        ]
    ],
    "problems": [
        ["generate", "task=problems", *REHEARSED, "samples=3", "style=[similar,in_depth]", "run.dir=new"],
        ["generate", *REHEARSED, "data=file", "data.path=new", "samples=4", "run.dir=solved_new"],
    ],
    "dialogues": [
        [
            *("generate", "task=dialogues", *REHEARSED, "data=file", "data.path=texts.jsonl", "run.dir=talk"),
            *("documents.text=text", "documents.tokenizer=tokenizer.json", "documents.max_tokens=100"),
            *("conversations.tokenizer=tokenizer.json", "variants.longest=true", "variants.mix=0.5"),
        ]
    ],
    "reduced": [
        SOLVED,
        ["reduce", "input=solved", "filters.min_chars=40", "answers.expected=majority", "run.dir=again"],
        ["reduce", "input=solutions.jsonl", "solution=[solution]", "data.answer=answer", "run.dir=old"],
    ],
    "combined and mixed": [
        SOLVED,
        [
            "generate",
            *REHEARSED,
            "data.size=9",
            "seed=2",
            "samples=3",
            "publish.chat=answer",
            "run.dir=other",
        ],
        ["combine", "inputs=[solved,other]", "publish.splits.few=20", "publish.chat=answer", "run.dir=all"],
        ["mix", "inputs={a: {path: solved}, b: {path: other, share: 0.3}}", "run.dir=mixed"],
    ],
    "decontaminated": [
        SOLVED,
        ["decontaminate", "input=solved", "test=[mine=problems.jsonl]", "clean=clean.jsonl"],
    ],
    "pipeline": [["pipeline", "recipe=rehearsal", "size=12", "test_size=3", "run.dir=steps"]],
}


@pytest.fixture(scope="module")
def golden(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    yield found
    if request.config.getoption("write_golden"):
        before = orjson.loads(GOLDEN.read_bytes()) if GOLDEN.exists() else {}
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        GOLDEN.write_bytes(orjson.dumps(before | found, option=options))


def compare(golden: dict[str, Any], name: str, found: Any, request: pytest.FixtureRequest) -> None:
    golden[name] = found
    if not request.config.getoption("write_golden"):
        assert found == orjson.loads(GOLDEN.read_bytes())[name]


@pytest.fixture
def here_with_files(here: Here, tmp_path: Path) -> Here:
    for name, rows in FILES.items():
        (tmp_path / name).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    shutil.copy(TOKENIZER, tmp_path / "tokenizer.json")
    return here


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.usefixtures("here_with_files")
def test_a_recipe_has_the_fingerprint_that_it_always_had(
    recipe: str, golden: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    pipeline = composing.compose(*composing.read_words([f"recipe={recipe}", *RECIPES[recipe]]))
    compare(golden, f"recipe {recipe}", pipeline.fingerprint, request)


def test_every_recipe_has_a_golden_fingerprint() -> None:
    others = [name for name in RECIPES if not name.startswith("study_")]
    assert others == [name for name in sorted(composing.recipe_files(None)) if not name.startswith("study_")]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_has_the_fingerprint_and_the_bytes_that_it_always_had(
    name: str,
    here_with_files: Here,
    tmp_path: Path,
    golden: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    for words in RUNS[name]:
        code, _, err = here_with_files(*words)
        assert code == 0, (words, err)
    compare(golden, f"run {name}", made(tmp_path), request)


def made(place: Path) -> dict[str, str]:
    """The fingerprints of runs and pipelines below a folder, and the SHA-256 of every file of a dataset."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.name in ("plan.json", "pipeline.json"):
            found[name] = orjson.loads(path.read_bytes())["fingerprint"]
        elif path.is_file() and ("dataset/" in name or name in ("clean.jsonl", "contamination.jsonl")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found
    return found


def names_of(value: Any, prefix: str = "") -> set[str]:
    """The names in a JSON value; entries of a list count as one."""
    if isinstance(value, dict):
        return {
            n for key, below in value.items() for n in {f"{prefix}{key}", *names_of(below, f"{prefix}{key}.")}
        }
    if isinstance(value, list):
        return {name for below in value for name in names_of(below, f"{prefix}[].")}
    return set()


def test_columns_and_names_in_json_stay_as_programs_know_them(
    here_with_files: Here, tmp_path: Path, golden: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    for words in (SOLVED, RUNS["dialogues"][0], RUNS["problems"][0], RUNS["pipeline"][0]):
        assert here_with_files(*words)[0] == 0
    shown = {
        "compare": here_with_files("compare", "solved", "new", "talk", "json=true", "root=.")[1],
        "status": here_with_files("status", "solved", "json=true")[1],
        "status of a pipeline": here_with_files("status", "steps", "json=true")[1],
        "summary": (tmp_path / "solved/summary.json").read_text(),
    }
    found: dict[str, Any] = {name: sorted(names_of(orjson.loads(text))) for name, text in shown.items()}
    table = here_with_files("compare", "solved", "new", "talk", "csv=true", "root=.")[1]
    found["compare as CSV"] = table.splitlines()[0]
    if not request.config.getoption("write_golden"):  # names may come, and none may go
        known = orjson.loads(GOLDEN.read_bytes())["names"]
        found = {name: _of(each, known[name]) for name, each in found.items()}
    compare(golden, "names", found, request)


def _of(found: Any, known: Any) -> Any:
    """What of the names that are found is known, in the order in which it is found."""
    if isinstance(found, str):
        return ",".join(name for name in found.split(",") if name in known.split(","))
    return [name for name in found if name in known]
