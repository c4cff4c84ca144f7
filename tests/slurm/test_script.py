"""The text of every job: golden files for each profile and stage, and what each option puts into it.

After a change that is meant, `ACCEPT_GOLDEN=1 pytest tests/slurm/test_script.py` writes the golden files,
and `git diff tests/slurm/golden` shows what every site will get.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from omi_core.cluster_options import Cluster
from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.slurm.retry_policy import HANDED_BACK
from omi_core.slurm.script import Job, check_cluster, replicas, script
from tests.slurm.composing import chain, compose

GOLDEN = Path(__file__).parent / "golden"
ACCEPT = os.environ.get("ACCEPT_GOLDEN") == "1"
WORK = ("teacher=rehearsal", "data.size=40", "samples=4", "tasks=3", "reduce_tasks=2")
# What a user of each profile has to fill in, and some of what one is likely to.
SITES: dict[str, tuple[str, ...]] = {
    "slurm": ("cluster.partition=gpu",),
    "selene": (
        "cluster.account=lab",
        "cluster.partition=batch",
        "cluster.cpu_partition=cpu",
        "cluster.srun=['--container-image=/lustre/lab/vllm.sqsh','--container-mounts=/lustre:/lustre']",
        "cluster.throttle=16",
    ),
    "juwels_booster": ("cluster.account=lab",),
    "perlmutter": ("cluster.account=m0000", "cluster.setup=[module load python]"),
}
# A teacher of 16 GPUs on nodes of 8.
TWO_NODES = ("teacher.nodes=2", "teacher.tensor_parallel=8", "teacher.pipeline_parallel=2")
# The folders of golden files: each profile, and one of them with that teacher.
GOLDENS = {profile: (f"+cluster={profile}", *options) for profile, options in SITES.items()} | {
    "selene-two-nodes": ("+cluster=selene", *SITES["selene"], *TWO_NODES)
}
GPU, CPU = ("canary", "generate"), ("gate", "reduce", "publish", "rescue")
STAGES = (*GPU, *CPU)


@pytest.fixture(scope="module")
def golden_texts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The five sbatch files of a profile by stage, without what differs between machines."""
    made: dict[str, dict[str, str]] = {}

    def texts(profile: str) -> dict[str, str]:
        if profile not in made:
            root = tmp_path_factory.mktemp(profile)
            config = compose(*GOLDENS[profile], *WORK)
            check_cluster(config.cluster)
            jobs = chain(config, root / "runs/demo")
            made[profile] = {
                stage: normal(script(config.cluster, job), root, job) for stage, job in jobs.items()
            }
        return made[profile]

    return texts


def normal(text: str, root: Path, job: Job) -> str:
    """Paths of this machine and the fingerprint, which changes with the demo's problems, by other names."""
    text = text.replace(str(root), "/scratch/you").replace(sys.executable, "/env/bin/python")
    return text.replace(job.token or "", "FINGERPRINT").rstrip("\n") + "\n"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("profile", GOLDENS)
def test_the_sbatch_file_is_the_golden_one(
    golden_texts: Callable[[str], dict[str, str]], profile: str, stage: str
) -> None:
    text = golden_texts(profile)[stage]
    path = GOLDEN / profile / f"{stage}.sbatch"
    if ACCEPT:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    diff = difflib.unified_diff(golden.splitlines(), text.splitlines(), "golden", "generated", lineterm="")
    if golden != text:
        pytest.fail(
            f"{path.name} of {profile} has changed; if that is meant: ACCEPT_GOLDEN=1 pytest {__file__}\n"
            + "\n".join(diff),
            pytrace=False,
        )


def test_there_is_no_golden_file_without_a_job() -> None:
    known = {f"{profile}/{stage}.sbatch" for profile in GOLDENS for stage in STAGES}
    assert {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.sbatch")} == known


def job(stage: str, root: Path = Path("/run"), **more: object) -> Job:
    """A job as the chain makes it: arrays for generate and reduce."""
    array = (0, 2, 0) if stage in ("generate", "reduce") else None
    arguments = (str(root), stage, "1", "0")
    made = Job(f"run.{stage}", stage, arguments, root / "logs", array, token="0123456789ab")
    return replace(made, **more)  # type: ignore[arg-type]


def text_of(stage: str, config: Generate | None = None, /, **cluster: object) -> str:
    """The sbatch file of a stage for a generic site with these options."""
    config = config or Generate()
    config.cluster = Cluster(name="site", kind="slurm", **cluster)  # type: ignore[arg-type]
    size = {"nodes": config.teacher.nodes, "tasks": replicas(config)} if stage in GPU else {}
    return script(config.cluster, job(stage, **size))


def asked(text: str) -> dict[str, str]:
    """The #SBATCH options of a file, by name."""
    return dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, flags=re.M))


def command_of(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith("srun ")]
    return line.split()


@pytest.mark.parametrize("stage", STAGES)
def test_a_site_is_asked_for_nothing_that_the_profile_does_not_ask_for(stage: str) -> None:
    always = {
        "comment",
        "cpus-per-task",
        "job-name",
        "nodes",
        "ntasks-per-node",
        "open-mode",
        "output",
        "signal",
        "time",
    }
    array = {"array"} if stage in ("generate", "reduce") else set()
    assert set(asked(text_of(stage))) == always | array | {"requeue"}
    # Without it a site's default may requeue what the gate sends again; other jobs have no gate behind them.
    refused = {"no-requeue"} if stage in GPU else set()
    assert set(asked(text_of(stage, requeue=False))) == always | array | refused


@pytest.mark.parametrize(
    ("option", "value", "name", "shown", "stages"),
    [
        ("account", "lab", "account", "lab", STAGES),
        ("cpu_account", "cpus", "account", "cpus", CPU),
        ("partition", "gpu", "partition", "gpu", STAGES),
        ("cpu_partition", "cpu", "partition", "cpu", CPU),
        ("qos", "high", "qos", "high", STAGES),
        ("cpu_qos", "shared", "qos", "shared", CPU),
        ("reservation", "school", "reservation", "school", GPU),
        ("constraint", "a100", "constraint", "a100", GPU),
        ("cpu_constraint", "cpu", "constraint", "cpu", CPU),
        ("exclusive", True, "exclusive", "", GPU),
        ("time", "1-00:00:00", "time", "1-00:00:00", GPU),
        ("cpu_time", "30", "time", "30", CPU),
        ("mem", "0", "mem", "0", GPU),
        ("cpu_mem", "16G", "mem", "16G", CPU),
        ("cpus", 6, "cpus-per-task", "6", STAGES),
        ("signal_seconds", 90, "signal", "USR2@90", STAGES),
        ("options", {"nodelist": "n1", "hint": "nomultithread"}, "nodelist", "n1", STAGES),
        ("options", {"mail-type": "END"}, "mail-type", "END", STAGES),
        ("gpu_options", {"mail-type": "END"}, "mail-type", "END", GPU),
        ("cpu_options", {"mail-type": "END"}, "mail-type", "END", CPU),
        ("options", {"hint": "nomultithread", "nodelist": None, "hold": False}, "nodelist", None, STAGES),
        ("job_prefix", "lab-math:", "job-name", "lab-math:run.{stage}", STAGES),
        ("comment", "for the paper", "comment", "'0123456789ab for the paper'", STAGES),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_option_is_passed_on_to_the_jobs_it_is_for(
    option: str, value: object, name: str, shown: str | None, stages: tuple[str, ...]
) -> None:
    for stage in STAGES:
        got = asked(text_of(stage, **{option: value})).get(name)
        expected = shown and shown.replace("{stage}", stage)
        assert (got == expected) == (stage in stages), f"{stage}: --{name}={got}"


@pytest.mark.parametrize(
    ("given", "gpu", "cpu"),
    [
        ({"options": {"mail_type": "END"}, "gpu_options": {"mail-type": "FAIL"}}, "FAIL", "END"),
        ({"options": {"mail-type": "END"}, "gpu_options": {"--mail-type": None}}, None, "END"),
        ({"options": {"mail-type": "END"}, "cpu_options": {"mail-type": False}}, "END", None),
    ],
)
def test_options_of_some_jobs_go_before_those_of_all(
    given: dict[str, object], gpu: str | None, cpu: str | None
) -> None:
    assert {asked(text_of(stage, **given)).get("mail-type") for stage in GPU} == {gpu}
    assert {asked(text_of(stage, **given)).get("mail-type") for stage in CPU} == {cpu}


@pytest.mark.parametrize("section", ["options", "gpu_options", "cpu_options"])
def test_what_the_suite_sets_is_refused_wherever_it_is_passed(section: str) -> None:
    with pytest.raises(ConfigError, match=rf"^cluster\.{section}: array is the suite's to set"):
        check_cluster(Cluster(name="site", kind="slurm", **{section: {"array": "0-3"}}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "gpu", "cpu"),
    [
        ({"account": "m1", "gpu_account_suffix": "_g"}, "m1_g", "m1"),
        ({"account": "m1_g", "gpu_account_suffix": "_g"}, "m1_g", "m1"),
        ({"account": "m1", "cpu_account": "m2", "gpu_account_suffix": "_g"}, "m1_g", "m2"),
        ({"account": "m1", "cpu_account": "m2"}, "m1", "m2"),
        ({"gpu_account_suffix": "_g"}, None, None),
    ],
)
def test_each_pool_is_charged_to_its_account(given: dict[str, str], gpu: str | None, cpu: str | None) -> None:
    assert {asked(text_of(stage, **given)).get("account") for stage in GPU} == {gpu}
    assert {asked(text_of(stage, **given)).get("account") for stage in CPU} == {cpu}


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, True),
        ({"partition": "dgx"}, True),
        ({"cpu_partition": "cpu"}, False),
        ({"partition": "dgx", "cpu_partition": "dgx"}, False),
        ({"cpu_constraint": "cpu"}, False),
        ({"exclusive": False}, False),
        ({"gpus_per_node": 0}, False),
    ],
)
def test_cpu_jobs_do_not_each_hold_a_whole_gpu_node_unless_told_to(
    given: dict[str, object], refused: bool
) -> None:
    whole: dict[str, object] = {"name": "site", "kind": "slurm", "gpus_per_node": 8, "exclusive": True}
    cluster = Cluster(**(whole | given))  # type: ignore[arg-type]
    if not refused:
        check_cluster(cluster)
        return
    with pytest.raises(ConfigError, match=r"each CPU job would hold 8 GPUs; give cluster\.cpu_partition=…"):
        check_cluster(cluster)


@pytest.mark.parametrize(
    ("words", "gpus", "tasks"),
    [
        ((), "1", "1"),
        (("teacher.tensor_parallel=2",), "2", "1"),
        (("cluster.gpu_type=a100",), "a100:1", "1"),
        (("cluster.exclusive=true", "cluster.cpu_partition=cpu"), "8", "8"),
        (("teacher.nodes=2", "teacher.tensor_parallel=16"), "8", "1"),
    ],
)
def test_a_canary_asks_for_the_gpus_of_its_one_replica_where_nodes_are_shared(
    tmp_path: Path, words: tuple[str, ...], gpus: str, tasks: str
) -> None:
    site = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=8")
    config = compose(*site, *words, *WORK, "samples=40")
    jobs = chain(config, tmp_path / "run")
    options = asked(script(config.cluster, jobs["canary"]))
    assert (options["gpus-per-node"], options["ntasks-per-node"]) == (gpus, tasks)
    assert asked(script(config.cluster, jobs["generate"]))["gpus-per-node"].endswith("8")


def test_setup_lines_and_variables_come_before_the_task_and_are_quoted() -> None:
    text = text_of("generate", setup=["module load CUDA"], environment={"PLACE": "a b; rm -r /", "N": "1"})
    lines = text.splitlines()
    at = [lines.index(line) for line in ("module load CUDA", "export PLACE='a b; rm -r /'", "export N=1")]
    assert at == sorted(at) and at[-1] < next(i for i, line in enumerate(lines) if line.startswith("srun "))


@pytest.mark.parametrize("stage", STAGES)
def test_srun_arguments_belong_to_the_jobs_they_are_for(stage: str) -> None:
    words = command_of(text_of(stage, srun=["--container-image=a b"], cpu_srun=["--mpi=none"]))
    joined = " ".join(words)
    assert ("--container-image" in joined) == (stage in GPU)
    assert ("--mpi=none" in words) == (stage in CPU)
    if stage in GPU:
        assert "'--container-image=a b'" in joined


def test_the_task_is_run_by_absolute_paths_and_told_everything() -> None:
    words = command_of(text_of("generate"))
    assert words[-7:] == [sys.executable, "-m", "jobs._task", "/run", "generate", "1", "0"]


@pytest.mark.parametrize(
    ("given", "gpu", "cpu"),
    [
        ({}, sys.executable, sys.executable),
        ({"python": "/env/bin/python"}, "/env/bin/python", "/env/bin/python"),
        ({"python": "/image/python", "cpu_python": "/env/python"}, "/image/python", "/env/python"),
    ],
)
def test_cpu_jobs_may_have_a_python_of_their_own(given: dict[str, str], gpu: str, cpu: str) -> None:
    for stage in STAGES:
        words = command_of(text_of(stage, **given))
        assert words[words.index("-m") - 1] == (gpu if stage in GPU else cpu)


def test_a_python_for_cpu_jobs_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cpu_python is set; set python"):
        check_cluster(Cluster(name="site", kind="slurm", cpu_python="/env/python"))


@pytest.mark.parametrize(("stage", "log"), [("gate", "%j_%t.log"), ("generate", "%A_%a_%t.log")])
def test_every_task_has_a_log_of_its_own(stage: str, log: str) -> None:
    text = text_of(stage)
    words = command_of(text)
    last = len(words) - 1 - words[::-1].index("--output")  # srun takes the last one
    assert words[last + 1] == f"/run/logs/{log}"
    assert asked(text)["output"] == f"/run/logs/{log.replace('_%t.log', '.sbatch.log')}"


@pytest.mark.parametrize(
    ("first", "last", "at_once", "shown"), [(0, 9, 0, "0-9"), (0, 999, 32, "0-999%32"), (0, 0, 1, "0-0%1")]
)
def test_an_array_carries_its_throttle(first: int, last: int, at_once: int, shown: str) -> None:
    text = script(Cluster(), job("generate", array=(first, last, at_once)))
    assert asked(text)["array"] == shown


@pytest.mark.parametrize(
    ("after", "killed"), [("afterok:7", True), ("afterany:7:8", False), (None, False)], ids=str
)
def test_only_a_job_that_needs_success_is_killed_when_it_cannot_come(after: str | None, killed: bool) -> None:
    options = asked(script(Cluster(), job("reduce", after=after)))
    assert (options.get("kill-on-invalid-dep") == "yes") == killed
    assert options.get("dependency", "").strip("'") == (after or "")


def test_nodes_that_failed_are_excluded_beside_those_that_the_user_names() -> None:
    cluster = Cluster(kind="slurm", options={"exclude": "n9"})
    assert asked(script(Cluster(), job("generate", exclude="n1,n2")))["exclude"] == "n1,n2"
    assert asked(script(cluster, job("generate", exclude="n1,n2")))["exclude"] == "n1,n2,n9"
    assert asked(script(cluster, job("generate")))["exclude"] == "n9"


@pytest.mark.parametrize(
    ("stage", "requeue", "own"),
    [(stage, requeue, stage in GPU and requeue) for stage in STAGES for requeue in (True, False)],
)
def test_only_a_gpu_job_that_may_requeues_itself(stage: str, requeue: bool, own: bool) -> None:
    text = text_of(stage, requeue=requeue, max_requeues=7)
    assert ("scontrol requeue" in text) == own
    if own:
        assert f'[ "$code" = {HANDED_BACK} ]' in text and "-lt 7 ]" in text
        assert text.rstrip().splitlines()[-1] == "exit $code"  # else Slurm takes the job for completed
        which = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" if stage == "generate" else "${SLURM_JOB_ID}"
        assert f"scontrol requeue {which} " in text
    else:
        assert text.rstrip().splitlines()[-1].startswith("srun ")


def teacher(**more: int) -> Generate:
    config = Generate()
    config.teacher = replace(config.teacher, **more)
    return config


@pytest.mark.parametrize(
    ("gpus", "tensor", "pipeline", "nodes", "tasks"),
    [
        (8, 1, 1, 1, 8),
        (8, 2, 1, 1, 4),
        (8, 8, 1, 1, 1),
        (8, 3, 1, 1, 2),
        (8, 2, 2, 1, 2),
        (4, 4, 1, 1, 1),
        (0, 1, 1, 1, 1),
    ],
)
def test_a_job_has_a_task_for_every_replica(
    gpus: int, tensor: int, pipeline: int, nodes: int, tasks: int
) -> None:
    config = teacher(tensor_parallel=tensor, pipeline_parallel=pipeline, nodes=nodes)
    text = text_of("generate", config, gpus_per_node=gpus, cpus_per_gpu=6)
    assert replicas(config) == tasks
    options = asked(text)
    assert (options["nodes"], options["ntasks-per-node"]) == (str(nodes), str(tasks))
    assert options["cpus-per-task"] == str(6 * (gpus // tasks) if gpus else Cluster().cpus)
    assert f"--cpus-per-task={options['cpus-per-task']} " in text.partition("srun ")[2]


@pytest.mark.parametrize(
    ("gpus", "tensor", "pipeline", "nodes", "cpus"),
    [
        (8, 8, 2, 2, 48),
        (8, 4, 2, 2, 48),  # half of each node's GPUs, all of its cores
        (4, 4, 4, 4, 24),
        (0, 1, 2, 2, 4),  # a site without GPUs
    ],
)
def test_a_teacher_larger_than_a_node_has_a_task_on_each_of_its_nodes(
    gpus: int, tensor: int, pipeline: int, nodes: int, cpus: int
) -> None:
    config = teacher(tensor_parallel=tensor, pipeline_parallel=pipeline, nodes=nodes)
    for stage in GPU:
        options = asked(text_of(stage, config, gpus_per_node=gpus, cpus_per_gpu=6, cpus=4))
        assert replicas(config) == 1
        assert (options["nodes"], options["ntasks-per-node"]) == (str(nodes), "1")
        assert options["cpus-per-task"] == str(cpus)
        assert options.get("gpus-per-node") == (str(gpus) if gpus else None)
    assert asked(text_of("gate", config, gpus_per_node=gpus))["nodes"] == "1"


@pytest.mark.parametrize(
    ("gpus", "tensor", "nodes", "message"),
    [
        (8, 8, 3, r"tensor_parallel x pipeline_parallel is 8, which does not divide over 3 nodes$"),
        (0, 1, 2, r"is 1, which does not divide over 2 nodes$"),
        (4, 16, 2, r"is 16, more than 2 nodes have with cluster\.gpus_per_node=4; set teacher\.nodes=4, or "),
    ],
)
def test_a_teacher_that_does_not_fit_its_nodes_is_refused_in_one_line(
    gpus: int, tensor: int, nodes: int, message: str
) -> None:
    config = teacher(tensor_parallel=tensor, nodes=nodes)
    with pytest.raises(ConfigError, match=rf"^teacher\.nodes={nodes}: .*{message}"):
        text_of("generate", config, gpus_per_node=gpus)


@pytest.mark.parametrize(
    ("tensor", "nodes", "several"),
    [(8, 1, False), (4, 1, True), (8, 2, True)],
    ids=["one", "replicas", "nodes"],
)
def test_a_task_that_ends_does_not_take_the_others_of_its_job_with_it(
    tensor: int, nodes: int, several: bool
) -> None:
    words = command_of(text_of("generate", teacher(tensor_parallel=tensor, nodes=nodes), gpus_per_node=8))
    assert ("--kill-on-bad-exit=0" in words) == ("--wait=0" in words) == several


def test_a_replica_larger_than_a_node_without_nodes_is_refused_in_one_line() -> None:
    config = teacher(tensor_parallel=8)
    config.cluster.gpus_per_node = 4
    with pytest.raises(ConfigError, match=r"^teacher: one replica takes 8 GPUs .*set teacher\.nodes=2"):
        replicas(config)


@pytest.mark.parametrize(
    ("request_by", "kind", "expected"),
    [
        ("gpus", None, {"gpus-per-node": "8"}),
        ("gpus", "a100", {"gpus-per-node": "a100:8"}),
        ("gres", None, {"gres": "gpu:8"}),
        ("gres", "a100", {"gres": "gpu:a100:8"}),
        ("none", "a100", {}),
    ],
)
def test_gpus_are_asked_for_as_the_site_wants_it(
    request_by: str, kind: str | None, expected: dict[str, str]
) -> None:
    for stage in STAGES:
        options = asked(text_of(stage, gpus_per_node=8, gpu_request=request_by, gpu_type=kind))
        got = {name: options[name] for name in options if "gpu" in name or "gres" in name}
        assert got == (expected if stage in GPU else {})


def test_other_resources_are_asked_for_beside_the_gpus() -> None:
    given: dict[str, object] = {"gpus_per_node": 8, "gpu_request": "gres", "options": {"gres": "nvme:1"}}
    assert asked(text_of("generate", **given))["gres"] == "gpu:8,nvme:1"
    assert asked(text_of("gate", **given))["gres"] == "nvme:1"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "account, partition"),
        ({"account": "lab"}, "partition"),
        ({"account": "", "partition": "gpu"}, "account"),
        ({"account": "lab", "partition": "gpu"}, None),
    ],
)
def test_what_a_site_needs_and_is_not_given_is_named_in_one_line(
    given: dict[str, str], missing: str | None
) -> None:
    cluster = replace(Cluster(name="site", kind="slurm", requires=["account", "partition"]), **given)
    if missing is None:
        check_cluster(cluster)
        return
    with pytest.raises(ConfigError) as error:
        check_cluster(cluster)
    words = " ".join(f"cluster.{name}=…" for name in missing.split(", "))
    assert str(error.value) == f"+cluster=site: this site needs {missing}; give {words}"


def test_each_array_has_a_throttle_of_its_own(tmp_path: Path) -> None:
    config = compose("+cluster=slurm", "cluster.throttle=7", "cluster.cpu_throttle=9", *WORK)
    jobs = chain(config, tmp_path / "run")
    assert [asked(script(config.cluster, jobs[stage]))["array"] for stage in ("generate", "reduce")] == [
        "0-2%7",
        "0-1%9",
    ]


def test_every_option_of_a_profile_is_tested_here_or_does_not_reach_a_job() -> None:
    # Used by the command, the gates or the tasks, not by the text of a job.
    elsewhere = {
        "name",
        "kind",
        "workers",
        "requires",
        "max_attempts",
        "canary",
        "tokens_per_second",
        "budget_gpu_hours",
        "after",
    }
    here = Path(__file__).read_text(encoding="utf-8")
    untested = {f.name for f in fields(Cluster)} - elsewhere - set(re.findall(r"\w+", here))
    assert untested == set()
