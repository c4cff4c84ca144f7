"""The report of a check, which lies beside the runs; and whether the site that a run is for was checked.

It is about a profile, and about the directory in which runs are made: another directory may not be shared.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.checks.check_lines import CheckLine, is_ready
from omi_core.cluster_options import Cluster
from omi_core.store.files import read_json, write_json
from omi_core.store.fingerprint import fingerprint

# What is chosen anew for each run, and says little of the site.
_OF_A_RUN = (
    *(
        "workers",
        "time",
        "cpu_time",
        "cpus",
        "mem",
        "cpu_mem",
        "throttle",
        "cpu_throttle",
        "after",
        "comment",
    ),
    *("job_prefix", "budget_gpu_hours", "tokens_per_second", "requires", "max_requeues", "max_attempts"),
    "canary",
)


def report_path(base: Path, cluster: Cluster) -> Path:
    """Where the report of a site lies, of runs in `base`."""
    name = re.sub(r"[^\w.-]", "_", cluster.name)
    return base / f"check-{name}.json"


def write_report(base: Path, cluster: Cluster, lines: Iterable[CheckLine]) -> dict[str, Any]:
    """Writes the report, in place of the last one; returns it. Raises OSError."""
    lines = list(lines)
    report = {
        "cluster": cluster.name,
        "profile": _profile(cluster),
        "time": round(time.time(), 3),
        "ready": is_ready(lines),
        "checks": [dataclasses.asdict(line) for line in lines],
    }
    base.mkdir(parents=True, exist_ok=True)
    write_json(report_path(base, cluster), report)
    return report


def why_to_check(base: Path, cluster: Cluster) -> str | None:
    """Why `jobs.check` should be run for runs in `base`; None where it was, with this profile."""
    try:
        report = read_json(report_path(base, cluster))
        checked = report["profile"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"+cluster={cluster.name} was never checked for runs in {base}"
    return None if checked == _profile(cluster) else f"+cluster={cluster.name} has changed since its check"


def to_check(why: str, cluster: Cluster) -> str:
    """The line that suggests it."""
    return f"{why}: python -m jobs.check +cluster={cluster.name} … proves the site in minutes"


def _profile(cluster: Cluster) -> str:
    """Tells profiles apart."""
    values = options.written(cluster)
    return fingerprint({name: value for name, value in values.items() if name not in _OF_A_RUN})[:12]
