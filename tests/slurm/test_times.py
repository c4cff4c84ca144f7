"""Time limits: read as sbatch reads them, and refused where no task could work under them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omi_core.cluster_options import Cluster
from omi_core.options import ConfigError
from omi_core.slurm.script import check_cluster
from omi_core.slurm.times import in_words, limit_seconds


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [("30", 1800), ("1:30", 90), ("04:00:00", 14400), ("1-12", 129600), ("2-00:30", 174600)]
    + [("1-02:03:04", 93784), ("UNLIMITED", None), ("0", None)],
)
def test_a_time_limit_is_read_as_sbatch_reads_it(limit: str, seconds: int | None) -> None:
    assert limit_seconds(limit) == seconds


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"time": "4 hours"}, r"cluster\.time=4 hours: not a time limit; minutes, HH:MM:SS or D-HH:MM:SS"),
        ({"cpu_time": "4h"}, r"cluster\.cpu_time=4h: not a time limit"),
        ({"time": "-5"}, r"cluster\.time=-5: not a time limit"),
        ({"time": "1:2:3:4"}, r"cluster\.time=1:2:3:4: not a time limit"),
        ({"time": "43200"}, r"cluster\.time=43200: a bare number is minutes, here 30\.0 days"),
        ({"time": "5"}, r"cluster\.signal_seconds=300: not less than cluster\.time=5 \(300 s\)"),
        (
            {"cpu_time": "2", "signal_seconds": 120},
            r"cluster\.signal_seconds=120: not less than cluster\.cpu_time=2",
        ),
        ({"time": "6", "signal_seconds": 300}, None),
        ({"time": "UNLIMITED"}, None),
    ],
)
def test_a_time_limit_that_cannot_work_is_refused_in_one_line(
    given: dict[str, object], line: str | None
) -> None:
    cluster = replace(Cluster(name="site", kind="slurm"), **given)
    if line is None:
        check_cluster(cluster)
        return
    with pytest.raises(ConfigError, match=rf"^{line}"):
        check_cluster(cluster)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (12000, "3 h 20 min")]
    + [(100_000, "27 h 46 min"), (187_200, "2 days 04 h")],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
