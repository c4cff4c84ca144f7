"""What Slurm's environment says of a task of several nodes: which rank it is, and where rank 0 is found.

Read here and not by `scontrol show hostnames`, which a container seldom has.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from itertools import product

from omi_core.options import ConfigError
from omi_core.teachers.ranks import RankPlace

# Below the ports that Linux gives to outgoing connections (32768 and up), above most services.
_FIRST_PORT, _BLOCKS, _PORTS = 20000, 750, 16
_PART = re.compile(r"([^\[\],]*)(?:\[([^\[\]]*)\])?")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def expand_hosts(nodelist: str) -> list[str]:
    """The hosts of a node list, in order: "n[1-2,07]" gives n1, n2, n07.

    Raises:
        ValueError: it is not a node list.
    """
    hosts: list[str] = []
    for item in _items(nodelist):
        parts: list[list[str]] = []
        for text, ranges in _PART.findall(item):
            parts.append([text])
            if ranges:
                parts.append([number for word in ranges.split(",") for number in _numbers(word)])
        hosts += ["".join(words) for words in product(*parts)]
    return hosts


def place(environment: Mapping[str, str], nodes: int) -> RankPlace | None:
    """This task's place among the ranks of a teacher of this many nodes; None for a teacher of one.

    Raises:
        ConfigError: the job has another shape, or this is none of its tasks.
    """
    if nodes == 1:
        return None
    tasks, rank = environment.get("SLURM_NTASKS", ""), environment.get("SLURM_PROCID", "")
    nodelist = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    if tasks != str(nodes) or not rank.isdigit():
        raise ConfigError(
            f"teacher.nodes={nodes}: needs a Slurm job with a task on each of {nodes} nodes, this one has "
            f"SLURM_NTASKS={tasks or 'unset'}; choose a cluster with +cluster=NAME"
        )
    try:
        first = expand_hosts(nodelist)[0]
    except (ValueError, IndexError) as error:
        raise ConfigError(f"SLURM_JOB_NODELIST={nodelist}: not a list of nodes") from error
    job, restart = environment.get("SLURM_JOB_ID", "0"), environment.get("SLURM_RESTART_COUNT", "0")
    # A node's name may not be its address; srun was started on the first node, and leaves its address.
    launcher = environment.get("SLURM_LAUNCH_NODE_IPADDR")
    return RankPlace(
        rank=int(rank),
        ranks=nodes,
        node=environment.get("SLURMD_NODENAME", "?"),
        hosts=(first, launcher) if launcher else (first,),
        ports=ports(job, restart),
        key=f"{job}.{restart}",
    )


def ports(job: str, restart: str) -> tuple[int, ...]:
    """Ports to try for a job: the same for all its tasks, others for the next job and after a requeue."""
    block = zlib.crc32(f"{job}.{restart}".encode()) % _BLOCKS
    return tuple(range(_FIRST_PORT + block * _PORTS, _FIRST_PORT + (block + 1) * _PORTS))


def _items(nodelist: str) -> list[str]:
    """The parts of a list at its commas, those in brackets left alone."""
    items = re.findall(r"(?:[^\[\],]|\[[^\[\]]+\])+", nodelist)
    if not items or ",".join(items) != nodelist:
        raise ValueError(f"not a node list: {nodelist!r}")
    return items


def _numbers(word: str) -> list[str]:
    """The numbers of "3" or "07-12", as wide as they are written."""
    match = _RANGE.fullmatch(word)
    if match is None:
        raise ValueError(f"not a range: {word!r}")
    first, last = match.group(1), match.group(2) or match.group(1)
    if not int(first) <= int(last) < int(first) + 100_000:
        raise ValueError(f"not a range: {word!r}")
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
