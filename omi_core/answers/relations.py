r"""Equations, inequalities and assignments compared, with each other and with plain values.

"x = 5" is a 5 under the policy, and so is "2+3 = 5", whose sides are equal. Two equations are the same if one
is a multiple of the other; they are different if a point is found that solves one and not the other. An
equation without such a point, as one without real solutions, proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from omi_core.answers import intervals
from omi_core.answers.algebra import Fractional
from omi_core.answers.policy import Policy, Verdict
from omi_core.answers.rules import Rules
from omi_core.answers.scalars import Answer
from omi_core.answers.values import Group, Matrix, Relation, Scalar, Union, Value

EQUAL, NOT_EQUAL, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN
Compare = Callable[[Value, Value, Rules], Answer]
_FLIPPED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
_ASSIGNING = ("=", "\\approx", "\\in", "\\equiv")


def compare_relations(a: Value, b: Value, rules: Rules, compare: Compare) -> Answer:
    """A relation beside another, or beside any other value; `compare` is for their parts."""
    if isinstance(a, Relation) and isinstance(b, Relation):
        return _two_relations(a, b, rules, compare)
    relation, other = (a, b) if isinstance(a, Relation) else (b, a)
    assert isinstance(relation, Relation)
    value = assigned(relation, compare)
    if value is not None:
        if rules.policy.assignments or relation.label is None:
            return compare(value, other, rules)
        return NOT_EQUAL
    if isinstance(other, Matrix):
        return None
    if isinstance(other, Group | Union):
        left, right = intervals.of_relation(relation), intervals.canonical(other)
        if left is None or right is None:
            return None
        return EQUAL if left == right else NOT_EQUAL
    if isinstance(other, Scalar) and other.form is not None and not other.form.atoms():
        return _equation_and_number(relation, other.form)
    return None


def _equation_and_number(relation: Relation, number: Fractional) -> Answer:
    """An equation is not a number; but where the number is a side of it or solves it, it may be meant."""
    if set(relation.ops) != {"="}:
        return NOT_EQUAL if set(relation.ops) <= _FLIPPED.keys() else None
    forms = [side.form if isinstance(side, Scalar) else None for side in relation.sides]
    if len(forms) != 2 or any(form is None or form.opaque for form in forms):
        return None
    left, right = forms
    assert left is not None and right is not None
    if not left.atoms() and not right.atoms():
        return None  # "2+2=5": a statement, and a false one
    from omi_core.answers import witnesses  # with Arb, as in `scalars`

    if any(witnesses.is_zero(side - number) for side in (left, right)):
        return None  # "|x|=3" beside "3"
    return None if witnesses.solves(left - right, number) else NOT_EQUAL


def assigned(relation: Relation, compare: Compare) -> Value | None:
    r"""The value of "x = 5", "f(x) = 2x", "x = 2+3 = 5", "2+3 = 5", "x \in [1,2]"; None for other relations.

    All that follows the name must be equal, or it is not a value: "x = 1 y = 2". In a chain with an
    approximation the value is what stands before it.
    """
    sides, ops = list(relation.sides), list(relation.ops)
    while ops and ops[-1] == "\\approx" and (len(ops) > 1 or relation.label is None):
        sides.pop()
        ops.pop()
    if not ops:
        return sides[0]
    if any(op not in _ASSIGNING for op in ops):
        return None
    rules = Rules(Policy())
    if relation.label is not None:
        values = sides[1:]
    elif all(isinstance(s, Scalar) and s.form is not None and not s.form.atoms() for s in sides):
        values = sides
    else:
        return None
    return sides[-1] if all(compare(s, sides[-1], rules) is EQUAL for s in values[:-1]) else None


def _two_relations(a: Relation, b: Relation, rules: Rules, compare: Compare) -> Answer:
    value_a, value_b = assigned(a, compare), assigned(b, compare)
    if value_a is not None and value_b is not None:
        if a.label is None or b.label is None or _same_label(a.label, b.label, rules.policy):
            verdict = compare(value_a, value_b, rules)
            rounded = a.ops[-1] == b.ops[-1] == "\\approx"
            if verdict is EQUAL and rounded and compare(a.sides[-1], b.sides[-1], rules) is not EQUAL:
                return UNKNOWN  # the same value, and one of them rounded wrong
            return verdict
        return _equations(a, b)
    if {*a.ops, *b.ops} == {"="} and len(a.ops) == len(b.ops) == 1:
        return _equations(a, b)
    if len(a.ops) == len(b.ops):
        for sides, ops in (
            (a.sides, a.ops),
            (a.sides[::-1], tuple(_FLIPPED.get(op, op) for op in a.ops[::-1])),
        ):
            if ops == b.ops and all(
                compare(x, y, rules) is EQUAL for x, y in zip(sides, b.sides, strict=True)
            ):
                return EQUAL
    left, right = _described(a, value_a), _described(b, value_b)
    if left is not None and right is not None:
        return EQUAL if left == right and _subject(a) == _subject(b) else NOT_EQUAL
    return None


def _described(relation: Relation, value: Value | None) -> tuple[intervals.Piece, ...] | None:
    r"""The interval of an inequality or of `x \in [1,2)`."""
    if value is None:
        return intervals.of_relation(relation)
    return intervals.canonical(value) if relation.ops == ("\\in",) else None


def _subject(relation: Relation) -> str | None:
    return relation.label if relation.ops == ("\\in",) else intervals.letter(relation)


def _same_label(a: str, b: str, policy: Policy) -> bool:
    return a == b or (policy.fold_case and a.lower() == b.lower())


def _equations(a: Relation, b: Relation) -> Answer:
    """EQUAL if one is a multiple of the other, NOT_EQUAL if a point tells them apart; else undecided."""
    differences: list[Fractional] = []
    for relation in (a, b):
        left, right = relation.sides[0], relation.sides[-1]
        if (
            len(relation.sides) != 2
            or not (isinstance(left, Scalar) and isinstance(right, Scalar))
            or left.form is None
            or right.form is None
        ):
            return None
        differences.append(left.form - right.form)
    first, second = differences
    if _proportional(first, second):
        return EQUAL
    from omi_core.answers import witnesses

    return NOT_EQUAL if witnesses.tell_apart(first, second) else None


def _proportional(first: Fractional, second: Fractional) -> bool:
    if first.den is not None or second.den is not None or first.num.keys() != second.num.keys():
        return False
    return (
        bool(first.num)
        and bool(first.atoms())
        and len({first.num[m] / second.num[m] for m in first.num}) == 1
    )
