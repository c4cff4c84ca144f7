"""Vote, filter and publish solutions that were generated elsewhere: the CPU half of the main job, alone.

    python -m jobs.reduce input=samples.jsonl                        # problem, generated_solution
    python -m jobs.reduce input='out/*.parquet' data.problem=question solution=[responses]
    python -m jobs.reduce input=graded.jsonl data.answer=answer data.answer_format=gsm8k run.dir=runs/graded

Rows with the same problem are voted on together. Without data.answer the majority answer of a problem
becomes its expected_answer. filters.max_tokens is off until filters.tokenizer names a tokenizer.json;
without one, a limit other than the default is refused.
"""

from __future__ import annotations

from jobs import _command
from omi_core.config import Reduce, load_reduce, refuse_site


def main(config: Reduce) -> int:
    """Brings the run of this config to its published dataset. Returns the exit code."""
    refuse_site(config.cluster)
    from jobs._local import run_here
    from omi_core.stages.planning import plan_reduce

    return run_here(config, plan_reduce)


if __name__ == "__main__":
    _command.run("reduce", Reduce, load_reduce, main, __doc__ or "")
