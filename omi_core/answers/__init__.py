r"""Answers: extract them from solutions, decide which are the same, and vote.

    extract = Extractor(pattern=r"^A: (.+)$")
    with Grader(Policy()) as grader:
        answers = [extract(text).answer for text in solutions]
        majority = vote(answers, grader)

Importing this package is cheap: Arb is imported by the first pair of answers that needs it, sympy in worker
processes only.
"""

from omi_core.answers.draws import Draws, count_draws
from omi_core.answers.extract import Extractor, boxed_answers, gsm8k_ground_truth, math_ground_truth
from omi_core.answers.grader import Grader
from omi_core.answers.policy import Policy, Verdict
from omi_core.answers.pool import WorkerError, WorkerLimits
from omi_core.answers.voting import Vote, vote, vote_many

__all__ = [
    "Draws",
    "Extractor",
    "Grader",
    "WorkerLimits",
    "Policy",
    "Verdict",
    "Vote",
    "WorkerError",
    "boxed_answers",
    "count_draws",
    "gsm8k_ground_truth",
    "math_ground_truth",
    "vote",
    "vote_many",
]
