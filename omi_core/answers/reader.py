r"""An answer string to a `Value`: separators, relations, brackets, matrices, units, then formulas.

`read_answer` never raises and never takes longer than the limits of `tokens` and `algebra` allow. What it
does not understand comes back as a `Scalar` without form, or as None for the whole, and is equal to nothing
but the same tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from omi_core.answers import algebra, formula, intervals
from omi_core.answers.algebra import Fractional, TooComplex, Undefined
from omi_core.answers.formula import NotUnderstood
from omi_core.answers.lexer import Token, tokenize
from omi_core.answers.peeling import Prose, peel
from omi_core.answers.units import unit
from omi_core.answers.values import Choice, Group, Matrix, Relation, Scalar, Union, Value, Words

_RELATIONS = frozenset({"=", "<", ">", "\\le", "\\ge", "\\ne", "\\approx", "\\in", "\\equiv"})
_OPEN = {"(": "(", "[": "[", "\\{": "{"}
_CLOSE = {")": ")", "]": "]", "\\}": "}"}
_SOFT_UNITS = frozenset("mgshlL")
_CHOICES = frozenset("abcdefghij")
_EVERYTHING = frozenset(
    {"all real numbers", "all reals", "all real x", "the real numbers", "the set of all real numbers"}
    | {"any real number", "all real values", "real numbers"}
)
_NOTHING = frozenset({"no solution", "no solutions", "empty set", "the empty set", "there is no solution"})
_NUMERALS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a string: no `tokens` where it is not mathematics, no `value` where not understood."""

    tokens: tuple[Token, ...] | None
    value: Value | None


def read_answer(answer: str) -> Reading:
    """Read one answer. Never raises."""
    tokens = tokenize(answer)
    if tokens is None:
        return Reading(None, None)
    try:
        return Reading(tokens, _AnswerReader().whole(tokens))
    except (NotUnderstood, TooComplex, Undefined):
        return Reading(tokens, None)


def _split(tokens: Sequence[Token], separators: frozenset[str]) -> Iterator[tuple[list[Token], str]]:
    """Parts of `tokens` between top-level separators, each with what follows it ("" at the end)."""
    depth, start = 0, 0
    for at, (kind, text) in enumerate(tokens):
        if kind in "ob" and (text in _OPEN or text == "{" or kind == "b"):
            depth += 1
        elif kind in "oe" and (text in _CLOSE or text == "}" or kind == "e"):
            depth -= 1
            if depth < 0:
                raise NotUnderstood("a bracket that closes nothing")
        elif depth == 0 and text in separators:
            yield list(tokens[start:at]), text
            start = at + 1
    if depth:
        raise NotUnderstood("a bracket that does not close")
    yield list(tokens[start:]), ""


_LISTS = frozenset({",", ";", "and", "or"})
_COMMAS = frozenset({",", ";"})
_GAPS = frozenset({"\\quad"})
_RATIO = frozenset({":"})
_UNION = frozenset({"\\cup"})
_ROWS = frozenset({"\\\\"})
_COLUMNS = frozenset({"&"})


class _AnswerReader:
    def __init__(self) -> None:
        self.depth = 0

    def whole(self, tokens: Sequence[Token]) -> Value:
        if tokens and all(kind == "t" for kind, _ in tokens):
            return _words(" ".join(text for _, text in tokens))
        choice = self.choice(tokens)
        if choice is not None:
            return choice
        if ("o", "\\quad") in tokens:
            return self.spaced(tokens)
        found = list(_split(tokens, _LISTS))
        # ", and" leaves an empty part between the two separators
        parts = [part for part, _ in found if part] if len(found) > 2 else [part for part, _ in found]
        if len(parts) == 1:
            return self.relation(parts[0])
        group = self.collection("list", parts)
        words = {after for _, after in found if after in ("and", "or")}
        if len(words) == 1 and all(intervals.of_inequality(item) is not None for item in group.items):
            return replace(group, kind=words.pop())
        return group

    def choice(self, tokens: Sequence[Token]) -> Choice | None:
        """`(C) 12` or `\\textbf{(C)} 12`; None where the letter is no mark of a choice."""
        if len(tokens) > 1 and tokens[0][0] == "t" and tokens[0][1] in _CHOICES:
            rest = tokens[1:]
        elif (
            len(tokens) > 3
            and tokens[0] == ("o", "(")
            and tokens[1][0] == "v"
            and tokens[1][1].isupper()
            and tokens[1][1].lower() in _CHOICES
            and tokens[2] == ("o", ")")
        ):
            rest = tokens[3:]
        else:
            return None
        while rest and rest[0] in (("o", "\\quad"), ("o", ":"), ("o", ")")):
            rest = rest[1:]
        if rest and rest[0] == ("o", "-"):
            raise NotUnderstood("(C) - 5 may be a choice or a difference")
        if not rest or rest[0][0] == "o" and rest[0][1] not in _OPEN:
            return None
        if rest[0] == ("o", "(") and tokens[0][0] == "o":
            return None  # (A)(B), a product
        letter = tokens[0][1] if tokens[0][0] == "t" else tokens[1][1].lower()
        return Choice(letter, self.whole(rest))

    def spaced(self, tokens: Sequence[Token]) -> Value:
        """Parts with a wide space between them: several relations, or something and its unit."""
        parts = [part for part, _ in _split(tokens, _GAPS) if part]
        parts = [part[:-1] if part[-1] in (("o", ","), ("t", "and")) else part for part in parts]
        parts = [part[1:] if part[:1] == [("t", "and")] else part for part in parts if part]
        if len(parts) > 1 and all(any(text in _RELATIONS for _, text in part) for part in parts):
            return self.collection("list", parts)
        if len(parts) == 1 or len(parts) == 2 and all(kind == "t" for kind, _ in parts[1]):
            return self.whole([token for part in parts for token in part])
        raise NotUnderstood("parts with nothing but space between them")

    def collection(self, kind: str, parts: Sequence[Sequence[Token]]) -> Group:
        items: list[Value] = []
        for part in parts:
            value = self.relation(part)
            if isinstance(value, Group) and value.kind == "list":
                items.extend(value.items)  # both signs of a plus-minus
            else:
                items.append(value)
        return Group(kind, tuple(items))

    def relation(self, tokens: Sequence[Token]) -> Value:
        self.depth += 1
        if self.depth > formula.MAX_DEPTH:
            raise TooComplex("nested too deep")
        parts = list(_split(tokens, _RELATIONS))
        ops = tuple(op for _, op in parts[:-1])
        if len(parts) == 1:
            value = self.side(tokens)
        elif not parts[0][0] and ops == ("\\approx",):
            value = self.side(parts[1][0])
        else:
            label = _label(parts[0][0])
            sides = [self.side(part) for part, _ in parts]
            value = Relation(ops, tuple(sides), label)
        self.depth -= 1
        return value

    def side(self, tokens: Sequence[Token]) -> Value:
        if not tokens:
            raise NotUnderstood("nothing where a value should be")
        while (
            len(tokens) == 3 and tokens[0] == ("o", "(") and tokens[1][0] == "t" and tokens[2] == ("o", ")")
        ):
            tokens = tokens[1:-1]
        if all(kind == "t" for kind, _ in tokens):
            return _words(" ".join(text for _, text in tokens))
        if tokens == [("v", "\\mathbbR")]:
            return _EVERY_NUMBER
        parts = [part for part, _ in _split(tokens, _UNION)]
        if len(parts) > 1:
            return Union(tuple(self.side(part) for part in parts))
        (first_kind, first), (last_kind, last) = tokens[0], tokens[-1]
        if first_kind == "b" and last_kind == "e":
            return self.matrix(tokens[1:-1])
        if tokens[0] == ("c", "\\emptyset") and len(tokens) == 1:
            return Group("set", ())
        if first in _OPEN and last in _CLOSE and first_kind == last_kind == "o":
            group = self.brackets(first, tokens[1:-1], last)
            if group is not None:
                return group
        if any(text in ("\\pm", "\\mp") for _, text in tokens):
            return Group("list", (self.scalar(tokens, 1), self.scalar(tokens, -1)))
        return self.scalar(tokens, 1)

    def brackets(self, first: str, inner: Sequence[Token], last: str) -> Group | None:
        """The group that one pair of brackets makes, or None where the brackets only set off a formula."""
        try:
            parts = [part for part, _ in _split(inner, _COMMAS)]
        except NotUnderstood:
            return None  # (a)(b): the first bracket is not closed by the last
        if first == "\\{" and last == "\\}":
            if any(text in (":", "|", "\\mid") for _, text in inner):
                raise NotUnderstood("a set given by a condition")
            return self.collection("set", parts if inner else [])
        if first == "\\{" or last == "\\}" or len(parts) == 1:
            return None
        kind = _OPEN[first] + _CLOSE[last]
        group = self.collection(kind, parts)
        # Only two values make an interval; longer square brackets are a way to write a tuple.
        return replace(group, kind="()") if kind == "[]" and len(group.items) != 2 else group

    def matrix(self, tokens: Sequence[Token]) -> Matrix:
        rows = [part for part, _ in _split(tokens, _ROWS)]
        if rows and not rows[-1]:
            rows.pop()
        return Matrix(tuple(tuple(self.side(cell) for cell, _ in _split(row, _COLUMNS)) for row in rows))

    def scalar(self, tokens: Sequence[Token], sign: int) -> Scalar:
        if len(tokens) == 1 and tokens[0][0] == "N":
            return self.plain_number(tokens[0][1])
        tokens, modulus = self.modulus(tokens)
        sum_of_units = self.compound(tokens)
        if sum_of_units is not None:
            return sum_of_units
        body, unit_text, percent = peel(tokens)
        ratio = [part for part, _ in _split(body, _RATIO)]
        if len(ratio) == 2:
            upper, lower = (self.form(part, sign) for part in ratio)
            return Scalar(None if upper is None or lower is None or not lower.num else upper / lower)
        base = None
        if len(body) > 2 and body[-3][0] == "n" and body[-2:-1] == [("o", "_")]:
            body, base = body[:-2], _base([body[-1]])
        elif len(body) > 4 and body[-5][0] == "n" and body[-4:-2] == [("o", "_"), ("o", "{")]:
            body, base = body[:-4], _base([body[-2]])
        if base is not None and len([t for t in body if t != ("o", "-")]) != 1:
            raise NotUnderstood("arithmetic with numbers in a base")
        return Scalar(
            self.form(body, sign),
            None if unit_text is None else unit(unit_text),
            percent,
            base,
            modulus,
            _word(body),
            maybe_length=self.maybe_length(body) if unit_text is None else None,
            maybe_product=self.form(body, sign, names=False) if _has_names(body) else None,
        )

    def modulus(self, tokens: Sequence[Token]) -> tuple[Sequence[Token], Fractional | None]:
        r"""What stands before `\pmod 7`, and 7; None where there is no modulus."""
        at = next((at for at, token in enumerate(tokens) if token == ("c", "\\pmod")), None)
        if at is None:
            return tokens, None
        body = list(tokens[:at])
        rest = list(tokens[at + 1 :])
        if body and body[-1] == ("o", "(") and rest and rest[-1] == ("o", ")"):
            body, rest = body[:-1], rest[:-1]
        form = self.form(rest, 1)
        if not body or form is None or form.rational is None:
            raise NotUnderstood("a modulus that is no number")
        return body, form

    def compound(self, tokens: Sequence[Token]) -> Scalar | None:
        """`5 hours 30 minutes`: numbers with units of one dimension, the larger first, as one quantity."""
        if len(tokens) not in (4, 6) or any(
            kind != ("n", "t")[at % 2] for at, (kind, _) in enumerate(tokens)
        ):
            return None
        units = [unit(text) for _, text in tokens[1::2]]
        if len({u.dimension for u in units}) > 1 or units[0].dimension is None:
            raise Prose("quantities beside each other")
        if any(a.factor <= b.factor for a, b in zip(units, units[1:], strict=False)):
            raise Prose("quantities beside each other")
        total = algebra.number(0)
        for (_, text), u in zip(tokens[::2], units, strict=True):
            total = total + algebra.number(formula.decimal(text) * u.factor / units[-1].factor)
        return Scalar(total, units[-1])

    def maybe_length(self, body: Sequence[Token]) -> Scalar | None:
        """The reading of `10 m`, `10 m/s` or `\\frac{1}{2} g` in which the final letters are a unit."""
        if len(body) < 2 or body[-1][0] != "v" or body[-1][1] not in _SOFT_UNITS:
            return None
        head, text = body[:-1], body[-1][1].lower()
        if len(head) > 2 and head[-1] == ("o", "/") and head[-2][0] == "v" and head[-2][1] in _SOFT_UNITS:
            head, text = head[:-2], f"{head[-2][1].lower()}/{text}"
        form = self.form(head, 1)
        return None if form is None or form.atoms() else Scalar(form, unit(text))

    def plain_number(self, text: str) -> Scalar:
        value = formula.read([("N", text)])
        if "." in text:
            return Scalar(value)
        numbers = tuple(Scalar(formula.read([("n", part)])) for part in text.split(","))
        return Scalar(value, maybe_list=Group("list", numbers))

    def form(self, tokens: Sequence[Token], sign: int, names: bool = True) -> Fractional | None:
        if len(tokens) > 2 and ("v", "\\infty") in tokens:
            return None  # nothing cancels against infinity
        try:
            return formula.read(tokens, sign, names)
        except (NotUnderstood, TooComplex, Undefined):
            return None


def _label(tokens: Sequence[Token]) -> str | None:
    r"""The name on the left of "x =", "x_1 =", "f(x) =", "AB =", "(x,y) =", "|AB| =", "\\angle ABC =".

    None where there is a formula instead.
    """
    if not 0 < len(tokens) <= 12:
        return None
    text = "".join(text for _, text in tokens)
    kinds = {kind for kind, _ in tokens}
    if kinds <= {"v"} or (tokens[0][0] == "v" and len(tokens) > 1 and tokens[1][1] in ("_", "(", "'")):
        plain = all(t[0] in "vn" or t[1] in ("_", "(", ")", ",", "'", "{", "}") for t in tokens)
        return text.replace("{", "").replace("}", "") if plain else None
    inside = tokens[1:-1]
    if len(tokens) > 4 and tokens[0] == ("o", "(") and tokens[-1] == ("o", ")"):
        plain = all((kind == "v", text == ",")[at % 2] for at, (kind, text) in enumerate(inside))
        letters = [text for _, text in inside[::2]]
        # "(y,x) = (1,2)" is the point (2,1) of those who leave the names out
        alphabetical = letters == sorted(letters) or any(letter.startswith("\\") for letter in letters)
        return text if plain and alphabetical and len(inside) % 2 else None
    if tokens[0] in (("o", "|"), ("o", "[")) and len(inside) > 1 and all(map(formula.is_capital, inside)):
        return text if tokens[-1] == ("o", {"|": "|", "[": "]"}[tokens[0][1]]) else None
    named = [t for t in tokens if t not in (("c", "\\angle"), ("c", "\\overline"), ("o", "{"), ("o", "}"))]
    if len(named) < len(tokens) and named and all(map(formula.is_capital, named)):
        return text.replace("{", "").replace("}", "")
    return text if kinds == {"t"} else None


def _words(text: str) -> Value:
    """Words, or what they name: a numeral, all real numbers, no solution."""
    if text in _NUMERALS:
        return Scalar(algebra.number(_NUMERALS[text]), word=text)
    if text in _EVERYTHING:
        return _EVERY_NUMBER
    return Group("set", ()) if text in _NOTHING else Words(text)


_INFINITY = algebra.symbol("\\infty")
_EVERY_NUMBER = Group("()", (Scalar(-_INFINITY), Scalar(_INFINITY)))


def _has_names(body: Sequence[Token]) -> bool:
    """Whether capitals stand side by side in it, so that they may be a name or a product."""
    return any(formula.is_capital(a) and formula.is_capital(b) for a, b in zip(body, body[1:], strict=False))


def _base(tokens: Sequence[Token]) -> int:
    kind, text = tokens[0]
    if kind != "n" or not text.isdigit() or not 2 <= int(text[:3]) <= 36:
        raise NotUnderstood("a subscript that is not a base")
    return int(text)


def _word(tokens: Sequence[Token]) -> str | None:
    """Letters only, such as `A` or `xyz`: the word that \\text{...} around them would make."""
    if all(kind == "v" and len(text) == 1 for kind, text in tokens):
        return "".join(text for _, text in tokens).lower()
    if len(tokens) == 3 and tokens[0][1] == "(" and tokens[2][1] == ")" and tokens[1][0] == "v":
        return tokens[1][1].lower()
    return None
