"""The limits of a site, and arrays that stay within them; no Slurm is needed here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.slurm import limits
from omi_core.slurm.commands import SubmitLimit
from omi_core.slurm.limits import Limits


def test_config_and_partitions_are_read_as_scontrol_prints_them() -> None:
    text = "Configuration data as of today\nMaxArraySize            = 20001\nX = a=b,c\n\nNo equals\n"
    assert limits.parse_config(text) == {"MaxArraySize": "20001", "X": "a=b,c"}
    lines = "PartitionName=batch AllowQos=ALL Default=YES QoS=N/A\nPartitionName=cpu Default=NO QoS=long\n"
    found = limits.parse_partitions(lines)
    assert (found["batch"]["Default"], found["cpu"]["QoS"]) == ("YES", "long")


def site(array: int = 1001, jobs: int = 10000, submit: int | None = None) -> Limits:
    return Limits("fake", array, jobs, submit)


@pytest.mark.parametrize(
    ("tasks", "of", "cut"),
    [
        pytest.param(5, site(), [range(5)], id="one array"),
        pytest.param(
            25, site(array=10), [range(10), range(10, 20), range(20, 25)], id="larger than an array"
        ),
        pytest.param(25, site(jobs=11), [range(10), range(10, 20), range(20, 25)], id="than the controller"),
    ],
)
def test_tasks_are_cut_into_arrays_that_the_site_takes(tasks: int, of: Limits, cut: list[range]) -> None:
    assert limits.windows(tasks, of) == cut


@given(st.integers(1, 3000), st.builds(site, st.integers(1, 500), st.integers(2, 500)))
def test_windows_leave_no_task_out_and_break_no_limit(tasks: int, of: Limits) -> None:
    cut = limits.windows(tasks, of)
    assert [task for window in cut for task in window] == list(range(tasks))
    assert all(1 <= len(w) <= of.max_array_size and len(w) < of.max_job_count for w in cut)


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
