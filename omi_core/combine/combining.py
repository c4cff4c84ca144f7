"""Combining: the rows of several datasets, one after another, are published as one.

Each input becomes a part, which a kill leaves whole or not at all, and the parts go the way of those of a
run: duplicates out, splits, chat messages, card and statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.combine.combine_options import Combine
from omi_core.combine.directory import Directory, planned
from omi_core.combine.drawing_rows import Drawing, opened
from omi_core.combine.problem_sets import ProblemSet
from omi_core.combine.solution_pairs import batched, has_votes
from omi_core.combine.sources import Source, open_source
from omi_core.inputs import BadRow, Row, Skipped, cell, one_text, only_item
from omi_core.options import ConfigError
from omi_core.publish.card import CardInfo, InputInfo
from omi_core.publish.dataset import NothingToPublish, publish
from omi_core.publish.parts import PartError, PartManifest, PartWriter, part_path
from omi_core.publish.rows import Schema, column_types
from omi_core.stages.reduce import discard_damaged, made_part
from omi_core.tasks import DEFAULT_TASK, Task, known

_FORMAT = 1  # raised when the same inputs and options would give other rows
# Columns in which a number is the text that stands in the file, and a list of one is its element.
_AS_TEXT = ("expected_answer", "problem_source")
READ, KEPT, OTHER_PROBLEM, FEW_VOTES = "read", "rows", "other_problem", "few_votes"  # counts of an input

Numbered = Mapping[str, Source]


@dataclass(frozen=True)
class Outcome:
    """A dataset that is published: where, its `stats.json`, and what its inputs are called, by their keys.

    `unit` is what an input holds.
    """

    dataset: Path
    stats: dict[str, Any]
    inputs: Mapping[str, str]
    unit: str = "rows"


def combine(config: Combine) -> Outcome:
    """Brings a combined dataset to its end from wherever it stands.

    Raises:
        ConfigError: an input cannot be read or does not fit, or the directory is another's.
        InputDamaged: a published input is not what it was.
        NothingToPublish: no row is left.
        LockTaken: another process works in the directory.
    """
    sources = {
        str(number): open_source("inputs", given, bad=Skipped(config.on_bad_row, "on_bad_row").bad)
        for number, given in enumerate(config.inputs, 1)
    }
    keep = open_source("keep_problems_of", config.keep_problems_of) if config.keep_problems_of else None
    task = _task(config, sources)
    schema = task.schema
    drawing = opened(config, sources, schema)
    if config.publish.chat is not None and not task.solves:
        raise ConfigError(f"publish.chat={config.publish.chat}: {task.name} have no chat messages; omit it")
    if keep is not None and "problem" not in schema.required:
        raise ConfigError(f"keep_problems_of={config.keep_problems_of}: {task.name} have no problem")
    if config.unique == "problems" and schema.required[0] != "problem":
        raise ConfigError(f"unique=problems: {task.name} have no problem")
    content = options.content(config) | {
        "format": _FORMAT,
        "task": task.name,
        "inputs": {number: source.described() for number, source in sources.items()},
    }
    if keep is not None:
        content["keep_problems_of"] = keep.described()
    content |= drawing.described()
    with planned(config.run, config.name, "combine", content) as directory:
        stats = directory.published()
        if stats is None:
            combining = _Combining(config, directory, sources, keep, task, drawing)
            stats = combining.publish()
        directory.clear()
        return Outcome(directory.dataset, stats, {key: source.name for key, source in sources.items()})


def _task(config: Combine, sources: Numbered) -> Task:
    """What the rows are: as the config says, or what all inputs hold. Raises ConfigError."""
    found = {given: _task_of(source) for given, source in zip(config.inputs, sources.values(), strict=True)}
    if config.task is not None:
        return known()[config.task]
    for given, task in found.items():
        if task is None:
            columns = sources[str(config.inputs.index(given) + 1)].columns[:12]
            raise ConfigError(
                f"inputs={given}: holds no rows of a known kind, it has the columns {', '.join(columns)}; "
                f"{DEFAULT_TASK} have {', '.join(known()[DEFAULT_TASK].schema.required)}"
            )
    kinds = {task: given for given, task in found.items()}
    if len(kinds) > 1:
        shown = "; ".join(f"{given} holds {task}" for task, given in kinds.items())
        raise ConfigError(f"inputs: {shown}; combine one kind, or choose columns that all have by task=NAME")
    return known()[str(next(iter(kinds)))]


def _task_of(source: Source) -> str | None:
    """The first task whose columns the source has; solutions come before problems, which are part of them."""
    there = {*source.columns}
    return next((name for name, task in known().items() if {*task.schema.required} <= there), None)


class _Combining:
    """The steps between a plan and its dataset."""

    def __init__(
        self,
        config: Combine,
        directory: Directory,
        sources: Numbered,
        keep: Source | None,
        task: Task,
        drawing: Drawing,
    ) -> None:
        self._config, self._directory, self._sources, self._keep = config, directory, sources, keep
        self._drawing = drawing
        self._schema = schema = task.schema
        common = [name for name in schema.optional if all(name in s.columns for s in sources.values())]
        self._optional = common if config.publish.provenance else []
        # What was thought is no provenance: where some have it, it is null in the rows of the others.
        if "reasoning" not in self._optional and any("reasoning" in s.columns for s in sources.values()):
            self._optional = [*self._optional, "reasoning"]

    def publish(self) -> dict[str, Any]:
        try:
            return self._publish(self._drawn(self._parts()))
        except PartError:  # damaged since it was written: once more, from the inputs
            discard_damaged(part_path(self._directory.work, int(number)) for number in self._sources)
            self._drawing.discard(self._directory.work)
            return self._publish(self._drawn(self._parts()))

    def _parts(self) -> dict[str, PartManifest]:
        """Every input as a part, those that are there already left as they are."""
        folder = self._directory.work
        folder.mkdir(exist_ok=True)
        found: dict[str, PartManifest] = {}
        for number in self._sources:
            manifest = made_part(part_path(folder, int(number)), self._directory.fingerprint)
            if manifest is not None:
                found[number] = manifest
        missing = [number for number in self._sources if number not in found]
        keep = ProblemSet(self._keep) if self._keep is not None and missing else None
        for number in missing:
            found[number] = self._write(int(number), self._sources[number], keep)
        return {number: found[number] for number in self._sources}

    def _drawn(self, parts: dict[str, PartManifest]) -> dict[str, PartManifest]:
        """Of the parts what is taken, where options say that not all of it is."""
        return (
            self._drawing.drawn(parts, self._directory.work) if any(p.rows for p in parts.values()) else parts
        )

    def _write(self, number: int, source: Source, keep: ProblemSet | None) -> PartManifest:
        least = self._config.min_votes
        columns = self._schema.columns(self._optional)
        asked = () if least is None else ("votes",)
        types = column_types(self._schema.columns([*self._optional, *asked]))
        skipped = Skipped(self._config.on_bad_row, "on_bad_row")
        other = read = few = 0
        with PartWriter(
            self._directory.work,
            number,
            fingerprint=self._directory.fingerprint,
            provenance=self._optional,
            schema=self._schema,
        ) as part:
            for rows in batched(_usable(source, types, self._schema, skipped)):
                read += len(rows)
                kept = keep.holds([row["problem"] for row in rows]).tolist() if keep else [True] * len(rows)
                for row, stays in zip(rows, kept, strict=True):
                    if not stays:
                        other += 1
                    elif least is not None and not has_votes(row["votes"], least):
                        few += 1
                    else:
                        part.write({name: row[name] for name in columns} if len(row) > len(columns) else row)
            counts = {READ: read + sum(skipped.counts.values()), **skipped.counts}
            if other:
                counts[OTHER_PROBLEM] = other
            if few:
                counts[FEW_VOTES] = few
            skipped.write(self._directory.skipped_rows(str(number)))
            return part.finish(counts | {KEPT: part.rows})

    def _publish(self, parts: Mapping[str, PartManifest]) -> dict[str, Any]:
        counts = {
            KEPT: sum(part.rows for part in parts.values()),
            "inputs": {number: part.counts for number, part in parts.items()},
        }
        config = self._config
        if not counts[KEPT]:
            raise NothingToPublish(f"{self._directory.root}: no row of the inputs is left ({_why(parts)})")
        return publish(
            [part.path for part in parts.values()],
            self._directory.dataset,
            card=self._card(parts),
            config={"fingerprint": self._directory.fingerprint, **self._directory.content},
            counts=counts,
            options=config.publish,
            unique=config.unique,
        )

    def _card(self, parts: Mapping[str, PartManifest]) -> CardInfo:
        inputs = [
            InputInfo(source.name, source.teacher, parts[number].counts[READ], parts[number].rows)
            for number, source in self._sources.items()
        ]
        same = "rows with one problem" if self._config.unique == "problems" else "equal rows"
        notes = [f"The rows of each input follow those of the one before; of {same} the first stays."]
        if self._keep is not None:
            notes.append(f"Only rows were taken whose problem is also in `{self._keep.name}`.")
        notes += self._drawing.notes()
        return CardInfo(
            name=self._config.name,
            task=self._schema.task,
            teacher=", ".join(dict.fromkeys(source.teacher for source in self._sources.values())),
            prompt="",
            source=", ".join(dict.fromkeys(source.name for source in self._sources.values())),
            samples=0,
            rehearsal=any(source.rehearsal for source in self._sources.values()),
            inputs=inputs,
            notes=notes,
        )


def _why(parts: Mapping[str, PartManifest]) -> str:
    total: dict[str, int] = {}
    for part in parts.values():
        for reason, count in part.counts.items():
            if reason not in (KEPT, READ):
                total[reason] = total.get(reason, 0) + count
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(total.items())) or "they hold none"


def _usable(source: Source, types: Mapping[str, type], schema: Schema, skipped: Skipped) -> Iterator[Row]:
    """Usable rows with the columns that are published; the others go to `skipped`."""
    for where, row in source.rows(tuple(types), _AS_TEXT, skipped.bad):
        out: Row = {}
        for name, kind in types.items():
            required = name in schema.required
            try:
                value = cell(row, name, where, "inputs") if required else row.get(name)
            except BadRow as fault:
                skipped.bad(fault)
                break
            if name in _AS_TEXT and (text := one_text(only_item(value))) is not None:
                value = text
            if not _fits(value, kind, required):
                skipped.add(f"{'no' if required else 'wrong'}_{name}", where)
                break
            out[name] = value
        else:
            yield out


def _fits(value: Any, kind: type, required: bool) -> bool:
    """Is it a value of the type, and where one is required no text of white space?"""
    if value is None:
        return not required
    if kind is str:
        return isinstance(value, str) and (not required or bool(value.strip()))
    if kind is int:
        return type(value) is int and -(1 << 63) <= value < 1 << 63
    if kind is float:
        return type(value) is float and isfinite(value) or type(value) is int and abs(value) < 1 << 53
    return type(value) is kind
