"""What Slurm's commands print, as recorded on 22.05, and what is made of it; no Slurm is needed here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.slurm import commands, limits, states
from omi_core.slurm.commands import Busy, NotInstalled, SlurmError, SubmitLimit
from omi_core.slurm.limits import Limits
from omi_core.slurm.states import TaskKey, TaskState

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a shell script first on the PATH under the name of a command; the log of its arguments."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(name: str, body: str) -> Path:
        log = tmp_path / f"{name}.calls"
        script = tmp_path / name
        script.write_text(f'#!/bin/bash\necho "$@" >>{log}\n{body}\n', encoding="utf-8")
        script.chmod(0o755)
        return log

    return make


def printing(text: str, code: int = 0) -> str:
    return f"cat <<'END'\n{text}END\nexit {code}"


# -- array expressions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "indexes"),
    [
        ("7", [7]),
        ("0-2", [0, 1, 2]),
        ("0-2,4-6,8-9", [0, 1, 2, 4, 5, 6, 8, 9]),
        ("0-20:4%1", [0, 4, 8, 12, 16, 20]),
        ("41-44%32", [41, 42, 43, 44]),
        ("5,7,10...%2", [5, 7, 10]),
    ],
)
def test_an_array_expression_is_its_indexes(tasks: str, indexes: list[int]) -> None:
    assert list(states.expand(tasks)) == indexes


@pytest.mark.parametrize("tasks", ["", "x", "1-", "-3", "1,,2", "1-4:", "[1-2]"])
def test_what_is_no_array_expression_is_refused(tasks: str) -> None:
    with pytest.raises(ValueError, match="not a list of array indexes"):
        list(states.expand(tasks))


@given(st.sets(st.integers(0, 4000), min_size=1), st.integers(0, 50))
def test_every_set_of_indexes_is_read_back(indexes: set[int], throttle: int) -> None:
    ordered = sorted(indexes)
    starts = [i for i in ordered if i - 1 not in indexes]
    ends = [i for i in ordered if i + 1 not in indexes]
    text = ",".join(f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True))
    assert list(states.expand(text + (f"%{throttle}" if throttle else ""))) == ordered


# -- squeue --------------------------------------------------------------------------------------------------

TRES = "cpu=1,mem=100M,node=1,billing=1,gres/gpu=2"
SQUEUE = f"""\
1|2|CANCELLED|0|15|0|0:05|1795221675|1795221680|n1|{TRES}|None|
1|0|COMPLETED|0|0|0|0:01|1795221675|1795221676|n1|{TRES}|None|
1|3|FAILED|0|2304|9|0:01|1795221675|1795221676|n1|{TRES}|NonZeroExitCode|
1|4|COMPLETING|1|0|0|1-02:03:21|1795221675|1795221876|n2|{TRES}|None|
1|1|FAILED|0|256|256|0:01|1795221675|1795221676|n1|{TRES}|NonZeroExitCode|
2|5,7-9%2|PENDING|0|0|0|0:00|N/A|N/A||{TRES}|JobArrayTaskLimit|
2|1|RUNNING|0|0|0|3:26|1795221675|1795222275|n[1-2]|{TRES}|None|
3|N/A|PENDING|0|0|0|0:00|1795221892|1795225492||cpu=1|ReqNodeNotAvail, UnavailableNodes:n[1-4]|
13|0|PENDING|1|0|15|0:00|1795221892|1795225492||cpu=1,mem=100M,node=1,billing=1|BeginTime|
"""
T0 = 1795221675.0
IN_SQUEUE = {
    TaskKey("1", 0): TaskState("COMPLETED", None, "n1", 0, 0, 0, 1, 0, T0, T0 + 1, 2),
    TaskKey("1", 1): TaskState("FAILED", "NonZeroExitCode", "n1", 1, 0, 0, 1, 0, T0, T0 + 1, 2),
    TaskKey("1", 2): TaskState("CANCELLED", None, "n1", 0, 15, 0, 5, 0, T0, T0 + 5, 2),
    TaskKey("1", 3): TaskState("FAILED", "NonZeroExitCode", "n1", 0, 9, 0, 1, 0, T0, T0 + 1, 2),
    TaskKey("1", 4): TaskState("COMPLETING", None, "n2", None, None, 1, 93801, 0, T0, None, 2),
    TaskKey("2", 1): TaskState("RUNNING", None, "n[1-2]", None, None, 0, 206, 0, T0, None, 2),
    **{TaskKey("2", i): TaskState("PENDING", "JobArrayTaskLimit", gpus=2) for i in (5, 7, 8, 9)},
    TaskKey("3", None): TaskState("PENDING", "ReqNodeNotAvail, UnavailableNodes:n[1-4]"),
    TaskKey("13", 0): TaskState("PENDING", "BeginTime", restarts=1),
}


def test_squeue_tells_of_pending_running_and_lately_ended_tasks() -> None:
    assert states.parse_squeue(SQUEUE) == IN_SQUEUE


@pytest.mark.parametrize("text", ["", "\n", "CLUSTER: fake\n", "1|2|RUNNING\n"])
def test_what_is_no_row_of_squeue_is_passed_over(text: str) -> None:
    assert states.parse_squeue(text) == {}


@pytest.mark.parametrize(
    ("exits", "code", "signal"),
    [
        pytest.param("256|256", 1, 0, id="status"),
        pytest.param("1:0|1:0", 1, 0, id="pair"),
        pytest.param("35072|9", 0, 9, id="signal under srun"),
        pytest.param("9:0|0:9", 0, 9, id="the same in sacct"),
        pytest.param("35072|0", 0, 9, id="signal in the script"),
        pytest.param("51200|51200", 200, 0, id="code above 128"),
        pytest.param("72:0|200:0", 200, 0, id="the same in sacct"),
        pytest.param("65280|0", 255, 0, id="code that is no signal"),
        pytest.param("53|0", 0, 53, id="no log directory"),
        pytest.param("0:125|0:0", 0, 125, id="out of memory"),
        pytest.param("0|9", 0, 0, id="a step failed, the script did not"),
    ],
)
def test_an_exit_is_read_as_a_status_and_as_a_pair_and_a_hidden_signal_found(
    exits: str, code: int, signal: int
) -> None:
    found = states.parse_squeue(f"1|0|FAILED|0|{exits}|0:01|1|2|n1|cpu=1|None|\n")[TaskKey("1", 0)]
    assert (found.exit_code, found.signal) == (code, signal)


# -- sacct ---------------------------------------------------------------------------------------------------

SACCT = """\
3|RUNNING|0:0|0:0|206|1795221675|1795221675|Unknown|n1|billing=1,cpu=1,mem=100M,node=1|None
1_1|FAILED|1:0|0:0|1|1795221675|1795221675|1795221676|n1|billing=1,cpu=1,gres/gpu=2,mem=100M,node=1|None
1_2|CANCELLED by 0|0:0|0:0|5|1795221675|1795221675|1795221680|n1|cpu=1,gres/gpu:h200=2|None
1_3|COMPLETED|0:0|0:9|1|1795221675|1795221675|1795221676|n1|billing=1,cpu=1,gres/gpu=2,mem=100M,node=1|None
1_3.batch|COMPLETED|0:0|0:0|1|1795221675|1795221675|1795221676|n1|cpu=1|
10_[0-20:4%1]|CANCELLED by 0|0:0|0:0|0|1795221882|1795221882|1795221882|None assigned||JobHeldUser
13_0|PENDING|0:0|0:0|0|1795221885|Unknown|Unknown|None assigned||BeginTime
13_0|REQUEUED|0:0|0:0|3|1795221882|1795221882|1795221885|n1|billing=1,cpu=1,mem=100M,node=1|None
"""


def test_sacct_tells_the_runs_of_each_task_and_no_steps() -> None:
    runs = states.parse_sacct(SACCT)
    told = {str(key): [run.state.state for run in past] for key, past in runs.items()}
    assert told == {
        "3": ["RUNNING"],
        "1_1": ["FAILED"],
        "1_2": ["CANCELLED"],
        "1_3": ["COMPLETED"],
        **{f"10_{i}": ["CANCELLED"] for i in (0, 4, 8, 12, 16, 20)},
        "13_0": ["REQUEUED", "PENDING"],
    }
    assert runs[TaskKey("1", 1)][0].state == TaskState("FAILED", None, "n1", 1, 0, 0, 1, 0, T0, T0 + 1, 2)
    assert runs[TaskKey("1", 2)][0].state.reason == "cancelled by 0"
    assert runs[TaskKey("1", 2)][0].state.gpus == 2


# -- both ----------------------------------------------------------------------------------------------------

NODE_FAIL = "7_0|NODE_FAIL|0:0|0:0|30|100|100|130|n1|gres/gpu=1|None\n"
QUEUED_AGAIN = "7|0|PENDING|1|0|0|0:00|N/A|N/A||gres/gpu=1|BeginTime|\n"
RUNS_AGAIN = "7|0|RUNNING|1|0|0|0:10|140|900|n2|gres/gpu=1|None|\n"
RUNNING_ROW = "7_0|RUNNING|0:0|0:0|10|131|140|Unknown|n2|gres/gpu=1|None\n"
ENDED_ROW = "7_0|COMPLETED|0:0|0:0|60|131|140|200|n2|gres/gpu=1|None\n"
NOT_THERE = "slurm_load_jobs error: Invalid job id specified"


@pytest.mark.parametrize(
    ("squeue", "sacct", "expected"),
    [
        pytest.param(QUEUED_AGAIN, NODE_FAIL, ("PENDING", 1, 30), id="requeued, sacct late"),
        pytest.param(RUNS_AGAIN, NODE_FAIL, ("RUNNING", 1, 30), id="runs again, sacct late"),
        pytest.param(RUNS_AGAIN, NODE_FAIL + RUNNING_ROW, ("RUNNING", 1, 30), id="runs again"),
        pytest.param("", NODE_FAIL + ENDED_ROW, ("COMPLETED", 1, 30), id="ended in its second run"),
        pytest.param("", NODE_FAIL, ("NODE_FAIL", 0, 0), id="failed for good"),
        pytest.param("", RUNNING_ROW, ("GONE", 0, 0), id="left the queue, its end not entered"),
        pytest.param("", "", ("GONE", 0, 0), id="known to nobody"),
    ],
)
def test_squeue_wins_and_sacct_tells_what_it_has_forgotten(
    install: Install, squeue: str, sacct: str, expected: tuple[str, int, int]
) -> None:
    asked = install("squeue", printing(squeue) if squeue else f"echo '{NOT_THERE}' >&2; exit 1")
    looked_up = install("sacct", printing(sacct))
    task = states.query(["7"], {"7": 1})[TaskKey("7", 0)]
    assert (task.state, task.restarts, task.elapsed_before_s) == expected
    assert len(asked.read_text().splitlines()) == len(looked_up.read_text().splitlines()) == 1


def test_sacct_is_not_asked_when_squeue_knows_every_task(install: Install) -> None:
    install("squeue", printing("7|0-2|PENDING|0|0|0|0:00|N/A|N/A||cpu=1|Priority|\n"))
    looked_up = install("sacct", "exit 1")
    assert set(states.query(["7"], {"7": 3})) == {TaskKey("7", i) for i in range(3)}
    assert not looked_up.exists()
    states.query(["7"])  # nobody says how many there are
    assert looked_up.exists()


@pytest.mark.parametrize("how", ["exit 1", "echo Slurm accounting storage is disabled >&2; exit 1"])
def test_without_sacct_what_squeue_has_forgotten_is_gone(install: Install, how: str) -> None:
    install("squeue", printing("7|1|RUNNING|0|0|0|0:10|140|900|n2|cpu=1|None|\n"))
    install("sacct", how)
    found = states.query(["7", "8"], {"7": 2})
    assert {str(key): state.state for key, state in found.items()} == {
        "7_0": "GONE",
        "7_1": "RUNNING",
        "8": "GONE",
    }
    assert [state.ended for _, state in sorted(found.items())] == [True, False, True]


def test_an_array_cancelled_as_a_whole_is_one_row_for_all_its_tasks(install: Install) -> None:
    install("squeue", f"echo '{NOT_THERE}' >&2; exit 1")
    install("sacct", printing("17|CANCELLED by 0|0:0|0:0|0|100|110|110|None assigned||JobHeldUser\n"))
    found = states.query(["17"], {"17": 3})
    assert {str(key): state.state for key, state in found.items()} == {
        f"17_{i}": "CANCELLED" for i in range(3)
    }


def test_sacct_looks_back_to_the_first_submission(install: Install) -> None:
    install("squeue", f"echo '{NOT_THERE}' >&2; exit 1")
    looked_up = install("sacct", "true")
    states.query(["7"], since=T0)
    words = looked_up.read_text().split()
    start = datetime.fromisoformat(words[words.index("-S") + 1]).timestamp()
    assert T0 - 2 * 3600 <= start < T0


def test_states_are_in_one_group_each() -> None:
    groups = [states.ACTIVE, states.ENDED_WELL, states.FAILURES, {states.GONE}]
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_a_state_of_a_later_slurm_has_not_ended() -> None:
    assert not TaskState("TELEPORTING").ended


# -- messages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
            Busy,
            "Socket timed out on send/recv operation",
        ),
        (
            "sbatch: error: Batch job submission failed: "
            "Unable to contact slurm controller (connect failure)",
            Busy,
            "Unable to contact slurm controller (connect failure)",
        ),
        (
            "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
            Busy,
            "Slurm temporarily unable to accept job, sleeping and retrying",
        ),
        (
            "sacct: error: slurm_persist_conn_open: No response to persist_init\n"
            "sacct: error: Sending PersistInit msg: Resource temporarily unavailable",
            Busy,
            "slurm_persist_conn_open: No response to persist_init; "
            "Sending PersistInit msg: Resource temporarily unavailable",
        ),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: "
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            SubmitLimit,
            "QOSMaxSubmitJobPerUserLimit; "
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        ),
        (
            "squeue: error: fetch_config: DNS SRV lookup failed\n"
            "squeue: fatal: Could not establish a configuration source",
            NotInstalled,
            "fetch_config: DNS SRV lookup failed; Could not establish a configuration source",
        ),
        (
            "sbatch: error: Batch job submission failed: Invalid job array specification",
            SlurmError,
            "Invalid job array specification",
        ),
        ("", SlurmError, "exit code 3"),
    ],
)
def test_a_refusal_is_one_line_of_the_right_kind(
    install: Install, said: str, kind: type[SlurmError], message: str
) -> None:
    install("sbatch", f"cat >&2 <<'END'\n{said}\nEND\nexit 3")
    with pytest.raises(SlurmError) as raised:
        commands.sbatch("--wrap=true")
    assert type(raised.value) is kind
    assert (raised.value.command, raised.value.message) == ("sbatch", message)
    assert str(raised.value) == f"sbatch: {message}"


def test_a_command_that_is_not_there_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="squeue: cannot be run on this machine"):
        states.query(["1"])


def test_a_command_that_hangs_is_ended_with_what_it_started(install: Install, tmp_path: Path) -> None:
    install("squeue", f"sleep 60 & echo $! >{tmp_path}/child; exit 0")
    with pytest.raises(Busy, match=r"squeue: no answer within 0\.5 s from squeue -h"):
        commands.run("squeue", "-h", timeout=0.5)
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 30
    while child.exists() and ") Z " not in child.read_text():  # SIGKILL takes a moment
        assert time.monotonic() < deadline, "it outlives its command"
        time.sleep(0.02)


@pytest.mark.parametrize("printed", ["12", "12;fake", "a note of the site\n12"])
def test_the_job_id_is_found_in_what_sbatch_prints(install: Install, printed: str) -> None:
    install("sbatch", printing(printed + "\n"))
    assert commands.sbatch("script.sh") == "12"


def test_sbatch_without_a_job_id_is_an_error(install: Install) -> None:
    install("sbatch", printing("Submitted\n"))
    with pytest.raises(SlurmError, match="printed no job id but 'Submitted'"):
        commands.sbatch("script.sh")


def test_nothing_of_an_enclosing_job_reaches_sbatch_but_the_way_to_the_cluster(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "SLURM_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
        "SBATCH_PARTITION",
        "SQUEUE_FORMAT",
        "SRUN_CPUS_PER_TASK",
    ):
        monkeypatch.setenv(name, "9")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    monkeypatch.setenv("OTHER", "stays")
    install("sbatch", "env | grep -E '^(SLURM|SBATCH|SQUEUE|SRUN|OTHER)' | sort")
    assert commands.run("sbatch") == "OTHER=stays\nSLURM_CONF=/etc/slurm/slurm.conf\n"


# -- trying again --------------------------------------------------------------------------------------------


def failing(times: int, kind: type[SlurmError] = Busy) -> Callable[[], str]:
    left = [kind("sbatch", "no")] * times
    return lambda: _raise_or(left, "12")


def _raise_or(left: list[SlurmError], result: str) -> str:
    if left:
        raise left.pop()
    return result


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for, in place of pauses."""
    asked: list[float] = []
    monkeypatch.setattr(commands.time, "sleep", asked.append)
    return asked


def test_a_busy_controller_is_asked_again_after_longer_and_longer_pauses(pauses: list[float]) -> None:
    assert commands.retry(failing(9), 3600) == "12"
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))


def test_trying_again_ends_with_the_time_given(pauses: list[float]) -> None:
    with pytest.raises(Busy):
        commands.retry(failing(1), 0)
    assert pauses == []


@pytest.mark.parametrize("kind", [SlurmError, SubmitLimit, NotInstalled])
def test_what_no_later_try_changes_is_raised_at_once(pauses: list[float], kind: type[SlurmError]) -> None:
    with pytest.raises(kind):
        commands.retry(failing(1, kind), 60)
    assert pauses == []


@pytest.mark.usefixtures("pauses")
def test_a_job_found_after_a_try_is_not_submitted_twice() -> None:
    tries: list[str] = []

    def submit() -> str:
        tries.append("sbatch")
        raise Busy("sbatch", "Socket timed out")

    # squeue is busy; it answers before the controller has taken up what waited; it knows the job.
    answers: list[Callable[[], str | None]] = [failing(1), lambda: None, lambda: "13"]
    assert commands.retry(submit, 60, found=lambda: answers.pop(0)()) == "13"
    assert tries == ["sbatch"]


@pytest.mark.usefixtures("pauses")
def test_a_job_that_nobody_finds_is_submitted_again() -> None:
    assert commands.retry(failing(2), 60, found=lambda: None) == "12"


def test_a_job_is_found_by_its_exact_name_or_comment_and_the_newest_of_several(install: Install) -> None:
    rows = "9\x1fna|me\x1fabc\n101\x1fna|me\x1f(null)\n102\x1fother\x1ftwo\nlines\n"
    install("squeue", printing(rows))
    assert commands.find_job("na|me") == "101"
    assert commands.find_job("abc") == "9"
    assert commands.find_job("na") is None


# -- limits --------------------------------------------------------------------------------------------------


def test_config_and_partitions_are_read_as_scontrol_prints_them() -> None:
    text = "Configuration data as of today\nMaxArraySize            = 20001\nX = a=b,c\n\nNo equals\n"
    assert limits.parse_config(text) == {"MaxArraySize": "20001", "X": "a=b,c"}
    lines = "PartitionName=batch AllowQos=ALL Default=YES QoS=N/A\nPartitionName=cpu Default=NO QoS=long\n"
    found = limits.parse_partitions(lines)
    assert (found["batch"]["Default"], found["cpu"]["QoS"]) == ("YES", "long")


def site(array: int = 1001, jobs: int = 10000, submit: int | None = None) -> Limits:
    return Limits("fake", "22.05.8", array, jobs, 300, submit)


@pytest.mark.parametrize(
    ("tasks", "of", "cut"),
    [
        pytest.param(5, site(), [(0, 4)], id="one array"),
        pytest.param(25, site(array=10), [(0, 9), (10, 19), (20, 24)], id="larger than an array"),
        pytest.param(25, site(jobs=11), [(0, 9), (10, 19), (20, 24)], id="than the controller"),
    ],
)
def test_tasks_are_cut_into_arrays_that_the_site_takes(
    tasks: int, of: Limits, cut: list[tuple[int, int]]
) -> None:
    assert limits.windows(tasks, of) == cut


@given(st.integers(1, 3000), st.builds(site, st.integers(1, 500), st.integers(2, 500)))
def test_windows_leave_no_task_out_and_break_no_limit(tasks: int, of: Limits) -> None:
    cut = limits.windows(tasks, of)
    assert (cut[0].first, cut[-1].last) == (0, tasks - 1)
    assert all(a.last + 1 == b.first for a, b in pairwise(cut))
    assert all(1 <= w.size <= of.max_array_size and w.size < of.max_job_count for w in cut)


@pytest.mark.parametrize(
    ("generate", "reduce", "beside", "of", "queued", "fitting"),
    [
        pytest.param(64, 8, 2, site(), 5000, (64, 8), id="no limit"),
        pytest.param(64, 2000, 2, site(), 0, (64, 1001), id="a reduce array is one array"),
        pytest.param(64, 8, 2, site(submit=75), 0, (64, 8), id="all of it fits"),
        pytest.param(64, 8, 2, site(submit=70), 0, (64, 3), id="with fewer reduce jobs"),
        pytest.param(64, 8, 2, site(submit=67), 0, (64, 0), id="publish would not"),
        pytest.param(64, 8, 2, site(submit=20), 3, (15, 0), id="a window of it"),
        pytest.param(0, 8, 0, site(submit=20), 15, (0, 4), id="only what is behind the gate"),
    ],
)
def test_a_chain_takes_the_room_that_is_left_in_the_queue(
    generate: int, reduce: int, beside: int, of: Limits, queued: int, fitting: tuple[int, int]
) -> None:
    assert limits.fit(generate, reduce, beside, of, queued) == fitting


def test_a_full_queue_is_said_so() -> None:
    with pytest.raises(SubmitLimit, match="19 jobs there and may have 20: no room for 3 more"):
        limits.fit(5, 1, 2, site(submit=20), 19)


@given(
    st.integers(0, 500),
    st.integers(1, 500),
    st.integers(0, 2),
    st.builds(site, st.integers(1, 500), submit=st.integers(4, 500)),
    st.integers(0, 300),
)
def test_what_fits_never_breaks_the_limit(
    generate: int, reduce: int, beside: int, of: Limits, queued: int
) -> None:
    assert of.max_submit_jobs is not None
    try:
        found = limits.fit(generate, reduce, beside, of, queued)
    except SubmitLimit:
        assert queued + beside + min(generate, 1) > of.max_submit_jobs
        return
    publish = 1 if found.reduce else 0
    assert queued + beside + found.generate + found.reduce + publish <= of.max_submit_jobs
    assert found.generate == generate or found.reduce == 0
    assert found.generate >= min(generate, 1)
