"""What is open at a place of a text: formulas and environments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.text.delimiters import CLOSERS, open_at
from omi_core.text.formulas import formulas

OPEN: list[tuple[str, list[str]]] = [
    ("", []),
    ("It is $x = ", ["$"]),
    ("It is $x$, and ", []),
    ("$$ x = ", ["$$"]),
    ("\\[ x = ", ["\\]"]),
    ("\\( x = ", ["\\)"]),
    ("\\[ \\begin{aligned} x &= ", ["\\]", "\\end{aligned}"]),
    ("\\begin{align*} x &= 1 \\\\ y &= ", ["\\end{align*}"]),
    ("It costs \\$5, so ", []),
    ("a \\\\[2pt] b ", []),
    ("\\\\$x = ", ["$"]),
    ("$$$$$ ", []),
    ("a closer alone \\] ", []),
    ("\\text{for $x$ in \\(a\\)} ", []),
]


@pytest.mark.parametrize(("text", "closers"), OPEN)
def test_what_is_open_at_the_end(text: str, closers: list[str]) -> None:
    assert open_at(text, len(text)) == closers


PIECES = ["$", "$$", "\\(", "\\)", "\\[", "\\]", "\\\\", "\\$", "\\begin{a}", "\\end{a}", "x", " ", "\n\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_after_its_closers_nothing_is_open(text: str) -> None:
    deep = len(open_at(text, len(text))) == 8  # the most that are told at once
    for _ in range(2 if deep else 1):
        # What ends in a backslash or a dollar takes part of what is put behind it.
        text = f"{text} {' '.join(reversed(open_at(text, len(text))))}"
    assert open_at(text, len(text)) == []


@pytest.mark.parametrize("opener", CLOSERS)
def test_a_formula_is_protected_where_its_opener_is_open(opener: str) -> None:
    text = f"It is {opener}x = 5{CLOSERS[opener]}."
    ((start, end),) = formulas(text)
    assert open_at(text, start + len(opener)) == [CLOSERS[opener]]
    assert open_at(text, end) == []
