r"""Numbers and formulas compared: units, bases, percent signs, letter case and tolerance, then exact
arithmetic.

Verdicts as in `compare.py`: None means "not decided here". Arb, a tenth of a process's start, is imported by
the first pair that needs it.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from omi_core.answers import algebra
from omi_core.answers.algebra import Fractional
from omi_core.answers.policy import Verdict
from omi_core.answers.rules import Rules
from omi_core.answers.units import Unit
from omi_core.answers.values import Scalar

EQUAL, NOT_EQUAL, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN
Answer = Verdict | None

_RADIANS_PER_DEGREE = algebra.symbol("\\pi") * algebra.number(180).inverse()


def compare_scalars(a: Scalar, b: Scalar, rules: Rules) -> Answer:
    """EQUAL, NOT_EQUAL, UNKNOWN, or None where at most a worker can tell."""
    if a.modulus is not None or b.modulus is not None:
        return _congruent(a, b, rules)
    if a.base is not None or b.base is not None:
        return _bases(a, b, rules)
    if a.maybe_length is not None and b.unit is not None:
        a = a.maybe_length
    elif b.maybe_length is not None and a.unit is not None:
        b = b.maybe_length
    if a.form is None or b.form is None:
        return UNKNOWN if a.unit != b.unit and a.unit and b.unit else None
    if a.percent or b.percent:
        return _percent(a, b, rules)
    if rules.policy.units == "ignore" or a.unit == b.unit:
        verdict = _forms(a.form, b.form, rules)
    elif a.unit and b.unit:
        return _two_units(a.form, a.unit, b.form, b.unit, rules)
    else:
        verdict = _one_unit(a, b, rules)
    if verdict is NOT_EQUAL and rules.policy.units != "strict":
        for soft, other in ((a, b), (b, a)):
            if soft.maybe_length is not None and _forms_of(soft.maybe_length, other, rules) is EQUAL:
                return UNKNOWN  # `10 m` beside `10`: a length or a product, and nothing here can tell
    if verdict is NOT_EQUAL and (a.maybe_product is not None or b.maybe_product is not None):
        product = _forms(a.maybe_product or a.form, b.maybe_product or b.form, rules)
        return NOT_EQUAL if product is NOT_EQUAL else UNKNOWN  # `ABC` beside `BCA`: names or products
    if verdict is EQUAL and a.word and b.word and a.word != b.word and len(a.word) > 2:
        return UNKNOWN  # `abc` beside `cba`: products or words
    return verdict


def _congruent(a: Scalar, b: Scalar, rules: Rules) -> Answer:
    r"""Remainders: `12 \pmod 7` is `5 \pmod 7`; a number without a modulus must be the same one."""
    if a.form is None or b.form is None or a.form.rational is None or b.form.rational is None:
        return None
    difference = a.form.rational - b.form.rational
    moduli = [s.modulus.rational for s in (a, b) if s.modulus is not None]
    if any(modulus is None or modulus.denominator != 1 or modulus < 1 for modulus in moduli):
        return None
    if len(moduli) == 2 and moduli[0] != moduli[1]:
        return NOT_EQUAL if difference else UNKNOWN
    if not difference:
        return EQUAL
    if difference.denominator != 1 or difference % (moduli[0] or 1):
        return NOT_EQUAL
    return EQUAL if len(moduli) == 2 else UNKNOWN


def _forms_of(a: Scalar, b: Scalar, rules: Rules) -> Answer:
    return None if a.form is None or b.form is None else _forms(a.form, b.form, rules)


def _bases(a: Scalar, b: Scalar, rules: Rules) -> Answer:
    if a.form is None or b.form is None:
        return None
    if a.base != b.base and (rules.policy.bases == "strict" or (a.base is not None and b.base is not None)):
        return NOT_EQUAL
    return _forms(a.form, b.form, rules)


def _percent(a: Scalar, b: Scalar, rules: Rules) -> Answer:
    plain = compare_scalars(replace(a, percent=False), replace(b, percent=False), rules)
    if (a.percent and b.percent) or rules.policy.percent == "drop" or plain is UNKNOWN:
        return plain
    hundredth = algebra.number(100).inverse()
    values = [
        replace(s, form=s.form * hundredth if s.percent and s.form else s.form, percent=False) for s in (a, b)
    ]
    scaled = compare_scalars(values[0], values[1], rules)
    if rules.policy.percent == "value" or scaled is EQUAL:
        return scaled
    return scaled if plain is NOT_EQUAL else plain


def _two_units(a: Fractional, unit_a: Unit, b: Fractional, unit_b: Unit, rules: Rules) -> Answer:
    if unit_a.dimension is None or unit_b.dimension is None:
        return UNKNOWN
    if {unit_a.dimension, unit_b.dimension} == {("celsius", 1), ("fahrenheit", 1)}:
        if unit_a.dimension == ("fahrenheit", 1):
            a, b = b, a
        degrees = (b - algebra.number(32)) * algebra.number(Fraction(5, 9))
        return _forms(a, degrees, rules)
    if unit_a.dimension != unit_b.dimension:
        # "units" is what problems without a named unit say: `5 units` is then `5 cm`, but not shown to be
        generic = "length unit" in (unit_a.dimension[0], unit_b.dimension[0])
        return UNKNOWN if generic else NOT_EQUAL
    return _forms(a * algebra.number(unit_a.factor), b * algebra.number(unit_b.factor), rules)


def _one_unit(a: Scalar, b: Scalar, rules: Rules) -> Answer:
    assert a.form is not None and b.form is not None
    if rules.policy.units == "strict":
        return NOT_EQUAL
    verdict = _forms(a.form, b.form, rules)
    with_unit, bare = (a, b) if a.unit else (b, a)
    assert with_unit.unit and with_unit.form is not None and bare.form is not None
    if verdict is NOT_EQUAL and with_unit.unit.dimension == ("angle", 1):
        return _forms(with_unit.form * _RADIANS_PER_DEGREE, bare.form, rules)
    return verdict


def _forms(a: Fractional, b: Fractional, rules: Rules) -> Answer:
    equal = algebra.same(a, b)
    if equal is None:
        from omi_core.answers.enclosure import differ

        equal = False if differ(a, b) else None
    if equal is None:
        proved = rules.proof(a, b)
        equal = None if proved is None else proved is EQUAL
    if equal is False and rules.policy.tolerance and _close(a, b, rules):
        return EQUAL
    if equal is False and rules.policy.fold_case:
        folded = _fold(a, b)
        if folded is not None and algebra.same(*folded):
            return EQUAL
    return None if equal is None else (EQUAL if equal else NOT_EQUAL)


def _close(a: Fractional, b: Fractional, rules: Rules) -> bool:
    if a.rational is not None and b.rational is not None:
        bound = rules.policy.allowed * max(abs(a.rational), abs(b.rational))
        return abs(a.rational - b.rational) <= bound
    from omi_core.answers.enclosure import enclose, ratio

    x, y = enclose(a), enclose(b)
    return abs(x - y) <= ratio(rules.policy.allowed) * abs(x).max(abs(y))


def _fold(a: Fractional, b: Fractional) -> tuple[Fractional, Fractional] | None:
    """Both forms with single letters in lower case, if the letters differ and no side uses both cases."""
    names_a, names_b = a.atoms(), b.atoms()
    if names_a == names_b or a.opaque or b.opaque:
        return None
    sides = [{name.lower() for name in names} for names in (names_a, names_b)]
    if sides[0] != sides[1] or len(sides[0]) != len(names_a) or len(sides[1]) != len(names_b):
        return None
    return _lower(a), _lower(b)


def _lower(form: Fractional) -> Fractional:
    def poly(p: algebra.Poly) -> algebra.Poly:
        return {
            frozenset((atom.lower() if isinstance(atom, str) else atom, e) for atom, e in m): c
            for m, c in p.items()
        }

    return Fractional(poly(form.num), None if form.den is None else poly(form.den), form.opaque)
