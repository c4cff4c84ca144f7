"""Options of solutions: how answers are found and compared."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.answers.policy import Policy
from omi_core.options import option, section


@dataclass
class Repair:
    """Of `answers.expected=repair`: when a ground truth is kept, and when the majority takes its place."""

    keep: int = option(1, "fewest samples that agree with a ground truth that is kept", ge=1, late=True)
    share: float = option(
        0.5,
        "least share of samples in a majority that takes the place of one with which none agrees",
        gt=0,
        le=1,
        late=True,
    )


@dataclass
class Answers:
    """How the final answer is found, compared and voted on."""

    methods: list[str] = option(
        ["boxed", "hashes", "pattern"], "where to look for the final answer, in this order"
    )
    pattern: str | None = option(
        None, "regular expression for the final answer: its first group, or the whole match"
    )
    policy: Policy = section(Policy)
    deadline: float = option(5.0, "CPU seconds for a comparison before its verdict is UNKNOWN", gt=0)
    memory_gb: float = option(1.0, "memory of one comparing worker", gt=0)
    expected: str = option(
        "truth",
        "truth: the ground truth, if there is one; majority: always the vote, which the truth only measures; "
        "repair: the truth where samples agree with it, else a clear majority; "
        "picked: the answer that answers.picks has most often, and of its solutions the most picked one",
        choices=("truth", "majority", "repair", "picked"),
    )
    repair: Repair = section(Repair, late=True)
    second_opinion: str | None = option(
        None,
        "for answers.expected=repair: run of another teacher on the same problems, with "
        "answers.expected=majority; only an answer that it came to, too, replaces a ground truth",
        late=True,
    )
    picks: str | None = option(
        None,
        "for answers.expected=picked: run of task=selections selections.keep=all on the run that is reduced",
        late=True,
    )
    scores: str | None = option(
        None,
        "run of jobs.score on the run that is reduced, or files with record_id, sample and score",
        late=True,
    )
    select: str = option(
        "all",
        "all: every solution that passes; best: of each problem those with the highest answers.scores",
        choices=("all", "best"),
        late=True,
    )
    top: int = option(1, "for answers.select=best: solutions of a problem, at most", ge=1, late=True)
    min_agreement: float = option(0.0, "drop records with a smaller share of expected answers", ge=0, le=1)
    min_pass_rate: float | None = option(
        None,
        "drop records with a smaller share of right samples, failed ones left out; without a ground truth "
        "of samples in the majority",
        ge=0,
        le=1,
        late=True,
    )
    max_pass_rate: float | None = option(
        None, "drop records with a larger one: problems that are too easy", ge=0, le=1, late=True
    )
    min_votes: int | None = option(
        None,
        "drop records with fewer samples that give the expected answer; null: 2 where a vote decides among "
        "several answers, 1 elsewhere",
        ge=0,
        late=True,
    )
