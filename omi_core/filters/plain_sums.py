r"""A quick look at arithmetic: does all that is stated plainly hold?

Most equations in a solution are like `48/2 = 24` or `3 \cdot 4 - 2 = 10`, and true. `hold` tells so of a run,
with whole numbers alone, many times faster than `arithmetic` reads it, so that only the rest is read with
care. It claims nothing of a run it does not understand in full, and it needs no look around: a statement that
holds is none to be found, whether `arithmetic` would have taken it for one or not. `all_hold` tells it of a
whole text of words and short sums, many times faster again.
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

# A sum between words, to which nothing before or behind it can belong. (A letter x may be a sign.)
_LETTER = "a-wyzA-WYZ"
_BEGINS = rf"(?:(?<=[{_LETTER}][ \n][0-9])|(?<=[{_LETTER}][ \n]\$[0-9])|(?<=[{_LETTER}0-9][.,;] [0-9]))"
_ENDS = rf"(?=[.,;]?+(?:\s[{_LETTER}]|\Z)|[.,;] [0-9])"
_TOTAL = r" ?+= ?+\$?+"
_SHORT_SUM = re.compile(
    rf"([0-9]{_BEGINS}[0-9]{{0,11}}+) ?+([-+*/]) ?+([0-9]{{1,12}}+){_TOTAL}([0-9]{{1,12}}+){_ENDS}"
)
_LONG_SUM = re.compile(
    rf"[0-9]{_BEGINS}[0-9,.]*+(?: ?+[-+*/] ?+\$?+[0-9][0-9,.]*+)++{_TOTAL}{_NUMBER}{_ENDS}"
)
# What has no number to the left of it: `cost = 3 + 4`, `24 miles / 3 = 8 hours`.
_OF_WORDS = re.compile(
    rf"=(?:(?<=[{_LETTER}]=)|(?<=[{_LETTER}] =))"
    rf"|[-+*/](?:(?<=[{_LETTER}].)|(?<=[{_LETTER}] .)) ?+\$?+[0-9]++{_TOTAL}{_NUMBER}{_ENDS}"
)

Quotient = tuple[int, int]


def all_hold(text: str) -> bool:
    """Whether every equals sign of `text` is in a plain sum that is true, or has words for a left side.

    Texts with LaTeX beyond a box and a dollar sign are not looked at.
    """
    if text.count("\\") != text.count("\\boxed{") + text.count("\\$"):
        return False
    signs = text.count("=")
    short = _SHORT_SUM.findall(text)
    if len(short) < signs:
        signs -= len(_OF_WORDS.findall(text))
    if len(short) == signs:
        return all(_adds_up(*each) for each in short)
    sums = _LONG_SUM.findall(text)
    return len(sums) == signs and all(map(hold, sums))


def _adds_up(a: str, sign: str, b: str, c: str) -> bool:
    left, right, value = int(a), int(b), int(c)
    if sign == "*":
        return left * right == value
    if sign == "+":
        return left + right == value
    if sign == "-":
        return left - right == value
    return right != 0 and left == right * value


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
