r"""Numbers and formulas compared: units, bases, percent signs, letter case and tolerance, then exact
arithmetic.

Verdicts as in `compare.py`: None means "ask a worker".
"""

from __future__ import annotations

from dataclasses import replace

from omi_core.answers import algebra, enclosure
from omi_core.answers.algebra import Form
from omi_core.answers.policy import Policy, Verdict
from omi_core.answers.units import Unit
from omi_core.answers.values import Scalar

EQUAL, NOT_EQUAL, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN
Answer = Verdict | None

_RADIANS_PER_DEGREE = algebra.symbol("\\pi") * algebra.number(180).inverse()


def compare_scalars(a: Scalar, b: Scalar, policy: Policy) -> Answer:
    if a.base is not None or b.base is not None:
        return _bases(a, b, policy)
    if a.maybe_length is not None and b.unit is not None:
        a = a.maybe_length
    elif b.maybe_length is not None and a.unit is not None:
        b = b.maybe_length
    if a.form is None or b.form is None:
        return UNKNOWN if a.unit != b.unit and a.unit and b.unit else None
    if a.percent or b.percent:
        return _percent(a, b, policy)
    if policy.units == "ignore" or a.unit == b.unit:
        verdict = _forms(a.form, b.form, policy)
    elif a.unit and b.unit:
        return _two_units(a.form, a.unit, b.form, b.unit, policy)
    else:
        verdict = _one_unit(a, b, policy)
    if verdict is NOT_EQUAL and policy.units != "strict":
        for soft, other in ((a, b), (b, a)):
            if soft.maybe_length is not None and _forms_of(soft.maybe_length, other, policy) is EQUAL:
                return UNKNOWN  # `10 m` beside `10`: a length or a product, and nothing here can tell
    return verdict


def _forms_of(a: Scalar, b: Scalar, policy: Policy) -> Answer:
    return None if a.form is None or b.form is None else _forms(a.form, b.form, policy)


def _bases(a: Scalar, b: Scalar, policy: Policy) -> Answer:
    if a.form is None or b.form is None:
        return None
    if a.base != b.base and (policy.bases == "strict" or (a.base is not None and b.base is not None)):
        return NOT_EQUAL
    return _forms(a.form, b.form, policy)


def _percent(a: Scalar, b: Scalar, policy: Policy) -> Answer:
    plain = compare_scalars(replace(a, percent=False), replace(b, percent=False), policy)
    if (a.percent and b.percent) or policy.percent == "drop" or plain is UNKNOWN:
        return plain
    hundredth = algebra.number(100).inverse()
    values = [
        replace(s, form=s.form * hundredth if s.percent and s.form else s.form, percent=False) for s in (a, b)
    ]
    scaled = compare_scalars(values[0], values[1], policy)
    if policy.percent == "value" or scaled is EQUAL:
        return scaled
    return scaled if plain is NOT_EQUAL else plain


def _two_units(a: Form, unit_a: Unit, b: Form, unit_b: Unit, policy: Policy) -> Answer:
    if unit_a.dimension is None or unit_b.dimension is None:
        return UNKNOWN
    if unit_a.dimension != unit_b.dimension:
        # "units" is what problems without a named unit say: `5 units` is then `5 cm`, but not shown to be
        generic = "length unit" in (unit_a.dimension[0], unit_b.dimension[0])
        return UNKNOWN if generic else NOT_EQUAL
    return _forms(a * algebra.number(unit_a.factor), b * algebra.number(unit_b.factor), policy)


def _one_unit(a: Scalar, b: Scalar, policy: Policy) -> Answer:
    assert a.form is not None and b.form is not None
    if policy.units == "strict":
        return NOT_EQUAL
    verdict = _forms(a.form, b.form, policy)
    with_unit, bare = (a, b) if a.unit else (b, a)
    assert with_unit.unit and with_unit.form is not None and bare.form is not None
    if verdict is NOT_EQUAL and with_unit.unit.dimension == ("angle", 1):
        return _forms(with_unit.form * _RADIANS_PER_DEGREE, bare.form, policy)
    return verdict


def _forms(a: Form, b: Form, policy: Policy) -> Answer:
    equal = algebra.same(a, b)
    if equal is None:
        equal = False if enclosure.differ(a, b) else None
    if equal is False and policy.tolerance and _close(a, b, policy):
        return EQUAL
    if equal is False and policy.fold_case:
        folded = _fold(a, b)
        if folded is not None:
            return _forms(*folded, replace(policy, fold_case=False))
    return None if equal is None else (EQUAL if equal else NOT_EQUAL)


def _close(a: Form, b: Form, policy: Policy) -> bool:
    x, y = a.rational, b.rational
    if x is not None and y is not None:
        return abs(x - y) <= policy.tolerance * max(abs(x), abs(y))
    try:
        (ca, ra), (cb, rb) = enclosure.enclose(a), enclosure.enclose(b)
    except enclosure.NoBall:
        return False
    return abs(ca - cb) + ra + rb <= float(policy.tolerance) * max(abs(ca), abs(cb))


def _fold(a: Form, b: Form) -> tuple[Form, Form] | None:
    """Both forms with single letters in lower case, if the letters differ and no side uses both cases."""
    names_a, names_b = a.atoms(), b.atoms()
    if names_a == names_b or a.opaque or b.opaque:
        return None
    sides = [{name.lower() for name in names} for names in (names_a, names_b)]
    if sides[0] != sides[1] or len(sides[0]) != len(names_a) or len(sides[1]) != len(names_b):
        return None
    return _lower(a), _lower(b)


def _lower(form: Form) -> Form:
    def poly(p: algebra.Poly) -> algebra.Poly:
        return {
            frozenset((atom.lower() if isinstance(atom, str) else atom, e) for atom, e in m): c
            for m, c in p.items()
        }

    return Form(poly(form.num), None if form.den is None else poly(form.den), form.opaque)
