"""The rule of the mixture of conversations with raw text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.publish.mix import RAW, MixChooser

STYLES = ("a", "b", "c")


@dataclass(frozen=True)
class Text:
    style: str
    tokens: int
    number: int


def chunk(number: int, raw: int, *conversations: tuple[str, int]) -> tuple[Text, list[Text]]:
    return Text(RAW, raw, number), [Text(style, tokens, number) for style, tokens in conversations]


def mixed(share: float, chunks: list[tuple[Text, list[Text]]]) -> list[Text]:
    mix = MixChooser(share, STYLES)
    return [text for raw, conversations in chunks for text in mix.choose(raw, conversations)]


def words(texts: list[Text]) -> str:
    """a0 is the conversation in style a on chunk 0, r0 its raw text."""
    return " ".join(f"{text.style[0]}{text.number}" for text in texts)


ALL = [chunk(number, 10, ("a", 10), ("b", 10), ("c", 10)) for number in range(6)]
CASES = [
    ("a raw text for every conversation", 0.5, ALL, "r0 a0 r1 b1 r2 c2 r3 a3 r4 b4 r5 c5"),
    ("all that is there", 0.25, ALL, " ".join(f"r{n} a{n} b{n} c{n}" for n in range(6))),
    (
        "less raw text than there is",
        0.1,
        ALL,
        "r0 a0 b0 c0 a1 b1 c1 r2 a2 b2 c2 a3 b3 c3 a4 b4 c4 r5 a5 b5 c5",
    ),
    ("much raw text", 0.75, ALL, "r0 a0 r1 r2 r3 b3 r4 r5"),
    ("none of the first chunk", 0.5, [chunk(0, 10), *ALL[1:3]], "r0 r1 a1 b1 r2 c2"),
]


@pytest.mark.parametrize(("case", "share", "chunks", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_is_taken(case: str, share: float, chunks: list[tuple[Text, list[Text]]], expected: str) -> None:
    assert words(mixed(share, chunks)) == expected


def test_a_style_that_is_missing_in_some_chunks_is_used_where_it_is_there() -> None:
    chunks = [chunk(n, 10, *[(s, 10) for s in STYLES if s != "a" or n % 3 == 0]) for n in range(60)]
    used = Counter(text.style for text in mixed(0.5, chunks))
    assert used == {RAW: 60, "a": 20, "b": 20, "c": 20}


SIZES = st.integers(1, 1000)
CHUNKS = st.lists(
    st.tuples(SIZES, st.lists(st.tuples(st.sampled_from(STYLES), SIZES), max_size=5)), min_size=1, max_size=40
)


@given(CHUNKS, st.floats(0.01, 0.99))
def test_the_share_is_off_by_one_text_at_most_and_no_text_is_taken_twice(
    sizes: list[tuple[int, list[tuple[str, int]]]], share: float
) -> None:
    chunks = [chunk(number, raw, *conversations) for number, (raw, conversations) in enumerate(sizes)]
    mix = MixChooser(share, STYLES)
    raw_tokens = total = 0
    for raw, conversations in chunks:
        taken = mix.choose(raw, conversations)
        left = list(conversations)
        for text in taken:
            assert text is raw or left.remove(text) is None
        assert [text is raw for text in taken[1:]].count(True) == 0, "the raw text comes first, and once"
        raw_tokens += sum(text.tokens for text in taken if text is raw)
        total += sum(text.tokens for text in taken)
        assert abs(raw_tokens - share * total) <= 1000
