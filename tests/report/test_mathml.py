"""Formulas become MathML; whatever a text holds, only elements and attributes that draw come out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from omi_core.report.mathml import _formula, formula, with_formulas
from omi_core.text.formulas import formulas
from tests.report.test_html import HOSTILE, Seen

DRAWING = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "msup"}
DRAWING |= {
    "msub",
    "msubsup",
    "mover",
    "munder",
    "munderover",
    "mtable",
    "mtr",
    "mtd",
    "menclose",
    "mphantom",
}
DRAWING |= {"mpadded", "mmultiscripts", "mprescripts", "none", "merror", "ms", "mlabeledtr"}


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (r"so $\frac{1}{2}$.", r"so <math .*><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        (r"\(x^2\)", r"<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"\[x\]", r'<math display="block" alttext="x">'),
        (r"$$x$$", r'<math display="block" alttext="x">'),
        (r"\begin{align*}a&=b\end{align*}", r"<mtable .*<mi>a</mi>.*<mo>=</mo><mi>b</mi>"),
        (r"gives \boxed{\frac{1}{2}}", r'gives <math .*<menclose notation="box">.*<mfrac>'),
        (r"$\text{ and }x$", "<mtext>\xa0and\xa0</mtext>"),
        (r"it costs $5 and $6 < 7", r"^it costs \$5 and \$6 &lt; 7$"),
        ("```\n$x$\n```", r"^```\n\$x\$\n```$"),
        (r"$x^y^z$", r"^\$x\^y\^z\$$"),
    ],
    ids=[
        *("dollars", "parentheses", "brackets", "two dollars", "environment", "box", "words inside"),
        *("money", "code", "broken"),
    ],
)  # fmt: skip
def test_formulas_in_a_text_are_drawn_and_the_rest_stays(words: str, holds: str) -> None:
    assert re.search(holds, with_formulas(words))


@pytest.mark.parametrize(
    ("answer", "drawn"),
    [(r"\frac{41}{35}", True), ("x^2", True), ("12", False), ("Ada's", False), ("x^y^z", False)],
)
def test_an_answer_is_a_formula_without_delimiters(answer: str, drawn: bool) -> None:
    shown = formula(answer)
    assert shown.startswith("<math") is drawn
    assert drawn or shown.unescape() == answer


@pytest.mark.parametrize(
    ("latex", "never"),
    [
        (r"\text{<script>alert(1)</script>}", "<script"),
        (r"\text{&lt;script&gt;}", "<script"),
        (r"\href{javascript:alert(1)}{x}", "href"),
        (r"\style{background:url(x)}{x}", "style="),
        (r"\class{row}{x}", "class="),
        (r'\color{red"onload=alert(1)}x', "onload=alert(1)>"),
        (r"\textcolor{url(x)}{y}", "mathcolor"),
    ],
)
def test_nothing_but_drawing_comes_out_of_a_formula(latex: str, never: str) -> None:
    assert "<math" in formula(latex)
    assert never not in re.sub(r'alttext="[^"]*"', "", with_formulas(f"${latex}$"))


@pytest.mark.parametrize(
    "latex",
    [
        r"\newcommand{\a}{\b\b}\newcommand{\b}{\a\a}\a",
        r"\def\a{\a\a}\a",
        "x" * 1001,
        "{" * 400 + "}" * 400,
        r"\frac" * 150,
        r"\left(" * 150,
        r"\begin{array}" * 70,
    ],
    ids=["macros", "def", "long", "deep", "no arguments", "open", "environments"],
)
def test_what_cannot_be_drawn_stays_as_it_was_typed(latex: str) -> None:
    assert with_formulas(f"${latex}$") == Markup.escape(f"${latex}$")


def test_a_long_answer_that_is_no_formula_is_cut() -> None:
    assert len(formula("1" * 100_000)) < 1100


PIECES = [*r"\$(){}[]^_&x1 <>\"'", r"\frac", r"\text{", r"\boxed{", "&#x0003C;", "\n"]
TYPED = st.lists(st.sampled_from(PIECES)).map("".join)


@given(st.one_of(st.text(), TYPED, TYPED.map(lambda words: f"${words}$")))
@example(words=r"$\text{&#x0003C;script>}$")
def test_any_text_gives_a_page_that_only_draws(words: str) -> None:
    seen = Seen(with_formulas(words))
    assert set(seen.tags) <= DRAWING
    assert all(
        re.fullmatch(r"[\w.%+ -]*", value or "") for name, value in seen.attributes if name != "alttext"
    )


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_are_text_beside_and_inside_formulas(words: str) -> None:
    for given_words in (words, rf"${words}$", rf"$\text{{{words}}}$"):
        Seen(with_formulas(given_words)).check(scripts=0)


def test_no_formula_that_people_wrote_is_lost(real_problems: list[str]) -> None:
    """All but a few: an environment whose first row begins with a bracket is not."""
    found = [words[start:end] for words in real_problems for start, end in formulas(words)]
    assert len(found) > 2000
    assert sum(_formula(each) is None for each in found) < 5


@pytest.fixture(scope="module")
def real_problems(shared_data: Path) -> list[str]:
    lines = (shared_data / "math/test.jsonl").read_text(encoding="utf-8").splitlines()[:700]
    return [value for line in lines for value in json.loads(line).values() if isinstance(value, str)]
