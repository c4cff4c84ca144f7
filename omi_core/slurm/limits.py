"""What a site lets a user submit, and how an array of tasks is cut to fit.

Figures come from `scontrol show config`, the partition and, where there is accounting, `sacctmgr`. Slurm
enforces the first limit that is set in the order partition QOS, job QOS, user, account; here the smallest of
all counts, which can only make windows smaller than they had to be.
"""

from __future__ import annotations

import logging
import os
import pwd
import re
from dataclasses import dataclass
from typing import NamedTuple

from omi_core.slurm.commands import ACCOUNTING_TIMEOUT_S, SlurmError, SubmitLimit, run

log = logging.getLogger(__name__)

_USER_FIELDS = "DefaultAccount,Account,Partition,DefaultQOS,MaxSubmitJobs,GrpSubmitJobs"
_QOS_FIELDS = "Name,MaxSubmitJobsPerUser,MaxSubmitJobsPerAccount,GrpSubmitJobs"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may submit to one partition under one account and QOS. None means no limit is known.

    `max_array_size` is one more than the largest array index; `max_job_count` is how many jobs the
    controller holds, of all users; `max_submit_jobs` how many this user may have in the queue, each array
    task counted as one.
    """

    cluster_name: str
    max_array_size: int
    max_job_count: int
    max_submit_jobs: int | None = None


def read_limits(partition: str | None = None, account: str | None = None, qos: str | None = None) -> Limits:
    """What this user may submit; the site's defaults stand in for what is None.

    Accounting that is absent, or does not answer within 20 s, is not an error: its limits are then None.

    Raises:
        NotInstalled, Busy, SlurmError: the controller could not be asked.
    """
    config = parse_config(run("scontrol", "show", "config"))
    cluster, submit = config.get("ClusterName", ""), None
    if config.get("AccountingStorageType", "").endswith("slurmdbd"):
        try:
            partitions = parse_partitions(run("scontrol", "-o", "show", "partition"))
            submit = _submit_limit(cluster, partitions, partition, account, qos)
        except SlurmError as error:
            log.warning("limits of association and QOS are not known: %s", error)
    return Limits(
        cluster_name=cluster,
        max_array_size=_number(config.get("MaxArraySize", "1001")) or 0,  # Slurm's own defaults; 0: no arrays
        max_job_count=_number(config.get("MaxJobCount", "")) or 10000,
        max_submit_jobs=submit,
    )


def queued_jobs() -> int:
    """How many jobs this user has in the queue, pending array tasks counted one by one."""
    return len(run("squeue", "-h", "-a", "-r", "-u", str(os.getuid()), "-o", "%i").split())


def windows(tasks: int, limits: Limits) -> list[range]:
    """Cuts `tasks` tasks into arrays that the site accepts, in order and without gaps.

    No window is larger than MaxArraySize or than the controller's MaxJobCount. In each array indexes start at
    0: the task with index i is window[i].
    """
    largest = max(1, min(limits.max_array_size, limits.max_job_count - 1))
    return [range(first, min(first + largest, tasks)) for first in range(0, tasks, largest)]


class Fitting(NamedTuple):
    """How many jobs of a chain may be submitted now: of its generate array, and of its reduce array.

    With 0 reduce jobs the rest of the chain has to be submitted later, by the gate.
    """

    generate: int
    reduce: int


def fit(generate: int, reduce: int, beside: int, limits: Limits, queued: int, behind: int = 1) -> Fitting:
    """Fits a chain of two arrays into what is left of the submit limit, `queued` jobs being in the queue.

    `beside` counts the jobs that have to be submitted with the generate array (canary, gate), `behind` those
    behind the reduce array (publish, rescue, and in a pipeline one more). The reduce array and these come
    along when they fit, with fewer reduce jobs if need be; else as many generate jobs as there is room for
    go alone.

    Raises:
        SubmitLimit: there is not even room for one job beside those.
    """
    reduce = min(reduce, limits.max_array_size)
    if limits.max_submit_jobs is None:
        return Fitting(generate, reduce)
    room = limits.max_submit_jobs - queued - beside
    if room < min(generate, 1):
        raise SubmitLimit(
            "queue",
            f"you have {queued} jobs there and may have {limits.max_submit_jobs}: no room for {beside + 1} "
            "more; wait for some to end, or choose another qos",
        )
    left = room - generate - behind
    if left >= 1:
        return Fitting(generate, min(reduce, left))
    return Fitting(min(generate, room), 0)


def parse_config(text: str) -> dict[str, str]:
    """Keys and values of `scontrol show config`."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def parse_partitions(text: str) -> dict[str, dict[str, str]]:
    """`scontrol -o show partition` by name."""
    rows = (dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines())
    return {row["PartitionName"]: row for row in rows if "PartitionName" in row}


def _submit_limit(
    cluster: str,
    partitions: dict[str, dict[str, str]],
    partition: str | None,
    account: str | None,
    qos: str | None,
) -> int | None:
    """The smallest submit limit that sacctmgr knows."""
    user = pwd.getpwuid(os.getuid()).pw_name
    chosen = (
        partition.split(",") if partition else [n for n, p in partitions.items() if p.get("Default") == "YES"]
    )
    rows = [
        row
        for row in _table(
            "user", "where", f"name={user}", f"cluster={cluster}", "withassoc", f"format={_USER_FIELDS}"
        )
        if row[1] == (account or row[0]) and row[2] in ("", *chosen)
    ]
    qos_names = {qos} if qos else {row[3] or "normal" for row in rows}
    qos_names |= {partitions[name].get("QoS", "N/A") for name in chosen if name in partitions} - {"N/A"}
    cells = [cell for row in rows for cell in row[4:]]
    cells += [row[2] for row in _ancestors(cluster, {row[1] for row in rows})]
    cells += [
        cell for row in _table("qos", f"format={_QOS_FIELDS}") if row[0] in qos_names for cell in row[1:]
    ]
    return min((number for cell in cells if (number := _number(cell)) is not None), default=None)


def _ancestors(cluster: str, accounts: set[str]) -> list[list[str]]:
    """Rows (account, parent, GrpSubmitJobs) of accounts and all that they belong to."""
    fields = "format=Account,ParentName,GrpSubmitJobs"
    tree = {row[0]: row for row in _table("assoc", "where", f"cluster={cluster}", "user=", fields)}
    found: dict[str, list[str]] = {}
    for account in accounts:
        while account in tree and account not in found:
            found[account] = tree[account]
            account = tree[account][1]
    return list(found.values())


def _table(*asked: str) -> list[list[str]]:
    printed = run("sacctmgr", "-n", "-P", "show", *asked, timeout=ACCOUNTING_TIMEOUT_S)
    return [line.split("|") for line in printed.splitlines() if line]


def _number(text: str) -> int | None:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else None
