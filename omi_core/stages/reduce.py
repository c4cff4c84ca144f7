"""The reduce stage: merge, vote and filter. One task turns a range of ordinals into one part.

Records are taken in windows, bounded in records and in samples, so memory does not grow with the range;
comparisons of a window go to the grader in bulk, so that its workers are kept busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from omi_core.options import ConfigError
from omi_core.publish.parts import (
    PartError,
    PartManifest,
    PartWriter,
    manifest_path,
    part_lines,
    part_path,
    read_manifest,
)
from omi_core.stages.run import Run, records_of
from omi_core.stages.stopping import Stop, Stopped
from omi_core.store.journal import read_samples
from omi_core.store.plan import Records
from omi_core.store.seen import Survey, survey
from omi_core.tasks import task_of
from omi_core.tasks.opinions import opinions_hash
from omi_core.tasks.picks import picks_hash
from omi_core.tasks.reducing import Reading
from omi_core.tasks.score_join import scores_hash

# Of the section `answers`: what is joined to samples, and how it is told from another.
JOINED = {"picks": picks_hash, "scores": scores_hash, "second_opinion": opinions_hash}
WINDOW = 256
WINDOW_SAMPLES = 16_384
WINDOW_CHARACTERS = 32 << 20


def part_range(records: int, parts: int, part: int) -> tuple[int, int]:
    """The ordinals [first, last) of one of `parts` parts; sizes differ by at most one record."""
    return records * part // parts, records * (part + 1) // parts


def part_count(run: Run) -> int:
    """Parts of the reduce stage: one per task, none of them empty."""
    return min(run.config.reduce_tasks, run.plan.records)


def part_paths(run: Run, parts: int) -> list[Path]:
    """Where the parts of the run's reduce stage lie, in order."""
    return [part_path(run.layout.parts(parts), part) for part in range(parts)]


def discard_damaged(parts: Iterable[Path]) -> None:
    """Takes the manifest from every part whose data do not match it, so that it counts as unfinished."""
    for part in parts:
        try:
            for _ in part_lines(read_manifest(part)):
                pass
        except PartError:
            manifest_path(part).unlink(missing_ok=True)


def survey_parts(run: Run, parts: int) -> Survey:
    """Which samples there are now for each of `parts` parts."""
    bounds = [part_range(run.plan.records, parts, part)[0] for part in range(parts)]
    return survey(run.layout.journals(), [*bounds, run.plan.records], run.plan.samples)


def finished_parts(run: Run, parts: int) -> dict[int, PartManifest]:
    """The manifests of the parts that are done and were made of the samples that are there now, by number."""
    there = enumerate(part_paths(run, parts))
    made = {part: made for part, path in there if (made := made_part(path, run.plan.fingerprint)) is not None}
    seen = survey_parts(run, parts).seen() if made else []
    return {part: manifest for part, manifest in made.items() if manifest.seen == seen[part]}


def made_part(path: Path, fingerprint: str) -> PartManifest | None:
    """The manifest of a part with this fingerprint, whatever samples it was made of; None: there is none."""
    try:
        manifest = read_manifest(path)
    except PartError:
        return None
    return manifest if manifest.fingerprint == fingerprint and path.is_file() else None


def finished_part(run: Run, part: int, parts: int) -> PartManifest | None:
    """The manifest of a part if it is among the `finished_parts`, else None."""
    manifest = made_part(part_path(run.layout.parts(parts), part), run.plan.fingerprint)
    if manifest is None:
        return None
    bounds = part_range(run.plan.records, parts, part)
    now = survey(run.layout.journals(), bounds, run.plan.samples).seen()[0]
    return manifest if manifest.seen == now else None


def run_part(run: Run, part: int, parts: int, stop: Stop, progress: Callable[[int], None]) -> PartManifest:
    """Reduces one range of ordinals; `progress` is told the records done.

    Raises:
        Stopped: `stop` was asked for; nothing of the part is left.
        FrameDamaged: a journal is broken in the middle.
        ConfigError: the picks or scores that decide are gone, or others than when the run was planned.
    """
    first, last = part_range(run.plan.records, parts, part)
    folder = run.layout.parts(parts)
    folder.mkdir(parents=True, exist_ok=True)
    seen = Survey((first, last), run.plan.samples)
    task = task_of(run.config)
    for key, digest in JOINED.items():
        planned = run.plan.content.get("answers", {}).get(key)
        if planned is not None and planned != digest(given := getattr(run.config.answers, key)):
            raise ConfigError(
                f"answers.{key}={given}: was published anew since this run was planned; start another run"
            )
    samples = run.plan.samples if run.plan.complete else None
    with ExitStack() as stack:
        reducer = stack.enter_context(task.reducer(run.config, samples, lambda: records_of(run)))
        writer = stack.enter_context(
            PartWriter(
                folder,
                part,
                fingerprint=run.plan.fingerprint,
                provenance=reducer.provenance,
                schema=task.schema,
            )
        )
        for window in windows(readings(run, first, last, seen, unneeded=True)):
            for row in reducer.reduce(window):
                writer.write(row)
            progress(len(window))
            if stop.asked():
                raise Stopped
        return writer.finish(reducer.counts(), seen.seen()[0])


def readings(run: Run, first: int, last: int, seen: Survey, unneeded: bool = False) -> Iterator[Reading]:
    """(record, its samples) for every ordinal of the range, also those without samples; counted in `seen`.

    With `unneeded` what stands in a journal in place of a sample is among them.
    """
    records = Records(run.layout.records).slice(first, last)
    for samples in read_samples(run.layout.journals(), first, last, on_frames=seen.add):
        for record in records:
            if record.ordinal == samples[0].ordinal:
                yield record, samples if unneeded else [sample for sample in samples if sample.drawn]
                break
            yield record, []
    for record in records:
        yield record, []


def windows(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    """Readings in lists of bounded size."""
    window: list[Reading] = []
    samples = size = 0
    for reading in readings:
        window.append(reading)
        samples += len(reading[1])
        size += sum(len(sample.text) + len(sample.reasoning or "") for sample in reading[1])
        if len(window) == WINDOW or samples >= WINDOW_SAMPLES or size >= WINDOW_CHARACTERS:
            yield window
            window, samples, size = [], 0, 0
    if window:
        yield window
