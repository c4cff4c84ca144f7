"""What reports of nodes are taken for: each fault in its line, and never `ok` for what was not answered."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from omi_core.checks.check_lines import CheckLine, is_ready
from omi_core.checks.evidence import Evidence, Probe
from omi_core.checks.judges import JUDGES, judge
from omi_core.slurm.states import TaskState
from tests.slurm.composing import compose

SITE = ("+cluster=slurm", "cluster.partition=x", "cluster.gpus_per_node=2")
HERE = {"executable": "/p", "python": "3.11.7", "code": "c0", "packages": {"numpy": "2.1", "sympy": "1.13"}}
MET = {"saw_answer": 100.4, "seconds": 0.3}
GPUS = {"given": ["0", "1"], "own": ["0"], "driver": 2}
PAIR = {"renamed": True, "grown": True, "broken": [], "seconds": 0.2, "held": True, "free": True}
SIGNAL = {"seconds_left": 320.0, "signal": 12, "promised": 300}
MODEL = {"directory": "/m", "files": 2, "bytes": 9e9, "wrong": []}
ENGINE = {"vllm": "0.32", "gpus": 1}


composed = cache(compose)


def sound(*options: str) -> Evidence:
    """All that a sound site answers, of a teacher that loads a model."""

    def probe(name: str, *reports: dict[str, Any], restarts: int = 0) -> Probe:
        found = {rank: {"host": f"n{rank}", "directory": MET, **each} for rank, each in enumerate(reports)}
        made = Probe(name, "7", len(found), reports=found, over=True)
        made.state = TaskState("COMPLETED" if not restarts else "PENDING", restarts=restarts)
        made.answered, made.arrived = dict.fromkeys(found, 100.0), dict.fromkeys(found, 101.0)
        return made

    first = {"environment": HERE, "engine": ENGINE, "gpus": GPUS, "model": MODEL, "signal": SIGNAL}
    second = {"host": "n0", "environment": HERE, "gpus": GPUS | {"own": ["1"]}}
    made = (
        probe("gpu", first, second, restarts=1),
        probe("cpu", {"environment": HERE, "commands": {"errors": {}}}),
        probe("pair", {"pair": {}}, {"pair": PAIR}),
    )
    probes = {each.name: each for each in made}
    config = composed(*SITE, "teacher=model", "teacher.model=/m", "filters.max_tokens=null", *options)
    return Evidence(config, HERE, probes)


def lines(evidence: Evidence) -> dict[str, CheckLine]:
    found = {name: judge(name, evidence) for name in JUDGES}
    assert None not in found.values()
    return {name: line for name, line in found.items() if line is not None}


def change(evidence: Evidence, probe: str, part: str, rank: int = 0, **values: Any) -> None:
    report = evidence.probes[probe].reports[rank]
    report[part] = {**report[part], **values}


def test_a_sound_site_is_ready() -> None:
    found = lines(sound())
    outcomes = {name: line.outcome for name, line in found.items()}
    assert {name for name, outcome in outcomes.items() if outcome != "ok"} == {"hub", "sample"}
    assert is_ready(found.values())


# probe, part, rank, what is other than it should be, the line that says so, and some of its words
FAULTS: list[tuple[str, str, int, dict[str, Any], str, str]] = [
    ("cpu", "directory", 0, {"saw_answer": None}, "directory", "n0 did not see a file of this machine"),
    ("cpu", "directory", 0, {"saw_answer": 200.0}, "clocks", "99 s ahead of this machine"),
    ("pair", "directory", 1, {"saw_answer": 60.0}, "clocks", "n1 is 40 s behind this machine"),
    ("pair", "pair", 1, {"renamed": False}, "renames", "replaced by one was not seen so"),
    ("pair", "pair", 1, {"grown": False}, "renames", "appended to by one"),
    ("pair", "pair", 1, {"broken": ["seen half written"]}, "renames", "seen half written"),
    ("pair", "pair", 1, {"held": False}, "locks", "n0 and n1 hold the same lock"),
    ("pair", "pair", 1, {"free": False}, "locks", "stays taken"),
    (
        "cpu",
        "environment",
        0,
        {"packages": {"numpy": "2.1"}},
        "CPU environment",
        "sympy is missing, here 1.13",
    ),
    (
        *("gpu", "environment", 0),
        {"packages": {"numpy": "2.0", "sympy": "1.13"}},
        *("GPU environment", "numpy 2.0, here 2.1"),
    ),
    (
        "gpu",
        "environment",
        0,
        {"code": "c1"},
        "GPU environment",
        "the code of open-math-instruct-hpc is another",
    ),
    ("gpu", "environment", 0, {"python": "3.12.1"}, "GPU environment", "Python 3.12.1, here 3.11.7"),
    ("gpu", "engine", 0, {"error": "import vllm: No module"}, "GPU environment", "import vllm: No module"),
    ("cpu", "commands", 0, {"errors": {"sbatch": "denied"}}, "Slurm in jobs", "on n0 sbatch: denied"),
    ("gpu", "gpus", 0, {"own": ["1"]}, "GPUs", "two tasks have the same GPU"),
    ("gpu", "engine", 0, {"gpus": 0}, "GPUs", "the engine sees 0 GPUs, its task has 1"),
    ("gpu", "model", 0, {"wrong": ["/m/a: missing", "/m/b: empty"]}, "model", "/m/a: missing and 1 more"),
    ("gpu", "signal", 0, {"seconds_left": None, "signal": None}, "signal", "no signal came 300 s before"),
    ("gpu", "signal", 0, {"seconds_left": 30.0}, "signal", "came 30 s before the time limit, 300 s were"),
    ("gpu", "signal", 0, {"seconds_left": 900.0}, "signal", "came 900 s before the time limit"),
]


@pytest.mark.parametrize(("probe", "part", "rank", "values", "name", "words"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_told_in_its_line_with_what_to_do_and_in_no_other(
    probe: str, part: str, rank: int, values: dict[str, Any], name: str, words: str
) -> None:
    evidence = sound()
    change(evidence, probe, part, rank, **values)
    found = lines(evidence)
    assert [line.name for line in found.values() if line.outcome == "failed"] == [name]
    assert words in found[name].found and found[name].advice
    assert "\n" not in found[name].found and not is_ready(found.values())


@pytest.mark.parametrize(
    ("values", "outcome", "words"),
    [
        ({"given": ["0"], "own": ["0"]}, "failed", "2 GPUs asked for, Slurm gives 1"),
        ({"given": [], "own": []}, "failed", "2 GPUs asked for, Slurm gives 0"),
        ({"driver": 1}, "failed", "2 GPUs expected, the driver shows 1"),
        ({"given": None, "driver": 8}, "failed", "2 GPUs asked for, 8 seen: those of others"),
        ({"given": None, "driver": None}, "failed", "neither Slurm nor a driver knows of one"),
        ({"driver": None}, "skipped", "no driver (nvidia-smi) to confirm it"),
        ({"given": ["0"], "own": ["0"], "driver": 1}, "failed", "2 GPUs asked for, Slurm gives 1"),
        ({"driver": 8}, "ok", "2 asked for and seen, 1 for each of 2 tasks"),  # CUDA keeps to those given
    ],
)
def test_the_gpus_of_all_tasks_of_a_node_are_those_asked_for(
    values: dict[str, Any], outcome: str, words: str
) -> None:
    evidence = sound("teacher=rehearsal")
    for rank in (0, 1):
        change(evidence, "gpu", "gpus", rank, **values)
    evidence.probes["gpu"].reports[0]["engine"] = {}
    line = lines(evidence)["GPUs"]
    assert (line.outcome, line.needed) == (outcome, True)
    assert words in line.found


def test_a_question_is_open_until_its_job_answers_or_ends() -> None:
    evidence = sound()
    seen = evidence.probes["gpu"]
    seen.over, reports = False, seen.reports
    seen.reports = {0: {key: value for key, value in reports[0].items() if key != "signal"}}
    assert judge("GPUs", evidence) is None  # of the other task nothing is known
    assert judge("signal", evidence) is None and judge("requeue", evidence) is None
    assert judge("model", evidence) is not None
    seen.reports = reports
    seen.state = TaskState("RUNNING")
    assert judge("requeue", evidence) is None
    seen.state = TaskState("PENDING", restarts=1)
    assert (line := judge("requeue", evidence)) is not None and line.outcome == "ok"


def test_a_requeue_that_is_refused_is_told_with_the_words_of_slurm() -> None:
    evidence = sound()
    evidence.probes["gpu"].state = TaskState("FAILED", exit_code=75)
    evidence.probes["gpu"].said = "scontrol: error: Requested operation is presently disabled"
    line = lines(evidence)["requeue"]
    assert line.outcome == "failed" and "presently disabled" in line.found
    assert lines(sound("cluster.requeue=false"))["requeue"].needed is False


@pytest.mark.parametrize(
    ("said", "failed"),
    [
        ("python: No module named jobs", {"GPU environment"}),
        ("failed: cluster.setup: module load CUDA: exit code 1", {"GPU environment"}),
        ("not shared: /runs/.check is empty on n1", {"directory"}),
        (None, {"directory"}),  # not even a log
    ],
)
def test_a_job_that_ends_without_a_report_blames_what_its_log_does(
    said: str | None, failed: set[str]
) -> None:
    evidence = sound()
    evidence.probes["gpu"].reports = {}
    evidence.probes["gpu"].state = TaskState("FAILED", exit_code=1)
    evidence.probes["gpu"].said = said
    found = lines(evidence)
    assert {name for name, line in found.items() if line.outcome == "failed"} == failed
    assert (said or "left neither report nor log") in found[failed.pop()].found
    for name in ("GPUs", "model", "signal", "requeue"):
        assert found[name].outcome == "skipped" and found[name].needed


def test_a_job_that_never_started_proves_nothing() -> None:
    evidence = sound()
    evidence.probes["cpu"] = Probe("cpu", "2", why_not="waits for free nodes (Resources) still")
    found = lines(evidence)
    for name in ("CPU environment", "Slurm in jobs", "directory", "clocks"):
        assert found[name].outcome == "skipped" and found[name].needed
        assert "waits for free nodes (Resources) still" in found[name].found
    assert not is_ready(found.values())


def test_a_site_without_jobs_of_two_nodes_is_tried_between_a_node_and_this_machine() -> None:
    evidence = sound()
    evidence.probes["pair"] = Probe(
        "pair", unfit="there are no CPU jobs of two nodes here (PartitionNodeLimit)"
    )
    evidence.probes["cpu"].reports[0]["pair"] = PAIR
    found = lines(evidence)
    assert found["locks"].found.startswith("n0 and this machine: a lock held by one")
    assert is_ready(found.values())
    change(evidence, "cpu", "pair", 0, held=False)
    assert "n0 and this machine hold the same lock" in lines(evidence)["locks"].found


def test_the_hub_is_asked_for_where_the_recipe_takes_something_from_it() -> None:
    evidence = sound("data=hub", "data.hub=lab/problems")
    assert lines(evidence)["hub"].outcome == "ok"
    evidence.dataset_refused = ["lab/problems cannot be had from the hub: no connection"]
    assert "no connection" in lines(evidence)["hub"].found
    evidence = sound()
    refused = {"hub": True, "wrong": ["lab/model cannot be had from the hub: 401"]}
    evidence.probes["gpu"].reports[0]["model"] = refused
    assert {line.name for line in lines(evidence).values() if line.outcome == "failed"} == {"model", "hub"}


def test_a_sample_that_was_asked_for_is_told_or_why_there_is_none() -> None:
    evidence = sound()
    evidence.probes["sample"] = Probe(
        "sample", "4", over=True, state=TaskState("FAILED", exit_code=1), said="CUDA error"
    )
    assert "made none: FAILED with exit code 1: CUDA error" in lines(evidence)["sample"].found
    evidence.sampled = {"error": "EngineFailed: out of memory"}
    assert lines(evidence)["sample"].found == "EngineFailed: out of memory"
    evidence.sampled = {"tokens": 53, "seconds": 4.0, "start_up": 61.0}
    assert lines(evidence)["sample"].found == "53 tokens in 4 s, start-up 61 s"
