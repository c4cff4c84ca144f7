"""No regular expression of the package takes more than linear time, whatever a model writes.

The patterns are found by themselves, and so are the texts: a new pattern is attacked without a word about it.
    .venv/bin/python -m pytest tests/hostile -n 0 --durations 20
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.hostile.patterns import anchored, attack, compiled, texts, unseen, written

# What these read is no model's text but names of files, times and job ids, and what Slurm prints.
OUR_OWN = ("omi_core.store.", "omi_core.slurm.", "omi_core.report.", "omi_core.pipeline.")
OUR_OWN_FILES = ("run/", "slurm/", "report/", "pipeline/")
# Patterns that a function puts together, and why that does no harm.
KNOWN_UNSEEN = {
    "answers/extract.py": "the user's pattern: checked when it is read, and it sees a bounded tail",
    "answers/patterns.py": "compiles the user's pattern, which is checked there",
    "pipeline/composing.py": "reads places of the pipeline's own",
    "pipeline/recipe.py": "reads recipes",
    "teachers/chat_prompt.py": "a choice of literal tokens: there is nothing to repeat",
    "teachers/tiny/world.py": "reads the demo's own problems",
}


SHARES = 24


@cache
def found() -> dict[str, tuple[re.Pattern[str], bool]]:
    """Every pattern once, and whether it is only asked at a place."""
    at_a_place = anchored()
    out: dict[str, tuple[re.Pattern[str], bool]] = {}
    seen: set[tuple[str, int]] = set()
    for where, pattern in compiled().items():
        if not where.startswith(OUR_OWN) and (pattern.pattern, pattern.flags) not in seen:
            seen.add((pattern.pattern, pattern.flags))
            out[where] = pattern, where.rpartition(".")[2].partition("[")[0] in at_a_place
    for where, text in written().items():
        if not where.startswith(OUR_OWN_FILES):
            out[where] = re.compile(text), where.endswith((" match", " fullmatch"))
    return out


def test_all_patterns_are_found() -> None:
    assert len(found()) > 80
    for name in (
        "written_problem._REMARK",
        "extract._BOX_SCAN",
        "lexer._SCAN",
        "delimiters._MARK",
    ):
        assert any(where.endswith(name) for where in found()), name
    assert {where.partition(":")[0] for where in unseen()} <= set(KNOWN_UNSEEN)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.timeout(300)
def test_a_pattern_takes_linear_time_on_its_worst_texts(share: int) -> None:
    """In shares, since the names of all are only known when the whole package is imported."""
    attacked = {where: attack(*pattern) for where, pattern in list(found().items())[share::SHARES]}
    assert attacked and {where: slow for where, slow in attacked.items() if slow is not None} == {}


# Patterns that once were in the package, and classics. Without these the test above might be blind.
SLOW = [
    r"\^\s*(?:\{|\()?\s*[-+]?\s*([0-9]+)",
    r"(?:[)\]}|]|[0-9]{4,})\s*(?:\\!)?\s*!",
    r"(?:\s|\\[!,;:.]|[.,;:]|(?<!\\)\$)+$",
    r"^[ \t]*(?:solution|answer)\s*[*_]{0,3}[ \t]*(?::|\.?[ \t*_]*$)",
    r"(?:(?:the|a|\W)\s*){0,3}problem\s*\d{0,3}\s*:",
    r"(a+)+b",
    r"(?:a|ab)*c(?:x*)*y",
    r"\d+,\d+!",
    r"<.*>.*</",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_the_attack_finds_slow_patterns(pattern: str) -> None:
    assert attack(re.compile(pattern, re.MULTILINE)) is not None


def test_texts_lead_to_each_repeat() -> None:
    assert any(head == "ab" and pump == "c" for head, pump, _ in texts(re.compile("abc*d")))
