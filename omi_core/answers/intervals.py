r"""Intervals with rational or infinite ends, and the inequalities that describe them, in one canonical form.

`(1,3]`, `1 < x \le 3` and `(1,2] \cup [2,3]` come out the same; ends that are not rational are left alone.
"""

from __future__ import annotations

from fractions import Fraction

from omi_core.answers import algebra
from omi_core.answers.values import Group, Relation, Scalar, Union, Value

# (low, low is open, high, high is open) with None for an infinite end; sorted, disjoint, not touching
Piece = tuple[Fraction | None, bool, Fraction | None, bool]

_LESS = {"<": True, "\\le": False}
_GREATER = {">": True, "\\ge": False}


def _end(value: Value) -> tuple[Fraction | None, int] | None:
    """(number, 0), or (None, sign) for an infinite end; None for anything else."""
    if not isinstance(value, Scalar) or value.form is None or value.unit or value.percent or value.base:
        return None
    if value.form.rational is not None:
        return value.form.rational, 0
    if value.form.den is None and len(value.form.num) == 1:
        ((monomial, coefficient),) = value.form.num.items()
        if monomial == {("\\infty", 1)} and abs(coefficient) == 1:
            return None, int(coefficient)
    return None


def _piece(low: Value, low_open: bool, high: Value, high_open: bool) -> Piece | None:
    bottom, top = _end(low), _end(high)
    if bottom is None or top is None or bottom[1] > 0 or top[1] < 0:
        return None
    if bottom[0] is not None and top[0] is not None and bottom[0] >= top[0]:
        return None
    return (bottom[0], low_open or bottom[0] is None, top[0], high_open or top[0] is None)


def _merged(pieces: list[Piece]) -> tuple[Piece, ...]:
    def start(piece: Piece) -> tuple[bool, Fraction, bool]:
        return (piece[0] is not None, piece[0] or Fraction(0), piece[1])

    merged: list[Piece] = []
    for piece in sorted(pieces, key=start):
        if merged:
            low, low_open, high, high_open = merged[-1]
            touches = (
                high is None
                or piece[0] is None
                or piece[0] < high
                or (piece[0] == high and not (high_open and piece[1]))
            )
            if touches:
                if high is not None and (piece[2] is None or piece[2] > high):
                    high, high_open = piece[2], piece[3]
                elif piece[2] == high:
                    high_open = high_open and piece[3]
                merged[-1] = (low, low_open, high, high_open)
                continue
        merged.append(piece)
    return tuple(merged)


def canonical(value: Value) -> tuple[Piece, ...] | None:
    """The pieces of an interval, of a union of intervals, or of inequalities in one letter joined by a word.

    None where an end is not rational or infinite.
    """
    if isinstance(value, Group) and value.kind in ("or", "and"):
        return _joined(value)
    parts = value.parts if isinstance(value, Union) else (value,)
    pieces: list[Piece] = []
    for part in parts:
        if not isinstance(part, Group) or len(part.items) != 2 or part.kind not in ("()", "(]", "[)", "[]"):
            return None
        piece = _piece(part.items[0], part.kind[0] == "(", part.items[1], part.kind[1] == ")")
        if piece is None:
            return None
        pieces.append(piece)
    return _merged(pieces)


def _joined(group: Group) -> tuple[Piece, ...] | None:
    found = [of_inequality(item) for item in group.items]
    if any(pieces is None for pieces in found) or len({letter_of(item) for item in group.items}) > 1:
        return None
    if group.kind == "or":
        return _merged([piece for pieces in found for piece in pieces or ()])
    shared = list(found[0] or ())
    for pieces in found[1:]:
        shared = [both for a in shared for b in pieces or () if (both := _shared(a, b)) is not None]
    return _merged(shared)


def _shared(a: Piece, b: Piece) -> Piece | None:
    """What two pieces have in common; a single point, or nothing, is None."""
    low = max(a[:2], b[:2], key=lambda end: (end[0] is not None, end[0] or Fraction(0), end[1]))
    high = min(a[2:], b[2:], key=lambda end: (end[0] is None, end[0] or Fraction(0), not end[1]))
    if low[0] is not None and high[0] is not None and low[0] >= high[0]:
        return None
    return (*low, *high)


def letter_of(value: Value) -> str | None:
    """The one letter that an inequality, or inequalities joined by a word, are about."""
    if isinstance(value, Group):
        names = {letter_of(item) for item in value.items}
        return names.pop() if len(names) == 1 else None
    return letter(value) if isinstance(value, Relation) else None


def of_inequality(value: Value) -> tuple[Piece, ...] | None:
    """As `of_relation`, for any value."""
    return of_relation(value) if isinstance(value, Relation) else None


def letter(relation: Relation) -> str | None:
    """The one letter that a relation is about."""
    names = {
        name
        for side in relation.sides
        if isinstance(side, Scalar) and side.form is not None
        for name in side.form.atoms() - {"\\infty"}
    }
    return names.pop() if len(names) == 1 else None


def of_relation(relation: Relation) -> tuple[Piece, ...] | None:
    r"""The interval that `x > 3`, `3 < x` or `1 < x \le 2` describes; None for other relations."""
    name = letter(relation)
    ops, sides = relation.ops, relation.sides
    if ops == ("\\ne",) and name is not None and _is_letter(sides[0], name):
        pieces = (_piece(_MINUS_INFINITY, True, sides[1], True), _piece(sides[1], True, _INFINITY, True))
        return None if pieces[0] is None or pieces[1] is None else (pieces[0], pieces[1])
    if all(op in _GREATER for op in ops):
        ops, sides = tuple("<" if op == ">" else "\\le" for op in reversed(ops)), sides[::-1]
    if name is None or not ops or not all(op in _LESS for op in ops):
        return None
    at = next((k for k, side in enumerate(sides) if _is_letter(side, name)), None)
    if at is None or len(sides) > 3 or (len(sides) == 3 and at != 1):
        return None
    low, low_open = (sides[at - 1], _LESS[ops[at - 1]]) if at else (_MINUS_INFINITY, True)
    high, high_open = (sides[at + 1], _LESS[ops[at]]) if at < len(ops) else (_INFINITY, True)
    piece = _piece(low, low_open, high, high_open)
    return None if piece is None else (piece,)


def _is_letter(value: Value, name: str) -> bool:
    if not isinstance(value, Scalar) or value.form is None or value.unit:
        return False
    return value.form.den is None and value.form.num == {frozenset({(name, 1)}): 1}


_INFINITY = Scalar(algebra.symbol("\\infty"))
_MINUS_INFINITY = Scalar(-algebra.symbol("\\infty"))
