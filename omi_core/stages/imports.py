"""Importing generations made elsewhere: files of problems with solutions become records and a journal.

Rows with the same problem, ground truth and source are one record, however far apart they stand; its
samples are numbered in input order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from omi_core.config import Reduce
from omi_core.finish import UNCLOSED, finished
from omi_core.inputs import Skipped
from omi_core.inputs.generations import Generation, read_generations
from omi_core.records import Record, Sample
from omi_core.store.journal import JournalWriter
from omi_core.store.layout import Layout
from omi_core.store.plan import write_records


@dataclass(frozen=True)
class Imported:
    """How many records there are, the most samples one has, and the digest of both."""

    records: int
    samples: int
    digest: str


def import_samples(config: Reduce, layout: Layout, skipped: Skipped) -> Imported:
    """Writes the records and the journal of an import.

    Raises:
        ConfigError: no such file; or a bad row, as `skipped` has it.
    """
    import hashlib

    ordinals: dict[bytes, int] = {}
    counts: list[int] = []
    content = hashlib.blake2b(digest_size=16)
    assert config.input is not None
    groups = read_generations(config.input, config.data, config, config.answers.pattern, skipped)

    def records() -> Iterator[Record]:
        with JournalWriter(layout.journal(1, 0), flush_samples=4096) as journal:
            for record, solutions in groups:
                key = bytes.fromhex(record.id)
                new = key not in ordinals
                ordinal = ordinals.setdefault(key, len(ordinals))
                if new:
                    counts.append(0)
                for solution in solutions:
                    sample = _sample(ordinal, record.id, counts[ordinal], solution)
                    journal.add(sample)
                    counts[ordinal] += 1
                    for text in (solution.text, sample.reasoning):
                        if text is not None:
                            content.update(f"{ordinal} {len(text)} {solution.reason} ".encode())
                            content.update(text.encode("utf-8", "surrogatepass"))
                if new:
                    yield replace(record, ordinal=ordinal)

    count, digest = write_records(layout.records, records())
    return Imported(count, max(counts, default=0), f"{digest}{content.hexdigest()}")


def _sample(ordinal: int, record_id: str, index: int, solution: Generation) -> Sample:
    if finished(solution.reason) is None:
        return Sample(ordinal, record_id, index, "", "error", 0, 0, 0.0, solution.reason)
    ended = UNCLOSED if solution.text is None else solution.reason
    text = solution.text or ""
    return Sample(ordinal, record_id, index, text, ended, 0, 0, 0.0, reasoning=solution.reasoning)
