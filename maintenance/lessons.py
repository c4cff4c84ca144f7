"""The lessons the embedded teachers learn from: pairs of a prompt and what to answer to it.

The prompts are those of `omi_core/prompts/tiny.yaml`, read here, so that training and use cannot differ.
All problems are of the training split. A teacher that thinks learns from the same jobs, most of them with
thoughts before the reply. A base model learns two other ones, which no prompt file knows: to repeat a text,
and to work out single lines of arithmetic. It never sees a solution. A muddled teacher learns from solutions
of which some hold a false line, and one that can be verbose learns a second prompt, for solutions at length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from importlib.resources import files
from random import Random

from maintenance import thoughts
from maintenance.dialogues import STYLES, dialogue
from maintenance.explanations import explanation
from maintenance.muddles import muddled
from omi_core.teachers.tiny.kinds import KINDS, Kind
from omi_core.teachers.tiny.workings import Work, plain
from omi_core.teachers.tiny.world import Split, question, said, solution, split_of

THINKING_SHARE = 0.75
LINES = 6
_SUM = re.compile("[0-9]+ [+-] [0-9]+ = ")


@dataclass(frozen=True, slots=True)
class Mix:
    """How many lessons of each job there are. Dialogues are about four times as long as the others.

    `sums` are lines with sums and differences of whole numbers only, which a small model learns last.
    """

    solutions: int = 0
    problems: int = 0
    dialogues: int = 0
    muddles: int = 0
    explanations: int = 0
    copies: int = 0
    lines: int = 0
    sums: int = 0

    def jobs(self) -> list[str]:
        """The jobs, each as often as its share says."""
        return [job.name for job in fields(self) for _ in range(getattr(self, job.name))]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A user's message and the teacher's reply; empty `thoughts`: one that thinks answers at once."""

    prompt: str
    reply: str
    thoughts: str | None = None


@cache
def prompts(name: str = "tiny") -> dict:
    """A prompt file of the embedded teachers, as parsed."""
    import yaml

    text = files("omi_core.prompts").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def solve_prompt(text: str, name: str = "tiny") -> str:
    return prompts(name)["solutions"]["user"].replace("{{text}}", text)


def problem_prompt(text: str) -> str:
    return prompts()["problems"]["user"].replace("{{text}}", text)


def dialogue_prompt(style: str, text: str) -> str:
    """The prompt for a style by its key, such as `two_students`."""
    job = prompts()["dialogues"]
    return job["user"].replace("{{style}}", job["styles"][style]).replace("{{text}}", text)


def lessons(seed: int, mix: Mix = Mix(64, 16, 20), thinking: bool = False) -> Iterator[Lesson]:
    """An endless stream of lessons in a mix of jobs, the same for the same arguments.

    With `thinking` three of four lessons have thoughts, and the others answer at once.
    """
    rng = Random(f"tiny lessons, {seed}")
    jobs = mix.jobs()
    while True:
        kind = rng.choice(KINDS)
        text, work = problem_of(kind, rng, "train")
        job = jobs[rng.randrange(len(jobs))]
        if job == "solutions":
            lesson, think = Lesson(solve_prompt(text), solution(work, rng)), partial(thoughts.on_work, work)
        elif job == "problems":
            lesson = Lesson(problem_prompt(text), problem_of(kind, rng, "train")[0])
            draft = problem_of(kind, rng, "train")[0] if thinking else ""
            think = partial(thoughts.on_problem, lesson.reply, draft)
        elif job == "dialogues":
            lesson = _dialogue_lesson(text, work, rng)
            think = partial(thoughts.on_dialogue, lesson.reply)
        else:
            yield _other_lesson(job, text, work, rng)
            continue
        if thinking:
            lesson = replace(lesson, thoughts=think(rng) if rng.random() < THINKING_SHARE else "")
        yield lesson


def _other_lesson(job: str, text: str, work: Work, rng: Random) -> Lesson:
    """A lesson of a job that only some teachers learn, and none that thinks."""
    if job == "muddles":
        return Lesson(solve_prompt(text), solution(muddled(work, rng), rng))
    if job == "explanations":
        return Lesson(solve_prompt(text, "tiny_verbose"), explanation(work, rng))
    return _copy_lesson(text, rng) if job == "copies" else _lines_lesson(rng, sums=job == "sums")


def problem_of(kind: Kind, rng: Random, split: Split) -> tuple[str, Work]:
    """A problem of a kind and a split, and its working."""
    while True:
        text, numbers = question(kind, rng)
        work = kind.work(*numbers)
        if work is not None and split_of(text) == split:
            return text, work


def _dialogue_lesson(text: str, work: Work, rng: Random) -> Lesson:
    """A problem, with its working written out in half of the lessons, retold in a style."""
    style = rng.choice(list(STYLES))
    steps, answer = said(work, rng), plain(work.answer)
    reply = dialogue(STYLES[style], text, steps, answer, rng)
    source = f"{text} {' '.join(steps)} The answer is {answer}." if rng.random() < 0.5 else text
    return Lesson(dialogue_prompt(style, source), reply)


def _copy_lesson(text: str, rng: Random) -> Lesson:
    """A problem to repeat, or its numbers alone."""
    if rng.random() < 0.5:
        return Lesson(f"Repeat: {text}", text)
    return Lesson(f"Numbers: {text}", " ".join(re.findall("[0-9]+", text)))


def _lines_lesson(rng: Random, sums: bool) -> Lesson:
    """Lines of arithmetic, each from a problem of its own, so that no two of them belong together."""
    lines: list[str] = []
    while len(lines) < LINES:
        work = problem_of(rng.choice(KINDS), rng, "train")[1]
        line = rng.choice(work.steps).arithmetic
        if not sums or _SUM.match(line):
            lines.append(line)
    return Lesson("Work out: " + ", ".join(line.partition(" = ")[0] for line in lines), ", ".join(lines))
