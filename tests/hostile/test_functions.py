"""What reads model text takes time in proportion to its length, whatever the text repeats.

Regular expressions are attacked one by one in test_patterns.py; here are the functions around them, with
their loops over texts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omi_core.answers import Extractor, boxed_answers
from omi_core.answers.comparing import compare_readings
from omi_core.answers.lexer import tokenize
from omi_core.answers.policy import Policy
from omi_core.answers.reader import read_answer
from omi_core.answers.rules import Rules
from omi_core.decontaminate import normal
from omi_core.filters import build, known
from omi_core.filters.conversations.turns import turns
from omi_core.filters.registry import SECTIONS
from omi_core.records import Candidate
from omi_core.teachers import tiny
from tests.hostile.patterns import slow

pytestmark = pytest.mark.long

TOKENIZER = str(Path(tiny.__file__).parent / "strong" / "tokenizer.json")
LONG = 65_536  # characters
# What works hardest per character: a quarter shows the same.
SHORTER = {"problems: statement", "problems: no_question", "conversations: english"}
TURNS = (
    *("\n", " ", "\t", "\n ", "{", "}", "\\", "$", "^", "(", ")", "-", "1", "a", "é", "\x00", "\ud800", "甲"),
    *(
        "\\boxed{",
        "\\boxed{1}",
        "\\boxed",
        "\\boxed ",
        "\\fbox{{",
        "\\text{",
        "\\frac{",
        "\\frac12",
        "\\[",
        "\\]",
    ),
    *("\\begin{a}", "\\end{a}", "\\begin{cases}", "#### ", "#### 1\n", "1,", "1.", "1 + ", "1 = ", "1,111"),
    *(
        "(1)",
        "<<1+1=2>>",
        "1!",
        "1^",
        "a. ",
        "A: b\n",
        "**",
        "Solution: ",
        "problem ",
        "that's ",
        "[asy]",
        "```\n",
    ),
    *(
        "[asy]",
        "```\n",
        "The text says ",
        "1\\text{ m} + ",
        "a*b = ",
        "is defined ",
        "x and ",
        "\\cup ",
        "|",
        "'",
        '"',
    ),
)
TAILS = ("", "\\boxed{5}", "\n#### 5", "\x00")
# Found by the pattern: a user's own, of the kind that is let through.
PATTERN = r"answer is (.+?)\.?\s*$"


def candidate(text: str) -> Candidate:
    return Candidate(text, text, None, "5", "s", "stop", "r", 0, 9)


def functions() -> dict[str, Callable[[str], Any]]:
    """Everything that is given a text of a model, or of a problem that anyone wrote."""
    extract, by_pattern, rules = Extractor(), Extractor(("pattern",), PATTERN), Rules(Policy())
    out: dict[str, Callable[[str], Any]] = {
        "extract": extract,
        "extract by a pattern": by_pattern,
        "boxed_answers": boxed_answers,
        "tokenize": tokenize,
        "compare": lambda text: compare_readings(read_answer(text), read_answer(text + "1"), rules),
        "compare, an answer's length": lambda text: read_answer(text[-400:]),
        "turns": lambda text: sum(1 for _ in turns(text)),
    }
    out |= {
        f"decontaminate {name}": getattr(normal, name)
        for name in ("exact_form", "words", "strict_form", "is_cut")
    }
    for section in SECTIONS:
        for name, cls in known(section).items():
            chain = build({name: {"tokenizer": TOKENIZER} if cls.takes("tokenizer") else {}}, section=section)
            out[f"{section}: {name}"] = lambda text, chain=chain: chain.apply([candidate(text)])
    return out


FUNCTIONS = functions()


# The long form takes twice as long.
@pytest.mark.parametrize("long", [LONG // 2, pytest.param(LONG, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.timeout(300)
def test_time_grows_with_the_length_whatever_the_text_repeats(name: str, long: int) -> None:
    found: dict[str, str] = {}
    FUNCTIONS[name]("Once before: some load a model.")
    for turn in TURNS:
        for tail in TAILS:

            def make(length: int, turn: str = turn, tail: str = tail) -> str:
                return turn * (length // len(turn)) + tail

            if finding := slow(FUNCTIONS[name], make, long // 4 if name in SHORTER else long):
                found[f"{turn!r} * n + {tail!r}"] = finding
    assert found == {}


def test_the_attack_finds_a_slow_function() -> None:
    def looks_back(text: str) -> int:
        return sum(len(text[:at].rstrip("a")) for at in range(len(text)))

    assert slow(looks_back, lambda length: "a" * length, LONG) is not None
