r"""A quick look at arithmetic: does all that is stated plainly hold?

Most equations in a solution are like `48/2 = 24` or `3 \cdot 4 - 2 = 10`, and true. `hold` tells so of a run,
with whole numbers alone, many times faster than `arithmetic` reads it, so that only the rest is read with
care. It claims nothing of a run it does not understand in full, and it needs no look around: a statement that
holds is not one to report, whether `arithmetic` would have taken it for one or not. `true_at` tells it of a
sum between words, without a look at its run, many times faster again.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}(?![0-9])|[0-9]{1,12})(?:\.[0-9]{1,12})?"
_FRACTION = r"\\[dtc]?frac *\{ *\d{1,12} *\} *\{ *\d{1,12} *\}"
_SIDE = re.compile(rf" *+(?:{_NUMBER}|{_FRACTION}) *+(?>(?:[-+*/] *+(?:{_NUMBER}|{_FRACTION}) *+)*)")
# Of a side without its blanks.
_PIECE = re.compile(rf"([-+*/]?)(?:({_NUMBER})|\\[dtc]?frac\{{(\d+)\}}\{{(\d+)\}})")
# What `arithmetic` cuts statements at; a line may also go on, and then one of its pieces here is no side.
_CUT = re.compile(r"[,;.](?=\s)|\\\\|\n|\\[\[\]()]|\\q?quad(?![A-Za-z])")
_BLANK = re.compile(r"\\?\$|[&\t]")
_TIMES = re.compile(r"\\times(?![A-Za-z])|\\cdot(?![A-Za-z])|[×·]|(?<=[\d ])x(?= ?\d)")
_EDGE = " \t\n,;:$"
_MAX_LENGTH = 1000  # numbers grow with it

# A sum between words, to which nothing before or behind it can belong. (A letter x may be a sign.) It is
# matched from its equals sign on, to both sides: looking for where it begins takes three times as long.
_LETTER = "a-wyzA-WYZ"
_RIGHT = re.compile(
    r"= ?+\$?+[0-9]++(?>(?:,[0-9]{3})*)(?>(?:\.[0-9]++)?)"
    rf"(?=[.,;]?+(?:\s[{_LETTER}]|\Z)|[.,;] [0-9])"
)
_LEFT_REVERSED = re.compile(
    r"( ?+(?>(?:[0-9][0-9,.]*+(?<=[0-9])\$?+ ?+[-+*/x] ?+)+)[0-9][0-9,.]*+(?<=[0-9]))\$?+[ \n]"
    rf"(?:[{_LETTER}]|[.,;:][{_LETTER}0-9])"
)
_LONGEST_LEFT = 48
_SHORT_SUM = re.compile(r"([0-9]{1,12}) ?([-+*/x]) ?\$?([0-9]{1,12}) ?= ?\$?([0-9]{1,12})")
_LONGEST_COMMAND = len(r"\displaystyle ")

Quotient = tuple[int, int]


def true_at(text: str, equals: int) -> bool:
    """Whether the equals sign at `text[equals]` is that of a plain sum between words, and the sum is true."""
    right = _RIGHT.match(text, equals)
    if right is None:
        return False
    left = _LEFT_REVERSED.match(text[max(0, equals - _LONGEST_LEFT) : equals][::-1])
    if left is None:
        return False
    start = equals - left.end(1)
    if not _is_true(text[start : right.end()]):
        return False
    # The letter before it may be the end of a command: `2 \cdot 3 * 4 = 12`.
    return text.find("\\", max(0, start - _LONGEST_COMMAND), start) < 0


@lru_cache(20_000)
def _is_true(sum_: str) -> bool:
    """Samples of one problem have many sums in common."""
    short = _SHORT_SUM.fullmatch(sum_)
    if short is None:
        return hold(sum_)
    a, sign, b, total = short.groups()
    return _adds_up(int(a), sign, int(b), int(total))


def _adds_up(a: int, sign: str, b: int, total: int) -> bool:
    if sign == "+":
        return a + b == total
    if sign == "-":
        return a - b == total
    if sign == "/":
        return b != 0 and a == b * total
    return a * b == total


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
    for sign, number, top, bottom in _PIECE.findall(side.replace(" ", "")):
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
