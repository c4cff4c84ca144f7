"""The reduce stage: merge, vote and filter. One task turns a range of ordinals into one part.

Records are taken in windows, bounded in records and in samples, so memory does not grow with the range;
comparisons of a window go to the grader in bulk, so that its workers are kept busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from omi_core.publish.parts import (
    PartError,
    PartManifest,
    PartWriter,
    manifest_path,
    part_path,
    read_lines,
    read_manifest,
)
from omi_core.run.journal import read_samples
from omi_core.run.plan import Records
from omi_core.stages.reducing import Reading
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop, Stopped
from omi_core.stages.tasks import open_reducer

WINDOW = 256
WINDOW_SAMPLES = 16_384


def part_range(records: int, parts: int, part: int) -> tuple[int, int]:
    """The ordinals [first, last) of one of `parts` parts; sizes differ by at most one record."""
    return records * part // parts, records * (part + 1) // parts


def part_count(run: Run) -> int:
    """Parts of the reduce stage: one per task, none of them empty."""
    return min(run.config.reduce_tasks, run.plan.records)


def discard_damaged(run: Run, parts: int) -> None:
    """Takes the manifest from every part whose data do not match it, so that it counts as unfinished."""
    for number in range(parts):
        part = part_path(run.layout.parts(parts), number)
        try:
            for _ in read_lines(read_manifest(part)):
                pass
        except PartError:
            manifest_path(part).unlink(missing_ok=True)


def finished_part(run: Run, part: int, parts: int) -> PartManifest | None:
    """The manifest of a part that is done and belongs to this run, else None."""
    try:
        manifest = read_manifest(part_path(run.layout.parts(parts), part))
    except PartError:
        return None
    return manifest if manifest.fingerprint == run.plan.fingerprint else None


def run_part(run: Run, part: int, parts: int, stop: Stop, progress: Callable[[int], None]) -> PartManifest:
    """Reduces one range of ordinals; `progress` is told the records done.

    Raises:
        Stopped: `stop` was asked for; nothing of the part is left.
        FrameDamaged: a journal is broken in the middle.
    """
    first, last = part_range(run.plan.records, parts, part)
    folder = run.layout.parts(parts)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        reducer = stack.enter_context(open_reducer(run))
        writer = stack.enter_context(
            PartWriter(
                folder,
                part,
                fingerprint=run.plan.fingerprint,
                provenance=reducer.provenance,
                schema=reducer.schema,
            )
        )
        for window in _windows(_readings(run, first, last)):
            for row in reducer.reduce(window):
                writer.write(row)
            progress(len(window))
            if stop.asked():
                raise Stopped
        return writer.finish(reducer.counts())


def _readings(run: Run, first: int, last: int) -> Iterator[Reading]:
    """(record, its samples) for every ordinal of the range, also those without samples."""
    records = Records(run.layout.records).slice(first, last)
    for samples in read_samples(run.layout.journals(), first, last):
        for record in records:
            if record.ordinal == samples[0].ordinal:
                yield record, samples
                break
            yield record, []
    for record in records:
        yield record, []


def _windows(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    window: list[Reading] = []
    samples = 0
    for reading in readings:
        window.append(reading)
        samples += len(reading[1])
        if len(window) == WINDOW or samples >= WINDOW_SAMPLES:
            yield window
            window, samples = [], 0
    if window:
        yield window
