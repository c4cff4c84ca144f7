"""Parts that are gone, damaged or out of date are made again, and the dataset is the undisturbed one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from omi_core.publish.parts import PartWriter
from tests.cluster.chain import SLOW, Chain

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]

Dataset = dict[str, bytes]
PART = "reduce/of-00002/part-00001"


def delete(run: Path) -> None:
    (run / f"{PART}.jsonl.zst").unlink()


def flip(run: Path) -> None:
    path = run / f"{PART}.jsonl.zst"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(run: Path) -> None:
    path = run / f"{PART}.jsonl.zst"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete_manifest(run: Path) -> None:
    (run / f"{PART}.json").unlink()


def of_another_run(run: Path) -> None:
    with PartWriter(run / "reduce/of-00002", 1, fingerprint="0" * 32) as part:
        part.finish({"samples": 0})


HARMS: tuple[Callable[[Path], None], ...] = (delete, flip, cut, delete_manifest, of_another_run)


@pytest.mark.slow
def test_a_part_that_is_gone_or_damaged_is_reduced_again(chain: Chain, undisturbed: Dataset) -> None:
    chain.submit("tasks=2", "reduce_tasks=2")
    assert chain.dataset() == undisturbed
    chain.idle()
    for harm in HARMS:
        shutil.rmtree(chain.run / "dataset")
        harm(chain.run)
        chain.resume()
        assert chain.dataset() == undisturbed, harm.__name__
        chain.idle()


def test_a_part_that_is_damaged_before_publish_reads_it_is_sent_again(
    chain: Chain, undisturbed: Dataset
) -> None:
    chain.submit("tasks=2", "reduce_tasks=2")
    with chain.locked():  # the gate waits for it first
        chain.cluster.wait_for(lambda: bool(chain.processes("gate")), 60, "the gate is at work")
    chain.cluster.wait_for((chain.run / f"{PART}.json").exists, 60, "the part is there")
    flip(chain.run)
    assert chain.dataset() == undisturbed
    chain.idle()


def test_a_run_published_with_a_hole_says_so_and_is_topped_up(chain: Chain, undisturbed: Dataset) -> None:
    # Two of 96 samples: a quick machine kills the array when each task has written one frame.
    chain.submit(*SLOW, "run.min_coverage=0.02")
    chain.begun()
    chain.kill("generate")
    holed = chain.dataset()
    chain.idle()
    hole = orjson.loads(holed["stats.json"])["hole"]
    words = f"{hole['missing']} of {hole['of']} samples are missing"
    assert words in holed["README.md"].decode()
    status = chain.status()
    assert (status["state"], status["missing"]) == ("published", hole["missing"])
    assert words in chain.type("status", "run").stdout
    resumed = chain.resume()
    assert f"published with a hole: {words}" in resumed.stderr
    chain.idle(120)
    assert chain.dataset() == undisturbed
    assert chain.status()["missing"] == 0
    assert "complete, nothing to do" in chain.type("resume", "run").stderr
