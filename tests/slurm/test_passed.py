"""What may be passed on to sbatch, srun and the job's shell, and what the suite keeps to itself."""

from __future__ import annotations

import pytest

from omi_core.cluster_options import Cluster
from omi_core.options import ConfigError
from omi_core.slurm.passed import check_passed, passed_options


def refusal(**cluster: object) -> str:
    with pytest.raises(ConfigError) as error:
        check_passed(Cluster(name="site", kind="slurm", **cluster))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("dependency", "cluster.after=JOBID or RUN"),
        ("comment", "cluster.comment"),
        ("array", "set tasks"),
        ("job-name", "cluster.job_prefix"),
        ("output", "jobs.logs"),
        ("error", "jobs.logs"),
        ("open-mode", "appended"),
        ("time", "cluster.time or cluster.cpu_time"),
        ("partition", "cluster.partition"),
        ("account", "cluster.account"),
        ("qos", "cluster.qos"),
        ("constraint", "cluster.constraint"),
        ("reservation", "cluster.reservation"),
        ("exclusive", "cluster.exclusive"),
        ("mem", "cluster.mem"),
        ("nodes", "teacher.nodes"),
        ("ntasks", "cluster.gpus_per_node"),
        ("ntasks-per-node", "cluster.gpus_per_node"),
        ("cpus-per-task", "cluster.cpus"),
        ("gpus", "cluster.gpu_request"),
        ("gpus-per-node", "cluster.gpu_request"),
        ("gpus-per-task", "cluster.gpu_request"),
        ("requeue", "cluster.requeue"),
        ("no-requeue", "cluster.requeue=false"),
        ("signal", "cluster.signal_seconds"),
        ("kill-on-invalid-dep", "cluster.after"),
        ("chdir", "absolute paths"),
        ("clusters", "log in to that cluster"),
        ("test-only", "plan=true"),
        ("wait", "job id"),
        ("wrap", "job id"),
    ],
)
def test_an_option_that_the_suite_sets_is_refused_with_what_to_use_instead(name: str, instead: str) -> None:
    spellings = {name, f"--{name}", name.replace("-", "_"), f"--{name.replace('-', '_')}"}
    for spelling in spellings:
        line = refusal(options={spelling: "1"})
        assert line.startswith(f"cluster.options: {spelling} is the suite's to set; ") and instead in line


@pytest.mark.parametrize(
    ("letter", "long"),
    [("d", "dependency"), ("a", "array"), ("o", "output"), ("J", "job-name"), ("t", "time"), ("-N", "nodes")],
)
def test_a_short_name_is_the_long_one(letter: str, long: str) -> None:
    assert (
        refusal(options={letter: "1"}).partition("; ")[2] == refusal(options={long: "1"}).partition("; ")[2]
    )


@pytest.mark.parametrize(
    ("beginning", "instead"),
    [
        ("depend", "cluster.after"),
        ("comm", "cluster.comment"),
        ("out", "logs"),
        ("arr", "tasks"),
        ("ti", "cluster.time"),
    ],
)
def test_the_beginning_of_a_name_is_refused_as_sbatch_would_take_it(beginning: str, instead: str) -> None:
    assert instead in refusal(options={beginning: "1"})


@pytest.mark.parametrize(
    "name",
    "nodelist exclude hint mail-type mail-user licenses wckey nice switches time-min mem-per-cpu gres "
    "gpu-bind export tmp hold begin cluster-constraint ntasks-per-core some-new-option".split(),
)
def test_any_other_option_is_passed_on(name: str) -> None:
    cluster = Cluster(options={name: "x"})
    check_passed(cluster)
    assert passed_options(cluster, on_gpus=True) == {name: "x"}
    assert passed_options(Cluster(options={name.replace("-", "_"): "x"}), on_gpus=False) == {name: "x"}


def test_null_and_false_take_an_option_back_that_a_profile_has() -> None:
    cluster = Cluster(options={"nodelist": None, "contiguous": False, "oversubscribe": True})
    check_passed(cluster)
    assert passed_options(cluster, on_gpus=True) == {"oversubscribe": True}


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ({"options": {"hint=x --dependency": "afterok:1"}}, "is not an option of sbatch"),
        ({"options": {"hint x": "1"}}, "is not an option of sbatch"),
        ({"options": {"b": "1"}}, "long name"),
        ({"options": {"nodelist": ["n1", "n2"]}}, "must be a text"),
        ({"options": {"nodelist": "n1\n#SBATCH --array=0-9"}}, "line break"),
        ({"account": "lab\n#SBATCH --array=0-9"}, "line break"),
        ({"comment": "two\nlines"}, "line break"),
        ({"options": {"gres": "nvme:1,gpu:4"}}, "cluster.gpus_per_node"),
        ({"options": {"mem_per_cpu": "2G"}, "mem": "1G"}, "cluster.mem is set, too"),
        ({"setup": ["module load a", "#SBATCH --dependency=afterok:1"]}, "use cluster.options"),
        ({"setup": ["module load a\n#SBATCH --comment=x"]}, "use cluster.options"),
        ({"setup": ["#PBS -N x"]}, "use cluster.options"),
        ({"environment": {"A B": "1"}}, "not the name of a variable"),
        ({"environment": {"SLURM_ARRAY_TASK_ID": "3"}}, "Slurm's to set"),
        ({"environment": {"SLURM_NTASKS": "3"}}, "Slurm's to set"),
        ({"environment": {"SBATCH_DEPENDENCY": "afterok:3"}}, "Slurm's to set"),
        ({"srun": ["--output=x"]}, "jobs.logs"),
        ({"srun": ["--mpi=none", "--output", "x"]}, "jobs.logs"),
        ({"cpu_srun": ["-o", "x"]}, "jobs.logs"),
        ({"cpu_srun": ["-lo", "x"]}, "jobs.logs"),
        ({"srun": ["-n4"]}, "cluster.gpus_per_node"),
        ({"srun": ["--nt=4"]}, "cluster.gpus_per_node"),
        ({"srun": ["--export=NONE"]}, "cluster.environment"),
        ({"srun": ["--kill-on-bad-exit=1"]}, "must not take the others"),
    ],
)
def test_what_would_break_the_script_or_the_chain_is_refused(cluster: dict[str, object], words: str) -> None:
    assert words in refusal(**cluster)


def test_arguments_of_containers_and_variables_of_programs_are_passed_on() -> None:
    check_passed(
        Cluster(
            srun=[
                "--container-image=/a b.sqsh",
                "--container-mounts",
                "/x:/x",
                "--mpi=pmix",
                "-l",
                "-pgpu",
                "--gpu-bind=single:1",
            ],
            environment={"HF_HOME": "/x", "NCCL_DEBUG": "INFO", "SLURM_CPU_BIND": "none"},
            setup=["# load it", "module load CUDA"],
        )
    )
