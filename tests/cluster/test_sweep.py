"""A sweep submits a run for each cell and returns; typed again it continues what is missing."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.cluster.chain import SITE, SLOW, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]

WORK = ("samples=2", "run.root=sweep", "cluster.workers=1")
# What is swept over: first the cell that is cancelled on the way, then the one that is done by then.
SWEEPS = [
    pytest.param(
        "prompt", ("verbose", "concise"), ("teacher=rehearsal", "data.size=24", *SLOW), id="rehearsal"
    ),
    pytest.param(
        "teacher",
        ("tiny_weak", "tiny"),
        ("data.size=6", "cluster.mem=8G", "engine.kv_cache_gb=0.1"),
        id="vllm",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("swept", "values", "options"), SWEEPS)
def test_a_sweep_is_a_run_for_each_cell_and_repeats_nothing(
    cluster: Cluster, tmp_path: Path, swept: str, values: tuple[str, str], options: tuple[str, ...]
) -> None:
    login = Chain(cluster, tmp_path)

    def sweep() -> str:
        done = login.type("generate", "-m", f"{swept}={','.join(values)}", *WORK, *SITE, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    sweep()
    cells = {
        orjson.loads(path.read_bytes())[swept]["name"]: Chain(cluster, tmp_path, f"sweep/{path.parent.name}")
        for path in (tmp_path / "sweep").glob("*/config.json")
    }
    stopped, finished = (cells[value] for value in values)
    first = finished.job("generate")
    assert login.type("cancel", stopped.name).returncode == 0
    finished.dataset(200)
    samples = finished.manifests()

    said = sweep()
    assert "complete, nothing to do" in said  # the cell that is done
    assert [entry["by"] for entry in stopped.ledger("chain")] == ["generate", "generate"]
    stopped.dataset(200)
    assert finished.job("generate") == first
    assert [task["pid"] for task in finished.manifests()] == [task["pid"] for task in samples]

    compared = login.type("compare", "sweep", "csv=true")
    assert compared.returncode == 0, compared.stderr
    header, *rows = compared.stdout.strip().splitlines()
    assert {row.split(",")[header.split(",").index(swept)] for row in rows} == set(values)
    assert len(rows) == 2


@pytest.mark.slow
def test_trials_are_submitted_at_once_and_compared_when_they_have_ended(
    cluster: Cluster, tmp_path: Path
) -> None:
    login = Chain(cluster, tmp_path)
    words = ("engine.max_num_seqs=1,8,null", "samples=4", "run.dir=tuned", "cluster.workers=1", "wait=true")
    teacher = ("teacher=rehearsal", "teacher.rehearsal.latency=0.02", "data.size=20")
    done = login.type("tune", "-m", *words, *SITE, *teacher)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("figures: tuned/tune.json")
    known = orjson.loads((tmp_path / "tuned/tune.json").read_bytes())["trials"]
    assert [trial["state"] for trial in known.values()] == ["done"] * 3
    submitted, published = [], []
    for trial in known.values():
        chain = Chain(cluster, tmp_path, f"tuned/{Path(trial['run']).name}")
        submitted.append(chain.ledger("chain")[0]["time"])
        published.append((chain.run / "dataset/stats.json").stat().st_mtime)
    assert max(submitted) < min(published)
