"""Whether the site takes the jobs of a chain, asked before any of them is submitted (`sbatch --test-only`).

Slurm refuses a partition, account or qos that does not exist, but takes a time limit above the partition's,
and then lets the job wait for ever: that is compared here. What only a later sbatch can tell (a full queue, a
controller that is busy) is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from omi_core.cluster_options import Cluster
from omi_core.options import ConfigError, did_you_mean
from omi_core.slurm import commands
from omi_core.slurm.limits import parse_partitions
from omi_core.slurm.script import Job, account_of, script
from omi_core.slurm.times import in_words, limit_seconds

# What sbatch says -> the option, by its name for GPU jobs; None: nodes may only be down, which passes.
_REFUSALS = (
    (re.compile(r"invalid partition|partition name|partition not available", re.I), "partition"),
    (re.compile(r"invalid account", re.I), "account"),
    (re.compile(r"invalid qos", re.I), "qos"),
    (re.compile(r"invalid feature", re.I), "constraint"),
    (re.compile(r"reservation", re.I), "reservation"),
    (re.compile(r"time limit", re.I), "time"),
    (re.compile(r"memory (required|specification)", re.I), "mem"),
)
_FOR_CPU_JOBS = ("partition", "qos", "constraint", "time", "mem")


def check_site(cluster: Cluster, jobs: Iterable[Job]) -> Iterator[str]:
    """Asks about the first GPU job and the first CPU job of a chain; yields a line for each doubt.

    Raises:
        ConfigError: the site refuses one of them, or would never start it; names the option to change.
        SlurmError: Slurm cannot be asked.
    """
    partitions = parse_partitions(commands.run("scontrol", "-a", "-o", "show", "partition"))
    asked: dict[bool, Job] = {}
    for job in jobs:
        asked.setdefault(job.on_gpus, job)
    for on_gpus, job in asked.items():
        _check_time(cluster, on_gpus, partitions)
        alone = replace(job, after=None, array=None, exclude=None)
        try:
            commands.run(
                "sbatch", "--test-only", stdin=script(cluster, alone), timeout=commands.SBATCH_TIMEOUT_S
            )
        except (commands.Busy, commands.SubmitLimit, commands.NotInstalled):
            raise
        except commands.SlurmError as error:
            message = error.message.removeprefix("allocation failure: ")
            _refuse(cluster, on_gpus, message, partitions)
            yield f"Slurm could not place the {job.stage} jobs now: {message}"


def _refuse(cluster: Cluster, on_gpus: bool, message: str, partitions: Mapping[str, object]) -> None:
    """Raises ConfigError where the message blames an option."""
    for pattern, option in _REFUSALS:
        if pattern.search(message):
            key, value = _option(cluster, option, on_gpus)
            if value is None:
                raise ConfigError(f"cluster.{key}: the site needs one ({message}); set it")
            near = did_you_mean(value, list(partitions)) if option == "partition" else ""
            raise ConfigError(f"cluster.{key}={value}: refused by Slurm ({message}){near}; choose another")


def _check_time(cluster: Cluster, on_gpus: bool, partitions: Mapping[str, Mapping[str, str]]) -> None:
    """Raises ConfigError for a time limit above that of the partitions, or of the qos."""
    key, text = _option(cluster, "time", on_gpus)
    _, chosen = _option(cluster, "partition", on_gpus)
    if chosen:
        rows = [partitions[name] for name in chosen.split(",") if name in partitions]
    else:
        rows = [row for row in partitions.values() if row.get("Default") == "YES"]
    allowed = [_seconds(row.get("MaxTime", "UNLIMITED")) for row in rows]
    wanted = _seconds(text or "")
    _, qos = _option(cluster, "qos", on_gpus)
    flags, wall = _of_qos(qos) if qos else ("", "")
    if allowed and wanted > max(allowed) and "PartitionTimeLimit" not in flags:
        names = ",".join(row["PartitionName"] for row in rows)
        raise ConfigError(
            f"cluster.{key}={text}: partition {names} allows {in_words(max(allowed))}, and a job above that "
            f"never starts; set cluster.{key}, or another partition"
        )
    if wall and wanted > _seconds(wall):
        raise ConfigError(
            f"cluster.{key}={text}: qos {qos} allows {in_words(_seconds(wall))}; "
            f"set cluster.{key}, or another qos"
        )


def _of_qos(qos: str) -> tuple[str, str]:
    """Flags and time limit of a qos, empty where accounting does not tell."""
    fields = ("-n", "-P", "show", "qos", "where", f"name={qos}", "format=Flags,MaxWall")
    try:
        line, *_ = commands.run("sacctmgr", *fields, timeout=commands.ACCOUNTING_TIMEOUT_S).splitlines() or [
            "|"
        ]
    except commands.SlurmError:
        return "", ""
    flags, _, wall = line.partition("|")
    return flags, wall


def _seconds(limit: str) -> float:
    """Seconds of a time limit, without end for none and for one that this module cannot read."""
    try:
        seconds = limit_seconds(limit)
    except ValueError:
        seconds = None
    return float("inf") if seconds is None else seconds


def _option(cluster: Cluster, name: str, on_gpus: bool) -> tuple[str, str | None]:
    """(the option that decides it for these jobs, its value), as `script` takes them."""
    if name == "account":
        return ("cpu_account" if cluster.cpu_account and not on_gpus else name), account_of(cluster, on_gpus)
    if on_gpus or name not in _FOR_CPU_JOBS:
        return name, getattr(cluster, name)
    value = getattr(cluster, f"cpu_{name}")
    if value is None and name in ("partition", "qos"):
        return name, getattr(cluster, name)
    return f"cpu_{name}", value
