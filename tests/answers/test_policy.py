r"""What counts as the same answer: a table of cases under the default policy, and one for each choice.

All of these are settled without a worker, in both orders of the two answers.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from omi_core.answers import Grader, Policy, Verdict
from omi_core.answers.comparing import compare_readings
from omi_core.answers.reader import read_answer
from omi_core.answers.rules import Rules
from omi_core.options import ConfigError

EQUAL, NOT, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN


def verdict(a: str, b: str, policy: Policy | None = None) -> Verdict | None:
    policy = policy or Policy()
    forth = compare_readings(read_answer(a), read_answer(b), Rules(policy))
    back = compare_readings(read_answer(b), read_answer(a), Rules(policy))
    assert forth is back
    return forth


NUMBERS = [
    ("18.00", "18", EQUAL),
    (".5", "0.5", EQUAL),
    ("007", "7", EQUAL),
    ("-0", "0", EQUAL),
    (r"\dfrac12", "0.5", EQUAL),
    (r"\frac{1}{2}", "1/2", EQUAL),
    (r"\frac{-1}{2}", r"-\frac12", EQUAL),
    ("2 1/2", "5/2", EQUAL),
    (r"2\frac{1}{2}", "2.5", EQUAL),
    (r"-2\frac{1}{2}", "-2.5", EQUAL),
    ("2 1/2", "21/2", NOT),
    ("2 1/2", "1", NOT),
    (r"2 \cdot \frac{1}{2}", "1", EQUAL),
    (r"0.\overline{3}", "1/3", EQUAL),
    (r"0.1\overline{6}", "1/6", EQUAL),
    ("0.50", "1/2", EQUAL),
    ("0.333", "1/3", NOT),
    ("3.14", r"\pi", NOT),
    ("1/2^99", "1/2^98", NOT),
    ("1/2^99", "2^{-99}", EQUAL),
    ("1e3", "1000", EQUAL),
    (r"6 \times 10^{23}", "6e23", EQUAL),
    ("1e400", "1e401", NOT),
    (r"3:4", r"\frac34", EQUAL),
    ("4:05", "4:5", UNKNOWN),
    ("−5", "-5", EQUAL),  # U+2212
]
THOUSANDS = [
    ("1,000", "1000", EQUAL),
    (r"1{,}000", "1000", EQUAL),
    (r"1,\!000,\!000", "1000000", EQUAL),
    (r"1\,000", "1000", EQUAL),
    ("1 000", "1000", EQUAL),
    ("1,234.5", "1234.5", EQUAL),
    ("0,111", "0.111", EQUAL),  # no number is grouped like this, so the comma is a decimal one
    ("0,111", "111", NOT),
    ("0,11", "0.11", NOT),  # two numbers
    ("100,101", "100, 101", EQUAL),  # one number or two: the same text but for a space
    ("100,101", "100101", EQUAL),
    ("100, 101", "100101", NOT),
    ("(1,000)", "(1,0)", NOT),
    ("(1,234)", "(1, 234)", EQUAL),
]
FORMULAS = [
    (r"\frac{1}{\sqrt2}", r"\frac{\sqrt{2}}{2}", EQUAL),
    (r"\frac{1}{1+\sqrt2}", r"\sqrt2-1", EQUAL),
    (r"\sqrt{12}", r"2\sqrt{3}", EQUAL),
    (r"\sqrt[3]{2}\cdot\sqrt[3]{4}", "2", EQUAL),
    (r"2^{3/2}", r"2\sqrt2", EQUAL),
    (r"\sqrt{-4}", "2i", EQUAL),
    ("(x+1)^2", "x^2+2x+1", EQUAL),
    (r"\frac{x^2-1}{x-1}", "x+1", EQUAL),
    ("xy", "yx", EQUAL),
    ("x^{10}", "x^10", EQUAL),
    ("x", "y", NOT),
    (r"\sin x", r"\cos x", NOT),
    (r"\sqrt{x+1}", r"\sqrt{x}+1", NOT),
    (r"\sqrt{x^2}", "x", None),  # true for some x: a worker is asked
    (r"\sin^2 x + \cos^2 x", "1", None),
    (r"\log_2 8", "3", EQUAL),
    (r"\log_2 9", "3", NOT),
    (r"\binom{5}{2}", "10", EQUAL),
    ("5!", "120", EQUAL),
    ("5!", "5", NOT),
    (r"\lfloor 7/2 \rfloor", "3", EQUAL),
    ("1/2x", "x/2", None),  # can be read in two ways
]
UNITS = [
    (r"10\text{ cm}", "10", EQUAL),
    ("10 cm", "10", EQUAL),
    ("10 cm", r"10\text{ m}", NOT),
    ("10 cm", "10 m", NOT),
    ("10 m", "10", UNKNOWN),  # ten metres or ten times m
    ("1 m", "100 cm", EQUAL),
    ("5 hours", r"300\text{ minutes}", EQUAL),
    (r"10\text{ cm}^2", "10 square centimeters", EQUAL),
    (r"10\text{ cm}^2", r"10\text{ cm}", NOT),
    (r"5\text{ apples}", "5", EQUAL),
    ("5 apples", "6 apples", NOT),
    ("5 apples", "5 oranges", UNKNOWN),
    ("10 cm", "10 kg", NOT),
    (r"\$18", "18", EQUAL),
    ("$18", "18", EQUAL),
    (r"\$18", "18 dollars", EQUAL),
    (r"\$1", "100 cents", EQUAL),
    (r"\$18", "18 euros", NOT),
    (r"45^\circ", "45", EQUAL),
    (r"45^{\circ}", "45 degrees", EQUAL),
    (r"45^\circ", r"\frac{\pi}{4}", EQUAL),
    (r"45^\circ", r"\frac{\pi}{3}", NOT),
]
PERCENT_AND_BASES = [
    (r"50\%", "0.5", EQUAL),
    (r"50\%", "50", EQUAL),
    ("50%", "50 percent", EQUAL),
    (r"50\%", "5", NOT),
    (r"50\%", r"0.5\%", NOT),
    ("101_2", "101_3", NOT),
    ("101_2", "101_{2}", EQUAL),
    ("101_2", "101", EQUAL),
    ("101_2", "5", NOT),
]
COLLECTIONS = [
    ("1,2", "2,1", EQUAL),
    ("1,1,2", "1,2", NOT),
    (r"1 \text{ and } 2", "1,2", EQUAL),
    (r"\{1,2\}", r"\{2,1\}", EQUAL),
    (r"\{1,1,2\}", r"\{1,2\}", EQUAL),
    (r"\{1,2\}", "1,2", EQUAL),
    (r"\{1,2\}", "(1,2)", NOT),
    ("(1,2)", "(2,1)", NOT),
    ("(1,2)", "1,2", EQUAL),
    ("(1,2)", "2,1", NOT),
    (r"\left( \frac12, 3 \right)", "(0.5,3)", EQUAL),
    (r"\{5\}", "5", EQUAL),
    ("(5)", "5", EQUAL),
    (r"\emptyset", r"\{\}", EQUAL),
    (r"3 \pm \sqrt2", r"3-\sqrt2, 3+\sqrt2", EQUAL),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix}1\\ 2\end{bmatrix}", EQUAL),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}", NOT),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,3)", NOT),
    ("(1,2)", "3", NOT),
]
INTERVALS = [
    ("(1,2)", "[1,2]", NOT),
    ("[1,2)", "(1,2]", NOT),
    ("[1,2]", "[1,2.0]", EQUAL),
    ("[1,2]", "1,2", NOT),
    (r"(-\infty,2)\cup(2,3]", r"(2,3]\cup(-\infty,2)", EQUAL),
    (r"(-\infty,2)\cup(2,3]", r"(-\infty,3]", NOT),
    (r"(-\infty,2]\cup(2,3]", r"(-\infty,3]", EQUAL),
    ("x>3", r"(3,\infty)", EQUAL),
    (r"x\ge 3", r"(3,\infty)", NOT),
    (r"1<x\le 2", "(1,2]", EQUAL),
    ("3<x", "x>3", EQUAL),
    ("x>3", "y>3", NOT),
    (r"x\in[1,2]", "[1,2]", EQUAL),
]
RELATIONS = [
    ("x=5", "5", EQUAL),
    ("f(x)=2x", "2x", EQUAL),
    ("x=5", "y=5", NOT),
    ("x = 2+3 = 5", "5", EQUAL),
    ("2+3=5", "5", EQUAL),
    ("2x+z=1", "1", None),  # as in "what is 2x+z?"
    ("2x+z=1", "2", NOT),
    ("y=2x+3", "2x-y=-3", EQUAL),
    ("x+y=3", "2x+2y=6", EQUAL),
    ("x+y=3", "(1,2)", None),
    (r"\sqrt{20}\approx 4.47", r"2\sqrt5", EQUAL),
]
WORDS = [
    (r"\text{(A)}", "A", EQUAL),
    ("(A)", "A", EQUAL),
    (r"\textbf{(A)}", r"\mathrm{A}", EQUAL),
    (r"\text{A}", "B", NOT),
    (r"\text{even}", r"\text{Even}", EQUAL),
    ("Sunday", r"\text{Sunday}", EQUAL),
    (r"\text{Sunday}", "Monday", NOT),
    (r"\text{the ellipse}", r"\text{ellipse}", EQUAL),
    (r"\text{A,C}", "C, A", EQUAL),
    (r"\text{even}", "2", NOT),
    (r"\text{two}", "2", EQUAL),
    (r"\text{all real numbers}", r"(-\infty,\infty)", EQUAL),
    ("p-q", "P-Q", EQUAL),
    ("A/a", "1", NOT),
]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    NUMBERS + THOUSANDS + FORMULAS + UNITS + PERCENT_AND_BASES + COLLECTIONS + INTERVALS + RELATIONS + WORDS,
)
def test_default_policy(a: str, b: str, expected: Verdict | None) -> None:
    assert verdict(a, b) is expected


@pytest.mark.parametrize(
    ("policy", "a", "b", "expected"),
    [
        (Policy(percent="value"), r"50\%", "50", NOT),
        (Policy(percent="value"), r"50\%", "1/2", EQUAL),
        (Policy(percent="drop"), r"50\%", "50", EQUAL),
        (Policy(percent="drop"), r"50\%", "0.5", NOT),
        (Policy(units="strict"), "10 cm", "10", NOT),
        (Policy(units="strict"), "10 cm", "0.1 m", EQUAL),
        (Policy(units="strict"), r"45^\circ", r"\frac{\pi}{4}", NOT),
        (Policy(units="ignore"), "10 cm", "10 kg", EQUAL),
        (Policy(bases="strict"), "101_2", "101", NOT),
        (Policy(ordered_lists=True), "1,2", "2,1", NOT),
        (Policy(ordered_lists=True), r"\{1,2\}", r"\{2,1\}", EQUAL),
        (Policy(bare_tuples=False), "(1,2)", "1,2", NOT),
        (Policy(set_equals_tuple=True), r"\{1,2\}", "(1,2)", EQUAL),
        (Policy(singleton_sets=False), r"\{5\}", "5", NOT),
        (Policy(interval_ends="ignore"), "[1,2]", "(1,2)", EQUAL),
        (Policy(assignments=False), "x=5", "5", NOT),
        (Policy(fold_case=False), "p-q", "P-Q", NOT),
        (Policy(tolerance=0.001), "0.3333", "1/3", EQUAL),
        (Policy(tolerance=0.001), "0.333", "1/3", EQUAL),
        (Policy(tolerance=0.001), "0.33", "1/3", NOT),
        (Policy(tolerance=0.001), "3.1416", r"\pi", EQUAL),
        (Policy(tolerance=0.001), "(0,0.3333)", r"(0,\frac13)", EQUAL),
    ],
)
def test_each_choice_changes_its_case(policy: Policy, a: str, b: str, expected: Verdict) -> None:
    assert verdict(a, b, policy) is expected


@pytest.mark.parametrize(
    "policy, why",
    [
        (Policy(percent="maybe"), "percent=maybe: not one of either, value, drop"),
        (Policy(tolerance=-0.5), "tolerance=-0.5: must be at least 0"),
        (Policy(tolerance=0.75), "tolerance=0.75: must be at most 0.5"),
    ],
)
def test_policies_are_checked(policy: Policy, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Grader(policy)


def test_the_tolerance_is_the_decimal_that_was_written() -> None:
    assert Policy(tolerance=0.1).allowed == Fraction(1, 10)


def test_a_verdict_is_not_a_truth_value() -> None:
    with pytest.raises(TypeError, match="three values"):
        bool(Verdict.NOT_EQUAL)
