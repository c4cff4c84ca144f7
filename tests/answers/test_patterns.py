"""What the check of a user's pattern relies on in Python's own reading of patterns."""

from __future__ import annotations

import re

import pytest

from omi_core.answers.patterns import PATTERN_TAIL, SHORT_TAIL, compile_pattern

SAFE = [
    (r"answer: (\d+)", PATTERN_TAIL),
    (r"(?:so|hence)\s+(\d{1,9})", PATTERN_TAIL),
    (r"^A: (.+)$", PATTERN_TAIL),
    (r"(?:ab){3}c*?", PATTERN_TAIL),
    (r"(?i:x)(?=y)(?<!z)[^a-z\d]+\b", PATTERN_TAIL),
    (r"(?:a|b)*c", PATTERN_TAIL),  # read as a class
    (r"a+ b+ c+", SHORT_TAIL),
    (r"a++ (?>b+) c+", SHORT_TAIL),
]
UNSAFE = [
    (r"(a+)+", "a repeat inside a repeat"),
    (r"(?:a*?)*", "a repeat inside a repeat"),
    (r"(?:a{2,3}){4}b(?:c{0,2})+", "a repeat inside a repeat"),
    (r"(?:a++)+", "a repeat inside a repeat"),
    (r"(?=(a+)+)b", "a repeat inside a repeat"),
    (r"(?>(a+)+)b", "a repeat inside a repeat"),
    (r"(?:aa|bb)+c", "a choice inside a repeat"),
    (r"(a)\1", "back-references"),
    (r"(?P<x>a)(?P=x)", "back-references"),
    (r"(a)?(?(1)b|c)", "back-references"),
    (r"a+ b+ c+ d+", "4 open-ended repeats"),
    (r"a{17} b{20} c* d{2,}", "4 open-ended repeats"),
    (r"(", "missing \\)"),
]


@pytest.mark.parametrize("pattern, tail", SAFE)
def test_what_cannot_run_away_is_taken_with_its_tail(pattern: str, tail: int) -> None:
    compiled, seen = compile_pattern(pattern)
    assert (compiled.pattern, compiled.flags & re.MULTILINE, seen) == (pattern, re.MULTILINE, tail)


@pytest.mark.parametrize("pattern, why", UNSAFE)
def test_what_can_run_away_is_refused_by_name(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        compile_pattern(pattern)
    assert "\n" not in str(refused.value)
