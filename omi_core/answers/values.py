"""What an answer is once it has been read: numbers and formulas, collections, relations, words."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.answers.algebra import Fractional
from omi_core.answers.units import Unit


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or formula with what was written around it.

    `form` is None where the formula was not understood. `base` is the subscript of a number such as 101_2,
    whose digits `form` then holds as if decimal. `modulus` is that of 5 mod 7. `maybe_list` is the second
    reading of `10,100`, `maybe_length` that of `10 m`, whose letter may be a variable or a unit, and
    `maybe_product` that of `ABC`, a name or a product of three letters.
    """

    form: Fractional | None
    unit: Unit | None = None
    percent: bool = False
    base: int | None = None
    modulus: Fractional | None = None
    word: str | None = None
    maybe_list: Group | None = None
    maybe_length: Scalar | None = None
    maybe_product: Fractional | None = None


@dataclass(frozen=True, slots=True)
class Group:
    r"""Several values: "list" (bare commas), "set" (in \{ \}), or "()", "[)", "(]", "[]" by brackets.

    Inequalities joined by a word are "or" (any of them) or "and" (all of them).
    """

    kind: str
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """Intervals or sets joined by a union sign."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    r"""sides[0] ops[0] sides[1] ...; `label` is the name on the left of "x = ..." or "f(x) = ..."."""

    ops: tuple[str, ...]
    sides: tuple[Value, ...]
    label: str | None


@dataclass(frozen=True, slots=True)
class Words:
    """An answer in words, lower case: "even", "sunday", a choice letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A marked choice, such as "(C) 12": its letter, lower case, and what stands behind it."""

    letter: str
    value: Value


Value = Scalar | Group | Union | Matrix | Relation | Words | Choice
