"""A filter of another package on a cluster: the jobs run it, and the dataset is that of one machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.cluster.chain import WORK, Chain, files
from tests.extending import install

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_filter_of_another_package_runs_in_the_array_tasks_of_a_chain(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(tmp_path / "extending")
    monkeypatch.setitem(chain.cluster.env, "PYTHONPATH", str(site))
    chain.submit("filters.max_sentences=2", "tasks=2", "reduce_tasks=2")
    dataset = chain.dataset()
    stats = orjson.loads(dataset["stats.json"])
    assert stats["counts"]["filters"]["max_sentences"]["dropped"] > 0

    here = [sys.executable, "-m", "jobs.generate", *WORK, "filters.max_sentences=2", "run.dir=here"]
    subprocess.run(here, cwd=tmp_path, check=True, capture_output=True, env=chain.cluster.env)
    assert files(tmp_path / "here/dataset") == dataset
