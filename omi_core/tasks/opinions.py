"""Second opinions on ground truths: what another teacher's samples of the same problems voted for."""

from __future__ import annotations

from typing import Any

import numpy as np

from omi_core.inputs import file_rows
from omi_core.options import ConfigError
from omi_core.publish.dataset import read_stats
from omi_core.publish.published import dataset_files, dataset_of
from omi_core.publish.rows import clean_text
from omi_core.records import digest128

_KEY = "answers.second_opinion"
_NEEDED = "give a published run of solutions of the same problems with answers.expected=majority"


def opinions_hash(given: str) -> str:
    """The content hash of the dataset that `answers.second_opinion` names.

    Raises:
        ConfigError: there is none, or its answers are not those of a vote alone.
    """
    dataset, made = dataset_of(_KEY, given, "solutions", _NEEDED)
    if made.get("answers", {}).get("expected") != "majority":
        raise ConfigError(
            f"{_KEY}={given}: its answers are ground truths where there are some; vote on it anew, "
            f"jobs.reduce input={given} answers.expected=majority"
        )
    try:
        stats: dict[str, Any] = read_stats(dataset) or {}
    except ValueError as error:
        raise ConfigError(f"{_KEY}={given}: {error}") from error
    return stats["content_hash"]


class SecondOpinions:
    """The answer to each problem of a dataset, by the problem's text: 16 bytes and the answer for each.

    Raises:
        ConfigError: as `opinions_hash`, or a file is damaged.
    """

    def __init__(self, given: str) -> None:
        opinions_hash(given)
        keys, answers, last = bytearray(), [], ""
        for path in dataset_files(_KEY, given):
            for _, row in file_rows(path, ("problem", "expected_answer")):
                if row["problem"] != last:  # its rows stand together
                    last = row["problem"]
                    keys += _key(last)
                    answers.append(row["expected_answer"])
        found = np.frombuffer(bytes(keys), dtype="S16")
        order = np.argsort(found, kind="stable")
        self._keys, self._answers = found[order], [answers[at] for at in order]

    def of(self, problem: str) -> str | None:
        """The answer to a problem; None where the other teacher came to none."""
        key = np.bytes_(_key(problem))
        at = int(np.searchsorted(self._keys, key))
        return self._answers[at] if at < len(self._keys) and self._keys[at] == key else None


def _key(problem: str) -> bytes:
    """Without a zero byte at its end, which numpy would cut off."""
    return bytes.fromhex(digest128(clean_text(problem)))[:15] + b"."
