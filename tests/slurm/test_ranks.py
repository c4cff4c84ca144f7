"""A teacher that spans nodes: what each rank gets from Slurm, and that all of them end together.

The tasks are started here as srun starts them, with the variables it sets; tests/cluster has the real one.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.slurm import hosts
from omi_core.slurm.array_task import shard_number
from omi_core.slurm.retry_policy import HANDED_BACK, TERMINATED, Cause, cause_of
from tests.slurm.ranks import Start, count, environment, trouble, wait_for


@pytest.mark.parametrize(
    ("nodelist", "first"),
    [
        ("n1", "n1"),
        ("a01,b02", "a01"),
        ("n[1-4,7]", "n1"),
        ("rack[01-03]-n[1-2]", "rack01-n1"),
        ("n[08-11]", "n08"),
        ("n[98-101]", "n98"),
        ("n[3,1-2],m1", "n3"),
        ("gpu-a.site,login2,x[3]y", "gpu-a.site"),
        ("x[3]y,login2", "x3y"),
    ],
)
def test_the_first_of_a_node_list_is_found_as_slurm_writes_it(nodelist: str, first: str) -> None:
    assert hosts.first_host(nodelist) == first


@pytest.mark.parametrize("text", ["", ",", "a,,b", "n[1-2", "n1]", "n[a-b]", "n[1-]", "n[[1]]", "n[]"])
def test_what_is_no_node_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a node list"):
        hosts.first_host(text)


names = st.text("abcxyz-.", min_size=1, max_size=5)
numbers = st.integers(0, 300)


@given(
    st.lists(
        st.tuples(names, st.lists(numbers, max_size=4), st.integers(1, 4), names), min_size=1, max_size=4
    )
)
def test_the_first_host_of_any_written_list_is_found(
    parts: list[tuple[str, list[int], int, str]],
) -> None:
    written, expected = [], []
    for prefix, starts, width, suffix in parts:
        if not starts:
            written.append(prefix + suffix)
            expected.append(prefix + suffix)
            continue
        ranges = [
            (start, start + index) for index, start in enumerate(starts)
        ]  # the first is a single number
        words = [f"{a:0{width}}" + (f"-{b:0{width}}" if b > a else "") for a, b in ranges]
        written.append(f"{prefix}[{','.join(words)}]{suffix}")
        expected += [f"{prefix}{n:0{width}}{suffix}" for a, b in ranges for n in range(a, b + 1)]
    assert hosts.first_host(",".join(written)) == expected[0]


def test_the_ranks_of_a_job_agree_on_where_rank_0_is() -> None:
    zero, one = (hosts.place(environment(rank), 2) for rank in (0, 1))
    assert zero is not None and one is not None
    assert (zero.rank, one.rank, zero.ranks) == (0, 1, 2)
    assert zero.hosts == one.hosts == ("no-such-host1", "127.0.0.1")
    assert (zero.ports, zero.key) == (one.ports, one.key)
    assert hosts.place(environment(1), 1) is None


def test_another_job_and_a_requeue_get_another_key_and_other_ports() -> None:
    places = [
        hosts.place(environment(0, **more), 2)
        for more in ({}, {"SLURM_RESTART_COUNT": "1"}, {"SLURM_JOB_ID": "78"})
    ]
    assert len({place.key for place in places if place}) == 3
    assert len({place.ports for place in places if place}) == 3


@given(st.integers(1, 2**31), st.integers(0, 50))
def test_ports_are_below_those_of_outgoing_connections(job: int, restart: int) -> None:
    ports = hosts.ports(str(job), str(restart))
    assert 1024 < min(ports) and max(ports) < 32768 and len(set(ports)) == len(ports)


@pytest.mark.parametrize(
    "more", [{"SLURM_NTASKS": "3"}, {"SLURM_NTASKS": ""}, {"SLURM_PROCID": ""}, {"SLURM_JOB_NODELIST": "n["}]
)
def test_a_job_of_another_shape_is_refused_in_one_line(more: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        hosts.place(environment(0, **more), 2)


def test_all_ranks_of_a_job_have_the_same_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Generate()
    config.teacher.nodes = config.teacher.tensor_parallel = 2
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    for rank in ("0", "1"):
        monkeypatch.setenv("SLURM_PROCID", rank)
        assert shard_number(config, 10) == 13


REHEARSAL = ("teacher=rehearsal", "teacher.tensor_parallel=2", "data.size=20", "samples=4")
SLOW = (*REHEARSAL, "teacher.rehearsal.latency=60", "engine.max_num_seqs=4", "run.drain_seconds=0.5")


@pytest.mark.parametrize("stage", ["generate", "canary"])
def test_rank_0_works_and_the_other_ends_with_it(start: Start, stage: str) -> None:
    run, ranks = start(*REHEARSAL, "cluster.canary.min_answers=0", stage=stage)
    assert ranks.codes() == [0, 0], ranks.said(0) + ranks.said(1)
    assert count(run) == 80
    assert "rank 1: rank 0 has ended" in ranks.said(1)
    assert "canary" not in ranks.said(1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR2, HANDED_BACK), (signal.SIGTERM, TERMINATED)])
def test_on_a_signal_rank_0_hands_back_and_the_other_outlives_neither_nor_dies_of_it(
    start: Start, number: int, code: int
) -> None:
    run, ranks = start(*SLOW)
    wait_for(lambda: run.layout.journal(1, 0).exists(), "the journal")
    for _ in range(2):  # the other rank is not to mind a second one either
        ranks.tasks[1].send_signal(number)
    ranks.tasks[0].send_signal(number)
    assert ranks.codes() == [code, 0], ranks.said(0) + ranks.said(1)
    assert not run.layout.trouble(1, 0).exists()


def test_a_rank_that_finds_no_rank_0_ends_when_it_is_asked_to(start: Start) -> None:
    _, ranks = start(*SLOW)
    ranks.tasks[0].kill()  # before it can be found
    time.sleep(0.2)
    wait_for(lambda: handles(ranks.tasks[1].pid, signal.SIGUSR2), "rank 1 to listen")
    ranks.tasks[1].send_signal(signal.SIGUSR2)
    assert ranks.codes()[1] in (0, 1)
    assert "no rank 0 found at no-such-host1 or 127.0.0.1" in ranks.said(1)


def handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, so that it does not die of it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_when_rank_0_is_killed_the_other_ends_well(start: Start) -> None:
    run, ranks = start(*SLOW)
    wait_for(lambda: run.layout.journal(1, 0).exists(), "the journal")
    ranks.tasks[0].kill()
    assert ranks.codes()[1] == 0
    assert "rank 1: rank 0 is gone" in ranks.said(1)


def test_when_another_rank_is_killed_rank_0_fails_as_an_engine(start: Start) -> None:
    run, ranks = start(*REHEARSAL, "teacher.rehearsal.latency=2", "engine.max_num_seqs=4")
    wait_for(lambda: run.layout.journal(1, 0).exists(), "the journal")
    ranks.tasks[1].kill()
    assert ranks.codes()[0] == 1
    assert "failed: rank 1 (no-such-host2) is gone" in ranks.said(0)
    told = trouble(run)
    assert (told["class"], told["node"]) == ("RankLost", "no-such-host2")
    assert cause_of(told, "FAILED", 9) is Cause.ENGINE
