"""The scores of a run of `jobs.score`, by whether the sample is right: how well they tell the two apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omi_core.publish.published import dataset_files
from omi_core.report.svg import steps

_BINS = 24
KINDS = ("right", "wrong", "not judged")


@dataclass(frozen=True)
class ScoreBins:
    """`counts` of shape (bins, 3): right, wrong and unjudged samples between neighbouring `edges`."""

    edges: list[float]
    counts: np.ndarray
    auc: float | None


def score_bins(dataset: Path) -> ScoreBins | None:
    """The scores of a dataset; None where there are none. Memory: 9 bytes a row, and copies of them.

    Raises:
        ValueError: the dataset is damaged.
    """
    import pyarrow.parquet as pq

    parts: list[list[np.ndarray]] = [[], [], []]
    for path in dataset_files("dataset", str(dataset)):
        for batch in pq.ParquetFile(path).iter_batches(columns=["score", "right"]):
            scores = batch.column("score").to_numpy(zero_copy_only=False).astype(float)
            right = np.array([2 if each is None else not each for each in batch.column("right").to_pylist()])
            for kind in range(3):
                parts[kind].append(scores[(right == kind) & np.isfinite(scores)])
    found = [np.concatenate(each) if each else np.array([]) for each in parts]
    every = np.concatenate(found)
    if not len(every):
        return None
    low, high = float(every.min()), float(every.max())
    step = steps(max(high - low, 1e-9), _BINS)[1]
    first = math.floor(low / step)
    edges = [at * step for at in range(first, max(math.ceil(high / step + 1e-9), first + 1) + 1)]
    counts = np.array([np.histogram(each, edges)[0] for each in found]).T
    return ScoreBins(edges, counts, area_under_curve(found[0], found[1]))


def area_under_curve(right: np.ndarray, wrong: np.ndarray) -> float | None:
    """The share of pairs of a right and a wrong sample in which the right one has the higher score.

    Equal scores count half. None where there is none of either.
    """
    if not len(right) or not len(wrong):
        return None
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right, "left").sum() + np.searchsorted(ordered, right, "right").sum()
    return float(below) / 2 / len(right) / len(wrong)
