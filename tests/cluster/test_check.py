"""`jobs.check` on a real Slurm: green on a sound site, and red in the right line for each planted fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cluster.chain import SITE, Chain
from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]

# The signal comes within half a minute: of a job of one minute.
SOON = ("cluster.signal_seconds=25",)
GPUS = ("cluster.gpus_per_node=2", "cluster.cpus_per_gpu=1", "cluster.mem=8G")
# Lists the GPUs that Slurm has given, as a driver does where nodes keep others out.
DRIVER = """#!/bin/bash
for gpu in ${CUDA_VISIBLE_DEVICES//,/ }; do echo "GPU $gpu: NVIDIA H200 (UUID: GPU-$gpu)"; done
"""


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """A folder with a driver's program, which `cluster.setup` puts on the PATH."""
    folder = tmp_path / "driver"
    folder.mkdir()
    (folder / "nvidia-smi").write_text(DRIVER)
    (folder / "nvidia-smi").chmod(0o755)
    return folder


def checked(chain: Chain, driver: Path, *options: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit code, lines by name and all that was printed of `jobs.check json=true`."""
    setup = f"cluster.setup=['export PATH={driver}:$PATH']"
    words = ("teacher=rehearsal", *SITE, *SOON, *GPUS, setup, "json=true", *options)
    done = chain.type("check", *words)
    assert done.stdout, done.stderr
    report = orjson.loads(done.stdout)
    return done.returncode, {line["name"]: line for line in report["checks"]}, done.stderr


def test_a_sound_site_is_ready_and_nothing_but_the_report_is_left(
    cluster: Cluster, chain: Chain, driver: Path
) -> None:
    code, lines, told = checked(chain, driver)
    print(told)
    assert {name: line["outcome"] for name, line in lines.items() if line["outcome"] != "ok"} == {
        "model": "skipped",
        "hub": "skipped",
        "sample": "skipped",
    }, told
    assert code == 0
    assert [path.name for path in (chain.place / "runs").iterdir()] == ["check-slurm.json"]
    chain.idle(5)
