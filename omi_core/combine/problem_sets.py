"""The problems of a dataset as a set: which rows of another one are about one of them.

A problem is its text, to the letter. Memory: 22 to 43 bytes for each problem, and 16 more while it is read;
where the rows of a problem do not stand together, for each stretch of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omi_core.combine.sources import Source
from omi_core.inputs import cell
from omi_core.publish.dedupe import SeenRows, digest_keys
from omi_core.publish.rows import clean_text

_BATCH = 4096


class ProblemSet:
    """The problems of a source.

    Raises:
        ConfigError, InputDamaged: as `Source.rows`; or it has no column `problem`.
    """

    def __init__(self, source: Source) -> None:
        digests = bytearray()
        batch: list[str] = []
        last = None
        for where, row in source.rows(("problem",)):
            text = cell(row, "problem", where, "keep_problems_of")
            if isinstance(text, str) and text != last:
                last = text
                batch.append(text)
            if len(batch) == _BATCH:
                digests += _digests(batch).tobytes()
                batch.clear()
        digests += _digests(batch).tobytes()
        every = np.frombuffer(digests, np.uint64).reshape(-1, 2)
        self._seen = SeenRows(len(every))
        for begin in range(0, len(every), _BATCH):
            self._seen.add(every[begin : begin + _BATCH])

    def holds(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """For each text, whether it is one of the problems."""
        return self._seen.has(_digests(texts))


def _digests(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    return digest_keys([clean_text(text).encode() for text in texts])
