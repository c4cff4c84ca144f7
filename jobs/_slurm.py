"""Submitting to Slurm, for the commands that can: plan, submit the chain, print how to follow it."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
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
from omi_core.slurm.failures import ON_GPUS
from omi_core.slurm.script import check_cluster, replicas
from omi_core.slurm.submit import Chain, ask_site, shares
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run, open_run, published
from omi_core.stages.summary import announce

# How long jobs that were cancelled may take to end: Slurm's KillWait, and a site's epilog.
_CANCELLED_GONE_S = 120.0


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
            if published(run) is not None:
                announce(run, complete=True)
                return 0
            announce(run, complete=False)
            live = _live_when_cancelled_are_gone(run)
            if any(entry["stage"] not in ON_GPUS for entry in live):
                jobs = sorted({entry["job"] for entry in live})
                print(f"{len(jobs)} of its jobs wait or run already ({', '.join(jobs)}); nothing submitted")
                return 0
            ranges = gate.missing(run)
            # The jobs go by it, and so does the gate when it sends something again.
            write_json(run.layout.config, dataclasses.asdict(run.config))
            ledger.append(run.layout.ledger, {"stage": "chain", "by": by, "keys": gate.count(ranges)})
            chain = Chain(run, ask_site(run.config))
            undo.callback(lambda: commands.scancel([entry.id for entry in chain.submitted][::-1]))
            if live:  # the gate that was to wait for them is gone
                jobs = list(dict.fromkeys(entry["job"] for entry in live))
                print(f"job {', '.join(jobs)} waits or runs already; a new gate waits for it")
                chain.gate(max(entry["attempt"] for entry in live), "afterany:" + ":".join(jobs))
            elif gate.count(ranges):
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


def _live_when_cancelled_are_gone(run: Run[Any]) -> list[dict[str, Any]]:
    """Lines of the ledger whose jobs wait or run, when those that somebody cancelled have ended.

    Raises:
        ConfigError: that takes longer than two minutes.
        SlurmError: Slurm does not answer.
    """
    entries = ledger.read(run.layout.ledger)
    last = entries[-1]["stage"] if entries else None
    live: list[dict[str, Any]] = []

    def cancelled() -> list[str]:
        active = set(active_jobs(run))
        live[:] = [entry for entry in entries if entry.get("job") in active]
        # Where a gate has ended the chain the tasks of an array may still be at work.
        return [e["job"] for e in live if last == "cancel" or (last == "end" and e["stage"] not in ON_GPUS)]

    wait_until_gone(cancelled)
    return live


def wait_until_gone(cancelled: Callable[[], list[str]]) -> None:
    """Waits until none of the jobs that were cancelled is left. Raises ConfigError after two minutes."""
    deadline = time.monotonic() + _CANCELLED_GONE_S
    while jobs := ", ".join(dict.fromkeys(cancelled())):
        if time.monotonic() > deadline:
            raise ConfigError(f"job {jobs} was cancelled and has not ended yet; try again when it has")
        print(f"waiting for job {jobs} to end, which was cancelled", flush=True)
        time.sleep(2.0)


def wants_canary(config: Generate) -> bool:
    """By default where GPUs are asked for; jobs.resume never sends one."""
    return config.cluster.gpus_per_node > 0 if config.canary is None else config.canary


def active_jobs(run: Run[Any]) -> list[str]:
    """Ids of the run's jobs that Slurm still has waiting or running."""
    found = states.query_submitted(ledger.read(run.layout.ledger))
    return sorted({key.job_id for key, state in found.items() if state.state in states.ACTIVE})


def _active_if_known(run: Run[Any]) -> list[str]:
    """As `active_jobs`; none where Slurm does not answer."""
    try:
        return active_jobs(run)
    except commands.SlurmError:
        return []


def cancel(run: Run[Any]) -> int:
    """Cancels every job of the run that waits or runs, the first ones of the chain last.

    Were the array cancelled first, its gate would wake up and send it again. A gate that is sending jobs, or
    another command, may hold the lock meanwhile: what they have sent by then is cancelled, too.

    Raises:
        ConfigError: Slurm does not answer, or another command submits for a minute.
    """
    try:
        if not (jobs := _cancel_active(run)):
            print("no job of it waits or runs")
            return 0
        with lock(run.layout.lock, wait=60):
            later = _cancel_active(run)
            jobs += [job for job in later if job not in jobs]
            ledger.append(run.layout.ledger, {"stage": "cancel", "jobs": jobs})
    except LockTaken as error:
        raise ConfigError(str(error)) from error
    except commands.SlurmError as error:
        raise ConfigError(str(error)) from error
    print(f"cancelled {', '.join(jobs)}; resume: python -m jobs.resume {run.layout.root}")
    return 0


def _cancel_active(run: Run[Any]) -> list[str]:
    """Ids of the jobs that are cancelled now, in the order of their submission."""
    active = set(active_jobs(run))
    jobs = [e["job"] for e in ledger.read(run.layout.ledger) if e.get("job") in active]
    commands.scancel(jobs[::-1])
    return jobs


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
