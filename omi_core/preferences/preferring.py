"""From finished runs of solutions to data for a reward model.

Each run becomes a part with the candidates of each of its problems. The rows of all parts are sorted by a
hash of their problem, so that those of one problem stand together, and responses are drawn of them. A kill
leaves each part whole or not at all.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import orjson

from omi_core import options
from omi_core.answers import Grader, Verdict
from omi_core.combine.buckets import KEY, Buckets, parts_of_buckets
from omi_core.combine.combining import KEPT, READ, Outcome
from omi_core.combine.directory import Directory, planned
from omi_core.combine.finishing import finish
from omi_core.combine.sources import InputDamaged, open_source
from omi_core.inputs import Row
from omi_core.options import ConfigError
from omi_core.preferences.candidates import Graded, candidate_rows
from omi_core.preferences.drawing import drawn_row, formed, merged
from omi_core.preferences.preference_options import FORMS, Preferences
from omi_core.publish.card import CardInfo, InputInfo
from omi_core.publish.dataset import NothingToPublish, publish
from omi_core.publish.parts import (
    PartError,
    PartManifest,
    PartWriter,
    merge_counts,
    part_lines,
    part_path,
    read_manifest,
)
from omi_core.publish.publish_options import Publish
from omi_core.publish.rows import RESPONSES
from omi_core.records import digest128
from omi_core.stages.reduce import made_part
from omi_core.stages.run import run_of

_FORMAT = 1  # raised when the same inputs and options would give other rows


def make_preferences(config: Preferences) -> int:
    """Brings the dataset of a config to its end; returns the exit code.

    Raises:
        ConfigError: an input or its scores cannot be read or do not fit, or the directory is another's.
    """
    return finish(lambda: _prefer(config))


def graded_inputs(config: Preferences) -> list[Graded]:
    """The inputs with their scores. Raises ConfigError as `make_preferences`."""
    found = []
    for at, given in enumerate(config.inputs):
        run = run_of("inputs", given, "jobs.preferences")
        source = open_source("inputs", given)
        if not config.scores:
            found.append(Graded(given, run, source))
            continue
        scores = open_source("scores", config.scores[at])
        if missing := [name for name in ("record_id", "sample", "score") if name not in scores.columns]:
            raise ConfigError(
                f"scores={config.scores[at]}: has no column {missing[0]}; give a run of jobs.score"
            )
        found.append(Graded(given, run, source, config.scores[at], scores))
    models = {each.scores.teacher: each.scored for each in found if each.scores is not None}
    if len(models) > 1:
        shown = "; ".join(f"{given} is by {model}" for model, given in models.items())
        raise ConfigError(f"scores: {shown}; ranks need scores of one model")
    return found


def _prefer(config: Preferences) -> Outcome:
    inputs = {str(number): each for number, each in enumerate(graded_inputs(config), 1)}
    content = options.content(config) | {
        "format": _FORMAT,
        "inputs": {number: _described(each) for number, each in inputs.items()},
    }
    with planned(config.run, config.name, "preferences", content) as directory:
        stats = directory.published()
        if stats is None:
            preferring = _Preferring(config, directory, inputs)
            try:
                stats = preferring.publish()
            except PartError:  # damaged since it was written: once more, from the inputs
                directory.clear()
                stats = preferring.publish()
            except InputDamaged:
                directory.clear()
                raise
        directory.clear()
        names = {number: each.source.name for number, each in inputs.items()}
        return Outcome(directory.dataset, stats, names, "samples")


def _described(graded: Graded) -> dict[str, Any]:
    scores = {} if graded.scores is None else {"scores": graded.scores.described()}
    return graded.source.described() | {"run": graded.run.plan.fingerprint} | scores


class _Preferring:
    """The steps between a plan and its dataset."""

    def __init__(self, config: Preferences, directory: Directory, inputs: Mapping[str, Graded]) -> None:
        self._config, self._directory, self._inputs = config, directory, inputs
        self._scored = ["scores"] if config.scores else []
        policy = next(iter(inputs.values())).run.config.answers.policy
        self._grader = Grader(policy, workers=1)  # of which no worker is ever asked

    def publish(self) -> dict[str, Any]:
        folder = self._directory.work / "inputs"
        folder.mkdir(parents=True, exist_ok=True)
        parts = {number: self._part(int(number), graded) for number, graded in self._inputs.items()}
        size = sum(part.size for part in parts.values())
        work = self._directory.work

        def fill(buckets: Buckets) -> None:
            for part in parts.values():
                for lines in part_lines(part):
                    for line in lines:
                        buckets.add(int(digest128(RESPONSES.group_key(line))[:16], 16), line)

        drawn = parts_of_buckets(size, work, self._directory.fingerprint, fill, self._draw)
        shutil.rmtree(work / "buckets", ignore_errors=True)
        counts = merge_counts(read_manifest(path).counts for path in drawn)
        counts["inputs"] = {number: part.counts for number, part in parts.items()}
        if not counts["problems"].get(KEPT):
            why = ", ".join(
                f"{reason} {count:,}" for reason, count in counts["problems"].items() if reason != READ
            )
            raise NothingToPublish(
                f"{self._directory.root}: no problem has the responses that were asked for ({why or 'none'})"
            )
        return publish(
            drawn,
            self._directory.dataset,
            card=self._card(counts),
            config={"fingerprint": self._directory.fingerprint, **self._directory.content},
            counts=counts,
            options=Publish(rows_per_file=self._config.rows_per_file),
            unique=None,
        )

    def _part(self, number: int, graded: Graded) -> PartManifest:
        """The candidates of an input, in the order of its problems; made unless they are there."""
        folder, fingerprint = self._directory.work / "inputs", self._directory.fingerprint
        found = made_part(part_path(folder, number), fingerprint)
        if found is not None:
            return found
        counts = Counter({READ: 0, KEPT: 0})
        with PartWriter(
            folder, number, fingerprint=fingerprint, schema=RESPONSES, provenance=self._scored
        ) as part:
            for row in candidate_rows(graded, self._config, counts):
                part.write(row)
            return part.finish(+counts | {READ: counts[READ], KEPT: counts[KEPT]})

    def _draw(self, lines: list[bytes], number: int) -> None:
        """The part of a bucket: what is drawn for each of its problems."""
        schema, counts = FORMS[self._config.form], Counter({READ: 0, KEPT: 0})
        of_each: Counter[str] = Counter()
        teachers: Counter[str] = Counter()
        provenance = [name for name in schema.optional if self._scored or not name.startswith("score")]
        with PartWriter(
            self._directory.work / "mixed",
            number,
            fingerprint=self._directory.fingerprint,
            schema=schema,
            provenance=provenance,
        ) as part:
            for rows in _by_problem(lines):
                counts[READ] += 1
                row = drawn_row(merged(rows), self._config) if self._agree(rows) else "other_answer"
                if isinstance(row, str):
                    counts[row] += 1
                    continue
                counts[KEPT] += 1
                teachers.update(row["teachers"])
                of_each.update("right" if each else "wrong" for each in row["right"])
                of_each[f"right_{sum(row['right'])}"] += 1
                for out in formed(row, self._config):
                    part.write(out)
            part.finish({"problems": counts, "responses": of_each, "teachers": teachers})

    def _agree(self, rows: Sequence[Row]) -> bool:
        """Whether runs hold a problem against the same answer: what one calls right the other does, too."""
        first, *others = (row["expected_answer"] for row in rows)
        return all(self._grader.quick(first, other) is Verdict.EQUAL for other in others)

    def _card(self, counts: Mapping[str, Any]) -> CardInfo:
        config = self._config
        inputs = [
            InputInfo(each.source.name, each.source.teacher, read[READ], read[KEPT])
            for each, read in zip(self._inputs.values(), counts["inputs"].values(), strict=True)
        ]
        by = next((each.scores.teacher for each in self._inputs.values() if each.scores), None)
        how = (
            f"from the {config.top} right ones that score highest by `{by}` and the {config.top} wrong ones "
            "that score lowest (score-sorted sampling, arXiv 2412.15084, section 4.1)"
            if by is not None
            else "at random, without scores"
        )
        notes = [
            "The rows of an input are its samples. Those that ended in an answer that is right or wrong are "
            "taken.",
            f"{config.size} responses to each problem are drawn {how}, with seed {config.seed}. Half of them "
            f"are right{', or as near to it as there are responses' * (config.balance == 'near')}. Problems "
            "whose responses are all right or all wrong are left out. The order is by a hash of the problem.",
        ]
        return CardInfo(
            name=config.name,
            task=FORMS[config.form].task,
            teacher="",
            prompt="",
            source="",
            samples=0,
            figures={
                **{f"problems: {name.replace('_', ' ')}": n for name, n in counts["problems"].items()},
                **{f"responses: {name}": counts["responses"][name] for name in ("right", "wrong")},
            },
            rehearsal=any(
                source.rehearsal
                for each in self._inputs.values()
                for source in (each.source, each.scores)
                if source is not None
            ),
            inputs=inputs,
            notes=notes,
            holds="preference data",
        )


def _by_problem(lines: Sequence[bytes]) -> Iterator[list[Row]]:
    """The rows of each problem, in the order of the inputs; two problems may have one hash."""
    for _, same in groupby(lines, key=lambda line: line[:KEY]):
        found: dict[bytes, list[Row]] = {}
        for line in same:
            found.setdefault(RESPONSES.group_key(line[KEY:]), []).append(orjson.loads(line[KEY:]))
        yield from found.values()
