"""`jobs.evaluate`: the run of an evaluation is made or submitted, and its least shares are checked."""

from __future__ import annotations

import sys

from omi_core.protocol import Asked


def evaluate(asked: Asked) -> int:
    """Makes the evaluation here, or submits it. Returns the exit code: 1 also where a share is too low."""
    from omi_core.commands.making import generate

    code = generate(asked.generate)
    if code or not asked.least or asked.plan:
        return code
    return _check(asked)


def _check(asked: Asked) -> int:
    """Compares pass@1 with what it is to be at least; on Slurm only once the evaluation is there."""
    from omi_core.evaluate.figures import PASS
    from omi_core.evaluate.outcome import read_outcome
    from omi_core.evaluate.tables import whole
    from omi_core.stages.planning import plan_generate
    from omi_core.stages.run import published

    run = plan_generate(asked.generate)
    if published(run) is None:
        print("min: not known yet; the same command tells once the evaluation is there", file=sys.stderr)
        return 0
    found = whole(read_outcome(run.layout.evaluation).figures)
    low = [name for name, share in asked.least.items() if found[name][PASS, 1].value < share]
    for name in low:
        value = found[name][PASS, 1].value
        print(f"min.{name}={asked.least[name]:g}: pass@1 is {value:.4f}", file=sys.stderr)
    return 1 if low else 0
