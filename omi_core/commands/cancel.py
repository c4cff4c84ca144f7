"""`jobs.cancel`: the jobs of a run or a pipeline."""

from __future__ import annotations

from pathlib import Path

from omi_core.commands.finding import Where


def main(config: Where, runs: list[Path]) -> int:
    """Cancels the jobs of one run or pipeline. Returns the exit code."""
    from omi_core.pipeline.definition import is_pipeline, read_pipeline

    if is_pipeline(runs[0]):
        from omi_core.pipeline import advance

        return advance.cancel_pipeline(read_pipeline(runs[0]))
    from omi_core.slurm.sending import cancel_run
    from omi_core.store.layout import Layout

    return cancel_run(Layout(runs[0]))  # no more of the run than that: it may be damaged
