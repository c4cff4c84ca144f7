"""Vote on, filter and publish existing solutions: the CPU half of the main job.

    python -m jobs.reduce input=samples.jsonl                        # problem, generated_solution
    python -m jobs.reduce input='out/*.parquet' data.problem=question solution=[responses]
    python -m jobs.reduce input=graded.jsonl data.answer=answer data.answer_format=gsm8k run.dir=runs/graded

Rows with the same problem are voted on together. Without data.answer the majority answer of a problem
becomes its expected_answer. filters.max_tokens is off until filters.tokenizer names a tokenizer.json;
without one, a limit other than the default is refused.
"""

from omi_core.commands.making import reduce
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("reduce", reduce, __doc__ or "")
