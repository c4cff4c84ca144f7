"""What Slurm's environment says of a task of several nodes: which rank it is, and where rank 0 is found.

Read here and not by `scontrol show hostnames`, which a container seldom has.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

from omi_core.options import ConfigError
from omi_core.teachers.ranks import RankPlace

# Below the ports that Linux gives to outgoing connections (32768 and up), above most services.
_FIRST_PORT, _BLOCKS, _PORTS = 20000, 750, 16
_RANGES = re.compile(r"\[(\d+)(?:-\d+)?(?:,\d+(?:-\d+)?)*\]")
_NODE_LIST = re.compile(rf"(?:[^\[\],]|{_RANGES.pattern})+(?:,(?:[^\[\],]|{_RANGES.pattern})+)*")


def first_host(nodelist: str) -> str:
    """The first host of a node list: "n[01-04,7],m2" gives n01.

    Raises:
        ValueError: it is not a node list.
    """
    if not _NODE_LIST.fullmatch(nodelist):
        raise ValueError(f"not a node list: {nodelist!r}")
    return _RANGES.sub(r"\1", nodelist).partition(",")[0]


def place(environment: Mapping[str, str], nodes: int, option: str = "teacher.nodes") -> RankPlace | None:
    """This task's place among the ranks of a teacher of this many nodes; None for a teacher of one.

    `option` is what says how many nodes there are.

    Raises:
        ConfigError: the job has another shape, or this process is not one of its tasks.
    """
    if nodes == 1:
        return None
    tasks, rank = environment.get("SLURM_NTASKS", ""), environment.get("SLURM_PROCID", "")
    nodelist = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    if tasks != str(nodes) or not rank.isdigit():
        raise ConfigError(
            f"{option}={nodes}: needs a Slurm job with a task on each of {nodes} nodes, this one has "
            f"SLURM_NTASKS={tasks or 'unset'}; choose a cluster with +cluster=NAME"
        )
    try:
        first = first_host(nodelist)
    except ValueError as error:
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
