"""The picks of a run of selections, by which one solution of several is chosen."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from omi_core.inputs import file_rows
from omi_core.options import ConfigError
from omi_core.publish.dataset import read_stats
from omi_core.publish.published import dataset_files, dataset_of
from omi_core.records import Sample, digest128

_COLUMNS = ("record_id", "sample", "selected_solution")
_NEEDED = "give a published run of task=selections with selections.keep=all"


def picks_hash(given: str) -> str:
    """The content hash of the dataset of selections that `answers.picks` names.

    Raises:
        ConfigError: there is none, or it does not hold every pick and what was picked.
    """
    label = f"answers.picks={given}"
    dataset, made = dataset_of("answers.picks", given, "selections", _NEEDED)
    try:
        stats: dict[str, Any] = read_stats(dataset) or {}
    except ValueError as error:
        raise ConfigError(f"{label}: {error}") from error
    if made["selections"]["keep"] != "all":
        raise ConfigError(f"{label}: holds only picks that are right; {_NEEDED}")
    if missing := [name for name in _COLUMNS if name not in stats["columns"]]:
        raise ConfigError(f"{label}: has no column {missing[0]}; make it with publish.provenance=true")
    return stats["content_hash"]


class Picks:
    """How often each sample was picked: all picks of a dataset in flat arrays, 28 bytes each.

    Raises:
        ConfigError: as `picks_hash`, or a file is damaged.
    """

    def __init__(self, given: str) -> None:
        self._given = given
        picks_hash(given)
        ids, samples, texts = bytearray(), array("I"), array("Q")
        for path in dataset_files("answers.picks", given):
            for _, row in file_rows(path, _COLUMNS):
                ids += bytes.fromhex(row["record_id"])
                samples.append(row["sample"])
                texts.append(_digest(row["selected_solution"]))
        found = np.frombuffer(ids, dtype="S16")
        order = np.argsort(found, kind="stable")
        self._ids = found[order]
        self._samples = np.frombuffer(samples, dtype=np.uint32)[order]
        self._texts = np.frombuffer(texts, dtype=np.uint64)[order]

    def of(self, record_id: str, samples: Sequence[Sample]) -> list[int]:
        """How often each of a record's samples was picked.

        Raises:
            ConfigError: what was picked is not what the sample says: it was picked from another run.
        """
        key = np.bytes_(bytes.fromhex(record_id))
        picked = slice(*(np.searchsorted(self._ids, key, side) for side in ("left", "right")))
        pairs = Counter(zip(self._samples[picked].tolist(), self._texts[picked].tolist(), strict=True))
        texts = {sample.index: _digest(sample.text) for sample in samples} if pairs else {}
        for index, text in pairs:
            if texts.get(index) != text:
                raise ConfigError(
                    f"answers.picks={self._given}: picks another solution as sample {index} of record "
                    f"{record_id}; give the selections of the run that is reduced"
                )
        return [pairs[sample.index, texts[sample.index]] if pairs else 0 for sample in samples]


def _digest(text: str) -> int:
    return int(digest128(text)[:16], 16)
