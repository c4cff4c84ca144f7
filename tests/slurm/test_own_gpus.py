"""Which GPUs the replicas of a node take: each its own, however the site shows them."""

from __future__ import annotations

import os

import pytest

from omi_core.slurm.array_task import own_gpus
from tests.slurm.composing import compose


@pytest.mark.parametrize(
    ("per_node", "size", "shown", "taken"),
    [
        (8, 2, "0,1,2,3,4,5,6,7", ["0,1", "2,3", "4,5", "6,7"]),
        (8, 3, "0,1,2,3,4,5,6,7", ["0,1,2", "3,4,5"]),  # two are left over
        (4, 1, "GPU-a,GPU-b,GPU-c,GPU-d", ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]),
        (8, 2, "2,3", ["2,3", "2,3"]),  # bound to tasks by Slurm, and numbered within them
        (4, 4, "0,1,2,3", ["0,1,2,3"]),
    ],
)
def test_replicas_of_a_node_have_no_gpu_in_common(
    monkeypatch: pytest.MonkeyPatch, per_node: int, size: int, shown: str, taken: list[str]
) -> None:
    config = compose(
        *("+cluster=slurm", "cluster.partition=x", f"cluster.gpus_per_node={per_node}"),
        *("teacher=rehearsal", f"teacher.tensor_parallel={size}"),
    )
    for place, own in enumerate(taken):
        monkeypatch.setenv("SLURM_LOCALID", str(place))
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        own_gpus(config)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == own
