"""Continue a run or a pipeline: submit what is missing of it, or finish it here if it was made here.

    python -m jobs.resume runs/mine
    python -m jobs.resume runs/mine tasks=4     # spread what is missing over 4 tasks

On Slurm, cluster.time=02:00:00 or another option of the cluster applies from then on. Nothing is repeated. A
run whose jobs still wait or run is left alone, but what is held is released, and what can never start is
submitted anew; a complete one says so. With more tasks than before, what a few slow tasks have left is shared
out anew. Of a pipeline every step goes on that can.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from jobs._runs import Resume, runs_command
from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.config import Generate
from omi_core.options import ConfigError


def main(config: Resume, runs: list[Path]) -> int:
    """Continues one run or pipeline. Returns the exit code."""
    from omi_core.pipeline.plan import is_pipeline, read_pipeline

    if is_pipeline(runs[0]):
        from jobs.pipeline import go_on

        if config.tasks is not None or config.cluster:
            given = "tasks" if config.tasks is not None else "cluster"
            raise ConfigError(
                f"{given}: of a pipeline give it to jobs.pipeline, or resume one of its steps with it"
            )
        return go_on(read_pipeline(runs[0]), by="resume")
    from omi_core.stages.planning import refuse_changed
    from omi_core.stages.run import Run, open_to_continue
    from omi_core.store.layout import Layout

    run = open_to_continue(Layout(runs[0]))
    refuse_changed(run)
    chosen = run.config
    if isinstance(chosen, Generate) and config.tasks is not None:
        chosen = dataclasses.replace(chosen, tasks=config.tasks)
    if isinstance(chosen, Generate) and chosen.cluster.kind == "slurm":
        from jobs._slurm import submit_missing
        from omi_core.slurm.script import check_cluster

        chosen = dataclasses.replace(chosen, cluster=_changed(chosen.cluster, config.cluster))
        check_cluster(chosen.cluster)
        return submit_missing(Run(run.layout, run.plan, chosen), "resume", config.cluster.get("after"))
    if config.cluster:
        raise ConfigError(f"cluster: {runs[0]} was not submitted to a cluster; omit it")
    from jobs._local import finish_here

    return finish_here(Run(run.layout, run.plan, chosen))


def _changed(cluster: Cluster, given: dict[str, Any]) -> Cluster:
    """The options of a cluster with those given on the command line, which are texts yet.

    Raises:
        ConfigError: no such option, or one that says which cluster it is.
    """
    import yaml

    values = dataclasses.asdict(cluster)
    options.refuse_unknown(Cluster, given, "cluster.")
    for name, text in given.items():
        if name in ("name", "kind", "canary"):
            raise ConfigError(f"cluster.{name}: give it to the command that made the run")
        try:
            values[name] = yaml.safe_load(text) if isinstance(values[name], (list, dict)) else text
        except yaml.YAMLError:
            raise ConfigError(f"cluster.{name}={text}: not a list or names with values") from None
    try:
        return options.load(Cluster, values)
    except ConfigError as error:
        raise ConfigError(f"cluster.{error}") from error


if __name__ == "__main__":
    runs_command("resume", Resume, main, __doc__ or "", most=1, pipelines=True)
