r"""Units inside formulas, as in `3\text{ cm} + 4\text{ cm} = 7\text{ cm}`: blanks in their place."""

from __future__ import annotations

import re

_GAP = r"(?:[ ~]|\\[,;! ])"
_UNIT = re.compile(
    rf"(?<=[\d)}}]){_GAP}{{0,3}}\\(?:text|textrm|mathrm|mbox)"
    rf"\{{{_GAP}{{0,4}}([A-Za-z]{{1,20}})\.?[ ~]{{0,4}}\}}(?:\^\{{?[23]\}}?)?(?![({{\w^])"
)
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
    if "\\text" not in text and "\\m" not in text:
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
    names = {unit[1].lower().removesuffix("s") or "s" for unit in units}
    if len(names) != 1 or any(unit[1].lower() in _NO_UNITS for unit in units):
        return formula
    if units[-1].start() < formula.rindex("="):
        return formula
    return _UNIT.sub(lambda unit: " " * len(unit[0]), formula)
