"""The test sets that are known by name: where each is read, how its answers stand there, and whose it is.

Nothing of a test set comes with this project. `licence` is None where no licence is known: the problems of
contests belong to those who set them.
"""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.inputs.data_options import Data


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`data` is what is read of the hub: columns of question and answer, and how the answer is written."""

    data: Data
    source: str
    licence: str | None = None


_GSM8K = Data(
    hub="openai/gsm8k",
    hub_config=["main"],
    split="test",
    problem="question",
    answer="answer",
    answer_format="gsm8k",
)
_MATH = Data(
    hub="EleutherAI/hendrycks_math",
    hub_config=[
        *("algebra", "counting_and_probability", "geometry", "intermediate_algebra"),
        *("number_theory", "prealgebra", "precalculus"),
    ],
    split="test",
    answer="solution",
    answer_format="boxed",
)
_AMC23 = Data(hub="math-ai/amc23", split="test", problem="question", answer="answer")
_AIME24 = Data(hub="HuggingFaceH4/aime_2024", split="train", answer="answer")
_OMNI_MATH = Data(hub="KbsdJames/Omni-MATH", split="test", answer="answer")

BENCHMARKS = {
    "gsm8k": Benchmark(_GSM8K, "https://github.com/openai/grade-school-math", "MIT"),
    "math": Benchmark(_MATH, "https://github.com/hendrycks/math", "MIT"),
    "amc23": Benchmark(_AMC23, "AMC 12 of 2023"),
    "aime24": Benchmark(_AIME24, "AIME I and II of 2024"),
    "omni_math": Benchmark(_OMNI_MATH, "https://github.com/KbsdJames/Omni-MATH", "Apache-2.0"),
}
