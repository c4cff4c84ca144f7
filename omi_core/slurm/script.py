"""The text of every job: a cluster profile and a stage become an sbatch file, made by submitit.

Nothing is asked for that the profile does not ask for: no wckey, memory, mail or exported environment is
forced on a site. The job's command is absolute and self-contained, so it runs where the login node's
environment is not exported.
"""

from __future__ import annotations

import math
import secrets
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omi_core.cluster_options import Cluster
from omi_core.config import Generate, Reduce
from omi_core.options import ConfigError
from omi_core.slurm import commands
from omi_core.slurm.passed import check_passed, passed_options
from omi_core.slurm.retry_policy import HANDED_BACK
from omi_core.slurm.setup import check_setup, setup_script
from omi_core.slurm.times import check_times
from omi_core.store.files import write_atomic

if TYPE_CHECKING:
    import submitit

ON_GPUS = ("canary", "generate", "train")
RETRY_SECONDS = 120.0
# A task of a job that ends early, well or not, must not take the others with it, as a site may have set.
_ALL_TASKS = ("--kill-on-bad-exit=0", "--wait=0")


@dataclass(frozen=True)
class Job:
    """One sbatch: what it runs, as how many array tasks, after which job, and where it writes.

    `array` is (first, last, tasks at once; 0 for no limit); `after` a dependency as sbatch takes it. `token`
    is what the job is found by when the answer of its submission is lost, the first word of its comment.
    Each array task runs `tasks` tasks on each of `nodes` nodes, with `gpus` GPUs of each, None for all.
    """

    name: str
    stage: str
    arguments: tuple[str, ...]
    logs: Path
    array: tuple[int, int, int] | None = None
    after: str | None = None
    token: str | None = None
    exclude: str | None = None
    nodes: int = 1
    tasks: int = 1
    gpus: int | None = None

    @property
    def on_gpus(self) -> bool:
        return self.stage in ON_GPUS


def replicas(config: Generate | Reduce) -> int:
    """Copies of the teacher that one generate job runs: those that fit a node, or one over several nodes.

    Raises:
        ConfigError: none fits.
    """
    if not isinstance(config, Generate):
        return 1
    teacher, gpus = config.teacher, config.cluster.gpus_per_node
    size = teacher.tensor_parallel * teacher.pipeline_parallel
    if teacher.nodes > 1:
        wanted = f"teacher.nodes={teacher.nodes}: tensor_parallel x pipeline_parallel is {size}"
        if size % teacher.nodes:
            raise ConfigError(f"{wanted}, which does not divide over {teacher.nodes} nodes")
        if gpus and size > teacher.nodes * gpus:
            raise ConfigError(
                f"{wanted}, more than {teacher.nodes} nodes have with cluster.gpus_per_node={gpus}; "
                f"set teacher.nodes={math.ceil(size / gpus)}, or another cluster"
            )
        return 1
    if not gpus:
        return 1
    if size > gpus:
        raise ConfigError(
            f"teacher: one replica takes {size} GPUs (tensor_parallel x pipeline_parallel), "
            f"cluster.gpus_per_node={gpus}; set teacher.nodes={math.ceil(size / gpus)}, or another cluster"
        )
    return gpus // size


def canary_gpus(config: Generate) -> int | None:
    """GPUs that the canary asks for: those of its one replica; None for all of a node.

    All where nodes are whole, where the partition implies the GPUs, and where a replica takes a node or more.
    """
    cluster, teacher = config.cluster, config.teacher
    if cluster.exclusive or cluster.gpu_request == "none" or not cluster.gpus_per_node or teacher.nodes > 1:
        return None
    return teacher.tensor_parallel * teacher.pipeline_parallel


def check_cluster(cluster: Cluster) -> None:
    """Raises ConfigError when the profile needs something that is not given, or sbatch would refuse it."""
    missing = [name for name in cluster.requires if getattr(cluster, name, None) in (None, "")]
    if missing:
        given = " ".join(f"cluster.{name}=…" for name in missing)
        raise ConfigError(f"+cluster={cluster.name}: this site needs {', '.join(missing)}; give {given}")
    if cluster.cpu_python and not cluster.python:
        # A gate, which runs on cpu_python, submits GPU jobs, too.
        raise ConfigError(
            f"+cluster={cluster.name}: cpu_python is set; set python, that of the GPU jobs, too"
        )
    if cluster.exclusive and cluster.gpus_per_node and not (cluster.cpu_partition or cluster.cpu_constraint):
        raise ConfigError(
            f"+cluster={cluster.name}: nodes are whole, and each CPU job would hold "
            f"{cluster.gpus_per_node} GPUs; give cluster.cpu_partition=…, which may be the same partition"
        )
    check_times(cluster)
    check_passed(cluster)
    check_setup(cluster.setup)


def check_logs(logs: Path) -> None:
    """Raises ConfigError for a place where Slurm would not find the logs' directory again.

    A percent sign is written twice, as Slurm's patterns of file names want it; a backslash has no such form.
    """
    if "\\" in str(logs):
        raise ConfigError(f"run.dir: {logs.parent}: Slurm takes no backslash in a log's path; choose another")


def script(cluster: Cluster, job: Job) -> str:
    """The text of the sbatch file of a job."""
    executor = _executor(cluster, job)
    # No public method of submitit gives the text. Its version has a ceiling in pyproject.toml, and the text
    # is compared with tests/slurm/golden.
    return executor._make_submission_file_text(command(cluster, job), "ID")


def submit_job(cluster: Cluster, job: Job) -> str:
    """Submits the job and returns its id; tries again for two minutes while the controller is busy.

    The sbatch file stays beside the logs. A submission whose answer was lost is found by its token, the first
    word of its comment, instead of being made twice.

    Raises:
        SlurmError: sbatch refuses the job, or the controller stays away.
    """
    job.logs.mkdir(parents=True, exist_ok=True)  # without it Slurm fails the job, and leaves no word
    token = f"{job.token}-{secrets.token_hex(4)}"
    job = replace(job, token=token)
    path = job.logs / f"{job.stage}-{token}.sbatch"
    write_atomic(path, script(cluster, job).encode())
    identifier = commands.retry(
        lambda: commands.sbatch(str(path), cwd=job.logs),
        RETRY_SECONDS,
        found=lambda: commands.find_job(token),
    )
    return str(identifier)


def command(cluster: Cluster, job: Job) -> str:
    """What the job runs, after srun: this package's task command, by the absolute path of its Python."""
    python = (None if job.on_gpus else cluster.cpu_python) or cluster.python or sys.executable
    return shlex.join([python, "-m", "jobs._task", *job.arguments])


def _executor(cluster: Cluster, job: Job) -> submitit.SlurmExecutor:
    import submitit

    class Anywhere(submitit.SlurmExecutor):
        """Makes the text also where there is no srun: a plan is shown on any machine."""

        @classmethod
        def affinity(cls) -> int:
            return 2

    executor = Anywhere(folder=job.logs)
    executor.update_parameters(**_parameters(cluster, job))
    return executor


def _parameters(cluster: Cluster, job: Job) -> dict[str, Any]:
    gpu = job.on_gpus
    size = _size(cluster, job)
    exports = [f"export {name}={shlex.quote(str(value))}" for name, value in cluster.environment.items()]
    log = f"{str(job.logs).replace('%', '%%')}/{'%A_%a' if job.array else '%j'}"
    parameters: dict[str, Any] = {
        "job_name": f"{cluster.job_prefix or ''}{job.name}",
        "time": cluster.time if gpu else cluster.cpu_time,
        "partition": cluster.partition if gpu else cluster.cpu_partition or cluster.partition,
        "account": account_of(cluster, gpu),
        "qos": cluster.qos if gpu else cluster.cpu_qos or cluster.qos,
        "constraint": cluster.constraint if gpu else cluster.cpu_constraint,
        "mem": cluster.mem if gpu else cluster.cpu_mem,
        "comment": " ".join(filter(None, (job.token, cluster.comment))) or None,
        "dependency": job.after,
        "exclusive": True if gpu and cluster.exclusive else None,
        "wckey": None,
        "signal_delay_s": cluster.signal_seconds,
        "stderr_to_stdout": True,
        "setup": [*setup_script(cluster.setup), *exports] or None,
        "srun_args": [
            "--export=ALL",
            # Since 22.05 srun does not take this from sbatch, and would bind a replica to one core.
            f"--cpus-per-task={size['cpus_per_task']}",
            "--output",
            f"{log}_%t.log",
            *(_ALL_TASKS if job.nodes * job.tasks > 1 else ()),
            *(cluster.srun if gpu else cluster.cpu_srun),
        ],
        "teardown": _teardown(cluster, job),
    }
    parameters |= size
    more = passed_options(cluster, gpu) | {"output": f"{log}.sbatch.log"}
    for name, own in (("exclude", job.exclude), ("gres", parameters.pop("gres", None))):
        if both := ",".join(str(each) for each in (own, more.get(name)) if each):
            more[name] = both
    if cluster.reservation and gpu:
        more["reservation"] = cluster.reservation
    if job.array:
        first, last, at_once = job.array
        more["array"] = f"{first}-{last}" + (f"%{at_once}" if at_once else "")
    if cluster.requeue:
        more["requeue"] = True
    elif gpu:  # else Slurm may requeue it after a node failure all the same, by the site's default
        more["no-requeue"] = True
    if job.after and job.after.startswith(("afterok", "afternotok")):
        more["kill-on-invalid-dep"] = "yes"  # else a dependent of a failed job waits for ever on most sites
    parameters["additional_parameters"] = {name: _escaped(value) for name, value in more.items()}
    return {
        name: _escaped(value) for name, value in parameters.items() if value is not None or name == "wckey"
    }


def account_of(cluster: Cluster, on_gpus: bool) -> str | None:
    """The account of a GPU job or of a CPU job, which differ where a site has a pool for each."""
    end = cluster.gpu_account_suffix or ""
    if on_gpus:
        return cluster.account and f"{cluster.account.removesuffix(end)}{end}"
    return cluster.cpu_account or (cluster.account and cluster.account.removesuffix(end))


def _escaped(value: Any) -> Any:
    """A value as sbatch reads it from a script: it takes off one of two backslashes, in quotes, too."""
    return value.replace("\\", "\\\\") if isinstance(value, str) else value


def _size(cluster: Cluster, job: Job) -> dict[str, Any]:
    """Nodes, tasks, cores and GPUs of one array task."""
    size: dict[str, Any] = {"nodes": job.nodes, "ntasks_per_node": job.tasks}
    gpus = job.gpus or cluster.gpus_per_node
    if not (job.on_gpus and gpus):
        return size | {"cpus_per_task": cluster.cpus}
    size["cpus_per_task"] = cluster.cpus_per_gpu * (gpus // job.tasks)
    count = f"{cluster.gpu_type}:{gpus}" if cluster.gpu_type else str(gpus)
    if cluster.gpu_request == "gpus":
        size["gpus_per_node"] = count
    elif cluster.gpu_request == "gres":
        size["gres"] = f"gpu:{count}"
    return size


def _teardown(cluster: Cluster, job: Job) -> list[str] | None:
    """Shell lines after srun: a job whose task hands back its work at the time limit requeues itself.

    The script must end with the task's exit code: Slurm takes the last command's for the job's state.
    """
    if not (job.on_gpus and cluster.requeue):
        return None
    task = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" if job.array else "${SLURM_JOB_ID}"
    again = f'[ "$code" = {HANDED_BACK} ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {cluster.max_requeues} ]'
    return ["code=$?", f"if {again}; then scontrol requeue {task} && sleep 60; fi", "exit $code"]
