"""Decontaminate: which problems repeat questions of test sets, word for word or nearly so.

    python -m jobs.decontaminate input=problems.jsonl test=[gsm8k=gsm8k_test.jsonl,math=math_test.jsonl]
    python -m jobs.decontaminate input=problems.jsonl test=[mine=gsm8k_test.jsonl] clean=clean.jsonl
    python -m jobs.generate teacher=rehearsal data.size=40 run.dir=runs/checked
    python -m jobs.decontaminate input=runs/checked test=[gsm8k=gsm8k_test.jsonl]

Prints a report per test set; the pairs go to contamination.jsonl. A test set is NAME=FILE, NAME=HUB_ID, or
one of gsm8k, math, amc23, aime24 and omni_math by its name alone, which is then read from the hub. model=
names a sentence-transformers model that finds the nearest questions of every problem that hits nothing;
jobs.generate task=verdicts lets a judge read them, and verdicts= counts what it found as well.
"""

from __future__ import annotations

from omi_core.commands.shell import run_composed
from omi_core.decontaminate.checking import check
from omi_core.decontaminate.decontaminate_options import refuse_same_files

if __name__ == "__main__":
    run_composed("decontaminate", check, __doc__ or "", refuse_same_files)
