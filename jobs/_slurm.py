"""Submitting to Slurm, for the commands that can: plan, submit the chain, print how to follow it."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jobs._plan import show_plan
from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.run import ledger
from omi_core.run.files import LockTaken, lock, write_json
from omi_core.run.layout import Layout
from omi_core.slurm import commands, states
from omi_core.slurm.script import check_cluster, replicas
from omi_core.slurm.submit import Chain, ask_site, shares
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run, open_run, published, published_whole
from omi_core.stages.summary import announce


def submit_generate(config: Generate) -> int:
    """Plans the run of a config and submits what is missing of it; returns the exit code.

    Raises:
        ConfigError: the config cannot be planned, or the site refuses the jobs.
    """
    check_cluster(config.cluster)
    replicas(config)
    _refuse_fresh_while_running(config)
    try:
        run = plan_generate(config)
    except LockTaken as error:
        raise ConfigError(str(error)) from error
    if config.plan:
        return show_plan(run, wants_canary(config), _active_if_known(run))
    return submit_missing(run, by="generate")


def _refuse_fresh_while_running(config: Generate) -> None:
    """Raises ConfigError where run.fresh would take the directory away under jobs that write to it."""
    if not (config.run.fresh and config.run.dir and Layout(Path(config.run.dir)).plan.exists()):
        return
    layout = Layout(Path(config.run.dir))
    if active := active_jobs(open_run(layout)):
        raise ConfigError(
            f"run.fresh=true: jobs of {layout.root} wait or run ({', '.join(active)}); "
            f"python -m jobs.cancel {layout.root} first"
        )


def submit_missing(run: Run[Generate], by: str) -> int:
    """Submits what is missing of a planned run, if nothing of it is running; returns the exit code."""
    try:
        with lock(run.layout.lock), ExitStack() as undo:
            announce(run, published(run))
            if published_whole(run) is not None:
                return 0
            if active := active_jobs(run):
                print(
                    f"{len(active)} of its jobs wait or run already ({', '.join(active)}); nothing submitted"
                )
                return 0
            ranges = gate.missing(run)
            # The jobs go by it, and so does the gate when it sends something again.
            write_json(run.layout.config, dataclasses.asdict(run.config))
            ledger.append(run.layout.ledger, {"stage": "chain", "by": by, "keys": gate.count(ranges)})
            chain = Chain(run, ask_site(run.config))
            undo.callback(lambda: commands.scancel([entry.id for entry in chain.submitted][::-1]))
            if gate.count(ranges):
                canary = by in ("generate", "pipeline") and wants_canary(run.config)
                chain.generate(shares(run, ranges, canary))
            else:
                chain.reduce()
            undo.pop_all()  # half a chain would never be gated; a whole one stays
    except LockTaken as error:
        raise ConfigError(str(error)) from error
    except commands.SlurmError as error:
        raise ConfigError(f"+cluster={run.config.cluster.name}: {error}") from error
    except OSError as error:  # a full disk, a directory of somebody else: what was submitted is cancelled
        print(f"failed: {' '.join(str(error).split())}; nothing stays submitted", file=sys.stderr)
        return 1
    show(run, chain)
    return 0


def wants_canary(config: Generate) -> bool:
    """By default where GPUs are asked for; jobs.resume never sends one."""
    return config.cluster.gpus_per_node > 0 if config.canary is None else config.canary


def active_jobs(run: Run[Any]) -> list[str]:
    """Ids of the run's jobs that Slurm still has waiting or running."""
    return sorted(_active(run.layout))


def _active(layout: Layout) -> set[str]:
    found = states.query_submitted(ledger.read(layout.ledger))
    return {key.job_id for key, state in found.items() if state.state in states.ACTIVE}


def _active_if_known(run: Run[Any]) -> list[str]:
    """As `active_jobs`; none where Slurm does not answer."""
    try:
        return active_jobs(run)
    except commands.SlurmError:
        return []


def cancel(layout: Layout) -> int:
    """Cancels every job of the run that waits or runs, the first ones of the chain last.

    Were the array cancelled first, its gate would wake up and send it again.
    """
    try:
        active = _active(layout)
        jobs = [e["job"] for e in ledger.read(layout.ledger) if e.get("job") in active]
        if not jobs:
            print("no job of it waits or runs")
            return 0
        commands.scancel(jobs[::-1])
    except commands.SlurmError as error:
        raise ConfigError(str(error)) from error
    ledger.append(layout.ledger, {"stage": "cancel", "jobs": jobs})
    print(f"cancelled {', '.join(jobs)}; resume: python -m jobs.resume {layout.root}")
    return 0


def show(run: Run[Any], chain: Chain) -> None:
    """The jobs of a chain, and the commands to follow it."""
    for entry in chain.submitted:
        array = entry.job.array
        tasks = f"  {array[1] + 1} tasks" if array else ""
        print(f"{entry.job.stage:>9}  job {entry.id}{tasks}")
    if chain.unsent:
        print(f"{chain.unsent:,} samples more: submitted by the gate, when the queue has room for them")
    print(f"follow: python -m jobs.status {run.layout.root}   stop: python -m jobs.cancel {run.layout.root}")
    print(f"resume: python -m jobs.resume {run.layout.root}", file=sys.stdout, flush=True)
