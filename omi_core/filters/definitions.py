r"""Signs of arithmetic that mean something else in a problem, such as `*` after `a*b = a^b + b^a`.

A sign that has no other meaning, such as `\star`, is often typed as one that has: `3 * 4` for `3 \star 4`.
"""

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
# Those that mean nothing by themselves, and what is typed for them.
_STAND_INS = {
    "star": (r"\\(?:big)?star(?![A-Za-z])|[⋆★☆]", {"*"}),
    "circle": (r"\\(?:circ|bullet|(?:big)?odot|diamond)(?![A-Za-z])|[∘◦•⊙◇⋄]", {"*", "dot"}),
    "otimes": (r"\\(?:big)?otimes(?![A-Za-z])|⊗", {"*", "times"}),
    "oplus": (r"\\(?:big)?oplus(?![A-Za-z])|⊕", {"+"}),
    "ominus": (r"\\ominus(?![A-Za-z])|⊖", {"-"}),
}
_SPELLINGS = _SIGNS | {name: spellings for name, (spellings, _) in _STAND_INS.items()}
_ANY_SIGN = "|".join(f"(?:{spellings})" for spellings in _SPELLINGS.values())
_NAMED = re.compile("|".join(f"({spellings})" for spellings in _SPELLINGS.values()))
_GAP = r"[\s{}]{0,3}"
# `a * b`, between letters that stand alone, and what it is said to be: words only where `a` is in them.
_LETTER = r"[A-Za-z](?:_\{?\w\}?)?"
_BETWEEN_LETTERS = re.compile(
    rf"(?<![A-Za-z\\])(?P<left>{_LETTER}){_GAP}({_ANY_SIGN}){_GAP}{_LETTER}(?![A-Za-z])"
    r"(?P<defined>[\s$)}]{0,4}(?:=|(?:is|be|means|equals|gives)\b"
    r"(?=[^.;?\n]{0,80}(?<![A-Za-z\\])(?P=left)(?![A-Za-z]))))?"
)
_QUOTES = r"[\"'“”‘’`$]"
_ALONE = re.compile(
    rf"{_QUOTES}[\s{{}}]{{0,3}}({_ANY_SIGN})[\s{{}}]{{0,3}}{_QUOTES}"
    rf"|\b(?:operat(?:ion|or)|symbol|sign)s?\s({_ANY_SIGN})(?=[\s,.:;])"
    rf"|(?<=\s)({_ANY_SIGN})(?=\s(?:is|be|denotes)\san?\s(?:\w{{1,12}}\s){{0,2}}operat)",
    re.IGNORECASE,
)
_DEFINES = re.compile(r"\bdefin|\bdenot|\bsymbol|\bmeans\b|\brepresent|\bstands for\b", re.IGNORECASE)
_OPERATION = re.compile(r"\boperat(?:ion|or)|\bbinary\b", re.IGNORECASE)
# Where sums come out otherwise.
_OTHER_NUMBERS = re.compile(
    r"\bbase[- $]{1,2}(?:\d|[a-z]\b|two|three|four|five|six|seven|eight|nine|eleven|twelve|sixteen)"
    r"|\b(?:clock|modular) arithmetic|\barithmetic modulo|\bhour clock\b|\bmodulo[- $]{1,2}\d",
    re.IGNORECASE,
)


def redefined(problem: str) -> frozenset[str]:
    r"""The signs that `problem` gives another meaning; names as in `signs`.

    `a*b = ...` defines an asterisk (or a `\star`), because a product of letters is not written so; other
    signs also need a word such as "define" or "operation". In another base, or on a clock, no sign means what
    it always means.
    """
    if _OTHER_NUMBERS.search(problem):
        return frozenset(_SIGNS)
    operation = _OPERATION.search(problem) is not None
    defines = operation or _DEFINES.search(problem) is not None
    found: set[str] = set()
    for match in _BETWEEN_LETTERS.finditer(problem):
        name = _name(match[2])
        plain = name in "+-/^"  # of these an equation between letters is common
        own = name == "*" or name in _STAND_INS
        if operation or (defines and not plain) or (own and match["defined"]):
            found.add(name)
    if defines:
        found |= {_name(match[match.lastindex or 0]) for match in _ALONE.finditer(problem)}
    return frozenset(found.union(*(_STAND_INS[name][1] for name in found if name in _STAND_INS)))


def signs(text: str) -> frozenset[str]:
    """The names of the signs in a statement."""
    return frozenset(_name(match[0]) for match in _NAMED.finditer(text))


def _name(sign: str) -> str:
    found = _NAMED.fullmatch(sign)
    assert found is not None and found.lastindex is not None
    return list(_SPELLINGS)[found.lastindex - 1]
