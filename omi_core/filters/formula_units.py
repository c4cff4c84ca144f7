r"""Units inside formulas, as in `3\text{ cm} + 4\text{ cm} = 7\text{ cm}`: blanks in their place."""

from __future__ import annotations

import re

_GAP = r"(?:[ ~]|\\[,;! ])"
_WORD = r"[A-Za-z]{1,20}"
# `\text{ cm}`, `\text{ square feet}`, `\text{ km/h}`
_UNIT = re.compile(
    rf"(?<=[\d)}}]){_GAP}{{0,3}}\\(?:text|textrm|mathrm|mbox|operatorname)"
    rf"\{{{_GAP}{{0,4}}({_WORD}(?:[ ~/-]{_WORD}){{0,3}})\.?[ ~]{{0,4}}\}}(?:\^\{{?[23]\}}?)?(?![({{\w^])"
)
_BETWEEN_WORDS = re.compile(r"[ ~/-]")
_FORMULA_END = re.compile(r"\n|\$|\\[\[\]()]|[.,;](?=\s)|\Z")
# Words in a formula that are not units, and those that change the number before them.
_NO_UNITS = frozenset(
    "and or if so then for when where is are of to in with by than from as at plus minus times over mod "
    "hundred thousand million billion trillion dozen dozens percent remainder pairs pair score half halves "
    "third thirds quarter quarters tens tenths hundredths thousandths "
    "units ones base cent cents digit".split()
)


def without_units(text: str) -> str:
    r"""`text` with blanks over units such as `\text{ cm}`, where all units of a formula are one and the same.

    The last side must have it: `2\text{ hours} = 2 \cdot 60` is a conversion. Positions do not change.
    """
    if "\\text" not in text and "\\m" not in text and "\\o" not in text:
        return text
    parts: list[str] = []
    start = 0
    for end in _FORMULA_END.finditer(text):
        parts.append(_blanked(text[start : end.end()]))
        start = end.end()
    return "".join(parts)


def _blanked(formula: str) -> str:
    if "=" not in formula:
        return formula
    units = list(_UNIT.finditer(formula))
    names = [_BETWEEN_WORDS.split(unit[1].lower()) for unit in units]
    if len({" ".join(word.removesuffix("s") or "s" for word in name) for name in names}) != 1:
        return formula
    if not _NO_UNITS.isdisjoint(word for name in names for word in name):
        return formula
    if units[-1].start() < formula.rindex("="):
        return formula
    return _UNIT.sub(lambda unit: " " * len(unit[0]), formula)
