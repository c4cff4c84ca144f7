"""Options of a cluster: what its profile says of the site, and how jobs are asked for there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omi_core.options import option, section


@dataclass
class Canary:
    """What the first few samples must look like before the array starts."""

    records: int = option(8, "records the canary generates samples for", ge=1)
    samples: int = option(4, "samples per record", ge=1)
    min_answers: float = option(0.5, "smallest share of samples with a final answer", ge=0, le=1)
    max_unfinished: float = option(0.5, "largest share of samples cut off by a token limit", ge=0, le=1)
    max_errors: float = option(0.1, "largest share of samples the teacher refuses", ge=0, le=1)


@dataclass
class Cluster:
    name: str = option("local", "the profile's name")
    kind: str = option("local", "where the stages run", choices=("local", "slurm"))
    workers: int = option(0, "CPU processes for a reduce task; 0: as many as there are cores", ge=0)
    account: str | None = option(None, "account that is charged (sbatch --account)")
    cpu_account: str | None = option(None, "account of gate, reduce and publish; null: the same")
    gpu_account_suffix: str | None = option(
        None, "end of the account's name in GPU jobs, where a site charges GPUs apart: _g makes m1 m1_g"
    )
    partition: str | None = option(None, "partition of the generate stage, with the GPUs")
    cpu_partition: str | None = option(None, "partition of gate, reduce and publish; null: the same")
    qos: str | None = option(None, "quality of service (--qos)")
    cpu_qos: str | None = option(None, "quality of service of gate, reduce and publish; null: the same")
    reservation: str | None = option(None, "reservation (--reservation)")
    constraint: str | None = option(None, "node features of the generate stage (--constraint)")
    cpu_constraint: str | None = option(None, "node features of gate, reduce and publish; null: none")
    exclusive: bool = option(False, "whole nodes for the generate stage (--exclusive)")
    time: str = option("04:00:00", "time limit of a generate task, as sbatch takes it")
    cpu_time: str = option("04:00:00", "time limit of gate, reduce and publish")
    gpus_per_node: int = option(
        0, "GPUs of a node; a job asks for all of them, one Slurm task per replica", ge=0
    )
    gpu_request: str = option(
        "gpus",
        "how GPUs are requested: --gpus-per-node, --gres, or not at all",
        choices=("gpus", "gres", "none"),
    )
    gpu_type: str | None = option(None, "type of GPU, where the site wants it named: a100 gives gpu:a100:8")
    cpus_per_gpu: int = option(8, "cores for each GPU of a replica", ge=1)
    cpus: int = option(4, "cores of a task without GPUs", ge=1)
    mem: str | None = option(None, "memory of a generate job (--mem); null: not set")
    cpu_mem: str | None = option(None, "memory of a gate, reduce or publish task (--mem)")
    throttle: int = option(0, "generate tasks that run at once; 0: as many as Slurm allows", ge=0)
    cpu_throttle: int = option(0, "reduce tasks that run at once; 0: as many as Slurm allows", ge=0)
    signal_seconds: int = option(
        300, "seconds before the time limit at which a task hands back its work", ge=1
    )
    setup: list[str] = option([], "shell lines before the task: module load, source activate")
    environment: dict[str, str] = option({}, "environment variables of the tasks")
    srun: list[str] = option([], "srun arguments of the generate stage, such as a container's")
    cpu_srun: list[str] = option([], "srun arguments of the other stages")
    options: dict[str, Any] = option({}, "any other sbatch option of all jobs, NAME: VALUE")
    gpu_options: dict[str, Any] = option(
        {}, "the same of canary and generate alone; they go before `options`"
    )
    cpu_options: dict[str, Any] = option(
        {}, "the same of gate, reduce, publish and rescue: {mail-type: END} mails a few times, not per task"
    )
    after: str | None = option(
        None, "submit now, and start when these have ended: a job id, several as 12:13, or a run directory"
    )
    comment: str | None = option(None, "comment of all jobs, after the suite's own (--comment)")
    job_prefix: str | None = option(None, "prefix of all job names, where a site requires one")
    python: str | None = option(None, "the Python that runs the tasks; null: the one of this command")
    cpu_python: str | None = option(None, "the Python of gate, reduce and publish; null: the same")
    budget_gpu_hours: float | None = option(
        None,
        "GPU hours that the run may take: what is expected to take more is refused, and once they are spent "
        "nothing more is sent",
        gt=0,
    )
    tokens_per_second: float | None = option(
        None, "new tokens per second of a replica, for plan=true before anything is measured", gt=0
    )
    requires: list[str] = option([], "options that must be set before anything is submitted to this site")
    requeue: bool = option(
        True, "jobs go back to the queue: by Slurm when a node fails, by themselves at their time limit"
    )
    max_requeues: int = option(50, "how often one task does that", ge=0)
    max_attempts: int = option(
        5, "generate attempts of one chain that get less than half done, before its gate gives up", ge=1
    )
    canary: Canary = section(Canary)
