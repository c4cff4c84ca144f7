"""Normal forms: what is the same to the search, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.decontaminate.normal import MAX_CHARS, exact_form, strict_form, words

WORDS = [
    ("Janet’s DUCKS lay 16 eggs.", "janets ducks lay 16 eggs"),
    ("a 9-kilometer-long walk", "a 9 kilometer long walk"),
    ("1,000 or 1{,}000 or $10,\\!000$ or 1000.50", "1000 or 1000 or 10000 or 1000.50"),
    ("$3x + 2 y$", "3 x 2 y"),
    ("f(1, 2)", "f 1 2"),
    (r"\(\dfrac{1}{2}\) and $\frac12$ and ½ and 1/2", "1 2 and 12 and 1 2 and 1 2"),
    (r"$$x^{2} \leq \pi$$ and x² ≤ π", "x 2 pi and x 2 pi"),
    (r"$\left( a \cdot b \right)$, $a\times b$, a × b", "a b a b a b"),
    (r"\text{Find } \mathbf{v}\,\displaystyle\sum_{i=1}^{n} i", "find v sum i 1 n i"),
    (r"\begin{align*}x &= 1 \\ y &= 2\end{align*}", "x 1 y 2"),
    (r"$1 + 2 + \cdots + 10$, 1 + 2 + … + 10", "1 2 10 1 2 10"),
    (r"$30^\circ$, $30^{\circ}$, 30°, 30 degrees", "30 degrees 30 degrees 30 degrees 30 degrees"),
    (r"50\% is 50% is 50 percent", "50 percent is 50 percent is 50 percent"),
    ("ｆｕｌｌ ｗｉｄｔｈ １２", "full width 12"),
    ("zero\u200bwidth soft\u00adhyphen", "zerowidth softhyphen"),
    ("一個数 is 数", "一 個 数 is 数"),
    ("left [asy]draw((0,0)--(1,1));[/asy] right", "left right"),
    ("[asy] that never ends", "asy that never ends"),
    ("cost \\$5 or $5", "cost 5 or 5"),
    ("?! ... $$", ""),
]


@pytest.mark.parametrize(("text", "expected"), WORDS, ids=[text for text, _ in WORDS])
def test_words(text: str, expected: str) -> None:
    assert " ".join(words(text)) == expected


SAME = [
    ("What is $2+3$?", "what is  2 + 3", True),
    ("What is $2+3$?", "What is $2-3$?", False),
    ("What is (2+3)*4?", "What is 2+3*4?", False),
    ("Solve $2^{x}=8$.", "Solve $2^x = 8$", True),
    ("Solve $2^{x+1}=8$.", "Solve $2^x+1=8$.", False),
    (r"Is $x \le 2$?", "Is x ≤ 2?", True),
    (r"Is $x \le 2$?", r"Is $x \ge 2$?", False),
    ("Find $x$. [asy]draw(A--B);[/asy]", "Find $x$. [asy]draw(B--C);[/asy]", False),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_the_strict_form_keeps_what_changes_a_formula(one: str, other: str, same: bool) -> None:
    assert (strict_form(one) == strict_form(other)) is same


def test_the_exact_form_ignores_case_and_white_space_only() -> None:
    assert exact_form(" What  IS\n$x$? ") == exact_form("what is $x$?")
    assert exact_form("what is $x$?") != exact_form("what is x?")


@given(st.text())
def test_words_of_words_are_the_same_words(text: str) -> None:
    once = words(text)
    assert all(once)
    assert words(" ".join(once)) == once


HOSTILE = {
    "brackets": "{" * MAX_CHARS,
    "open drawings": "[asy]" * MAX_CHARS,
    "commands": "\\begin{" * MAX_CHARS,
    "numbers": "1,234" * MAX_CHARS,
    "letters in braces": "{" + "a" * MAX_CHARS,
    "what NFKC makes long": "\ufdfa" * MAX_CHARS,
    "accents": "a" + "\u0301" * MAX_CHARS,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_only_the_beginning_of_an_endless_text_is_read(text: str) -> None:
    assert sum(map(len, words(text))) <= MAX_CHARS
    assert len(strict_form(text)) <= 2 * MAX_CHARS
