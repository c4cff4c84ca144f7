"""What is asked from the login node before any job is sent: profile, jobs, limits, accounting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from omi_core.checks.check_lines import FAILED, OK, SKIPPED, CheckLine, refused
from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.slurm import commands
from omi_core.slurm.after import check_after
from omi_core.slurm.limits import fit, windows
from omi_core.slurm.script import Job, check_cluster, check_logs, replicas, script
from omi_core.slurm.site_check import check_site
from omi_core.slurm.submit import Site, ask_site
from omi_core.slurm.times import in_words

PROFILE, GPU_JOBS, CPU_JOBS = "profile", "GPU jobs", "CPU jobs"
ARRAYS, QUEUE, ACCOUNTING = "arrays", "queue", "accounting"
OF_SLURM = (GPU_JOBS, CPU_JOBS, ARRAYS, QUEUE, ACCOUNTING)
# Probes that Slurm would refuse, or let wait for ever, where such jobs fail.
SENT_IF = {GPU_JOBS: ("gpu",), CPU_JOBS: ("cpu", "pair")}


def ask_profile(config: Generate, logs: Path) -> CheckLine:
    """Whether the profile is complete, and goes with the teacher."""
    cluster = config.cluster
    try:
        check_cluster(cluster)
        check_after(cluster.after)
        check_logs(logs)
        each = replicas(config)
    except ConfigError as error:
        return refused(PROFILE, error)
    size = f"{cluster.gpus_per_node} GPUs a node, {each} replicas" if cluster.gpus_per_node else "no GPUs"
    return CheckLine(PROFILE, OK, f"{cluster.name}: complete; {size}")


def ask_slurm(config: Generate, gpu: Job, cpu: Job) -> Iterator[CheckLine]:
    """Whether Slurm takes such jobs and arrays, how many of them, and whether it tells how they ended.

    Raises:
        NotInstalled: there is no Slurm on this machine.
    """
    accepted = {}
    for name, job in ((GPU_JOBS, gpu), (CPU_JOBS, cpu)):
        yield (line := _answer(name, lambda n=name, j=job: _jobs(config, n, j)))
        accepted[name] = line.outcome == OK
    site: list[Site] = []
    with suppress(commands.SlurmError):  # then each of the two says so itself
        site.append(ask_site(config.cluster))

    def limits() -> Site:
        return site[0] if site else ask_site(config.cluster)

    if all(accepted.values()):
        yield _answer(ARRAYS, lambda: _arrays(config, limits(), gpu, cpu))
    else:
        why = " and ".join(name for name, good in accepted.items() if not good)
        yield CheckLine(ARRAYS, SKIPPED, f"the site has not taken {why}")
    yield _answer(QUEUE, lambda: _queue(config, limits()))
    yield _answer(ACCOUNTING, _accounting)


def _answer(name: str, ask: Callable[[], CheckLine]) -> CheckLine:
    try:
        return ask()
    except ConfigError as error:
        return refused(name, error)
    except commands.Busy as error:
        return CheckLine(name, SKIPPED, f"Slurm does not answer ({error})", "try again")
    except commands.SubmitLimit as error:
        return CheckLine(name, SKIPPED, f"your queue has no room to ask in ({error.message})")
    except commands.NotInstalled:
        raise
    except commands.SlurmError as error:
        return CheckLine(name, FAILED, str(error), "ask the site")


def _jobs(config: Generate, name: str, job: Job) -> CheckLine:
    if doubts := list(check_site(config.cluster, [job])):
        return CheckLine(
            name, FAILED, doubts[0], "ask for what its nodes have, or wait until they are up (sinfo)"
        )
    cluster = config.cluster
    partition = cluster.partition if job.on_gpus else cluster.cpu_partition or cluster.partition
    limit = cluster.time if job.on_gpus else cluster.cpu_time
    return CheckLine(name, OK, f"taken, in partition {partition or 'of the site'} with a limit of {limit}")


def _arrays(config: Generate, site: Site, gpu: Job, cpu: Job) -> CheckLine:
    """Slurm is asked about the largest array that such a run has."""
    cut = windows(math.ceil(config.tasks / replicas(config)), site.limits)
    reduce = min(config.reduce_tasks, max(1, site.limits.max_array_size))
    cluster = config.cluster
    for job, size, at_once in ((gpu, len(cut[0]), cluster.throttle), (cpu, reduce, cluster.cpu_throttle)):
        asked = replace(job, array=(0, size - 1, at_once))
        try:
            commands.run(
                "sbatch", "--test-only", stdin=script(cluster, asked), timeout=commands.SBATCH_TIMEOUT_S
            )
        except (commands.Busy, commands.SubmitLimit, commands.NotInstalled):
            raise
        except commands.SlurmError as error:
            return CheckLine(
                ARRAYS,
                FAILED,
                f"an array of {size:,} is refused ({error.message})",
                f"ask the site for job arrays; MaxArraySize is {site.limits.max_array_size}",
            )
    several = f"; {config.tasks:,} tasks are {len(cut)} of them" if len(cut) > 1 else ""
    return CheckLine(ARRAYS, OK, f"up to {site.limits.max_array_size:,} jobs each{several}")


def _queue(config: Generate, site: Site) -> CheckLine:
    most = site.limits.max_submit_jobs
    jobs = math.ceil(config.tasks / replicas(config))
    try:
        fits = fit(jobs, config.reduce_tasks, 2, site.limits, site.queued, behind=2)  # canary and gate beside
    except commands.SubmitLimit as error:
        return refused(QUEUE, commands.SlurmError("queue", error.message))
    if most is None:
        return CheckLine(QUEUE, OK, "no limit is known for your jobs there")
    parts = "" if fits.generate >= jobs else f"; {jobs:,} generate jobs go in windows"
    return CheckLine(QUEUE, OK, f"{most:,} of your jobs at once, {site.queued:,} are there{parts}")


def _accounting() -> CheckLine:
    try:
        commands.run("sacct", "-n", "-X", "-S", "now", timeout=commands.ACCOUNTING_TIMEOUT_S)
    except commands.SlurmError as error:
        return CheckLine(
            ACCOUNTING,
            FAILED,
            str(error),
            "runs do without, but GPU hours of killed tasks and causes of old failures are then not known",
        )
    return CheckLine(ACCOUNTING, OK, f"sacct answers within {in_words(commands.ACCOUNTING_TIMEOUT_S)}")
