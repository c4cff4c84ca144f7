r"""A quick look at a run of arithmetic: does all that it states plainly hold?

Most equations in a solution are like `48/2 = 24` or `3 \cdot 4 - 2 = 10`, and true. `hold` tells so with
whole numbers alone, many times faster than `arithmetic` reads them, so that only the rest is read with care.
It claims nothing of a run it does not understand in full, and it needs no look around: a statement that holds
is none to be found, whether `arithmetic` would have taken it for one or not.
"""

from __future__ import annotations

import re

_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,4}(?!\d)|\d{1,12})(?:\.\d{1,12})?"
_FRACTION = r"\\[dtc]?frac *\{ *\d{1,12} *\} *\{ *\d{1,12} *\}"
_SIDE = re.compile(rf" *(?:{_NUMBER}|{_FRACTION}) *(?:[-+*/] *(?:{_NUMBER}|{_FRACTION}) *)*")
_PIECE = re.compile(rf"([-+*/]?) *(?:({_NUMBER})|\\[dtc]?frac *\{{ *(\d+) *\}} *\{{ *(\d+) *\}})")
# What `arithmetic` cuts statements at; a line may also go on, and then one of its pieces here is no side.
_CUT = re.compile(r"[,;.](?=\s)|\\\\|\n|\\[\[\]()]|\\q?quad(?![A-Za-z])")
_BLANK = re.compile(r"\\?\$|[&\t]")
_TIMES = re.compile(r"\\times(?![A-Za-z])|\\cdot(?![A-Za-z])|[×·]|(?<=[\d ])x(?= ?\d)")
_EDGE = " \t\n,;:$"
_MAX_LENGTH = 1000  # numbers grow with it

Quotient = tuple[int, int]


def hold(run: str) -> bool:
    """Whether every equation that `run` can be read to state is one of plain numbers, and true."""
    if len(run) > _MAX_LENGTH:
        return False
    run = run.strip(_EDGE).removesuffix("(").rstrip("." + _EDGE)
    run = _TIMES.sub("*", _BLANK.sub(" ", run))
    return all(_chain_holds(piece) for piece in _CUT.split(run) if piece.strip())


def _chain_holds(chain: str) -> bool:
    before: Quotient | None = None
    for side in chain.split("="):
        value = _value(side)
        if value is None:
            return False
        if before is not None and before[0] * value[1] != value[0] * before[1]:
            return False
        before = value
    return True


def _value(side: str) -> Quotient | None:
    """Numerator and denominator, not in lowest terms; None where the side is not plain."""
    if _SIDE.fullmatch(side) is None or side.count("/") > 1:  # `8 / 1/4` can be read in two ways
        return None
    total, term = (0, 1), (0, 1)
    for sign, number, top, bottom in _PIECE.findall(side):
        value = _quotient(number) if number else (int(top), int(bottom))
        if sign == "*":
            term = term[0] * value[0], term[1] * value[1]
        elif sign == "/":
            term = term[0] * value[1], term[1] * value[0]
        else:
            total = _sum(total, term)
            term = (-value[0], value[1]) if sign == "-" else value
        if not term[1]:
            return None
    return _sum(total, term)


def _quotient(number: str) -> Quotient:
    whole, _, decimals = number.replace(",", "").partition(".")
    return int(whole + decimals), 10 ** len(decimals)


def _sum(a: Quotient, b: Quotient) -> Quotient:
    return a[0] * b[1] + b[0] * a[1], a[1] * b[1]
