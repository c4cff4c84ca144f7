"""What the tests of preferences share: finished runs of chosen samples, and files of scores for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core import open_run
from omi_core.records import digest128
from tests.conftest import Here

Solved = Callable[..., str]
Scored = Callable[..., str]


@pytest.fixture
def solved(here: Here, tmp_path: Path) -> Solved:
    """(name, {problem: texts}, words) → a run of those solutions; every problem has the answer 5."""

    def make(name: str, problems: dict[str, list[str]], *words: str, answer: str = "5") -> str:
        rows = [{"problem": text, "answer": answer, "said": said} for text, said in problems.items()]
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        given = [f"input={name}.jsonl", "solution=[said]", "data.answer=answer", "cluster.workers=1"]
        code, _, err = here("reduce", *given, f"run.dir={name}", *words)
        assert code == 0, err
        return name

    return make


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """(run, score of (problem, text)) → a file of its scores; `drop` (a row) and `more` columns spoil it."""

    def make(run: str, score: Callable[[str, str], Any], drop: int | None = None, more: Any = None) -> str:
        found = open_run(tmp_path / run)
        texts = {record.ordinal: record for record in found.records()}
        rows = [
            {
                "record_id": texts[sample.ordinal].id,
                "sample": sample.index,
                "score": score(texts[sample.ordinal].text, sample.text),
                "text_digest": digest128(sample.text),
            }
            | (more or {})
            for sample in found.samples()
        ]
        name = f"{run}-scores.jsonl"
        kept = [row for at, row in enumerate(rows) if at != drop]
        (tmp_path / name).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in kept))
        return name

    return make
