"""Find the problems that repeat questions of test sets, word for word or nearly.

    python -m jobs.decontaminate input=problems.jsonl test=[gsm8k=gsm8k_test.jsonl,math=math_test.jsonl]
    python -m jobs.decontaminate input=problems.jsonl test=[mine=gsm8k_test.jsonl] clean=clean.jsonl
    python -m jobs.generate teacher=rehearsal data.size=40 run.dir=runs/checked
    python -m jobs.decontaminate input=runs/checked test=[gsm8k=gsm8k_test.jsonl]

Prints a report per test set; the pairs go to contamination.jsonl. A test set is NAME=FILE, NAME=HUB_ID, or
just gsm8k, math, amc23, aime24 or omni_math, which are then read from the hub. model= names a
sentence-transformers model, which finds the nearest questions for every problem without a hit; jobs.generate
task=verdicts lets a judge read those, and verdicts= adds what it found to the report.
"""

from omi_core.commands.shell import run_composed
from omi_core.decontaminate.checking import check
from omi_core.decontaminate.decontaminate_options import refuse_same_files

if __name__ == "__main__":
    run_composed("decontaminate", check, __doc__ or "", refuse_same_files)
