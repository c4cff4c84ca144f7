"""Patterns of a user's that are safe to run on model text: told by how Python reads them.

A pattern comes from the config, not from a model, but it runs on model text, and Python cannot interrupt a
match. So patterns that can take exponential time (a choice or a repeat inside a repeat, back-references) and
those with more than three open-ended repeats are refused when the config is read; the rest is a polynomial of
low degree in the tail's length, which is shorter for three repeats. The worst text for the worst pattern
takes about a second.

`re._parser` is no public interface; it has been the same since Python 3.11, and pyproject.toml has a ceiling.
What is relied on, and nothing else: the tree of `parse`, and the names of operations in `re._constants`.
"""

from __future__ import annotations

import re
from re import _constants as _sre  # type: ignore[attr-defined]
from re import _parser as _sre_parser  # type: ignore[attr-defined]
from typing import Any

PATTERN_TAIL = 500
SHORT_TAIL = 200  # for patterns with three open-ended repeats


def compile_pattern(pattern: str) -> tuple[re.Pattern[str], int]:
    """The compiled final-answer pattern (MULTILINE) and how many final characters of a text it may see.

    Raises ValueError for a pattern that does not compile or could run away.
    """
    try:
        compiled = re.compile(pattern, re.MULTILINE)
        repeats = _open_repeats(_sre_parser.parse(pattern, re.MULTILINE), inside=False)
    except (re.error, ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"final-answer pattern {pattern!r}: {error}") from None
    if repeats > 3:
        raise ValueError(
            f"final-answer pattern {pattern!r}: {repeats} open-ended repeats, at most 3 are safe"
        )
    return compiled, PATTERN_TAIL if repeats < 3 else SHORT_TAIL


def _open_repeats(node: Any, inside: bool) -> int:
    """How many repeats of a parsed pattern may take more than 16 turns; ValueError for what can run away."""
    if isinstance(node, _sre_parser.SubPattern | list | tuple) and not _is_operation(node):
        return sum(_open_repeats(item, inside) for item in node)
    if not _is_operation(node):
        return 0
    operation, argument = node
    if operation in (_sre.GROUPREF, _sre.GROUPREF_EXISTS):
        raise ValueError("back-references can take forever; write the text twice")
    if operation is _sre.BRANCH and inside:
        raise ValueError("a choice inside a repeat can take forever; use a character class")
    if operation not in (_sre.MAX_REPEAT, _sre.MIN_REPEAT, _sre.POSSESSIVE_REPEAT):
        return _open_repeats(argument, inside)
    least, most, body = argument
    if inside and least != most:
        raise ValueError("a repeat inside a repeat can take forever; unnest it")
    opens = most == _sre.MAXREPEAT or most > 16
    return int(opens) + _open_repeats(body, inside or opens)


def _is_operation(node: Any) -> bool:
    return isinstance(node, tuple) and len(node) == 2 and isinstance(node[0], type(_sre.MAX_REPEAT))
