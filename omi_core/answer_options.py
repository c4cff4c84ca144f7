"""Options of solutions: how answers are found and compared."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option, section


@dataclass
class Policy:
    """Open cases of "the same answer"; docs of each in `omi_core.answers.Policy`."""

    percent: str = option("either", "what 50\\% is: 0.5, 50, or either", choices=("either", "value", "drop"))
    units: str = option(
        "lenient",
        "a unit on one side only: fine, not fine, or no unit ever looked at",
        choices=("lenient", "strict", "ignore"),
    )
    bases: str = option("lenient", "whether 101_2 may equal 101", choices=("lenient", "strict"))
    ordered_lists: bool = option(False, "1,2 differs from 2,1")
    bare_tuples: bool = option(True, "(1,2) equals 1,2")
    set_equals_tuple: bool = option(False, "{1,2} equals (1,2)")
    singleton_sets: bool = option(True, "{5} equals 5")
    interval_ends: str = option("strict", "whether (1,2) differs from [1,2]", choices=("strict", "ignore"))
    assignments: bool = option(True, "x=5 equals 5")
    fold_case: bool = option(True, "letters may differ in case")
    tolerance: float = option(0.0, "relative difference of two equal numbers; 0 is exact", ge=0, le=0.5)


@dataclass
class Answers:
    methods: list[str] = option(
        ["boxed", "hashes", "pattern"], "where the final answer is looked for, in this order"
    )
    pattern: str | None = option(
        None, "regular expression for the final answer: its first group, or the whole match"
    )
    policy: Policy = section(Policy)
    deadline: float = option(5.0, "CPU seconds for a comparison before its verdict is UNKNOWN", gt=0)
    memory_gb: float = option(1.0, "memory of one comparing worker", gt=0)
    expected: str = option(
        "truth",
        "truth: the ground truth, where there is one; majority: always the vote, the truth only measures",
        choices=("truth", "majority"),
    )
    min_agreement: float = option(0.0, "drop records with a smaller share of expected answers", ge=0, le=1)
    min_votes: int | None = option(
        None,
        "drop records with fewer samples that give the expected answer; null: 2 where a vote decides among "
        "several answers, 1 elsewhere",
        ge=0,
        late=True,
    )
