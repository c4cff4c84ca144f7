"""`jobs.evaluate`: the run of an evaluation is made or submitted, and what is asked of it besides."""

from __future__ import annotations

import sys

from omi_core.config import Generate
from omi_core.protocol import Asked
from omi_core.stages.run import Run


def evaluate(asked: Asked) -> int:
    """Makes the evaluation here, or submits it. Returns the exit code: 1 also where a share is too low."""
    from omi_core.commands.making import generate
    from omi_core.stages.planning import plan_generate

    code = generate(asked.generate)
    if code or asked.plan or not (asked.least or asked.training_data):
        return code
    run = plan_generate(asked.generate)
    if asked.training_data:
        _search(run, asked.training_data)
    return _check(asked, run) if asked.least else 0


def _search(run: Run[Generate], given: str) -> None:
    """Says how many questions stand in the training data, and writes down which."""
    from omi_core.decontaminate.training import find_held, told
    from omi_core.stages.run import records_of

    pairs = run.layout.root / "contamination.jsonl"
    for line in told(find_held(records_of(run), given, pairs), given):
        print(line)
    print(f"contamination: {pairs}")


def _check(asked: Asked, run: Run[Generate]) -> int:
    """Compares pass@1 with what it is to be at least; on Slurm only once the evaluation is there."""
    from omi_core.evaluate.figures import PASS
    from omi_core.evaluate.outcome import read_outcome
    from omi_core.evaluate.tables import whole
    from omi_core.stages.run import published

    if published(run) is None:
        print("min: not known yet; the same command tells once the evaluation is there", file=sys.stderr)
        return 0
    found = whole(read_outcome(run.layout.evaluation).figures)
    low = [name for name, share in asked.least.items() if found[name][PASS, 1].value < share]
    for name in low:
        value = found[name][PASS, 1].value
        print(f"min.{name}={asked.least[name]:g}: pass@1 is {value:.4f}", file=sys.stderr)
    return 1 if low else 0
