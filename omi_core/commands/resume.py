"""`jobs.resume`: a run or a pipeline from its directory to the work that goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.commands.finding import Resume
from omi_core.config import Generate
from omi_core.options import ConfigError


def main(config: Resume, runs: list[Path]) -> int:
    """Continues one run or pipeline. Returns the exit code."""
    from omi_core.pipeline.plan import is_pipeline, read_pipeline

    if is_pipeline(runs[0]):
        from omi_core.commands.pipeline import go_on

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
        from omi_core.slurm.script import check_cluster
        from omi_core.slurm.sending import submit_missing

        chosen = dataclasses.replace(chosen, cluster=_changed(chosen.cluster, config.cluster))
        check_cluster(chosen.cluster)
        return submit_missing(Run(run.layout, run.plan, chosen), "resume", config.cluster.get("after"))
    if config.cluster:
        raise ConfigError(f"cluster: {runs[0]} was not submitted to a cluster; omit it")
    from omi_core.commands.here import finish_here

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
