"""What `omi_core.slurm.limits` reads off a real Slurm, and that sbatch agrees with it."""

from __future__ import annotations

import logging
from functools import partial

import pytest

from omi_core.slurm import commands, limits
from omi_core.slurm.commands import Busy, SlurmError, SubmitLimit
from omi_core.slurm.limits import fit, queued_jobs, read_limits, windows
from tests.cluster.cluster import Cluster

pytestmark = pytest.mark.slurm


def submit(window: range, *options: str) -> str:
    return commands.sbatch(f"--array=0-{len(window) - 1}", "--hold", "--wrap=true", *options)


def test_the_site_and_the_default_qos(slurm: Cluster) -> None:
    limits = read_limits()
    assert (limits.cluster_name, limits.max_array_size, limits.max_job_count) == ("fake", 20001, 50000)
    assert limits.max_submit_jobs is None


def test_limits_of_a_qos_count_under_it(slurm: Cluster) -> None:
    assert read_limits(partition="batch", account="lab", qos="few").max_submit_jobs == 20


def test_limits_of_an_account_and_of_those_above_it_count(slurm: Cluster) -> None:
    slurm.ask("sacctmgr", "-i", "modify", "account", "lab", "set", "MaxSubmitJobs=500")
    slurm.ask("sacctmgr", "-i", "modify", "account", "root", "set", "GrpSubmitJobs=300")
    try:
        assert read_limits().max_submit_jobs == 300
        assert read_limits(qos="few").max_submit_jobs == 20
    finally:
        slurm.ask("sacctmgr", "-i", "modify", "account", "lab", "set", "MaxSubmitJobs=-1")
        slurm.ask("sacctmgr", "-i", "modify", "account", "root", "set", "GrpSubmitJobs=-1")
    assert read_limits().max_submit_jobs is None


def test_a_chain_fills_the_room_that_a_qos_leaves_and_not_more(slurm: Cluster) -> None:
    submit(range(3), "--qos=few")
    limits = read_limits(qos="few")
    assert queued_jobs() == 3
    now = fit(30, 2, 1, limits, queued=3)
    assert now == (16, 0)
    submit(range(now.generate), "--qos=few")
    commands.sbatch("--qos=few", "--hold", "--wrap=true")  # what was counted beside it
    with pytest.raises(SubmitLimit, match="QOSMaxSubmitJobPerUserLimit"):
        submit(range(1), "--qos=few")


def test_the_largest_window_is_accepted_and_one_more_task_is_not(slurm: Cluster) -> None:
    with slurm.configured(MaxArraySize=11):
        largest, rest = windows(12, read_limits())
        assert (len(largest), len(rest)) == (11, 1)
        submit(largest)
        with pytest.raises(SlurmError, match="Invalid job array specification"):
            submit(range(len(largest) + 1))


def test_without_accounting_limits_of_users_are_not_known(slurm_without_accounting: Cluster) -> None:
    limits = read_limits(partition="batch", account="lab", qos="few")
    assert (limits.max_array_size, limits.max_submit_jobs) == (20001, None)
    assert slurm_without_accounting.calls.count("sacctmgr") == 0


def test_accounting_that_is_away_is_no_error_and_is_logged(
    slurm: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    slurm.calls.refuse("sacctmgr", times=1, message="sacctmgr: error: Connection refused")
    with caplog.at_level(logging.WARNING):
        assert read_limits(qos="few").max_submit_jobs is None
    assert "limits of association and QOS are not known: sacctmgr: Connection refused" in caplog.text


def test_a_controller_that_is_away_is_busy(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "run", partial(commands.run, timeout=1))
    with slurm.controller_hangs(), pytest.raises(Busy):
        read_limits()
