"""Dialogues about a problem in seven styles: what the embedded teachers learn to write.

A dialogue is a line per turn, `Speaker: words`. It reads the problem out sentence by sentence, takes the
steps in order and closes with the answer, so every number of the text is in it. In a style with a *leader*
(teacher, layman, interviewer) the first speaker asks and the second works; else all take turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random


@dataclass(frozen=True, slots=True)
class Style:
    """Who speaks and what they say around the sentences they are given."""

    speakers: tuple[str, ...]
    openings: tuple[str, ...]
    facts: tuple[str, ...]
    questions: tuple[str, ...]
    steps: tuple[str, ...]
    closings: tuple[str, ...]
    # What the leader says before each step; empty where all speakers take turns.
    nudges: tuple[str, ...] = ()


STYLES: dict[str, Style] = {
    "two_students": Style(
        speakers=("Student A", "Student B"),
        openings=("Can you help me with this one?", "Shall we do the next one together?"),
        facts=("Sure. {fact}", "I have it here. {fact}"),
        questions=("And then: {question}", "They ask: {question}"),
        steps=("I think {step}", "Okay, {step}", "My notes say {step}"),
        closings=("So we write {answer}.", "Great, it is {answer}."),
    ),
    "teacher_student": Style(
        speakers=("Teacher", "Student"),
        openings=("Please read the problem.", "Let us look at a new problem."),
        facts=("{fact}", "It says: {fact}"),
        questions=("Now think about this: {question}", "Good. {question}"),
        steps=("I see that {step}", "I get this: {step}"),
        closings=("Well done, the answer is {answer}.", "Correct, it is {answer}."),
        nudges=("What do you do now?", "Yes. Go on.", "Show me a step."),
    ),
    "two_professors": Style(
        speakers=("Professor A", "Professor B"),
        openings=("I use this example in my lecture.", "Here is a case for our seminar."),
        facts=("The setting is this. {fact}", "Let me state it. {fact}"),
        questions=("The task reads: {question}", "And what we seek: {question}"),
        steps=("We note that {step}", "Clearly {step}", "It follows that {step}"),
        closings=("Hence the result is {answer}.", "The value is therefore {answer}."),
    ),
    "debate": Style(
        speakers=("Speaker A", "Speaker B"),
        openings=("I claim that this is easy.", "I say we can settle this by logic."),
        facts=("Not so fast. {fact}", "Mind the details. {fact}"),
        questions=("The point at issue: {question}", "We must decide: {question}"),
        steps=("I hold that {step}", "You cannot deny that {step}", "Granted, but {step}"),
        closings=("Then we both accept {answer}.", "I rest my case: {answer}."),
    ),
    "problem_solving": Style(
        speakers=("Member A", "Member B", "Member C"),
        openings=("Let us plan how to solve this.", "Team, we have a problem to solve."),
        facts=("What we know: {fact}", "Given: {fact}"),
        questions=("What we want: {question}", "Our goal: {question}"),
        steps=("A step: {step}", "I computed that {step}", "Next on the list: {step}"),
        closings=("We all agree on {answer}.", "Checked. The result is {answer}."),
    ),
    "layman_knowall": Style(
        speakers=("Layman", "Know-all"),
        openings=("I am lost with this.", "I never understood such things."),
        facts=("It is simple. {fact}", "Listen. {fact}"),
        questions=("But tell me: {question}", "And here I am stuck: {question}"),
        steps=("Obviously {step}", "As everybody knows, {step}"),
        closings=("Oh, so it is {answer}!", "Now I see, {answer}!"),
        nudges=("Why is that?", "And what then?", "I do not follow."),
    ),
    "interview": Style(
        speakers=("Interviewer", "Expert"),
        openings=("Welcome. What do you bring us today?", "Thank you for coming. What is the case?"),
        facts=("This one. {fact}", "Take this. {fact}"),
        questions=("Our readers ask: {question}", "So, {question}"),
        steps=("In my work I see that {step}", "We find that {step}"),
        closings=("So the answer is {answer}. Thank you.", "And that makes {answer}. Thank you."),
        nudges=("How do you begin?", "Please explain.", "Can you say more?"),
    ),
}


def sentences(text: str) -> list[str]:
    """The text cut after each full stop or question mark that a space follows."""
    return re.split(r"(?<=[.?]) ", text)


def dialogue(style: Style, problem: str, steps: list[str], answer: str, rng: Random) -> str:
    """A dialogue on a problem, whose last sentence is the question, the steps of its working, the answer."""
    *facts, question = sentences(problem)
    lines: list[str] = []
    turns: Iterator[str] = cycle(style.speakers)

    def say(line: str, speaker: str | None = None) -> None:
        lines.append(f"{speaker or next(turns)}: {line}")

    say(rng.choice(style.openings))
    say(rng.choice(style.facts).format(fact=" ".join(facts)))
    say(rng.choice(style.questions).format(question=question))
    for i, step in enumerate(steps):
        inside = step.removeprefix("To begin, ").removeprefix("Then, ")
        inside = inside[0].lower() + inside[1:]
        if style.nudges and i:
            say(rng.choice(style.nudges), style.speakers[0])
        line = rng.choice(style.steps).format(step=inside)
        say(line, style.speakers[1]) if style.nudges else say(line)
    closing = rng.choice(style.closings).format(answer=answer)
    say(closing, style.speakers[0]) if style.nudges else say(closing)
    return "\n".join(lines)


def speakers_of(text: str) -> set[str]:
    """The labels that start the lines of a dialogue: letters, blanks and hyphens before a colon."""
    return set(re.findall(r"^([A-Z][A-Za-z -]{0,30}):", text, flags=re.MULTILINE))
