r"""What counts as the same answer: the three verdicts, and the choices that decide the open cases.

Every choice is an option of `Policy`, with a line in the table of `tests/answers/test_policy.py`. The
defaults accept what a careful human grader accepts when the problem is not at hand: a missing unit, a missing
"x =", a percent sign left out; they refuse what changes the answer: another unit, another base, an open end
of an interval for a closed one, a rounded number for an exact one.

With lenient choices "same" is not transitive (`10 cm` = `10` = `10 m`, yet `10 cm` is not `10 m`); what the
vote does about that is written in `voting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from omi_core.options import option


class Verdict(Enum):
    """Outcome of one comparison. UNKNOWN: refused, out of time or memory, or not understood by any step."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    UNKNOWN = "unknown"

    # That of Enum is written in Python; verdicts are counted for every sample.
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        """Refused, because `if compare(a, b)` would be true for every verdict."""
        raise TypeError("a Verdict has three values: compare it with `is Verdict.EQUAL`")


@dataclass
class Policy:
    r"""Open cases of "the same answer". The same policy always gives the same verdicts.

    - `percent`: "either" reads `50\%` as 0.5 and as 50, whichever fits; "value" only as 0.5; "drop" only as
      50.
    - `units`: "lenient" ignores a unit that only one side has and converts known ones (`1 m` = `100 cm`,
      `10 cm` is not `10 m`); "strict" also wants both sides to have one or neither; "ignore" drops them all.
      Currency and degrees are units; `45^\circ` also equals `\frac{\pi}{4}` (except under "strict").
    - `bases`: "lenient" lets `101_2` equal `101`; "strict" does not. `101_2` never equals `101_3`, nor `5`.
    - `ordered_lists`: whether bare lists (`1,2`) must agree in order. `(1,2)` always must, `\{1,2\}` never.
    - `bare_tuples`: whether `(1,2)` equals `1,2` (same order).
    - `set_equals_tuple`: whether `\{1,2\}` equals `(1,2)` (same order).
    - `singleton_sets`: whether `\{5\}` equals `5`.
    - `interval_ends`: "strict" tells `(1,2)` from `[1,2]`; "ignore" does not.
    - `assignments`: whether `x=5` equals `5`. `x=5` never equals `y=5`.
    - `fold_case`: whether letters may differ in case (`A`, `a`), as long as neither side uses both.
    - `tolerance`: relative; two real constants a, b are equal when |a-b| <= tolerance * max(|a|, |b|), with
      tolerance the decimal that was written. Zero is exact: `0.333` is not `1/3`.
    """

    percent: str = option("either", "what 50\\% is: 0.5, 50, or either", choices=("either", "value", "drop"))
    units: str = option(
        "lenient",
        "a unit on one side only: accepted, refused, or all units ignored",
        choices=("lenient", "strict", "ignore"),
    )
    bases: str = option("lenient", "whether 101_2 may equal 101", choices=("lenient", "strict"))
    ordered_lists: bool = option(False, "1,2 differs from 2,1")
    bare_tuples: bool = option(True, "(1,2) equals 1,2")
    set_equals_tuple: bool = option(False, "{1,2} equals (1,2)")
    singleton_sets: bool = option(True, "{5} equals 5")
    interval_ends: str = option("strict", "whether (1,2) differs from [1,2]", choices=("strict", "ignore"))
    assignments: bool = option(True, "x=5 equals 5")
    fold_case: bool = option(True, "letters may differ in case")
    tolerance: float = option(0.0, "relative difference of two equal numbers; 0 is exact", ge=0, le=0.5)

    @property
    def allowed(self) -> Fraction:
        """`tolerance`, exactly as it was written."""
        return Fraction(str(self.tolerance))
