r"""An answer string to a `Value`: separators, relations, brackets, matrices, units, then formulas.

`read_answer` never raises and never takes longer than the limits of `tokens` and `algebra` allow. What it
does not understand comes back as a `Scalar` without form, or as None for the whole, and is left to the
workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from omi_core.answers import formula
from omi_core.answers.algebra import Form, TooComplex, Undefined
from omi_core.answers.formula import NotUnderstood
from omi_core.answers.tokens import Token, tokenize
from omi_core.answers.units import unit
from omi_core.answers.values import Group, Matrix, Relation, Scalar, Union, Value, Words

_RELATIONS = frozenset({"=", "<", ">", "\\le", "\\ge", "\\ne", "\\approx", "\\in"})
_OPEN = {"(": "(", "[": "[", "\\{": "{"}
_CLOSE = {")": ")", "]": "]", "\\}": "}"}
_SOFT_UNITS = frozenset("mgshlL")
_SYMBOL_UNITS = {"\\$": "$"}


class _Prose(NotUnderstood):
    """Words and formulas mixed: "10 + John's age"."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a string: `tokens` None where it is not mathematics, `value` None where not understood.

    `hopeless` says that no other step should try the string: a limit stopped the reading, or it is prose.
    """

    tokens: tuple[Token, ...] | None
    value: Value | None
    hopeless: bool


def read_answer(answer: str) -> Reading:
    """Read one answer. Never raises."""
    tokens = tokenize(answer)
    if tokens is None:
        return Reading(None, None, False)
    reader = _AnswerReader()
    try:
        value = reader.whole(tokens)
    except (TooComplex, _Prose):
        return Reading(tokens, None, True)
    except (NotUnderstood, Undefined):
        value = None
    return Reading(tokens, value, reader.hopeless)


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
_RATIO = frozenset({":"})
_UNION = frozenset({"\\cup"})
_ROWS = frozenset({"\\\\"})
_COLUMNS = frozenset({"&"})


class _AnswerReader:
    def __init__(self) -> None:
        self.depth = 0
        self.hopeless = False

    def whole(self, tokens: Sequence[Token]) -> Value:
        if tokens and all(kind == "t" for kind, _ in tokens):
            return Words(" ".join(text for _, text in tokens))
        parts = [part for part, _ in _split(tokens, _LISTS)]
        # ", and" leaves an empty part between the two separators
        parts = [part for part in parts if part] if len(parts) > 2 else parts
        if len(parts) == 1:
            return self.relation(parts[0])
        return self.collection("list", parts)

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
            return Words(" ".join(text for _, text in tokens))
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
        return Matrix(
            tuple(tuple(self.side(cell) for cell, _ in _split(row, _COLUMNS)) for row in rows),
        )

    def scalar(self, tokens: Sequence[Token], sign: int) -> Scalar:
        if len(tokens) == 1 and tokens[0][0] == "N":
            return self.plain_number(tokens[0][1])
        body, unit_text, percent = _peel(tokens)
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
            _word(body),
            maybe_length=self.maybe_length(body) if unit_text is None else None,
        )

    def maybe_length(self, body: Sequence[Token]) -> Scalar | None:
        """The reading of `10 m` or `\\frac{1}{2} g` in which the final letter is a unit."""
        if len(body) < 2 or body[-1][0] != "v" or body[-1][1] not in _SOFT_UNITS:
            return None
        form = self.form(body[:-1], 1)
        return None if form is None or form.atoms() else Scalar(form, unit(body[-1][1].lower()))

    def plain_number(self, text: str) -> Scalar:
        value = formula.read([("N", text)])
        if "." in text:
            return Scalar(value)
        numbers = tuple(Scalar(formula.read([("n", part)])) for part in text.split(","))
        return Scalar(value, maybe_list=Group("list", numbers))

    def form(self, tokens: Sequence[Token], sign: int) -> Form | None:
        try:
            return formula.read(tokens, sign)
        except (NotUnderstood, Undefined):
            return None
        except TooComplex:
            self.hopeless = True
            return None


def _label(tokens: Sequence[Token]) -> str | None:
    """The name on the left of "x =", "x_1 =", "f(x) =", "AB ="; None where there is a formula instead."""
    if not 0 < len(tokens) <= 8:
        return None
    text = "".join(text for _, text in tokens)
    kinds = {kind for kind, _ in tokens}
    if kinds <= {"v"} or (tokens[0][0] == "v" and len(tokens) > 1 and tokens[1][1] in ("_", "(", "'")):
        plain = all(t[0] in "vn" or t[1] in ("_", "(", ")", ",", "'", "{", "}") for t in tokens)
        return text.replace("{", "").replace("}", "") if plain else None
    return text if kinds == {"t"} else None


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


def _peel(tokens: Sequence[Token]) -> tuple[list[Token], str | None, bool]:
    r"""The formula, its unit and whether it is a percentage: `\$5`, `5\%`, `5 \text{ cm}^2`, `5^\circ`."""
    body = list(tokens)
    unit_text: str | None = None
    for at in (0, 1):
        if len(body) > at and body[at][1] in _SYMBOL_UNITS and (at == 0 or body[0][1] == "-"):
            unit_text = _SYMBOL_UNITS[body[at][1]]
            del body[at]
            break
    first = next((at for at, (kind, _) in enumerate(body) if kind == "t"), None)
    if first is not None and (first or unit_text is None):
        tail = body[first:]
        if first == 0 and body[0][1] in "€£":
            body, tail = body[1:], body[:1]
        elif all(kind in "tn" or text in ("^", "{", "}", "/", "*", "-") for kind, text in tail):
            body = body[:first]
        else:
            raise _Prose("words inside a formula")
        words = [text for kind, text in tail if kind != "o" or text not in "{}"]
        if unit_text is None and words[0] not in ("percent", "percentage"):
            unit_text = " ".join(words).replace(" ^ ", "^").replace(" / ", "/")
        elif words[0].startswith("percent"):
            return body, None, True
    if body and body[-1] == ("o", "%"):
        return body[:-1], unit_text, True
    if body[-2:] == [("o", "^"), ("c", "\\circ")]:
        return body[:-2], "°", False
    if body[-4:] == [("o", "^"), ("o", "{"), ("c", "\\circ"), ("o", "}")]:
        return body[:-4], "°", False
    return body, unit_text, False
