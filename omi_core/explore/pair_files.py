"""The lines that `jobs.decontaminate` writes, read back and checked: pairs, and the nearest questions.

The files may have been made elsewhere, or by hand: a line of another form is told, not guessed at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omi_core.decontaminate.hits import Hit
from omi_core.inputs import Row, file_rows
from omi_core.options import ConfigError

PAIRS, NEAREST = "contamination.jsonl", "nearest.jsonl"
_MOVED_ASIDE = re.compile(r"\.old-\d+$")


@dataclass(frozen=True, slots=True)
class PairLine:
    """A problem with questions: one that it repeats (`contaminated`), or those nearest to it."""

    where: str
    problem: str
    hits: tuple[Hit, ...]
    contaminated: bool


def wanted_lines(
    pairs: Sequence[Path], nearest: Sequence[Path], wanted: Callable[[str], bool] = lambda problem: True
) -> Iterator[PairLine]:
    """The lines of files of pairs, then of files of nearest questions, whose problem is wanted; streamed.

    Raises:
        ConfigError: a file that cannot be read, or a line of another form.
    """
    for paths, name in ((pairs, PAIRS), (nearest, NEAREST)):
        for at, row in (row for path in paths for row in file_rows(path)):
            where, problem = _text(row, "where", at, name), _text(row, "problem", at, name)
            if wanted(problem):
                hits = (_hit(row, at, name),) if name == PAIRS else _neighbours(row, at)
                yield PairLine(where, problem, hits, name == PAIRS)


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


def _neighbours(row: Row, at: str) -> tuple[Hit, ...]:
    found = row.get("nearest")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _other_form(at, "nearest", "list of questions", NEAREST)
    return tuple([_hit(one, at, NEAREST) for one in found])


def _hit(row: Row, at: str, name: str) -> Hit:
    index, score = row.get("test_index"), row.get("score")
    if type(index) is not int:  # True is an int, too
        raise _other_form(at, "test_index", "whole number", name)
    if type(score) is not float and type(score) is not int:
        raise _other_form(at, "score", "number", name)
    test_set, text = _text(row, "test_set", at, name), _text(row, "test_text", at, name)
    return Hit(test_set, index, text, _text(row, "method", at, name), float(score))


def _text(row: Row, key: str, at: str, name: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise _other_form(at, key, "text", name)
    return value


def _other_form(at: str, key: str, kind: str, name: str) -> ConfigError:
    return ConfigError(f"{at}: has no {kind} at {key!r}; give the {name} that jobs.decontaminate wrote")
