"""Mixing: chat messages of several inputs become one shuffled dataset, by limits, repeats and shares.

Each input becomes a part of checked rows, whose number is known then; the parts are shuffled into others, and
those are published. A kill leaves each of them whole or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.combine.amounts import amounts
from omi_core.combine.combine_options import Mix, MixInput
from omi_core.combine.combining import KEPT, READ, Outcome
from omi_core.combine.directory import Directory, planned
from omi_core.combine.messages import ANSWERS, answer_of, fault, inline
from omi_core.combine.shuffling import shuffle
from omi_core.combine.sources import Source, open_source
from omi_core.inputs import BadRow, Skipped
from omi_core.publish.card import CardInfo, InputInfo
from omi_core.publish.dataset import publish
from omi_core.publish.parts import PartError, PartManifest, PartWriter, part_path
from omi_core.publish.publish_options import Publish
from omi_core.publish.rows import MIXTURE
from omi_core.stages.reduce import made_part

_FORMAT = 1  # raised when the same inputs and options would give other rows


def make_mix(config: Mix) -> Outcome:
    """Brings a mixture to its dataset from wherever it stands.

    Raises:
        ConfigError: an input cannot be read, has too few usable rows, or the directory is another's.
        InputDamaged: a published input is not what it was.
        LockTaken: another process works in the directory.
    """
    inputs: Mapping[str, MixInput] = config.inputs
    bad = Skipped(config.on_bad_row, "on_bad_row").bad
    sources = {
        name: open_source(f"inputs.{name}.path", str(item.path), chat=True, bad=bad)
        for name, item in inputs.items()
    }
    content = options.content(config) | {
        "format": _FORMAT,
        "inputs": {name: options.content(item) | sources[name].described() for name, item in inputs.items()},
    }
    with planned(config.run, config.name, "mix", content) as directory:
        stats = directory.published()
        if stats is None:
            mixing = _Mixing(config, sources, directory)
            try:
                stats = mixing.publish()
            except PartError:  # damaged since it was written: once more, from the inputs
                directory.clear()
                stats = mixing.publish()
        directory.clear()
        return Outcome(directory.dataset, stats, {name: name for name in inputs})


class _Mixing:
    """The steps between a plan and its dataset."""

    def __init__(self, config: Mix, sources: Mapping[str, Source], directory: Directory) -> None:
        self._config, self._sources, self._directory = config, sources, directory

    def publish(self) -> dict[str, Any]:
        folder = self._directory.work / "inputs"
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: self._part(folder, number, name) for number, name in enumerate(self._sources)}
        available = {name: part.rows for name, part in parts.items()}
        taken = amounts(available, self._config.inputs, self._config.rows)
        mixed = shuffle(parts, taken, self._config.seed, self._directory.work)
        shutil.rmtree(self._directory.work / "buckets", ignore_errors=True)
        rows = {name: taken[name].rows(part.rows) for name, part in parts.items()}
        counts = {
            KEPT: sum(rows.values()),
            "inputs": {name: part.counts | {KEPT: rows[name]} for name, part in parts.items()},
        }
        return publish(
            mixed,
            self._directory.dataset,
            card=self._card(parts, rows),
            config={"fingerprint": self._directory.fingerprint, **self._directory.content},
            counts=counts,
            options=Publish(rows_per_file=self._config.rows_per_file),
            unique=None,
        )

    def _part(self, folder: Path, number: int, name: str) -> PartManifest:
        """The usable rows of an input, in its order; made unless it is there."""
        found = made_part(part_path(folder, number), self._directory.fingerprint)
        if found is not None:
            return found
        skipped = Skipped(self._config.on_bad_row, "on_bad_row")
        with PartWriter(folder, number, fingerprint=self._directory.fingerprint, schema=MIXTURE) as part:
            for where, row in self._sources[name].rows(("messages", *ANSWERS), ANSWERS, skipped.bad):
                if "messages" not in row:
                    has = ", ".join(map(str, list(row)[:12])) or "none"
                    line = f"inputs.{name}.path: {where} has no column messages; it has {has}"
                    skipped.bad(BadRow("missing_column", where, line))
                elif reason := fault(row):
                    skipped.add(reason, where)
                else:
                    messages = [inline(message) for message in row["messages"]]
                    part.write({"messages": messages, "answer": answer_of(row), "source": name})
            counts = {READ: part.rows + sum(skipped.counts.values()), **skipped.counts, "usable": part.rows}
            skipped.write(self._directory.skipped_rows(name))
            return part.finish(counts)

    def _card(self, parts: Mapping[str, PartManifest], rows: Mapping[str, int]) -> CardInfo:
        inputs = [
            InputInfo(f"{name}: {source.name}", source.teacher, parts[name].counts[READ], rows[name])
            for name, source in self._sources.items()
        ]
        return CardInfo(
            name=self._config.name,
            task=MIXTURE.task,
            teacher="",
            prompt="",
            source="",
            samples=0,
            rehearsal=any(source.rehearsal for source in self._sources.values()),
            inputs=inputs,
            notes=[f"The rows are shuffled (seed {self._config.seed}); `source` names the input of each."],
        )
