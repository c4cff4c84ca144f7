r"""Verdicts that need no worker: two readings compared under a policy, by proof or by stated convention.

`compare_readings` answers EQUAL or NOT_EQUAL where that follows from exact arithmetic, from enclosures that
do not meet, from what a worker proved, or from the shapes under the policy; UNKNOWN where the question is
settled as undecidable here (units that cannot be converted, limits passed); and None where nothing decided
it, which is UNKNOWN, too, unless `rules.open` holds formulas that a worker could be asked about. The order of
its arguments does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from omi_core.answers import intervals
from omi_core.answers.algebra import TooComplex, Undefined
from omi_core.answers.policy import Verdict
from omi_core.answers.reader import Reading
from omi_core.answers.relations import compare_relations
from omi_core.answers.rules import Rules
from omi_core.answers.scalars import Answer, compare_scalars
from omi_core.answers.values import Choice, Group, Matrix, Relation, Scalar, Union, Value, Words

EQUAL, NOT_EQUAL, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN


def compare_readings(a: Reading, b: Reading, rules: Rules) -> Answer:
    """EQUAL, NOT_EQUAL, UNKNOWN, or None: not decided, see above."""
    if a.tokens is not None and a.tokens == b.tokens:
        return EQUAL
    if a.value is None or b.value is None:
        return UNKNOWN
    try:
        return compare_values(a.value, b.value, rules)
    except (TooComplex, Undefined):
        return UNKNOWN


def compare_values(a: Value, b: Value, rules: Rules) -> Answer:
    """As `compare_readings`, for what was read. Raises TooComplex or Undefined."""
    if isinstance(a, Choice) or isinstance(b, Choice):
        return _choices(a, b, rules)
    if isinstance(a, Relation) or isinstance(b, Relation):
        return compare_relations(a, b, rules, compare_values)
    if isinstance(a, Words) or isinstance(b, Words):
        return _words(a, b)
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        return compare_scalars(a, b, rules)
    if isinstance(a, Union) or isinstance(b, Union):
        return _unions(a, b, rules)
    if isinstance(a, Matrix) and isinstance(b, Matrix):
        if [len(row) for row in a.rows] != [len(row) for row in b.rows]:
            return NOT_EQUAL
        return _in_order([x for row in a.rows for x in row], [x for row in b.rows for x in row], rules)
    if isinstance(a, Matrix) or isinstance(b, Matrix):
        return _matrix_and_other(a, b, rules)
    if isinstance(a, Group) and isinstance(b, Group):
        return _groups(a, b, rules)
    group, scalar = (a, b) if isinstance(a, Group) else (b, a)
    assert isinstance(group, Group) and isinstance(scalar, Scalar)
    return _group_and_scalar(group, scalar, rules)


# --- words and marked choices


def _words(a: Value, b: Value) -> Answer:
    """Different words may say the same; they are different answers only where they are of one kind."""
    if isinstance(a, Words) and isinstance(b, Words):
        first, second = _bare(a.text), _bare(b.text)
        if first == second:
            return EQUAL
        if _CLOCK.fullmatch(first) and _CLOCK.fullmatch(second):
            return NOT_EQUAL
        return NOT_EQUAL if any(first in kind and second in kind for kind in _KINDS) else UNKNOWN
    words, other = (a, b) if isinstance(a, Words) else (b, a)
    assert isinstance(words, Words)
    text = _bare(words.text)
    if isinstance(other, Scalar) and other.word is not None:
        if other.word == text:
            return EQUAL
        return NOT_EQUAL if len(text) == 1 else UNKNOWN
    is_choice = len(text) == 1 and text.isalpha()
    if is_choice or any(text in kind for kind in _KINDS):
        return NOT_EQUAL if _is_number(other) or isinstance(other, Group | Union | Matrix) else UNKNOWN
    return UNKNOWN  # "infinitely many" may be a number, "all but two" a set


_CLOCK = re.compile("[0-9]{1,2}:[0-9]{2} [ap]m")
# Words of one kind, of which no two mean the same.
_KINDS = tuple(
    frozenset(kind.split())
    for kind in (
        "a b c d e f g h i j",
        "yes no",
        "true false",
        "even odd neither",
        "monday tuesday wednesday thursday friday saturday sunday",
        "january february march april may june july august september october november december",
        "red orange yellow green blue purple black white pink brown",
        "circle ellipse parabola hyperbola line point",
        "north south east west",
        "increasing decreasing constant",
        "convergent divergent",
        "converges diverges",
        "rational irrational",
        "left right",
    )
)


def _is_number(value: Value) -> bool:
    """Whether it is a number or a formula, which no set, tuple or matrix is; a letter may name anything."""
    if not isinstance(value, Scalar) or value.form is None:
        return False
    letters = value.form.atoms()
    return not letters or (not value.form.opaque and len(value.form.num) > 1)


def _bare(text: str) -> str:
    return " ".join(word for word in text.split() if word not in ("a", "an", "the") or text == word)


def _choices(a: Value, b: Value, rules: Rules) -> Answer:
    """A marked choice beside another, or beside a letter or a value alone: what both say must agree."""
    if isinstance(a, Choice) and isinstance(b, Choice):
        letters = EQUAL if a.letter == b.letter else NOT_EQUAL
        values = compare_values(a.value, b.value, rules)
        return letters if letters is values else UNKNOWN
    choice, other = (a, b) if isinstance(a, Choice) else (b, a)
    assert isinstance(choice, Choice)
    letter = other.text if isinstance(other, Words) else other.word if isinstance(other, Scalar) else None
    if letter is not None and len(letter) == 1 and letter.isalpha():
        return EQUAL if letter == choice.letter else NOT_EQUAL
    if isinstance(other, Scalar) and other.form is not None and other.form.atoms():
        return UNKNOWN  # `(B) 7` beside `7B`
    return compare_values(choice.value, other, rules)


# --- collections


def _in_order(a: Sequence[Value], b: Sequence[Value], rules: Rules) -> Answer:
    if len(a) != len(b):
        return NOT_EQUAL
    return _all(compare_values(x, y, rules) for x, y in zip(a, b, strict=True))


def _all(verdicts: Iterable[Answer]) -> Answer:
    """NOT_EQUAL if any is; else None or UNKNOWN if any is; else EQUAL."""
    worst: Answer = EQUAL
    for verdict in verdicts:
        if verdict is NOT_EQUAL:
            return NOT_EQUAL
        if verdict is UNKNOWN or (verdict is None and worst is EQUAL):
            worst = verdict
    return worst


def _found(x: Value, candidates: Sequence[Value], rules: Rules) -> tuple[Answer, int]:
    """Whether `x` equals one of `candidates`, and which; undecided candidates leave it undecided."""
    open_verdict: Answer = NOT_EQUAL
    for at, y in enumerate(candidates):
        verdict = compare_values(x, y, rules)
        if verdict is EQUAL:
            return EQUAL, at
        if verdict is not NOT_EQUAL:
            open_verdict = verdict
    return open_verdict, -1


def _as_multisets(a: Sequence[Value], b: Sequence[Value], rules: Rules) -> Answer:
    if len(a) != len(b):
        return NOT_EQUAL
    left, open_verdict = list(b), EQUAL
    for x in a:
        verdict, at = _found(x, left, rules)
        if verdict is EQUAL:
            del left[at]
        elif verdict is NOT_EQUAL:
            return NOT_EQUAL
        else:
            open_verdict = verdict
    return open_verdict


def _as_sets(a: Sequence[Value], b: Sequence[Value], rules: Rules) -> Answer:
    return _all([*(_found(x, b, rules)[0] for x in a), *(_found(y, a, rules)[0] for y in b)])


def _groups(a: Group, b: Group, rules: Rules) -> Answer:
    if len(a.items) * len(b.items) > 2500:
        return UNKNOWN
    kinds = {a.kind, b.kind}
    if kinds & {"or", "and"}:
        return _joined(a, b, rules)
    if kinds == {"list"} and not rules.policy.ordered_lists:
        verdict = _as_multisets(a.items, b.items, rules)
        if (
            verdict is EQUAL
            and _has_names(a) != _has_names(b)
            and _in_order(a.items, b.items, rules) is not EQUAL
        ):
            return UNKNOWN  # "x=1, y=2" beside "2, 1"
        return verdict
    if kinds <= {"list", "set"} and "set" in kinds:
        return _as_sets(a.items, b.items, rules)
    if len(kinds) == 1:
        return _in_order(a.items, b.items, rules)
    if "set" in kinds:
        tuples = kinds == {"set", "()"} and rules.policy.set_equals_tuple
        return _in_order(a.items, b.items, rules) if tuples else NOT_EQUAL
    if "list" in kinds:
        bare = "()" in kinds and rules.policy.bare_tuples
        return _in_order(a.items, b.items, rules) if bare else NOT_EQUAL
    return _in_order(a.items, b.items, rules) if rules.policy.interval_ends == "ignore" else NOT_EQUAL


def _has_names(group: Group) -> bool:
    """Whether its items say which is which: "x=1, y=2"."""
    labels = {item.label for item in group.items if isinstance(item, Relation)}
    return len(labels - {None}) > 1


def _joined(a: Group, b: Group, rules: Rules) -> Answer:
    """Inequalities joined by a word: by the pieces of the line that they describe, else one by one."""
    names = {name for name in (intervals.letter_of(a), intervals.letter_of(b)) if name is not None}
    left, right = intervals.canonical(a), intervals.canonical(b)
    if left is not None and right is not None and len(names) < 2:
        return EQUAL if left == right else NOT_EQUAL
    same = a.kind == b.kind and _as_sets(a.items, b.items, rules) is EQUAL
    return EQUAL if same else None


def _matrix_and_other(a: Value, b: Value, rules: Rules) -> Answer:
    """A column is the tuple of its entries; a row may be one, too; nothing else equals a matrix."""
    matrix, other = (a, b) if isinstance(a, Matrix) else (b, a)
    assert isinstance(matrix, Matrix)
    if isinstance(other, Scalar):
        single = [x for row in matrix.rows for x in row]
        if len(single) == 1:
            return None
        return NOT_EQUAL if _is_number(other) else None
    if not isinstance(other, Group):
        return NOT_EQUAL if isinstance(other, Union) else None
    if len(matrix.rows) > 1 and any(len(row) > 1 for row in matrix.rows):
        return NOT_EQUAL if all(_is_number(x) for x in other.items) else None
    if len(matrix.rows) > 1 and other.kind in ("[)", "(]", "[]"):
        return NOT_EQUAL
    verdict = _in_order([x for row in matrix.rows for x in row], other.items, rules)
    is_column = len(matrix.rows) > 1 and other.kind == "()"
    return verdict if verdict is NOT_EQUAL or is_column else None


def _group_and_scalar(group: Group, scalar: Scalar, rules: Rules) -> Answer:
    if scalar.maybe_list is not None and group.kind == "list":
        return _groups(group, scalar.maybe_list, rules)
    if group.kind == "set" and len(group.items) == 1:
        return compare_values(group.items[0], scalar, rules) if rules.policy.singleton_sets else NOT_EQUAL
    if any(isinstance(item, Scalar) and item.unit for item in group.items) and scalar.unit:
        return None  # "5 hours and 30 minutes" beside "5.5 hours"
    return NOT_EQUAL if _is_number(scalar) else None


def _unions(a: Value, b: Value, rules: Rules) -> Answer:
    """Unions by their canonical intervals where all ends are rational, else part by part."""
    left, right = intervals.canonical(a), intervals.canonical(b)
    if left is not None and right is not None:
        return EQUAL if left == right else NOT_EQUAL
    if isinstance(a, Union) and isinstance(b, Union):
        verdict = _as_sets(a.parts, b.parts, rules)
        return EQUAL if verdict is EQUAL else None
    return NOT_EQUAL if _is_number(a) or _is_number(b) else None
