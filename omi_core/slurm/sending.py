"""A run on Slurm: what is missing of it is submitted as a chain, or all of it cancelled."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.config import Generate
from omi_core.hints import follow, hint
from omi_core.options import ConfigError
from omi_core.publish.dataset import hole_of
from omi_core.slurm import commands
from omi_core.slurm.after import check_after, dependency
from omi_core.slurm.budget import refuse_over_budget
from omi_core.slurm.run_status import gpu_hours
from omi_core.slurm.script import ON_GPUS, check_cluster, check_logs, replicas
from omi_core.slurm.site_check import check_site
from omi_core.slurm.standing import Standing, cancel_live, live_ids, refuse_at_work, standing, tell_cancelled
from omi_core.slurm.submit import Chain, Shares, Site, ask_site, shares
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run, open_run, published
from omi_core.stages.summary import announce, show_summary
from omi_core.store import ledger
from omi_core.store.files import lock, write_json
from omi_core.store.keys import count_keys
from omi_core.store.layout import Layout

# How long jobs that were cancelled may take to end: Slurm's KillWait, and a site's epilog.
_CANCELLED_GONE_S = 120.0


def plan_to_submit(config: Generate) -> Run[Generate]:
    """The run of a config that goes to Slurm, planned.

    Raises:
        ConfigError: the config cannot be planned, or not for this site; or jobs of an old run are at work.
    """
    check_cluster(config.cluster)
    check_after(config.cluster.after)
    check_logs(Layout(Path(config.run.dir or config.run.root).absolute()).logs)
    replicas(config)
    if config.run.fresh and config.run.dir and (old := Layout(Path(config.run.dir))).plan.exists():
        refuse_at_work(old.root, live_ids(ledger.read(old.ledger)))
    return plan_generate(config)


def submit_missing(run: Run[Generate], by: str, after: str | None = None) -> int:
    """Submits what is missing of a planned run, if nothing of it is in the way; returns the exit code.

    `by` is the command. `after` is its own `cluster.after`; the config may have that of an earlier one.

    Raises:
        ConfigError: another process works on the run, or the site refuses the jobs.
    """
    config = run.config
    try:
        with lock(run.layout.lock), ExitStack() as undo:
            announce(run, stats := published(run))
            if stats is not None and hole_of(stats) is None:
                show_summary(run, stats, gpu_hours(run))
                return 0
            live = _live_when_cancelled_are_gone(run)
            stand = standing(ledger.read(run.layout.ledger))
            keep = lacks_gate(stand, live)
            if not keep and not make_way(stand, run.layout.root, moved=_moved(run)):
                return 0
            undo.enter_context(_refusal_noted(run, by))
            ranges = gate.missing(run)
            refuse_over_budget(run, count_keys(ranges))
            mine = shares(run, ranges, by in ("generate", "pipeline") and wants_canary(config))
            first = dependency(after, run.layout.root)
            site = ask_site(config.cluster)
            _ask(run, site, mine)
            if not keep:
                _clear(run, stand)
            # The jobs go by it, and so does the gate when it sends something again.
            write_json(run.layout.config, options.written(config))
            ledger.append(run.layout.ledger, {"stage": "chain", "by": by, "keys": count_keys(ranges)})
            chain = Chain(run, site, after=first)
            undo.callback(lambda: commands.scancel([entry.id for entry in chain.submitted][::-1]))
            if keep:
                jobs = list(dict.fromkeys(entry["job"] for entry in live))
                print(f"job {', '.join(jobs)} waits or runs already; a new gate waits for it")
                chain.gate(max(entry["attempt"] for entry in live), "afterany:" + ":".join(jobs))
            else:
                chain.generate(mine) if count_keys(ranges) else chain.reduce()
            undo.pop_all()  # half a chain would never be gated; a whole one stays
    except commands.SlurmError as error:
        raise ConfigError(f"+cluster={config.cluster.name}: {error}") from error
    except OSError as error:  # a full disk, a directory of somebody else: what was submitted is cancelled
        print(f"failed: {' '.join(str(error).split())}; nothing stays submitted", file=sys.stderr)
        return 1
    show_jobs(run, chain)
    return 0


def submit_again(run: Run[Any], after: str | None = None) -> int:
    """As `submit_missing` for a run that is continued, maybe with other options of the cluster.

    Raises:
        ConfigError: as `submit_missing`, or these options do not go together.
    """
    check_cluster(run.config.cluster)
    return submit_missing(run, "resume", after)


def make_way(stand: Standing, root: Path, moved: bool = False, step: str = "") -> bool:
    """Whether jobs may be submitted anew, in place of those there are; releases what is held.

    `root` is the run or pipeline, `step` which step of it. `moved` says that they would be asked for in
    another way than those that wait. Nothing is cancelled yet.

    Raises:
        SlurmError: Slurm does not answer, or does not let this user release a job.
    """
    if not stand.live:
        return True
    of = f"{step}: " if step else ""
    there = f"{of}{len(stand.live)} of its jobs wait or run already ({', '.join(stand.live)})"
    if stand.held:
        try:
            commands.release(stand.held)
        except commands.Busy:
            raise
        except commands.SlurmError as error:
            raise commands.SlurmError(
                error.command,
                f"{error.message}: job {stand.held[0]} is held, and you may not release it; ask the site, "
                f"or {hint('cancel', root)}",
            ) from error
        print(f"{there}; released {', '.join(stand.held[:10])}{', …' if len(stand.held) > 10 else ''}")
        return False
    if stand.never or (stand.site and moved):
        return True
    why = f"; {hint('status', root)} tells why" if stand.site else ""
    print(f"{there}; nothing submitted{why}")
    return False


def _moved(run: Run[Generate]) -> bool:
    """Whether the run is to be asked for in another way than its last command did."""
    return open_run(run.layout).config.cluster != run.config.cluster


def _ask(run: Run[Generate], site: Site, mine: Shares) -> None:
    """Raises ConfigError when the site refuses jobs such as the chain's; prints what it doubts.

    Where Slurm does not tell, submitting will.
    """
    dry = Chain(run, site, dry=True)
    dry.generate(mine) if mine.any() else dry.reduce()
    with suppress(commands.SlurmError):
        for line in check_site(run.config.cluster, [entry.job for entry in dry.submitted]):
            print(f"warning: {line}", file=sys.stderr)


@contextmanager
def _refusal_noted(run: Run[Any], by: str) -> Iterator[None]:
    """Writes into the ledger why nothing was submitted, for jobs.status; a pipeline does that itself."""
    try:
        yield
    except (ConfigError, commands.SlurmError) as error:
        reason = " ".join(str(error).split())
        if run.layout.pipeline is None and not isinstance(error, commands.NotInstalled):
            ledger.append(run.layout.ledger, {"stage": "refused", "by": by, "reason": reason})
        raise


def _clear(run: Run[Generate], stand: Standing) -> None:
    """Cancels jobs that can never start, the last of the chain first; others take their place."""
    if stand.live:
        commands.scancel(stand.live[::-1])
        ledger.append(run.layout.ledger, {"stage": "cancel", "jobs": list(stand.live)})
        print(f"cancelled {', '.join(stand.live)}, which could not start")


def lacks_gate(stand: Standing, entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether all that is left of a chain is an array at work, or about to be, without its gate.

    `entries` are those of the ledger that `stand` is of.
    """
    live = [entry for entry in entries if entry.get("job") in stand.live]
    at_work = not (stand.held or stand.never or stand.site)
    return bool(live) and at_work and all(entry["stage"] in ON_GPUS for entry in live)


def _live_when_cancelled_are_gone(run: Run[Any]) -> list[dict[str, Any]]:
    """Lines of the ledger whose jobs wait or run, when those that somebody cancelled have ended.

    Raises:
        ConfigError: that takes longer than two minutes.
        SlurmError: Slurm does not answer.
    """
    entries = ledger.read(run.layout.ledger)
    last = ledger.last_stage(entries)
    live: list[dict[str, Any]] = []

    def cancelled() -> list[str]:
        active = set(live_ids(entries))
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


def active_if_known(run: Run[Any]) -> list[str]:
    """Ids of the run's jobs that wait or run; none where Slurm does not answer."""
    try:
        return live_ids(ledger.read(run.layout.ledger))
    except commands.SlurmError:
        return []


def cancel_run(layout: Layout) -> int:
    """Cancels every job of the run that waits or runs; returns the exit code.

    A gate that is sending jobs, or another command, may hold the lock meanwhile: what they have sent by then
    is cancelled, too.

    Raises:
        ConfigError: Slurm does not answer, or another command submits for a minute.
    """

    def all_of_it() -> list[str]:
        if jobs := cancel_live(ledger.read(layout.ledger)):
            with lock(layout.lock, wait=60):
                later = cancel_live(ledger.read(layout.ledger))
                jobs += [job for job in later if job not in jobs]
                ledger.append(layout.ledger, {"stage": "cancel", "jobs": jobs})
        return jobs

    return tell_cancelled(layout.root, all_of_it)


def show_jobs(run: Run[Any], chain: Chain) -> None:
    """The jobs of a chain, and the commands to follow it."""
    for entry in chain.submitted:
        array = entry.job.array
        tasks = f"  {array[1] + 1} tasks" if array else ""
        print(f"{entry.job.stage:>9}  job {entry.id}{tasks}")
    if chain.unsent:
        print(f"{chain.unsent:,} more samples: submitted by the gate when the queue has room for them")
    print(follow(run.layout.root), flush=True)
