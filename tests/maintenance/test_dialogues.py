"""Dialogues in seven styles: labelled turns that keep every number of the text."""

from __future__ import annotations

import re
from random import Random

import pytest

from maintenance.dialogues import STYLES, dialogue, sentences, speakers_of
from omi_core.teachers.tiny.workings import plain
from omi_core.teachers.tiny.world import draw, parse, said


def written(style: str, seed: int) -> list[tuple[str, str, list[str]]]:
    """Problem, dialogue and steps of twenty problems."""
    rng = Random(seed)
    rows = []
    for problem in draw(seed, 20):
        read = parse(problem.text)
        assert read is not None
        steps = said(read[1], rng)
        rows.append(
            (problem.text, dialogue(STYLES[style], problem.text, steps, plain(read[1].answer), rng), steps)
        )
    return rows


def test_there_are_seven_styles() -> None:
    assert list(STYLES) == [
        "two_students",
        "teacher_student",
        "two_professors",
        "debate",
        "problem_solving",
        "layman_knowall",
        "interview",
    ]


@pytest.mark.parametrize("style", STYLES)
def test_every_line_is_a_turn_of_a_speaker_and_at_least_two_speak(style: str) -> None:
    for _, text, _ in written(style, seed=1):
        labels = [line.split(": ")[0] for line in text.splitlines()]
        assert set(labels) <= set(STYLES[style].speakers)
        assert speakers_of(text) == set(labels)
        assert len(set(labels)) >= 2
        assert all(len(line) < 200 for line in text.splitlines())


@pytest.mark.parametrize("style", STYLES)
def test_no_sentence_of_the_problem_and_no_arithmetic_is_lost(style: str) -> None:
    for problem, text, steps in written(style, seed=2):
        for sentence in sentences(problem):
            assert sentence in text
        arithmetic = re.findall("[0-9][0-9 +*/=-]*[0-9]", " ".join(steps))
        assert arithmetic and all(line in text for line in arithmetic)


def test_the_leader_asks_and_the_other_works() -> None:
    for _, text, _ in written("teacher_student", seed=3):
        assert not re.search("^Teacher:.* = ", text, flags=re.MULTILINE)
        assert re.search("^Student:.* = ", text, flags=re.MULTILINE)


def test_styles_share_no_labels_that_would_confuse_them() -> None:
    labels = [label for style in STYLES.values() for label in style.speakers]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("no labels here", set()),
        ("Teacher: hello\nStudent: 3 + 4 = 7", {"Teacher", "Student"}),
        ("Know-all: so\nnote: this", {"Know-all"}),
        ("He said: x", {"He said"}),
        ("a\n12: x\n" + "A" * 50 + ": x", set()),
    ],
)
def test_speakers_are_read_from_the_line_starts(text: str, expected: set[str]) -> None:
    assert speakers_of(text) == expected
