"""States of tasks, from what squeue and sacct print as recorded on 22.05; no Slurm is needed here."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.slurm import states
from omi_core.slurm.states import TaskKey, TaskState
from tests.slurm.programs import Install, printing

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
    assert list(states.expand_array(tasks)) == indexes


@pytest.mark.parametrize("tasks", ["", "x", "1-", "-3", "1,,2", "1-4:", "[1-2]"])
def test_what_is_no_array_expression_is_refused(tasks: str) -> None:
    with pytest.raises(ValueError, match="not a list of array indexes"):
        list(states.expand_array(tasks))


@given(st.sets(st.integers(0, 4000), min_size=1), st.integers(0, 50))
def test_every_set_of_indexes_is_read_back(indexes: set[int], throttle: int) -> None:
    ordered = sorted(indexes)
    starts = [i for i in ordered if i - 1 not in indexes]
    ends = [i for i in ordered if i + 1 not in indexes]
    text = ",".join(f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True))
    assert list(states.expand_array(text + (f"%{throttle}" if throttle else ""))) == ordered


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
    TaskKey("3", None): TaskState("PENDING", "ReqNodeNotAvail, UnavailableNodes:n[1-4]", expected=T0 + 217),
    TaskKey("13", 0): TaskState("PENDING", "BeginTime", restarts=1, expected=T0 + 217),
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
    told = {str(key): [run.state for run in past] for key, past in runs.items()}
    assert told == {
        "3": ["RUNNING"],
        "1_1": ["FAILED"],
        "1_2": ["CANCELLED"],
        "1_3": ["COMPLETED"],
        **{f"10_{i}": ["CANCELLED"] for i in (0, 4, 8, 12, 16, 20)},
        "13_0": ["REQUEUED", "PENDING"],
    }
    assert runs[TaskKey("1", 1)][0] == TaskState("FAILED", None, "n1", 1, 0, 0, 1, 0, T0, T0 + 1, 2)
    assert runs[TaskKey("1", 2)][0].reason == "cancelled by 0"
    assert runs[TaskKey("1", 2)][0].gpus == 2


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
