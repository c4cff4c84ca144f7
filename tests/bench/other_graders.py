# pyright: reportMissingImports=false
"""The graders of other suites on lines of JSON: `python other_graders.py NAME < in > out`.

A line in has `output`, `gold` (the right answer) and `solution` (it at the end of the reference solution); a
line out is true or false. Run by tests/bench/graders.py, never by this project itself.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

Line = dict[str, str]
Grade = Callable[[Line], bool]


def math_verify() -> Grade:
    from math_verify import parse, verify

    return lambda line: bool(verify(parse(f"\\boxed{{{line['gold']}}}"), parse(line["output"])))


def lm_eval_gsm8k(filter_name: str) -> Grade:
    """The task gsm8k: its filters and metric, as its YAML file has them."""
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    patterns: dict[str, dict[str, Any]] = {
        "strict": {"regex_pattern": "#### (\\-?[0-9\\.\\,]+)"},
        "flexible": {"regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1},
    }
    found = RegexFilter(**patterns[filter_name])
    ignored = [",", "\\$", "(?s).*#### ", "\\.$"]

    def grade(line: Line) -> bool:
        (answers,) = found.apply([[line["output"]]], [{}])
        scored = exact_match_hf_evaluate(
            [answers[0]], [line["solution"]], regexes_to_ignore=ignored, ignore_case=True
        )
        return bool(scored["exact_match"])

    return grade


def lm_eval_math() -> Grade:
    """The equality of the task hendrycks_math, on the last box: the task takes what is between dollars."""
    from lm_eval.tasks.hendrycks_math.utils import is_equiv, last_boxed_only_string, remove_boxed

    def grade(line: Line) -> bool:
        box = last_boxed_only_string(line["output"])
        try:
            return bool(is_equiv(remove_boxed(box), line["gold"])) if box is not None else False
        except AssertionError:
            return False

    return grade


def lm_eval_minerva() -> Grade:
    """The task minerva_math: its sympy equality, on the last box in place of its own final sentence."""
    from lm_eval.tasks.minerva_math import utils

    def grade(line: Line) -> bool:
        box = utils.last_boxed_only_string(line["output"])
        try:
            answer = utils.normalize_final_answer(utils.remove_boxed(box)) if box is not None else None
        except AssertionError:
            return False
        return answer is not None and bool(utils.is_equiv(answer, utils.normalize_final_answer(line["gold"])))

    return grade


def lighteval() -> Grade:
    """The scoring of its metrics for MATH and AIME: `pass_at_k_math`."""
    from lighteval.metrics.dynamic_metrics import (
        ExprExtractionConfig,
        LatexExtractionConfig,
        MultilingualExtractiveMatchMetric,
    )
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc
    from lighteval.utils.language import Language

    targets = [ExprExtractionConfig(), LatexExtractionConfig()]
    metric = MultilingualExtractiveMatchMetric(
        language=Language.ENGLISH, gold_extraction_target=targets, pred_extraction_target=targets, precision=6
    )

    def grade(line: Line) -> bool:
        doc = Doc(query="", choices=[line["solution"]], gold_index=0)
        return bool(metric.compute(doc=doc, model_response=ModelResponse(text=[line["output"]])))

    return grade


GRADERS: dict[str, Callable[[], Grade]] = {
    "math-verify": math_verify,
    "lm-eval gsm8k strict": lambda: lm_eval_gsm8k("strict"),
    "lm-eval gsm8k flexible": lambda: lm_eval_gsm8k("flexible"),
    "lm-eval hendrycks_math": lm_eval_math,
    "lm-eval minerva_math": lm_eval_minerva,
    "lighteval": lighteval,
}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    out, sys.stdout = sys.stdout, sys.stderr  # some of them print
    judge = GRADERS[sys.argv[1]]()
    for text in sys.stdin:
        out.write(json.dumps(judge(json.loads(text))) + "\n")
        out.flush()
