"""The lines that `jobs.decontaminate` writes, read back and checked: pairs, and the nearest questions.

The files may have been made elsewhere, or by hand: a line of another form is told, not guessed at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omi_core.decontaminate.hits import Hit
from omi_core.inputs import Row, file_rows
from omi_core.options import ConfigError

PAIRS, NEAREST = "contamination.jsonl", "nearest.jsonl"
_MOVED_ASIDE = re.compile(r"\.old-\d+$")


@dataclass(frozen=True, slots=True)
class Line:
    """A problem with questions: one that it repeats (`contaminated`), or those nearest to it."""

    where: str
    problem: str
    hits: tuple[Hit, ...]
    contaminated: bool


def read_lines(pairs: Sequence[Path], nearest: Sequence[Path]) -> Iterator[Line]:
    """All lines of files of pairs, then of files of nearest questions, streamed.

    Raises:
        ConfigError: a file that cannot be read, or a line of another form.
    """
    for path in pairs:
        for at, row in file_rows(path):
            yield Line(*_problem(row, at, PAIRS), (_hit(row, at, PAIRS),), True)
    for path in nearest:
        for at, row in file_rows(path):
            found = row.get("nearest")
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise _other_form(at, "nearest", "list of questions", NEAREST)
            yield Line(*_problem(row, at, NEAREST), tuple(_hit(one, at, NEAREST) for one in found), False)


def find_files(directory: Path) -> tuple[list[Path], list[Path]]:
    """(files of pairs, files of nearest questions) in a directory and below it, by path.

    Hidden directories and those that `run.fresh=true` moved aside are passed over.
    """
    pairs, nearest = [], []
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(
            name for name in directories if not name.startswith(".") and not _MOVED_ASIDE.search(name)
        )
        if PAIRS in names:
            pairs.append(Path(parent, PAIRS))
        if NEAREST in names:
            nearest.append(Path(parent, NEAREST))
    return pairs, nearest


def _problem(row: Row, at: str, name: str) -> tuple[str, str]:
    return _text(row, "where", at, name), _text(row, "problem", at, name)


def _hit(row: Row, at: str, name: str) -> Hit:
    index, score = row.get("test_index"), row.get("score")
    if isinstance(index, bool) or not isinstance(index, int):
        raise _other_form(at, "test_index", "whole number", name)
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        raise _other_form(at, "score", "number", name)
    test_set, text, method = (_text(row, key, at, name) for key in ("test_set", "test_text", "method"))
    return Hit(test_set, index, text, method, float(score))


def _text(row: Row, key: str, at: str, name: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise _other_form(at, key, "text", name)
    return value


def _other_form(at: str, key: str, kind: str, name: str) -> ConfigError:
    return ConfigError(f"{at}: has no {kind} at {key!r}; give the {name} that jobs.decontaminate wrote")
