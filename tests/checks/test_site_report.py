"""When a check is suggested: never checked for runs there, or with another profile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omi_core.checks.check_lines import CheckLine
from omi_core.checks.site_report import report_path, why_to_check, write_report
from omi_core.cluster_options import Cluster

SITE = Cluster(name="lab/a", kind="slurm", partition="gpu", gpus_per_node=4)


def test_a_site_is_to_be_checked_once_for_each_directory_of_runs(tmp_path: Path) -> None:
    base = tmp_path / "runs"
    assert why_to_check(base, SITE) == f"+cluster=lab/a was never checked for runs in {base}"
    report = write_report(base, SITE, [CheckLine("GPUs", "failed", "none", "look")])
    assert report["ready"] is False  # it was checked all the same
    assert report_path(base, SITE).name == "check-lab_a.json"
    assert why_to_check(base, SITE) is None
    assert why_to_check(tmp_path, SITE) is not None


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"partition": "other"}, True),
        ({"gpus_per_node": 8}, True),
        ({"setup": ["module load CUDA"]}, True),
        ({"time": "1-00"}, False),
        ({"throttle": 4, "after": "12", "comment": "mine"}, False),
    ],
)
def test_a_profile_that_has_changed_is_to_be_checked_again(
    tmp_path: Path, change: dict[str, Any], again: bool
) -> None:
    write_report(tmp_path, SITE, [])
    assert (why_to_check(tmp_path, replace(SITE, **change)) is not None) is again


def test_a_report_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    write_report(tmp_path, SITE, [])
    for text in ("{", "[]"):
        report_path(tmp_path, SITE).write_text(text)
        assert why_to_check(tmp_path, SITE) is not None
