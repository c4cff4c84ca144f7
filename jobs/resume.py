"""Continue a run or a pipeline: submit what is missing of it, or finish it here if it was made here.

    python -m jobs.resume runs/mine
    python -m jobs.resume runs/mine tasks=4     # spread what is missing over 4 tasks

Nothing is repeated. A run whose jobs still wait or run is left alone; a complete one says so. With more
tasks than before, what a few slow tasks have left is shared out anew. Of a pipeline every step goes on that
can.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from jobs._runs import Where, runs_command
from omi_core.config import Generate
from omi_core.options import ConfigError, option


@dataclass
class Options(Where):
    tasks: int | None = option(None, "array tasks for what is missing; null: as many as before", ge=1)


def main(config: Options, runs: list[Path]) -> int:
    """Continues one run or pipeline. Returns the exit code."""
    from omi_core.pipeline.plan import is_pipeline, read_pipeline

    if is_pipeline(runs[0]):
        from jobs.pipeline import go_on

        if config.tasks is not None:
            raise ConfigError(
                "tasks: of a pipeline give it to jobs.pipeline, or resume one of its steps with it"
            )
        return go_on(read_pipeline(runs[0]), by="resume")
    from omi_core.run.layout import Layout
    from omi_core.stages.planning import refuse_changed
    from omi_core.stages.run import Run, open_to_continue

    run = open_to_continue(Layout(runs[0]))
    refuse_changed(run)
    chosen = run.config
    if isinstance(chosen, Generate) and config.tasks is not None:
        chosen = dataclasses.replace(chosen, tasks=config.tasks)
    if isinstance(chosen, Generate) and chosen.cluster.kind == "slurm":
        from jobs._slurm import submit_missing

        return submit_missing(Run(run.layout, run.plan, chosen), by="resume")
    from jobs._local import finish_here

    return finish_here(Run(run.layout, run.plan, chosen))


if __name__ == "__main__":
    runs_command("resume", Options, main, __doc__ or "", most=1, pipelines=True)
