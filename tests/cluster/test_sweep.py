"""A sweep submits a run for each cell and returns; typed again it continues what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.chain import SITE, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]

CELLS = ("teacher=tiny_weak,tiny", "data.size=6", "samples=2", "run.root=sweep")
OPTIONS = ("cluster.workers=1", "cluster.mem=8G", "engine.kv_cache_gb=0.1")


def test_a_sweep_with_vllm_is_a_run_for_each_cell_and_repeats_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    login = Chain(cluster, tmp_path)

    def sweep() -> str:
        done = login.type("generate", "-m", *CELLS, *SITE, *OPTIONS)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    sweep()
    weak, strong = (
        Chain(cluster, tmp_path, f"sweep/{next((tmp_path / 'sweep').glob(f'*-{teacher}-*')).name}")
        for teacher in ("tiny_weak", "tiny")
    )
    first = strong.job("generate")
    assert login.type("cancel", weak.name).returncode == 0
    strong.dataset(200)
    samples = strong.manifests()

    said = sweep()
    assert "complete, nothing to do" in said  # the cell that is done
    assert [entry["by"] for entry in weak.ledger("chain")] == ["generate", "generate"]
    weak.dataset(200)
    assert strong.job("generate") == first
    assert [task["pid"] for task in strong.manifests()] == [task["pid"] for task in samples]

    compared = login.type("compare", "sweep", "csv=true")
    assert compared.returncode == 0, compared.stderr
    header, *rows = compared.stdout.strip().splitlines()
    assert len(rows) == 2
    assert {row.split(",")[header.split(",").index("teacher")] for row in rows} == {"tiny", "tiny_weak"}
