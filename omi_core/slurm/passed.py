"""What a user passes on to sbatch, srun and the job's shell as it is, and what the suite keeps to itself.

A chain holds together by what its jobs carry: dependencies, arrays, the comment by which a lost submission
is found, logs, sizes. An option that replaces one of these would start gates before their array, or lose
jobs, so it is refused with the option to use instead. sbatch takes any unambiguous beginning of an option's
name, and obeys `#SBATCH` also in the first lines of `cluster.setup`; both are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omi_core.cluster_options import Cluster
from omi_core.options import ConfigError

_SIZE = "a job's size follows from cluster.gpus_per_node, cluster.cpus_per_gpu, cluster.cpus and the teacher"
_GPUS = "set cluster.gpus_per_node and cluster.gpu_type, and how to ask with cluster.gpu_request"
_LOGS = "logs lie in the run's own logs directory, where jobs.logs finds them"
_CHAIN = "it would change every job of the chain; cluster.after=JOBID or RUN delays the first ones"
_SUBMITTING = "the suite submits, and needs a job id at once"
_IDENTITY = "jobs are named after run.dir; cluster.job_prefix is put before"

# Long option of sbatch -> what to do instead of passing it.
_SBATCH = {
    "account": "set cluster.account",
    "array": "set tasks, and cluster.throttle for how many run at once",
    "chdir": "jobs start in the run's logs directory; give absolute paths",
    "clusters": "log in to that cluster and submit there",
    "comment": "set cluster.comment, which is added to the run's own",
    "constraint": "set cluster.constraint or cluster.cpu_constraint",
    "cpus-per-gpu": "set cluster.cpus_per_gpu",
    "cpus-per-task": "set cluster.cpus, or cluster.cpus_per_gpu",
    "dependency": _CHAIN,
    "error": _LOGS,
    "exclusive": "set cluster.exclusive",
    "gpus": _GPUS,
    "gpus-per-node": _GPUS,
    "gpus-per-socket": _GPUS,
    "gpus-per-task": _GPUS,
    "help": _SUBMITTING,
    "job-name": _IDENTITY,
    "kill-on-invalid-dep": _CHAIN,
    "mem": "set cluster.mem or cluster.cpu_mem",
    "no-requeue": "set cluster.requeue=false",
    "nodes": "set teacher.nodes",
    "ntasks": _SIZE,
    "ntasks-per-gpu": _SIZE,
    "ntasks-per-node": _SIZE,
    "open-mode": "logs are appended to, or a requeued task would wipe its own",
    "output": _LOGS,
    "parsable": _SUBMITTING,
    "partition": "set cluster.partition or cluster.cpu_partition",
    "qos": "set cluster.qos or cluster.cpu_qos",
    "quiet": _SUBMITTING,
    "requeue": "set cluster.requeue",
    "reservation": "set cluster.reservation",
    "signal": "set cluster.signal_seconds",
    "test-only": "set plan=true, which asks Slurm",
    "time": "set cluster.time or cluster.cpu_time",
    "usage": _SUBMITTING,
    "version": _SUBMITTING,
    "wait": _SUBMITTING,
    "wrap": _SUBMITTING,
}
_SBATCH_SHORT = {
    **{"A": "account", "a": "array", "D": "chdir", "M": "clusters", "C": "constraint", "c": "cpus-per-task"},
    **{"d": "dependency", "e": "error", "G": "gpus", "h": "help", "J": "job-name", "N": "nodes"},
    **{"n": "ntasks", "o": "output", "p": "partition", "q": "qos", "Q": "quiet", "t": "time"},
    **{"u": "usage", "V": "version", "W": "wait"},
}

_STEP = "the task's own srun sets it"
# The same of srun, for the one step of each job.
_SRUN = {
    "cpus-per-task": _SBATCH["cpus-per-task"],
    "error": _LOGS,
    "export": "set cluster.environment",
    "jobid": _STEP,
    "kill-on-bad-exit": "a task that ends must not take the others with it",
    "multi-prog": _STEP,
    "nodes": _SBATCH["nodes"],
    "ntasks": _SIZE,
    "ntasks-per-gpu": _SIZE,
    "ntasks-per-node": _SIZE,
    "open-mode": _SBATCH["open-mode"],
    "output": _LOGS,
    "time": _SBATCH["time"],
    "wait": "a task that ends must not take the others with it",
}
_SRUN_SHORT = {
    **{"c": "cpus-per-task", "e": "error", "K": "kill-on-bad-exit", "N": "nodes", "n": "ntasks"},
    **{"o": "output", "t": "time", "W": "wait"},
}
# Short options of srun that take a value, which may be a word of its own.
_SRUN_VALUES = "AbCcDdeEgGijJLmMnNopqrStTwWxZ"

# What Slurm tells a task about itself, which the task goes by; and what submissions never look at.
_TOLD_BY_SLURM = re.compile(
    r"SLURM_(ARRAY|JOB|STEP|TASK|PROC|LOCAL|NODE|NTASKS|NPROCS|NNODES|RESTART|OPEN_MODE|LAUNCH).*|SLURMD_.*"
    r"|SBATCH_.*"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DIRECTIVE = re.compile(r"#(SBATCH|PBS|BSUB)\b")


def check_passed(cluster: Cluster) -> None:
    """Raises ConfigError for what would replace a thing that the suite sets itself, or break the script."""
    for section in ("options", "gpu_options", "cpu_options"):
        for name, value in getattr(cluster, section).items():
            _check_option(f"cluster.{section}", str(name), value)
    if cluster.mem and {"mem-per-cpu", "mem-per-gpu"} & set(passed_options(cluster, True)):
        raise ConfigError("cluster.options: memory per core or GPU, and cluster.mem is set, too; omit one")
    for key in ("srun", "cpu_srun"):
        for word, name in _srun_names(getattr(cluster, key)):
            if name is not None:
                raise ConfigError(f"cluster.{key}: {word} is the suite's to set; {_SRUN[name]}")
    for name in cluster.environment:
        if not _VARIABLE.fullmatch(str(name)):
            raise ConfigError(f"cluster.environment: {name!r} is not the name of a variable")
        if _TOLD_BY_SLURM.fullmatch(str(name)):
            raise ConfigError(
                f"cluster.environment: {name} is Slurm's to set; for what is asked for use the options of "
                "cluster, which --help lists"
            )
    for line in "\n".join(cluster.setup).splitlines():
        if _DIRECTIVE.match(line):
            raise ConfigError(f"cluster.setup: {line[:80]}: sbatch would obey it; use cluster.options")
    _check_lines(cluster)


def passed_options(cluster: Cluster, on_gpus: bool) -> dict[str, Any]:
    """What a GPU or a CPU job passes on, as it is written into the script; null and false leave one out."""
    chosen = {**cluster.options}
    own = cluster.gpu_options if on_gpus else cluster.cpu_options
    for name in own:  # whichever way it is spelt in `options`
        chosen = {key: value for key, value in chosen.items() if _plain(str(key)) != _plain(str(name))}
    return {
        _plain(str(name)): value
        for name, value in (chosen | own).items()
        if value is not None and value is not False
    }


def _check_option(section: str, name: str, value: Any) -> None:
    plain = _plain(name)
    if not re.fullmatch(r"[a-z][a-z0-9-]*|[A-Za-z]", plain):
        raise ConfigError(f"{section}: {name!r} is not an option of sbatch; give NAME: VALUE")
    own = _SBATCH_SHORT.get(plain) if len(plain) == 1 else _begins(plain, _SBATCH)
    if own is not None:
        raise ConfigError(f"{section}: {name} is the suite's to set; {_SBATCH[own]}")
    if len(plain) == 1:
        raise ConfigError(f"{section}: {name}: give the option's long name")
    if not isinstance(value, (str, int, float, type(None))):
        raise ConfigError(f"{section}: {name}: must be a text, a number, true or null, not {value!r}")
    if plain == "gres" and re.search(r"(^|,)\s*gpu\b", str(value)):
        raise ConfigError(f"{section}: {name}={value} is the suite's to set; {_GPUS}")


def _plain(name: str) -> str:
    """The name as sbatch knows it: `--mem_per_cpu` is mem-per-cpu."""
    return name.strip().lstrip("-").replace("_", "-")


def _begins(name: str, own: Mapping[str, str]) -> str | None:
    """The option of `own` that a name, or the beginning of one, is taken for, as getopt_long does.

    No other option of sbatch or srun is the beginning of one of these.
    """
    return name if name in own else next((option for option in own if option.startswith(name)), None)


def _srun_names(words: list[str]) -> Iterator[tuple[str, str | None]]:
    """(word, the option of `_SRUN` that it is, or None) for each option among srun's arguments."""
    for word in words:
        if word.startswith("--"):
            yield word, _begins(_plain(word.partition("=")[0]), _SRUN)
        elif re.match(r"-[A-Za-z]", word):
            for letter in word[1:]:  # -lo FILE is -l -o FILE
                yield word, _SRUN_SHORT.get(letter)
                if letter in _SRUN_VALUES:
                    break


def _check_lines(cluster: Cluster) -> None:
    """What stands in a line of the script must not begin another."""
    values = {f"cluster.{name}": value for name, value in vars(cluster).items() if isinstance(value, str)}
    for section in ("options", "gpu_options", "cpu_options"):
        values |= {f"cluster.{section}.{name}": value for name, value in getattr(cluster, section).items()}
    for key, value in values.items():
        if isinstance(value, str) and not value.isprintable():
            raise ConfigError(f"{key}={value!r}: holds a line break or another control character")
