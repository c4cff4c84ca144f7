r"""EQUAL and NOT_EQUAL are proofs: kinds of answers that were once judged wrongly, each with its siblings.

Every pair is asked in both orders, of a grader with workers. `DIFFERENT` pairs may be UNKNOWN, never EQUAL;
`SAME` pairs must be EQUAL; `OPEN` pairs must not be NOT_EQUAL; `APART` must be NOT_EQUAL.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omi_core.answers import Grader, Verdict, WorkerLimits


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1, limits=WorkerLimits(cpu_seconds=3)) as grader:
        yield grader


def both_ways(grader: Grader, a: str, b: str) -> Verdict:
    forth, back = grader.compare(a, b), grader.compare(b, a)
    assert forth is back
    return forth


DIFFERENT = [
    # signs that a reader may take for another, or for nothing
    (r"p\land q", r"p\lor q"),
    (r"\infty-\infty", "0"),
    (r"\frac{\infty}{\infty}", "1"),
    ("5!!", "(5!)!"),
    ("n!!", "(n!)!"),
    (r"\frac{dy}{dx}", r"\frac{y}{x}"),
    (r"\frac{d}{dx}", r"\frac1x"),
    (r"10\%\text{ off}", r"10\%"),
    (r"5\text{ up}", r"5\text{ down}"),
    ("(y,x)=(1,2)", "(1,2)"),
    (r"x\in[1,2)", r"1\le y<2"),
    # equations between numbers, or without real solutions
    ("2+2=4", "2+2=5"),
    ("2+2=5", "5"),
    ("1=2", "3=4"),
    ("x^2-2x+10=0", "x^2-3x+10=0"),
    ("x^2+1=0", "y^2+7=0"),
    ("x^2+1=0", "x^2+7=0"),
    ("x = 1 = 2", "2"),
    ("x^2-2x=3", "3"),
    # several equations without a comma
    (r"x=1 \quad y=2", r"x=3 \quad y=2"),
    (r"x=1 \quad y=2", "2"),
    (r"x=1 \qquad y=2", "x=1"),
    ("x=1 y=2", "2"),
    ("x=1, y=2", "2, 1"),
    # functions
    ("f(0)", "0"),
    ("f(x+y)", "f(x)+f(y)"),
    ("f(2x)", "2f(x)"),
    (r"f^{-1}(2)", r"\frac2f"),
    ("g(x)^2", "g(x^2)"),
    ("f'(x)", "f(x)"),
    ("f''(x)", "f'(x)"),
    ("y'", "y"),
    # words that change a number
    ("3 million", "3"),
    (r"3\text{ million}", r"3\text{ billion}"),
    (r"2\text{ dozen}", "2"),
    (r"1\text{ out of }6", "1"),
    (r"5\text{ hours }30\text{ minutes}", "5"),
    (r"5\text{ hours }30\text{ minutes}", r"5\text{ hours }40\text{ minutes}"),
    (r"5\text{ less}", "5"),
    (r"3\text{ tenths}", "3"),
    (r"4\text{ or more}", "4"),
    # marks at the end
    (r"20^\circ\text{C}", r"20^\circ\text{F}"),
    (r"20^\circ C", r"20^\circ F"),
    (r"\$5\text{ per hour}", r"\$5\text{ per day}"),
    (r"1+5\%", "6"),
    (r"1-5\%", r"-4\%"),
    (r"\sin 30^\circ", r"\sin 30"),
    (r"\cos 60^\circ", r"\cos 60"),
    # clock times
    ("2:15 pm", "4:30 pm"),
    ("2:15 pm", "2:15 am"),
    (r"\text{2 p.m.}", r"\text{2 a.m.}"),
    ("2:15 pm", "2:15 p.m. Monday"),
    # what a reader may drop
    ("2 3", "5"),
    ("2 3", "6"),
    ("1204_9", "1204_1"),
    ("1204_9", "1204_8"),
    (r"\vec a\cdot\vec b", r"\vec a\times\vec b"),
    (r"\overline{z}", "z"),
    (r"\hat{x}", "x"),
    (r"x\text{ km}", "x+1"),
    # letters
    ("BCA", "ABC"),
    (r"\text{BCA}", r"\text{ABC}"),
    (r"5\text{ M}", r"5\text{ m}"),
    (r"5\text{ MW}", r"5\text{ mW}"),
    ("(B) 7", "7B"),
    (r"\textbf{(C)}\ 12", r"\textbf{(D)}\ 12"),
    (r"\textbf{(C)}\ 12", r"\textbf{(C)}\ 13"),
    (r"\sqrt{x^2}", "x"),
    ("5 + i", "5 - i"),
    (r"√12", r"2"),
    (r"5\pmod 7", r"5\pmod 8"),
    (r"\binom n2", r"\binom n3"),
    (r"\text{5'}", r'\text{5"}'),
]
APART = [
    (r"x\in[1,2)", r"1\le x\le 2"),
    (r"\sin 30^\circ", r"\frac{\sqrt3}{2}"),
    (r"e^{i\pi}", "1"),
    (r"\log_2 8=3", "4"),
    ("|AB|=5", "6"),
    ("(x,y)=(1,2)", "(1,3)"),
    (r"\text{12 inches}", "13"),
    (r"\text{-5}", "5"),
    (r"\text{1,000}", "1"),
    (r"\text{4:30 p.m.}", r"4:35\text{ p.m.}"),
    (r"x<2 \text{ or } x>3", r"(-\infty,2)\cup(4,\infty)"),
    (r"\mathbb{R}", r"(0,\infty)"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,3)"),
    ("27,54,108,135", "27, 54, 108, 136"),
    (r"\text{no solution}", r"\{1\}"),
    (r"\langle1,2\rangle", "(1,3)"),
    ("50 km/h", "60 km/h"),
    ("x=5", "y=5"),
]
OPEN = [
    (r"\sqrt{1/n}", r"1/\sqrt n"),
    (r"y=\frac1x", "xy=1"),
    ("f(x)=x^2", "f(t)=t^2"),
    ("a+b=7", "7"),
    ("2x=6", "3"),
    (r"\text{none}", r"\text{no solution}"),
    (r"\text{oval}", r"\text{ellipse}"),
    ("4:30", "4:30 pm"),
    (r"\text{none}", "0"),
    (r"\text{infinitely many}", r"\infty"),
    ("ABC", "BCA"),
    (r"\ln x^2", r"2\ln x"),
    (r"20^\circ\text{C}", r"68^\circ\text{F}"),
    (r"180-x^\circ", "180-x"),
    (r"\{x : x > 3\}", r"(3,\infty)"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "M"),
    (r"\frac{a}{b}", r"a \div b"),
]
SAME = [
    (r"x\in[1,2)", r"1\le x<2"),
    (r"x\in(3,\infty)", "x>3"),
    (r"x<2 \lor x>3", r"(-\infty,2)\cup(3,\infty)"),
    (r"\frac{d}{2d}", r"\frac12"),
    (r"(-\infty, 5]", r"\left(-\infty,5\right]"),
    (r"(r,\theta)=(2,\pi)", r"(2,\pi)"),
    ("3 million", "3000000"),
    (r"2.5\text{ million dollars}", r"\$2{,}500{,}000"),
    (r"2\text{ dozen}", "24"),
    (r"5\text{ hours }30\text{ minutes}", "5.5 hours"),
    (r"\sin 30^\circ", r"\frac12"),
    (r"\cos 30^\circ", r"\frac{\sqrt{3}}{2}"),
    (r"\tan 45^\circ", "1"),
    (r"1+5\%", "1.05"),
    (r"\text{4:30 p.m.}", r"4:30\text{ p.m.}"),
    ("4:30 pm", r"\text{4:30 PM}"),
    (r"\text{12 inches}", "12"),
    (r"\text{18 dollars}", "18"),
    (r"\text{\$18}", "18"),
    (r"\text{-5}", "-5"),
    (r"\text{1,000}", "1000"),
    (r"\mathrm{12 cm}", r"12\text{ cm}"),
    ("(x,y)=(1,2)", "(1,2)"),
    ("(x, y, z) = (1, 2, 3)", "(1,2,3)"),
    (r"\log_2 8=3", "3"),
    (r"\log_4 8", r"\frac32"),
    ("|AB|=5", "5"),
    (r"\angle ABC = 30^\circ", "30"),
    (r"x<2 \text{ or } x>3", r"(-\infty,2)\cup(3,\infty)"),
    (r"x \le 2 \text{ or } x>3", r"(-\infty,2]\cup(3,\infty)"),
    (r"\mathbb{R}", r"(-\infty,\infty)"),
    (r"x\in\mathbb{R}", r"(-\infty,\infty)"),
    (r"\textbf{(C)}\ 12", "C"),
    (r"\textbf{(C)}\ 12", "12"),
    ("(B) 7", "7"),
    (r"e^{i\pi}", "-1"),
    (r"e^{i\pi/2}", "i"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\langle 1, 2\rangle"),
    ("27,54,108,135", "27, 54, 108, 135"),
    ("25,100,55", "25, 100, 55"),
    ("√2", r"\sqrt{2}"),
    ("√12", r"2\sqrt{3}"),
    ("√(x+1)", r"\sqrt{x+1}"),
    ("x⁴", "x^4"),
    ("x¹²", "x^{12}"),
    ("x₁", "x_1"),
    ("⅓", r"\frac13"),
    (r"5\pmod 7", r"5 \pmod{7}"),
    (r"5\pmod 7", "5 (mod 7)"),
    (r"12\pmod 7", r"5 \pmod 7"),
    (r"x \equiv 5\pmod 7", r"5\pmod 7"),
    (r"0.\bar3", r"\frac13"),
    (r"0.\bar{12}", r"\frac{4}{33}"),
    (r"\langle1,2\rangle", "(1,2)"),
    ("50 km/h", r"50\text{ km/h}"),
    ("50 km/h", r"50\text{ kilometers per hour}"),
    (r"\binom n2", r"\frac{n(n-1)}{2}"),
    (r"{10\choose3}", "120"),
    (r"\text{no solution}", r"\emptyset"),
    (r"\\frac{1}{2}", r"\frac12"),
    (r"\\sqrt{2}", r"\sqrt2"),
    (r"x=1 \quad y=2", "x=1, y=2"),
    ("f(x)=2x", "2x"),
    (r"\sin^2 x+\cos^2 x", "1"),
]


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_answers_are_never_equal(grader: Grader, a: str, b: str) -> None:
    assert both_ways(grader, a, b) is not Verdict.EQUAL


@pytest.mark.parametrize(("a", "b"), APART)
def test_different_values_are_not_equal(grader: Grader, a: str, b: str) -> None:
    assert both_ways(grader, a, b) is Verdict.NOT_EQUAL


@pytest.mark.parametrize(("a", "b"), OPEN)
def test_what_may_be_the_same_is_not_called_different(grader: Grader, a: str, b: str) -> None:
    assert both_ways(grader, a, b) is not Verdict.NOT_EQUAL


@pytest.mark.parametrize(("a", "b"), SAME)
def test_spellings_of_one_answer_are_equal(grader: Grader, a: str, b: str) -> None:
    assert both_ways(grader, a, b) is Verdict.EQUAL
