"""A run that is on disk, opened to go on: as before, or with other tasks or options of its cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from omi_core import options
from omi_core.cluster_options import Cluster
from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.stages.planning import refuse_changed
from omi_core.stages.run import Run, open_to_continue
from omi_core.store.layout import Layout


def open_again(
    layout: Layout, tasks: int | None = None, cluster: Mapping[str, Any] | None = None
) -> Run[Generate | Reduce]:
    """The run with its config as it is to go on; nothing is written.

    `tasks` are those for what is missing, None as many as before. `cluster` are options that are to be others
    from now on, as they were typed.

    Raises:
        ConfigError: it cannot be continued, its input or options were changed, or `cluster` does not fit it.
    """
    run = open_to_continue(layout)
    refuse_changed(run)
    config = run.config
    if isinstance(config, Generate) and tasks is not None:
        config = dataclasses.replace(config, tasks=tasks)
    if isinstance(config, Generate) and config.cluster.kind == "slurm":
        config = dataclasses.replace(config, cluster=changed(config.cluster, cluster or {}))
    elif cluster:
        raise ConfigError(f"cluster: {layout.root} was not submitted to a cluster; omit it")
    return Run(run.layout, run.plan, config)


def changed(cluster: Cluster, given: Mapping[str, Any]) -> Cluster:
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
            is_text = isinstance(text, str) and isinstance(values[name], (list, dict))
            values[name] = yaml.safe_load(text) if is_text else text
        except yaml.YAMLError:
            raise ConfigError(f"cluster.{name}={text}: not a list or names with values") from None
    try:
        return options.load(Cluster, values)
    except ConfigError as error:
        raise ConfigError(f"cluster.{error}") from error
