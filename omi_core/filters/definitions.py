r"""Signs of arithmetic that mean something else in a problem, such as `*` after `a*b = a^b + b^a`."""

from __future__ import annotations

import re

# One entry per sign, with its spellings.
_SIGNS = {
    "*": r"\*|∗|\\ast(?![A-Za-z])",
    "times": r"\\times(?![A-Za-z])|×",
    "dot": r"\\cdot(?![A-Za-z])|[·⋅]",
    "+": r"\+",
    "-": r"[-−]",
    "/": "/",
    "div": r"\\div(?![A-Za-z])|÷",
    "^": r"\^",
}
_ANY_SIGN = "|".join(f"(?:{spellings})" for spellings in _SIGNS.values())
_NAMED = re.compile("|".join(f"({spellings})" for spellings in _SIGNS.values()))
_GAP = r"[\s{}]{0,3}"
# `a * b`, between letters that stand alone.
_BETWEEN_LETTERS = re.compile(
    rf"(?<![A-Za-z\\])[A-Za-z]{_GAP}({_ANY_SIGN}){_GAP}[A-Za-z](?![A-Za-z])(?P<defined>[\s$)}}]{{0,4}}=)?"
)
_ALONE = re.compile(rf"\$[\s{{}}]{{0,3}}({_ANY_SIGN})[\s{{}}]{{0,3}}\$")
_DEFINES = re.compile(r"\bdefin|\bdenot|\bsymbol|\bmeans\b|\brepresent", re.IGNORECASE)
_OPERATION = re.compile(r"\boperat(?:ion|or)|\bbinary\b", re.IGNORECASE)


def redefined(problem: str) -> frozenset[str]:
    """The signs that `problem` gives another meaning; names as in `signs`.

    `a*b = ...` defines an asterisk, because a product of letters is not written so; other signs also need a
    word such as "define" or "operation".
    """
    operation = _OPERATION.search(problem) is not None
    defines = operation or _DEFINES.search(problem) is not None
    found: set[str] = set()
    for match in _BETWEEN_LETTERS.finditer(problem):
        name = _name(match[1])
        plain = name in "+-/^"  # of these an equation between letters is common
        if operation or (defines and not plain) or (name == "*" and match["defined"]):
            found.add(name)
    if defines:
        found |= {_name(match[1]) for match in _ALONE.finditer(problem)}
    return frozenset(found)


def signs(text: str) -> frozenset[str]:
    """The names of the signs in a statement."""
    return frozenset(_name(match[0]) for match in _NAMED.finditer(text))


def _name(sign: str) -> str:
    found = _NAMED.fullmatch(sign)
    assert found is not None and found.lastindex is not None
    return list(_SIGNS)[found.lastindex - 1]
