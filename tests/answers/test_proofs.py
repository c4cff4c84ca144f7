r"""EQUAL and NOT_EQUAL are proofs: the shapes on which readers of answers are known to go wrong.

Each line is asked in both orders, with a worker where one is needed. `NOT` is what differs for sure; `OPEN`
may be left open, but must not be called equal; where equal answers are expected nothing else will do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omi_core.answers import Grader, Verdict, WorkerLimits

EQUAL, NOT, UNKNOWN = Verdict.EQUAL, Verdict.NOT_EQUAL, Verdict.UNKNOWN


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1, limits=WorkerLimits(cpu_seconds=10)) as grader:
        yield grader


EQUATIONS = [
    ("2+2=4", "2+2=5", UNKNOWN),
    ("2+2=4", "4", EQUAL),
    ("2+2=5", "5", UNKNOWN),
    ("x^2-2x+10=0", "x^2-3x+10=0", UNKNOWN),  # neither has a real solution
    ("x^2+1=0", "y^2+7=0", UNKNOWN),
    ("x^2-2x-10=0", "x^2-3x-10=0", NOT),
    ("x^2+y^2=1", "x^2+y^2=4", NOT),
    ("x^2+y^2=1", "2x^2+2y^2=2", EQUAL),
    ("2x+3y=6", "2x+3y=7", NOT),
    ("2x+3y=6", "4x+6y-12=0", EQUAL),
    ("y=2x+1", "y=2x+2", NOT),
    ("y=2x+1", "2x-y+1=0", EQUAL),
    (r"y=\frac1x", "xy=1", UNKNOWN),
    ("x=5", "y=5", NOT),
    ("2x=10", "5", UNKNOWN),
    ("2x=10", "4", NOT),
    ("x^3=8", "x=2", UNKNOWN),
]
SEVERAL_EQUATIONS = [
    (r"x=1 \quad y=2", r"x=3 \quad y=2", NOT),
    (r"x=1 \quad y=2", "2", NOT),
    (r"x=1 \quad y=2", "x=1, y=2", EQUAL),
    (r"x=1,\quad y=2", "x=1, y=2", EQUAL),
    (r"x=1 \text{ and } y=2", "x=1, y=2", EQUAL),
    (r"x=1\ y=2", "2", UNKNOWN),
    (r"x=1\\y=2", "2", UNKNOWN),
    ("x=1=2", "2", UNKNOWN),
    (r"5 \quad \text{cm}", r"5\text{ cm}", EQUAL),
    (r"3 \quad 4", "12", UNKNOWN),
]
FUNCTIONS = [
    ("f(0)", "0", UNKNOWN),
    ("f(2)", "2f", UNKNOWN),
    ("f(x+y)", "f(x)+f(y)", UNKNOWN),
    (r"f^{-1}(2)", r"\frac2f", UNKNOWN),
    (r"f^{-1}(2)", "f(2)", UNKNOWN),
    ("f'(x)", "f(x)", UNKNOWN),
    ("f''(x)", "f'(x)", UNKNOWN),
    ("x'", "x", NOT),
    ("P(x)", "xP", UNKNOWN),
    ("g(1)+1", "1+g(1)", EQUAL),
    ("n(n+1)", "n^2+n", EQUAL),
    ("f(x)=2x", "2x", EQUAL),
    ("f(2x)", "f(x+x)", EQUAL),
]
WORDS_IN_NUMBERS = [
    (r"3\text{ million}", "3", NOT),
    (r"3\text{ million}", "3000000", EQUAL),
    ("3 million", "3,000,000", EQUAL),
    (r"\$3\text{ million}", "3000000", EQUAL),
    (r"2.5\text{ thousand}", "2500", EQUAL),
    (r"1\text{ out of }6", "1", NOT),
    (r"1\text{ out of }6", r"\frac16", EQUAL),
    (r"5\text{ hours }30\text{ minutes}", "5", NOT),
    (r"5\text{ hours }30\text{ minutes}", r"5.5\text{ hours}", EQUAL),
    (r"5\text{ hours and }30\text{ minutes}", r"330\text{ minutes}", UNKNOWN),
    (r"6\text{ feet }2\text{ inches}", r"74\text{ inches}", EQUAL),
    (r"5\text{ less}", "5", UNKNOWN),
    (r"5\text{ times }3", "5", UNKNOWN),
    (r"7\text{ hundredths}", "7", UNKNOWN),
    (r"3\text{ squared}", "3", UNKNOWN),
    (r"101\text{ base }2", "101", UNKNOWN),
    (r"5\text{ and a half}", "5", UNKNOWN),
    (r"5\text{ or more}", "5", UNKNOWN),
    (r"\text{five}", "5", EQUAL),
    (r"\text{five}", "6", NOT),
]
MARKS = [
    (r"20^\circ\text{C}", r"20^\circ\text{F}", NOT),
    (r"20^\circ\text{C}", r"20^\circ C", EQUAL),
    (r"20^\circ\text{C}", "20", EQUAL),
    (r"20\text{ degrees Celsius}", r"20^{\circ}\mathrm{C}", EQUAL),
    (r"20^\circ\text{C}", r"21^\circ\text{C}", NOT),
    (r"\$5\text{ per hour}", r"\$5\text{ per day}", UNKNOWN),
    (r"\$5\text{ per hour}", r"\$6\text{ per hour}", NOT),
    (r"1+5\%", "6", NOT),
    (r"1+5\%", "1.05", EQUAL),
    (r"5\%", "5", EQUAL),
    (r"\sin 30^\circ", r"\sin 30", NOT),
    (r"\sin 30^\circ", r"\frac12", EQUAL),
    (r"\cos 45^{\circ}", r"\frac{\sqrt2}{2}", EQUAL),
    (r"\tan 60^\circ", r"\sqrt3", EQUAL),
    (r"\tan 15^\circ", r"2-\sqrt3", EQUAL),
    (r"\cos 36^\circ", r"\frac{1+\sqrt5}{4}", EQUAL),
    (r"\sin 30^\circ", r"\frac13", NOT),
    (r"90^\circ-30^\circ", r"\frac{\pi}{3}", EQUAL),
    (r"x^\circ", "x", EQUAL),
]
CLOCK = [
    ("2:15 pm", "4:30 pm", NOT),
    ("2:15 pm", "2:15 am", NOT),
    (r"\text{4:30 p.m.}", r"4:30\text{ p.m.}", EQUAL),
    (r"4\!:\!30 \text{ PM}", "4:30 p.m.", EQUAL),
    (r"\text{4 p.m.}", "4:00 pm", EQUAL),
    ("4:30 pm", "4:30", UNKNOWN),
    ("4:30 pm", "4.5", UNKNOWN),
]
DROPPED = [
    ("2 3", "5", UNKNOWN),
    ("2 3", "6", UNKNOWN),
    ("1204_9", "1204_1", UNKNOWN),
    ("1204_9", "1204_8", NOT),
    (r"\vec a\cdot\vec b", r"\vec a\times\vec b", UNKNOWN),
    (r"\hat{x}", "x", UNKNOWN),
    (r"\overline{z}", "z", UNKNOWN),
    (r"\overrightarrow{AB}", "AB", UNKNOWN),
    (r"x \oplus y", "xy", UNKNOWN),
    (r"a \mid b", "a", UNKNOWN),
    ("5?", "5", UNKNOWN),
    (r"\max(1,2)", "(1,2)", UNKNOWN),
]
LETTERS = [
    ("BCA", "ABC", UNKNOWN),
    ("ABC", "ABD", NOT),
    ("AB", "BA", UNKNOWN),
    ("xy", "yx", EQUAL),
    ("AB+CD", "CD+AB", EQUAL),
    (r"5\text{ M}", r"5\text{ m}", UNKNOWN),
    (r"5\text{ m}", r"500\text{ cm}", EQUAL),
    ("cba", "abc", UNKNOWN),
]
TEXT_AROUND = [
    (r"\text{12 inches}", "12", EQUAL),
    (r"\text{12 inches}", r"12\text{ inches}", EQUAL),
    (r"\text{12 inches}", r"1\text{ foot}", EQUAL),
    (r"\text{18 dollars}", "18", EQUAL),
    (r"\text{\$18}", "18", EQUAL),
    (r"\text{$18}", "18", EQUAL),
    (r"\text{-5}", "-5", EQUAL),
    (r"\text{1,000}", "1000", EQUAL),
    (r"\text{3/4}", r"\frac34", EQUAL),
    (r"\text{12 inches}", "13", NOT),
    (r"\text{-5}", "5", NOT),
    (r"\text{1,000}", "1", NOT),
    (r"\mathrm{12}", "12", EQUAL),
    (r"\text{50\%}", "50", EQUAL),
]
EXPRESSION_IS_VALUE = [
    ("(x,y)=(1,2)", "(1,2)", EQUAL),
    ("(x,y)=(1,2)", "(2,1)", NOT),
    ("(x,y)=(1,2)", "(y,x)=(1,2)", UNKNOWN),
    (r"\log_2 8=3", "3", EQUAL),
    (r"\log_2 8=4", "4", UNKNOWN),
    ("|AB|=5", "5", EQUAL),
    ("|AB|=5", "6", NOT),
    (r"\angle ABC = 30^\circ", "30", EQUAL),
    (r"\overline{AB} = 7", "7", EQUAL),
    ("P(A)=1/2", "0.5", EQUAL),
    (r"x \equiv 5 \pmod 7", r"5 \pmod{7}", EQUAL),
]
NAMED_SETS = [
    (r"x<2 \text{ or } x>3", r"(-\infty,2)\cup(3,\infty)", EQUAL),
    (r"x<2 \text{ or } x>3", r"(-\infty,2]\cup(3,\infty)", NOT),
    (r"x<2 \text{ or } x>3", r"x>3 \text{ or } x<2", EQUAL),
    (r"x>2 \text{ and } x<3", "(2,3)", EQUAL),
    (r"x>2 \text{ and } x<3", r"x>2 \text{ or } x<3", NOT),
    (r"x<2 \text{ or } y>3", r"(-\infty,2)\cup(3,\infty)", UNKNOWN),
    (r"\mathbb{R}", r"(-\infty,\infty)", EQUAL),
    (r"\mathbb{R}", r"\mathbb{Q}", UNKNOWN),
    (r"\mathbb{R}", r"(0,\infty)", NOT),
    (r"\text{all real numbers}", r"\mathbb R", EQUAL),
    (r"x\ne 3", r"(-\infty,3)\cup(3,\infty)", EQUAL),
    (r"\text{no solution}", r"\emptyset", EQUAL),
    (r"\text{no solution}", "0", NOT),
    (r"\text{no solution}", r"\{0\}", NOT),
]
CHOICES = [
    (r"\textbf{(C)}\ 12", "C", EQUAL),
    (r"\textbf{(C)}\ 12", "12", EQUAL),
    (r"\textbf{(C)}\ 12", "D", NOT),
    (r"\textbf{(C)}\ 12", "13", NOT),
    (r"\textbf{(C)}\ 12", r"\textbf{(D)}\ 12", UNKNOWN),
    (r"\textbf{(C)}\ 12", r"\textbf{(C)}\ 13", UNKNOWN),
    (r"\textbf{(C)}\ 12", r"\textbf{(D)}\ 13", NOT),
    ("(B) 7", "7B", UNKNOWN),
    ("(B) 7", "B", EQUAL),
    ("(B) 7", "7", EQUAL),
    ("B. 7", r"\text{(B)}", EQUAL),
    ("(A)", "A", EQUAL),
    ("(A)", "B", NOT),
    ("(C)-5", "-5", UNKNOWN),
    ("(a)(b)", "ab", EQUAL),
]
COLLECTIONS = [
    (r"e^{i\pi}", "-1", EQUAL),
    (r"e^{i\pi/3}", r"\frac12+\frac{\sqrt3}{2}i", EQUAL),
    (r"e^{i\pi/3}", r"\frac12-\frac{\sqrt3}{2}i", NOT),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", EQUAL),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(2,1)", NOT),
    (r"\langle1,2\rangle", "(1,2)", EQUAL),
    (r"\langle1,2\rangle", r"\langle2,1\rangle", NOT),
    ("27,54,108,135", "27, 54, 108, 135", EQUAL),
    ("27,54,108,135", "27, 54, 108, 136", NOT),
    ("25,100,55", "25, 100, 55", EQUAL),
    ("25,100,55", "25100, 55", NOT),
    ("1,234,567", "1234567", EQUAL),
    ("3+4i", "4i+3", EQUAL),
    ("3+4i", "3-4i", NOT),
    ("x^2=4", r"\{-2,2\}", UNKNOWN),
]
NOT_TOO_SURE = [
    (r"\sqrt{1/n}", r"1/\sqrt n", UNKNOWN),
    (r"\sqrt{x^2}", "x", UNKNOWN),
    (r"\text{impossible}", r"\text{none}", UNKNOWN),
    (r"\log x", r"\ln x", UNKNOWN),
    (r"\log 100", "2", UNKNOWN),
    (r"\text{Anna}", r"\text{Bob}", UNKNOWN),
    (r"\text{infinitely many}", r"\infty", UNKNOWN),
]
DECIDED = [
    ("√2", r"\sqrt2", EQUAL),
    ("2√3", r"\sqrt{12}", EQUAL),
    ("√12", r"2\sqrt3", EQUAL),
    ("x⁴", "x^4", EQUAL),
    ("x⁴", "x^5", NOT),
    ("10⁻²", "0.01", EQUAL),
    ("x₁", "x_1", EQUAL),
    ("x₁", "x_2", NOT),
    ("⅓", r"\frac13", EQUAL),
    ("2⅓", r"\frac73", EQUAL),
    (r"5\pmod 7", r"5\pmod{7}", EQUAL),
    (r"5\pmod 7", r"12 \pmod{7}", EQUAL),
    (r"5\pmod 7", r"5 \pmod{8}", UNKNOWN),
    (r"5\pmod 7", "6", NOT),
    (r"5\pmod 7", "5", EQUAL),
    (r"0.\bar3", r"\frac13", EQUAL),
    (r"0.\overline{3}", r"0.\bar{3}", EQUAL),
    (r"50 km/h", r"50\text{ km/h}", EQUAL),
    (r"50 km/h", "50", EQUAL),
    (r"50 km/h", r"50\text{ mph}", NOT),
    (r"\binom n2", r"\frac{n(n-1)}{2}", EQUAL),
    (r"{10\choose3}", "120", EQUAL),
    (r"{n\choose2}", r"\binom{n}{2}", EQUAL),
    (r"\\frac{1}{2}", r"\frac12", EQUAL),
    (r"\\sqrt{2}", r"\sqrt3", NOT),
    (r"\\begin{pmatrix}1\\\\2\\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", EQUAL),
    (r"\log_{10} 1000", "3", EQUAL),
    (r"\log_4 8", r"\frac32", EQUAL),
    (r"\ln e^2", "2", EQUAL),
    (r"\arcsin\frac12", r"\frac{\pi}{6}", EQUAL),
    (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2", EQUAL),
    (r"\sin^2x+\cos^2x", "1", EQUAL),
    (r"\ln 6", r"\ln 2+\ln 3", EQUAL),
    (r"\{\sqrt{3+2\sqrt2}, 1\}", r"\{1, 1+\sqrt2\}", EQUAL),
    (r"(\ln 6, 1)", r"(\ln 2 + \ln 3, 2)", NOT),
]
KINDS = {
    "equations": EQUATIONS,
    "several equations": SEVERAL_EQUATIONS,
    "functions": FUNCTIONS,
    "words in numbers": WORDS_IN_NUMBERS,
    "marks": MARKS,
    "clock": CLOCK,
    "dropped": DROPPED,
    "letters": LETTERS,
    "text around": TEXT_AROUND,
    "expression = value": EXPRESSION_IS_VALUE,
    "named sets": NAMED_SETS,
    "choices": CHOICES,
    "collections": COLLECTIONS,
    "not too sure": NOT_TOO_SURE,
    "decided": DECIDED,
}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(*case, id=f"{kind}: {case[0]} | {case[1]}")
        for kind, cases in KINDS.items()
        for case in cases
    ],
)
def test_equal_and_not_equal_are_proofs(grader: Grader, a: str, b: str, expected: Verdict) -> None:
    assert grader.compare_many([(a, b), (b, a)]) == [expected, expected]
