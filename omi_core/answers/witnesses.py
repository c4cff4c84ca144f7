r"""Points that solve one equation and not another: the proof that two equations are not the same.

An equation is given by its difference, the form that is zero. Its letters but one are set to fixed rational
numbers; where the difference changes its sign between two values of the last letter, there is a solution in
between, and where the other difference, enclosed over that whole stretch, stays away from zero, the solution
is not one of the other equation. Both facts are proved by enclosures, never by a rounded root.
"""

from __future__ import annotations

from flint import arb

from omi_core.answers.algebra import Fractional, TooComplex, Undefined
from omi_core.answers.enclosure import enclose

_FIXED = (0.75, 1.375, -0.625, 2.25, -1.5, 3.125, 0.3125, -2.75)
_SCAN = tuple(k / 4 for k in range(-48, 49))
_HALVINGS = 40
_MAX_LETTERS = 6


def is_zero(form: Fractional) -> bool:
    return not form.num


def solves(difference: Fractional, value: Fractional) -> bool:
    """Whether one number solves an equation in one letter; True where in doubt, False for several letters."""
    letters = difference.atoms()
    if len(letters) != 1 or difference.opaque:
        return difference.opaque
    (name,) = letters
    try:
        return is_zero(_set(difference, name, value))
    except (TooComplex, Undefined):
        return True


def _set(form: Fractional, name: str, value: Fractional) -> Fractional:
    """The numerator of `form` with a letter set to a value."""
    total = Fractional({})
    for monomial, coefficient in form.num.items():
        term = Fractional({frozenset(part for part in monomial if part[0] != name): coefficient})
        for atom, exponent in monomial:
            if atom == name:
                term = term * value ** int(exponent)
        total = total + term
    return total


def tell_apart(a: Fractional, b: Fractional) -> bool:
    """True if a real point is proved to solve a = 0 and not b = 0, or the other way round."""
    letters = sorted((a.atoms() | b.atoms()) - {"\\infty"})
    if not letters or len(letters) > _MAX_LETTERS:
        return False
    return any(
        _solves_one(first, second, letters, moved)
        for first, second in ((a, b), (b, a))
        for moved in letters
        if moved in first.atoms()
    )


def _solves_one(a: Fractional, b: Fractional, letters: list[str], moved: str) -> bool:
    """Whether some point with a = 0 and b != 0 is found by moving one letter."""
    for shift in range(2):
        others = {name: _FIXED[(k + 3 * shift) % 8] for k, name in enumerate(letters) if name != moved}
        for low, high in _sign_changes(a, others, moved):
            if _apart_on(a, b, others, moved, low, high):
                return True
    return False


def _sign(form: Fractional, point: dict[str, float]) -> int:
    """The proved sign of a form at a point; 0 where none is proved."""
    value = enclose(form, point)
    return int(value > 0) - int(value < 0)


def _sign_changes(form: Fractional, others: dict[str, float], moved: str) -> list[tuple[float, float]]:
    below = any(exponent < 0 for monomial in form.num for _, exponent in monomial)
    if form.den is not None or form.opaque or below:
        return []  # a pole changes the sign without a solution
    found, before = [], None
    for at in _SCAN:
        sign = _sign(form, {**others, moved: at})
        if sign and before and before[1] == -sign:
            found.append((before[0], at))
        if sign:
            before = (at, sign)
    return found[:4]


def _apart_on(
    a: Fractional, b: Fractional, others: dict[str, float], moved: str, low: float, high: float
) -> bool:
    """Whether the solution of a = 0 between `low` and `high` is proved to be none of b = 0."""
    start = _sign(a, {**others, moved: low})
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        sign = _sign(a, {**others, moved: middle})
        if sign == 0:
            break
        low, high = (middle, high) if sign == start else (low, middle)
    stretch = arb(low).union(arb(high))
    return 0 not in enclose(b, {**others, moved: stretch})
