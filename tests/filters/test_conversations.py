"""Every filter of conversations does what its examples say, and whole conversations end where they should."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.filters import FilterChain, build, known
from omi_core.filters.conversations.language import English
from omi_core.filters.conversations.turns import turns
from omi_core.filters.sections import Conversations, chosen
from omi_core.options import ConfigError
from omi_core.records import Candidate
from omi_core.teachers.tiny.dialogues import STYLES, dialogue
from omi_core.text.tokens import BYTES
from omi_core.text.words import covered, longest


def candidate(solution: str, problem: str = "p", finish_reason: str = "stop") -> Candidate:
    return Candidate(problem, solution, None, "", "s", finish_reason, "r", 0, 9)


FILTERS = known("conversations")


def chain_of(**options: Any) -> FilterChain:
    """The chain that the options ask for; tokens are bytes."""
    return build(chosen("conversations", Conversations(**options), lambda: BYTES), section="conversations")


# --- whole conversations

CHUNK = (
    "A triangle with sides $a$, $b$, $c$ has a right angle opposite $c$ exactly when $a^2 + b^2 = c^2$. For "
    "instance, a triangle with sides 3, 4 and 5 has one, and so has every triangle similar to it. The rule "
    "also says how long the diagonal of a rectangle is: one of 6 by 8 units has a diagonal of 10 units, "
    "because the diagonal and two of its sides make up such a triangle, and $36 + 64 = 100$."
)
GOOD = (
    "Teacher: Let us find the diagonal of a rectangle of 6 by 8 units. Which triangle would help us?\n"
    "Student: The one that the diagonal makes with two sides? It has a right angle in the corner.\n"
    "Teacher: Exactly. So what does the rule of the three squares tell you about it?\n"
    "Student: That $6^2 + 8^2 = c^2$. The left side is $36 + 64$, which is $100$, so $c$ must be 10.\n"
    "Teacher: Well done. And how could you have seen that without any squares at all?\n"
    "Student: Oh, it is the triangle with sides 3, 4 and 5, only twice as large!"
)
MARKED = re.sub(r"^(\w+):", r"**\1:**", GOOD, flags=re.M).replace("\n", "\n\n")
ONE_MORE = "\nTeacher: Can you say that in your own words?\nStudent: "
OUTCOMES = [
    ("a good conversation", GOOD, "stop", None),
    ("the same in bold, with blank lines", MARKED, "stop", None),
    ("announced", "Sure! Here's the conversation:\n\n" + GOOD, "stop", None),
    ("cut off", GOOD, "length", "unfinished"),
    ("a refusal, short as it is", "I'm sorry, but I can't help with that request.", "stop", "refusal"),
    ("a word about itself", GOOD + "\n\nI hope this conversation is what you need.", "stop", "prompt_talk"),
    ("about the text as such", GOOD.replace("the rule", "the provided text"), "stop", "prompt_talk"),
    ("short", "Ann: Five?\nBob: Yes.", "stop", "min_tokens"),
    ("an essay", CHUNK.replace("A triangle", "Every triangle"), "stop", "min_turns"),
    ("a monologue", GOOD.replace("Student:", "Teacher:"), "stop", "min_speakers"),
    ("without its end", GOOD[:-30], "stop", "mid_sentence"),
    ("the last turn empty", GOOD + ONE_MORE, "stop", "mid_sentence"),
    ("in two languages", GOOD + "\nTeacher: " + English._GERMAN * 4, "stop", "english"),
    ("a loop of lines", GOOD + 3 * "\nTeacher: Why?\nStudent: I do not know.", "stop", "repeated_lines"),
    ("a loop of words", GOOD + ONE_MORE + "it is ten because " * 9 + "so.", "stop", "repeated_ngrams"),
    ("reads the chunk out", f"Ann: {CHUNK}\nBob: I see. Thank you.", "stop", "copied_share"),
]


@pytest.mark.parametrize(("case", "text", "reason", "dropped"), OUTCOMES, ids=[case[0] for case in OUTCOMES])
def test_a_conversation_stays_or_is_counted_once(
    case: str, text: str, reason: str, dropped: str | None
) -> None:
    chain = chain_of(copied_run=None)
    kept = chain.apply([candidate(text, CHUNK, reason)])
    counts = {name: n["dropped"] for name, n in chain.counts()["filters"].items() if n["dropped"]}
    assert counts == ({dropped: 1} if dropped else {})
    assert len(kept) == (dropped is None)
    assert all(row.solution in (GOOD, MARKED) for row in kept)


def test_a_long_copy_in_a_long_conversation_is_found() -> None:
    text = f"Ann: Read this. {CHUNK}\n" + GOOD
    chain = chain_of(copied_run=60, copied_share=None)
    assert chain.apply([candidate(text, CHUNK), candidate(GOOD, CHUNK)]) == [candidate(GOOD, CHUNK)]
    assert chain.counts()["filters"]["copied_run"]["dropped"] == 1


@pytest.mark.parametrize("style", STYLES)
def test_the_labels_of_every_style_are_speakers(style: str) -> None:
    text = dialogue(STYLES[style], "It has 2 boxes. How many?", ["To begin, 2 is 2."] * 3, "2", Random(0))
    spoken = [line.partition(":")[0].casefold() for line in text.splitlines()]
    assert [turn.speaker for turn in turns(text)] == spoken
    assert len(set(spoken)) >= 2


@pytest.mark.parametrize(
    ("marked", "n", "words", "longest_run"),
    [
        ([], 3, 0, 0),
        ([False, False], 3, 0, 0),
        ([True], 3, 3, 3),
        ([True, True, False], 3, 4, 4),
        ([True, False, True], 3, 5, 3),
        ([True, False, False, False, True], 3, 6, 3),
    ],
)
def test_words_in_runs_are_counted_once(marked: list[bool], n: int, words: int, longest_run: int) -> None:
    assert (covered(marked, n), longest(marked, n)) == (words, longest_run)


# --- options


def test_options_turn_criteria_off() -> None:
    off: dict[str, Any] = {
        field.name: None for field in dataclasses.fields(Conversations) if field.default is not True
    }
    off |= {field.name: False for field in dataclasses.fields(Conversations) if field.default is True}
    assert chosen("conversations", Conversations(**off)) == {}
    assert list(chosen("conversations", Conversations(), lambda: BYTES)) == list(FILTERS)
    limits = chosen("conversations", Conversations(min_turns=4, copied_share=0.0), lambda: BYTES)
    assert (limits["min_turns"], limits["copied_share"]) == ({"limit": 4}, {"share": 0.0})


def test_a_tokenizer_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match=r"^conversations: min_tokens.tokenizer: no file /nowhere"):
        chosen("conversations", Conversations(), lambda: "/nowhere")


# --- hostile and real text

N = 60_000
HOSTILE = {
    "one word": "a" * N,
    "labels": "A: " * N,
    "label lines": "A:\n" * N,
    "names without a colon": "Ab Cd Ef " * N,
    "brackets": "A (" * N,
    "dollars": "$" * N,
    "stars": "*" * N + ":",
    "line ends": "A: b" + "\n" * N + "B: c.",
    "closing marks": "A: b.\nB: c." + ")" * N,
    "emoji": "A: b.\nB: c." + "😀" * N,
    "combining marks": "A: b.\nB: c" + "\u0301" * N,
    "refusals that do not end": "I can't help with th" * N,
    "promises": "let me know if you'd " * N,
    "I have kept": "i have kept " * N,
    "the same word": "the " * N,
    "NUL and surrogates": "A: \x00\ud83d\nB: \ude00" * 100,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_survived_in_bounded_time(case: str) -> None:
    text = HOSTILE[case]
    for name, options in chosen("conversations", Conversations(), lambda: BYTES).items():
        (after,) = FILTERS[name](**options).apply([candidate(text, problem=text)])
        assert after is None or text.endswith(after.solution)


@given(st.text(alphabet="AnB:b \n.*$?(1é\u4e2d", max_size=80))
def test_any_text_gets_through_and_is_counted_once(text: str) -> None:
    chain = chain_of()
    kept = chain.apply([candidate(text), candidate(GOOD + text)])
    assert len(kept) + sum(count["dropped"] for count in chain.counts()["filters"].values()) == 2


def test_english_mathematics_by_people_and_models_is_english(shared_data: Path) -> None:
    checked, foreign = 0, []
    for name, field in (
        ("math/train.jsonl", "solution"),
        ("real_samples/openmathinstruct2_100.jsonl", "problem"),
    ):
        for line in (shared_data / name).read_bytes().splitlines()[:1500]:
            text = orjson.loads(line)[field]
            if "[asy]" not in text:  # the code of a drawing
                checked += 1
                foreign += [text] if English().solution_after(candidate(text)) is None else []
    assert checked > 1000 and not foreign
