r"""Arithmetic statements in a text, such as `3 * 4 = 13` or `\frac{6}{2} = 4`, with both sides evaluated.

Only statements between plain numbers are read, with exact fractions. Text is never executed: a regular
expression finds runs of numbers and operators around an equals sign, a tokenizer cuts them into sides, and
a recursive parser of bounded depth and bounded numbers evaluates each. The work is linear in the text.

What might not be arithmetic is passed over: sides next to letters, to other mathematics or to unknown
commands, and ambiguous juxtaposition (`2\frac{1}{2}`, `3 4`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from string import ascii_letters

from omi_core.filters import plain_sums
from omi_core.filters.expression import PAIRS, Rational, Token, evaluate

_CONTEXT = 24
_SHORT_RUN = 400

_COMMANDS = r"(?:[dtc]?frac|times|cdot|div|left|right|displaystyle|[bB]igg?[lr]?|boxed|q?quad)(?![A-Za-z])"
# What a run is made of. Whatever is not listed ends it: letters, relations, other commands.
_RUN = re.compile(
    rf"(?>(?>[\d.,;+\-−*/^(){{}}%$&\s~×·∗⋅÷°=]+|:(?=\s)|\\{_COMMANDS}|\\[,;:! %$\[\]()\\]"
    r"|(?<=\^)\\circ(?![A-Za-z])|(?<=\^\{)\\circ(?=\})|(?<=[\d)%\s])[xX](?=[\s\d($.]))+)"
)
# Most of what is between tokens comes first, and without a name.
_TOKEN = re.compile(
    r"""\ ++|(?:(?<==)|(?<==\ ))\*\*(?=\$?\d)
    |(?P<number>(?:\d{1,3}(?>(?:(?:,|\{,\}|,?\\!|\\,)\d{3})+)(?!\d)|\d++)(?>(?:\.\d++)?)(?!\.\d)|\.\d++(?!\.\d))
    |(?P<frac>\\[dtc]?frac(?![A-Za-z]))
    |(?P<power>(?<=[\d)])\*\*(?=[\d(])|\^(?!\\circ|\{\\circ))
    |(?P<cut>\*\*|[,;.](?=\s|[$"]|\\[\\\])]|\Z)|\\[\[\]()]|\\q?quad|(?<!\s):)
    |(?P<newline>\\\\|\n)
    |(?P<times>\\times|\\cdot|[*×·∗⋅xX])
    |(?P<over>\\div|[÷/])
    |(?P<plus>\+)
    |(?P<minus>[-−])
    |(?P<equals>=)
    |(?P<percent>\\?%)
    |(?P<open>[({])
    |(?P<close>[)}])
    |(?P<space>[\s~&°]|\\?\$|\^\\circ|\^\{\\circ\}|\\[,;:!\ ]|\\[A-Za-z]+)
    |(?P<bad>.)
    """,
    re.VERBOSE,
)
# An x may be a sign; the letters of some commands are in a run.
_LETTERS = frozenset(ascii_letters) - {"x", "X"}
_NO_NUMBER_AFTER = re.compile(rf"= ?(?:[a-wyzA-WYZ]|\\(?!{_COMMANDS}|[,;:! %$\[\]()\\]))")
_LONGEST_COMMAND = len("\\displaystyle")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"(?<=\s)[A-Za-z]{2,}")
_LOOK_BACK = (32, 256)  # most often a word stands just before
_BINARY = {"plus", "minus", "times", "over", "power"}

# Two letters are more often a product of variables than a word, except these.
_SHORT_WORDS = frozenset(
    "am an as at be by do go he if in is it me my no on or so to up us we "
    "cm ft hr kg km lb mi ml mm oz".split()
)
_RELATIONS = (
    r"\\(?:(?:Right|right|Longright|Leftright)arrow|implies|iff|therefore|because|to"
    r"|approx|sim|leq?|geq?|neq?|lt|gt)"
)
_LEFT_RELATION = re.compile(rf"(?:[<>≈≤≥≠→⇒∴—|\"`]|(?:{_RELATIONS}))$")
_RIGHT_RELATION = re.compile(rf"[<>≈≤≥≠→⇒∴—|?\"`]|(?:{_RELATIONS}|\\end)(?![A-Za-z])")
_LEFT_WORD = re.compile(r"(?:^|[^A-Za-z\\_^])((?:total of|[A-Za-z]{2,})(?:['’][a-z]{1,2})?)$")
_RIGHT_WORD = re.compile(r"(?:\\(?:text|mbox|mathrm|textbf)\{\s*)?([A-Za-z]{2,})(?![A-Za-z_({\\^])")
_MIXED_LEFT = re.compile(r"\d\s+and$")
_MIXED_RIGHT = re.compile(r"and\s+\W{0,3}\d")
# Words that take part in the calculation, so that the numbers beside them are only a piece of it.
_LEFT_VETO = frozenset(
    "of twice thrice double triple half third quarter plus minus times over by divided multiplied less mod "
    "per negative root square sqrt frac log sin cos tan gcd lcm max min".split()
)
_RIGHT_VETO = frozenset(
    "of hundred thousand million billion trillion dozen percent cents times mod remainder more less plus "
    "minus squared cubed halves thirds quarters fourths fifths sixths eighths tenths hundredths pi".split()
)


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`, found at `text[start:end]`.

    Each side has one or more possible values (`expression.evaluate`). `decimals` is the number of decimals
    of a right side that is one number, else None.
    """

    start: int
    end: int
    left: tuple[Rational, ...]
    right: tuple[Rational, ...]
    decimals: int | None


@dataclass(slots=True)
class _Side:
    """One side of an equals sign; `clean` is False where something that is not arithmetic touches it."""

    tokens: list[Token]
    clean: bool = True

    @property
    def calculates(self) -> bool:
        # A leading minus is a sign.
        return any(
            token.kind == "frac" or (at and token.kind in _BINARY) for at, token in enumerate(self.tokens)
        )


def statements(text: str, *, doubtful: bool = False) -> Iterator[Equation]:
    """The statements of `text` that can be evaluated, in order; `a = b = c` gives `a = b` and `b = c`.

    With `doubtful` those of runs that plainly hold (`plain_sums`) are left out.
    """
    for run in _runs_with_equals(text, doubtful):
        numeric = [_DIGIT.search(side) is not None for side in run.group().split("=")]
        if not any(left and right for left, right in zip(numeric, numeric[1:], strict=False)):
            continue
        if doubtful and plain_sums.hold(run.group()):
            continue
        start, end = run.span()
        begin = max(0, start - _CONTEXT)
        read = _read if end - start <= _SHORT_RUN else _read.__wrapped__
        for found in read(text[begin : end + _CONTEXT], start - begin, end - begin):
            yield replace(found, start=begin + found.start, end=begin + found.end)


@lru_cache(20_000)
def _read(text: str, start: int, end: int) -> tuple[Equation, ...]:
    """The statements of the run `text[start:end]`, beside which stands all that they depend on.

    Samples of one problem say much in the same words, and reading them with care takes most of the filter's
    time.
    """
    return tuple(equation for chain in _chains(text, start, end) for equation in _pairs(chain))


def _runs_with_equals(text: str, doubtful: bool) -> Iterator[re.Match[str]]:
    """The runs of `text` with an equals sign that may have numbers on both sides; most are but a blank.

    With `doubtful` without those of true sums between words.
    """
    done, equals = 0, text.find("=")
    while equals >= 0:
        if (doubtful and plain_sums.true_at(text, equals)) or _beside_an_end(text, equals):
            equals = text.find("=", equals + 1)
            continue
        # No run goes over a word, so none is under way there, and looking for runs may begin.
        begin = done
        for width in _LOOK_BACK:
            for word in _WORD.finditer(text, max(done, equals - width), equals):
                begin = word.end()
            if begin > done:
                break
        run = next(run for run in _RUN.finditer(text, begin) if run.end() > equals)
        yield run
        done = run.end()
        equals = text.find("=", done)


def _beside_an_end(text: str, equals: int) -> bool:
    r"""Whether a run ends right beside the sign: `x = 3`, `cost = 12`, `3 = n`, `3 = \sqrt{9}`."""
    if _NO_NUMBER_AFTER.match(text, equals):
        return True
    at = equals - 2 if text[equals - 1 : equals] == " " else equals - 1
    if at < 0 or text[at] not in _LETTERS:
        return False
    return text.find("\\", max(0, at - _LONGEST_COMMAND), at) < 0


def _pairs(chain: list[_Side]) -> Iterator[Equation]:
    left_values: tuple[Rational, ...] | None = None  # None: not evaluated yet
    for number, (left, right) in enumerate(zip(chain, chain[1:], strict=False)):
        # `x = 5 = 6` is a conclusion; a bare `5 = 6` may be anything.
        if not (left.clean and right.clean) or not (number or left.calculates or right.calculates):
            left_values = None
            continue
        left_values = evaluate(left.tokens) if left_values is None else left_values
        right_values = evaluate(right.tokens) if left_values else None
        if left_values and right_values:
            yield Equation(
                left.tokens[0].start, right.tokens[-1].end, left_values, right_values, _decimals(right)
            )
        left_values = right_values


def _decimals(side: _Side) -> int | None:
    numbers = [token for token in side.tokens if token.kind == "number"]
    if len(numbers) != 1 or side.calculates:
        return None
    return len(numbers[0].text.partition(".")[2])


def _chains(text: str, start: int, end: int) -> Iterator[list[_Side]]:
    """The tokens of the run `text[start:end]`, cut into chains of sides; the text around it says if the outer
    are whole.
    """
    tokens = [
        Token(match.lastgroup, match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(text, start, end)
        if match.lastgroup is not None and match.lastgroup != "space"
    ]
    if not tokens:
        return
    right_clean = _right_clean(text, end)
    if tokens[-1].text == "(" and tokens[-1].start == end - 1 and text[end - 2].isspace():
        tokens.pop()  # a remark in brackets: `= 12 (since ...`; a factor does not begin with a word
    if not tokens:
        return
    _mark_letters(text, tokens, end)
    _cut_open_groups(tokens)
    _join_lines(tokens)
    chain = [_Side([], _left_clean(text, start, tokens))]
    for token, follower in zip(tokens, [*tokens[1:], None], strict=True):
        if token.kind in ("cut", "newline"):
            clean = _clean_after(text, token, follower, chain[-1])
            # An opening bracket that was cut off belongs to what stands before it: `2(3 = x`.
            chain[-1].clean &= token.text not in PAIRS
            yield chain
            chain = [_Side([], clean)]
        elif token.kind == "equals":
            chain.append(_Side([]))
        else:
            chain[-1].tokens.append(token)
    chain[-1].clean &= right_clean
    yield chain


def _mark_letters(text: str, tokens: list[Token], end: int) -> None:
    """Settle what a token alone does not tell: whether `x` is a sign, whether a full stop ends a number."""
    for token, follower in zip(tokens, [*tokens[1:], None], strict=True):
        if token.text in "xX" and (follower is None or follower.kind not in ("number", "open", "frac")):
            token.kind = "bad"
    last = tokens[-1]
    if last.kind == "cut" and last.text in ",;." and last.end == end:
        after = text[end : end + 1]
        if after not in ("", '"', "`") and not (last.text != "." and after.isalpha()):  # `3 * 4 = 12,so`
            last.kind = "bad"  # `0.\\overline{3}`


def _clean_after(text: str, cut: Token, follower: Token | None, before: _Side) -> bool:
    """Whether a side may begin behind `cut`."""
    if cut.kind == "newline" and cut.text == "\n":
        # A line that ends in something unknown may go on.
        return before.clean and all(token.kind != "bad" for token in before.tokens)
    if cut.text == "(":
        return not before.tokens and before.clean
    if cut.text == ")":
        # What a bracket closes may be a factor of what follows, except in a list: `1) 3 + 4 = 7`.
        spaced = text[cut.end : cut.end + 1].isspace()
        return spaced and follower is not None and follower.kind in ("number", "frac")
    return cut.text not in "{}"


def _cut_open_groups(tokens: list[Token]) -> None:
    """Make cuts of brackets that do not match, or that hold a whole statement: `(48/2 = 24)`."""
    opened: list[tuple[Token, int]] = []
    equals = 0
    for token in tokens:
        if token.kind == "open":
            opened.append((token, equals))
        elif token.kind == "equals":
            equals += 1
        elif token.kind == "close":
            bracket, before = opened.pop() if opened else (None, equals)
            if bracket is None or equals > before or PAIRS[bracket.text] != token.text:
                token.kind = "cut"
                if bracket is not None:
                    bracket.kind = "cut"
    for bracket, _ in opened:
        bracket.kind = "cut"


def _join_lines(tokens: list[Token]) -> None:
    """Drop line ends inside a statement: after an operator, or before one that cannot be a bullet."""
    joined: list[Token] = []
    for number, token in enumerate(tokens):
        if token.kind == "newline":
            before = joined[-1].kind if joined else "cut"
            after = next((t.kind for t in tokens[number + 1 : number + 8] if t.kind != "newline"), "cut")
            if before in _BINARY or before == "equals" or after in ("equals", "plus", "over"):
                continue
        joined.append(token)
    tokens[:] = joined


def _left_clean(text: str, start: int, tokens: list[Token]) -> bool:
    before = text[max(0, start - _CONTEXT) : start]
    if not before or _LEFT_RELATION.search(before):
        return True
    word = _LEFT_WORD.search(before)
    if word is None or text[start] in "0123456789.({" or not _is_word(word[1], _LEFT_VETO):
        return False
    # After a word: `week 2 = ...` is a label, `rate - 45` a difference, `1 and 1/4` one number.
    label = len(tokens) > 1 and tokens[1].kind == "equals"
    return not label and tokens[0].kind != "minus" and not _MIXED_LEFT.search(before)


def _right_clean(text: str, end: int) -> bool:
    after = text[end : end + _CONTEXT]
    if not after or _RIGHT_RELATION.match(after):
        return True
    word = _RIGHT_WORD.match(after)
    if word is None or text[end - 1].isalnum() or _MIXED_RIGHT.match(after):
        return False
    return _is_word(word[1], _RIGHT_VETO)


def _is_word(word: str, veto: frozenset[str]) -> bool:
    lower = word.lower()
    return (len(word) > 2 or lower in _SHORT_WORDS) and lower not in veto
