r"""Verdicts that need no worker: two readings compared under a policy, by proof or by stated convention.

`compare_readings` answers EQUAL or NOT_EQUAL where that follows from exact arithmetic, from enclosures that
do not meet, or from the shapes under the policy; UNKNOWN where the question is settled as undecidable here
(units that cannot be converted, limits passed); and None where math-verify should be asked. The order of its
arguments does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omi_core.answers import intervals
from omi_core.answers.algebra import Form, TooComplex, Undefined
from omi_core.answers.policy import Policy, Verdict
from omi_core.answers.reading import Reading
from omi_core.answers.scalars import Answer, compare_scalars
from omi_core.answers.values import Group, Matrix, Relation, Scalar, Union, Value, Words

EQUAL, NOT_EQUAL, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN
_FLIPPED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}


def compare_readings(a: Reading, b: Reading, policy: Policy) -> Answer:
    """EQUAL, NOT_EQUAL, UNKNOWN, or None for "ask a worker"."""
    if a.tokens is not None and a.tokens == b.tokens:
        return EQUAL
    verdict = None
    if a.value is not None and b.value is not None:
        try:
            verdict = compare_values(a.value, b.value, policy)
        except TooComplex:
            return UNKNOWN
        except Undefined:
            verdict = None
    if verdict is None and (a.hopeless or b.hopeless):
        return UNKNOWN
    return verdict


def compare_values(a: Value, b: Value, policy: Policy) -> Answer:
    if isinstance(a, Relation) or isinstance(b, Relation):
        return _relations(a, b, policy)
    if isinstance(a, Words) or isinstance(b, Words):
        return _words(a, b)
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        return compare_scalars(a, b, policy)
    if isinstance(a, Union) or isinstance(b, Union):
        return _unions(a, b, policy)
    if isinstance(a, Matrix) and isinstance(b, Matrix):
        if [len(row) for row in a.rows] != [len(row) for row in b.rows]:
            return NOT_EQUAL
        return _in_order([x for row in a.rows for x in row], [x for row in b.rows for x in row], policy)
    if isinstance(a, Matrix) or isinstance(b, Matrix):
        return _matrix_and_other(a, b, policy)
    if isinstance(a, Group) and isinstance(b, Group):
        return _groups(a, b, policy)
    group, scalar = (a, b) if isinstance(a, Group) else (b, a)
    assert isinstance(group, Group) and isinstance(scalar, Scalar)
    return _group_and_scalar(group, scalar, policy)


# --- words


def _words(a: Value, b: Value) -> Answer:
    if isinstance(a, Words) and isinstance(b, Words):
        return EQUAL if _bare(a.text) == _bare(b.text) else NOT_EQUAL
    words, other = (a, b) if isinstance(a, Words) else (b, a)
    assert isinstance(words, Words)
    if isinstance(other, Scalar):
        if other.word is not None:
            return EQUAL if other.word == _bare(words.text) else NOT_EQUAL
        if set(words.text.split()) & _NUMBER_WORDS:
            return UNKNOWN
        return NOT_EQUAL if other.form is not None else None
    if isinstance(other, Group | Union) and len(words.text) > 1:
        return UNKNOWN  # "all real numbers", "no solution": true of some sets, and not read here
    return NOT_EQUAL


_NUMBER_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
    "million half third quarter dozen once twice".split()
)


def _bare(text: str) -> str:
    return " ".join(word for word in text.split() if word not in ("a", "an", "the") or text == word)


# --- collections


def _in_order(a: Sequence[Value], b: Sequence[Value], policy: Policy) -> Answer:
    if len(a) != len(b):
        return NOT_EQUAL
    return _all(compare_values(x, y, policy) for x, y in zip(a, b, strict=True))


def _all(verdicts: Iterable[Answer]) -> Answer:
    """NOT_EQUAL if any is; else None or UNKNOWN if any is; else EQUAL."""
    worst: Answer = EQUAL
    for verdict in verdicts:
        if verdict is NOT_EQUAL:
            return NOT_EQUAL
        if verdict is UNKNOWN or (verdict is None and worst is EQUAL):
            worst = verdict
    return worst


def _found(x: Value, candidates: Sequence[Value], policy: Policy) -> tuple[Answer, int]:
    """Whether `x` equals one of `candidates`, and which; undecided candidates leave it undecided."""
    open_verdict: Answer = NOT_EQUAL
    for at, y in enumerate(candidates):
        verdict = compare_values(x, y, policy)
        if verdict is EQUAL:
            return EQUAL, at
        if verdict is not NOT_EQUAL:
            open_verdict = verdict
    return open_verdict, -1


def _as_multisets(a: Sequence[Value], b: Sequence[Value], policy: Policy) -> Answer:
    if len(a) != len(b):
        return NOT_EQUAL
    left, open_verdict = list(b), EQUAL
    for x in a:
        verdict, at = _found(x, left, policy)
        if verdict is EQUAL:
            del left[at]
        elif verdict is NOT_EQUAL:
            return NOT_EQUAL
        else:
            open_verdict = verdict
    return open_verdict


def _as_sets(a: Sequence[Value], b: Sequence[Value], policy: Policy) -> Answer:
    return _all([*(_found(x, b, policy)[0] for x in a), *(_found(y, a, policy)[0] for y in b)])


def _groups(a: Group, b: Group, policy: Policy) -> Answer:
    if len(a.items) * len(b.items) > 2500:
        return UNKNOWN
    kinds = {a.kind, b.kind}
    if kinds == {"list"} and not policy.ordered_lists:
        return _as_multisets(a.items, b.items, policy)
    if kinds <= {"list", "set"} and "set" in kinds:
        return _as_sets(a.items, b.items, policy)
    if len(kinds) == 1:
        return _in_order(a.items, b.items, policy)
    if "set" in kinds:
        tuples = kinds == {"set", "()"} and policy.set_equals_tuple
        return _in_order(a.items, b.items, policy) if tuples else NOT_EQUAL
    if "list" in kinds:
        bare = "()" in kinds and policy.bare_tuples
        return _in_order(a.items, b.items, policy) if bare else NOT_EQUAL
    return _in_order(a.items, b.items, policy) if policy.interval_ends == "ignore" else NOT_EQUAL


def _matrix_and_other(a: Value, b: Value, policy: Policy) -> Answer:
    """A vector may be what `(1,2)` means, if the entries agree; nothing else equals a matrix."""
    matrix, other = (a, b) if isinstance(a, Matrix) else (b, a)
    assert isinstance(matrix, Matrix)
    if isinstance(other, Scalar):
        return NOT_EQUAL if other.form is not None else None
    if not isinstance(other, Group):
        return NOT_EQUAL
    if len(matrix.rows) > 1 and any(len(row) > 1 for row in matrix.rows):
        return NOT_EQUAL
    verdict = _in_order([x for row in matrix.rows for x in row], other.items, policy)
    return NOT_EQUAL if verdict is NOT_EQUAL else None


def _group_and_scalar(group: Group, scalar: Scalar, policy: Policy) -> Answer:
    if scalar.maybe_list is not None and group.kind == "list":
        return _groups(group, scalar.maybe_list, policy)
    if group.kind == "set" and len(group.items) == 1:
        return compare_values(group.items[0], scalar, policy) if policy.singleton_sets else NOT_EQUAL
    return NOT_EQUAL if scalar.form is not None else None


def _unions(a: Value, b: Value, policy: Policy) -> Answer:
    """Unions by their canonical intervals where all ends are rational, else part by part."""
    left, right = intervals.canonical(a), intervals.canonical(b)
    if left is not None and right is not None:
        return EQUAL if left == right else NOT_EQUAL
    if isinstance(a, Union) and isinstance(b, Union):
        verdict = _as_sets(a.parts, b.parts, policy)
        return EQUAL if verdict is EQUAL else None
    return NOT_EQUAL if isinstance(a, Scalar) or isinstance(b, Scalar) else None


# --- relations


def _relations(a: Value, b: Value, policy: Policy) -> Answer:
    if isinstance(a, Relation) and isinstance(b, Relation):
        return _two_relations(a, b, policy)
    relation, other = (a, b) if isinstance(a, Relation) else (b, a)
    assert isinstance(relation, Relation)
    value = assigned(relation)
    if value is not None:
        return (
            compare_values(value, other, policy)
            if policy.assignments or relation.label is None
            else NOT_EQUAL
        )
    if isinstance(other, Matrix) or (isinstance(other, Group | Union) and set(relation.ops) == {"="}):
        return NOT_EQUAL  # an equation describes a set, but not by listing it
    if isinstance(other, Group | Union):
        left, right = intervals.of_relation(relation), intervals.canonical(other)
        if left is None or right is None:
            return None
        return EQUAL if left == right else NOT_EQUAL
    if isinstance(other, Words):
        return None
    # An equation or an inequality is not a number.
    return NOT_EQUAL if isinstance(other, Scalar) and other.form is not None else None


def assigned(relation: Relation) -> Value | None:
    r"""The value of "x = 5", "f(x) = 2x", "x = 2+3 = 5", "2+3 = 5", "x \in [1,2]"; None for other relations.

    In a chain with an approximation the value is what stands before it.
    """
    sides, ops = list(relation.sides), list(relation.ops)
    while ops and ops[-1] == "\\approx" and (len(ops) > 1 or relation.label is None):
        sides.pop()
        ops.pop()
    if not ops:
        return sides[0]
    if any(op not in ("=", "\\approx", "\\in") for op in ops):
        return None
    if relation.label is not None:
        return sides[-1]
    if all(isinstance(s, Scalar) and s.form is not None and not s.form.atoms() for s in sides):
        return sides[-1] if all(compare_values(s, sides[-1], Policy()) is EQUAL for s in sides) else None
    return None


def _two_relations(a: Relation, b: Relation, policy: Policy) -> Answer:
    value_a, value_b = assigned(a), assigned(b)
    if value_a is not None and value_b is not None:
        same_label = a.label == b.label or (
            policy.fold_case
            and a.label is not None
            and b.label is not None
            and a.label.lower() == b.label.lower()
        )
        if same_label or a.label is None or b.label is None:
            return compare_values(value_a, value_b, policy)
        return _proportional(a, b) or NOT_EQUAL
    if {*a.ops, *b.ops} == {"="} and len(a.ops) == len(b.ops) == 1:
        return _proportional(a, b)
    if len(a.ops) == len(b.ops):
        for sides, ops in (
            (a.sides, a.ops),
            (a.sides[::-1], tuple(_FLIPPED.get(op, op) for op in a.ops[::-1])),
        ):
            if ops == b.ops and _in_order(sides, b.sides, policy) is EQUAL:
                return EQUAL
    left, right = intervals.of_relation(a), intervals.of_relation(b)
    if left is not None and right is not None:
        return EQUAL if left == right and intervals.letter(a) == intervals.letter(b) else NOT_EQUAL
    return None


def _proportional(a: Relation, b: Relation) -> Answer:
    """EQUAL if both equations say "the same polynomial is zero" up to a constant factor; else undecided."""
    differences: list[Form] = []
    for relation in (a, b):
        left, right = relation.sides[0], relation.sides[-1]
        if (
            not (isinstance(left, Scalar) and isinstance(right, Scalar))
            or left.form is None
            or right.form is None
        ):
            return None
        differences.append(left.form - right.form)
    first, second = differences
    if (
        first.den is not None
        or second.den is not None
        or first.num.keys() != second.num.keys()
        or not first.num
    ):
        return None
    ratios = {first.num[m] / second.num[m] for m in first.num}
    return EQUAL if len(ratios) == 1 else None
