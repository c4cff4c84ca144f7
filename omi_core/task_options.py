"""Options of single tasks: what a new problem must be like, what is published of dialogues, what is judged.

Those of chunks are in `dialogue_options`, those of the filter of conversations in `filters.sections`.
"""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.filters.sections import Section, of_filters
from omi_core.options import option


@of_filters("problems")
class Problems(Section):
    """The task `problems`: what a new problem must be like."""

    source: str = option(
        "augmented_{source}", "problem_source of a new problem; {source} is its seed's (OpenMathInstruct-2)"
    )


@dataclass
class Variants:
    """The task `dialogues`: what is published besides a folder for each style."""

    longest: bool = option(False, "also the longest conversation of every chunk, as a variant of its own")
    mix: float | None = option(
        None, "also conversations among raw text, with this share of raw text in tokens; null: no", gt=0, lt=1
    )


@dataclass
class Verdicts:
    """The task `verdicts`: a judge says whether a problem is a test question in other words."""

    questions: int = option(5, "nearest questions that a problem is compared with, each in both orders", ge=1)
