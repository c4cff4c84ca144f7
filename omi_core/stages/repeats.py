"""Samples that are generated a second time (`run.repeat`): do equal requests have equal texts here?

When a shard has all its samples, it draws a share of them again, the last ones first, so that each has other
samples beside it in the engine. They lie in a journal of their own and decide nothing: only how many of the
texts differ goes into the shard's manifest, and from there into the statistics and onto the card.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from omi_core.config import Generate
from omi_core.records import Sample, digest128
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import Attempt
from omi_core.store.journal import JournalWriter, read_samples
from omi_core.store.manifests import read_manifests
from omi_core.store.plan import Records
from omi_core.tasks.prompting import Prompting
from omi_core.teachers.teacher import EngineFailed, Request, Teacher

_BY = ("engine", "version", "device", "dtype", "seats")


def repeat_samples(
    run: Run[Generate], attempt: Attempt, task: int, teacher: Teacher, stop: Stop
) -> dict[str, int] | None:
    """Draws the chosen samples of a finished shard again; returns how many there are, and of these differ.

    None where `run.repeat` chooses none. Samples that are there already, of a session that was stopped, are
    not drawn again. A failure of the engine ends it: the shard itself is done.
    """
    options = run.config.run
    if not options.repeat:
        return None
    own = run.layout.journal(attempt.number, task)
    first_texts = dict(_chosen(read_samples([own], 0, run.plan.records), run.config.seed, options.repeat))
    path = run.layout.repeats(attempt.number, task)
    with JournalWriter(path, options.flush_samples, flush_seconds=options.flush_seconds) as journal:
        missing = [key for key in reversed(first_texts) if key not in journal]
        try:
            with closing(teacher.generate(_requests(run, missing, stop))) as finished:
                for sample in finished:
                    if sample is None:
                        journal.flush_if_due()
                    elif sample.error is None:
                        journal.add(sample)
                    if stop.overdue():
                        break
        except EngineFailed as error:
            print(f"{error}; samples are not repeated any more (run.repeat)", file=sys.stderr, flush=True)
    return dict(_compared(path, first_texts, run.plan.records))


def _chosen(
    records: Iterable[list[Sample]], seed: int, share: float
) -> Iterator[tuple[tuple[int, int], str]]:
    """Key and digest of the samples to repeat: the same ones for any number of tasks."""
    limit = round(share * 2**32)
    for samples in records:
        for sample in samples:
            drawn = sample.drawn and sample.error is None
            if drawn and int(digest128("repeat", seed, sample.record_id, sample.index)[:8], 16) < limit:
                yield (sample.ordinal, sample.index), _digest(sample)


def _digest(sample: Sample) -> str:
    return digest128(sample.text, sample.reasoning or "", sample.finish_reason)


def _requests(run: Run[Generate], keys: Iterable[tuple[int, int]], stop: Stop) -> Iterator[Request]:
    records, prompting = Records(run.layout.records), Prompting(run.config)
    for ordinal, index in keys:
        if stop.asked():
            return
        yield prompting.request(records[ordinal], index)


def _compared(path: Path, first_texts: Mapping[tuple[int, int], str], records: int) -> Counter[str]:
    found: Counter[str] = Counter(samples=0, differ=0)
    for samples in read_samples([path], 0, records):
        for sample in samples:
            if (first := first_texts.get((sample.ordinal, sample.index))) is not None:
                found["samples"] += 1
                found["differ"] += first != _digest(sample)
    return found


def repeated(run: Run[Any]) -> dict[str, Any]:
    """What the shards of a run found: samples drawn twice, those whose texts differ, and by what they were
    drawn, most samples first; {} where none was."""
    total: Counter[str] = Counter()
    by: dict[tuple[str, ...], Counter[str]] = {}
    for manifest in read_manifests(run.layout).values():
        if found := manifest.get("repeats"):
            total.update(found)
            described = manifest.get("teacher", {})
            by.setdefault(tuple(described.get(name, "") for name in _BY), Counter()).update(found)
    if not total["samples"]:
        return {}
    most_first = sorted(by.items(), key=lambda item: (-item[1]["samples"], item[0]))
    engines = [dict(zip(_BY, names, strict=True)) | dict(found) for names, found in most_first]
    return {**total, "by": engines}


def in_words(found: Mapping[str, Any]) -> str:
    """A sentence for the card."""
    parts = []
    for each in found["by"]:
        how = [" ".join(filter(None, (each["engine"], each["version"]))), each["device"], each["dtype"]]
        how.append(f"{each['seats']} seats" if each["seats"] else "")
        parts.append(
            f"{each['differ']:,} of {each['samples']:,} have another text ({', '.join(filter(None, how))})"
        )
    return f"Of the samples that were drawn a second time, beside others, {'; '.join(parts)}."
