"""Solutions with wrong answers, for noise: the samples of runs that were judged wrong, or files of them.

They become one part, in the order in which they are given, of the problems that are asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from omi_core.answers import Verdict
from omi_core.combine.solution_pairs import Digests, batched, digested
from omi_core.combine.sources import Source, open_source
from omi_core.inputs import Row, cell
from omi_core.options import ConfigError
from omi_core.publish.parts import PartManifest, PartWriter
from omi_core.publish.rows import SOLUTIONS, column_types, encode_row
from omi_core.stages.reduce import readings, windows
from omi_core.stages.run import Run, run_of
from omi_core.store.layout import Layout
from omi_core.store.seen import Survey
from omi_core.tasks.solutions import SolutionsReducer

# What a row says of its solution, and not of its problem.
OF_SOLUTION = ("sample", "solution_tokens", "teacher", "reasoning", "reasoning_tokens", "score")


@dataclass(frozen=True)
class WrongSource:
    """A finished run, whose samples are judged as it judged them, or else rows that are all wrong."""

    source: Source
    run: Run[Any] | None

    def described(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        run = {} if self.run is None else {"run": self.run.plan.fingerprint}
        return self.source.described() | run

    def rows(self) -> Iterator[Row]:
        """Wrong solutions with their problems, and what else is known of them."""
        if self.run is not None:
            yield from _judged_wrong(self.run, self.source.teacher)
            return
        names = ("problem", "generated_solution")
        for where, row in self.source.rows((*names, *OF_SOLUTION)):
            values = {name: cell(row, name, where, "noise.wrong") for name in names}
            if all(isinstance(value, str) and value.strip() for value in values.values()):
                yield values | {name: row.get(name) for name in OF_SOLUTION}


def wrong_sources(given: Sequence[str], inputs: Sequence[str]) -> list[WrongSource]:
    """Where wrong solutions come from: what is given, else the inputs, which must be runs then.

    Raises:
        ConfigError: there is no such thing, or it holds something else.
    """
    found = []
    for path in given or inputs:
        if not given or Layout(Path(path)).plan.exists():
            if not Layout(Path(path)).plan.exists():
                raise ConfigError(
                    f"noise.kind=wrong: {path} is not a run, so no wrong solutions are known; name runs, or "
                    "files of wrong solutions, by noise.wrong"
                )
            run = run_of("noise.wrong", path, "jobs.combine")
            found.append(WrongSource(open_source("noise.wrong", path), run))
        else:
            found.append(WrongSource(open_source("noise.wrong", path), None))
    return found


def write_wrong(
    sources: Sequence[WrongSource], problems: Digests, columns: Sequence[str], part: PartWriter
) -> PartManifest:
    """Fills a part with all wrong solutions of these problems, and with these columns as far as known.

    Raises:
        ConfigError, InputDamaged, FrameDamaged: a source cannot be read.
    """
    wanted = np.unique(problems)
    types = column_types(SOLUTIONS.columns(columns))
    for source in sources:
        for batch in batched(source.rows()):
            lines = [encode_row(_whole(row, types), types) for row in batch]
            there = np.isin(digested(lines).problem, wanted)
            for at in np.flatnonzero(there).tolist():
                part.append(lines[at])
    return part.finish()


def _whole(row: Row, types: Mapping[str, type]) -> Row:
    """The row with all columns; a value that is not of its type is not known."""
    out: Row = {}
    for name, kind in types.items():
        value = row.get(name)
        fits = type(value) is kind or (kind is float and type(value) is int)
        out[name] = value if fits else "" if name in SOLUTIONS.required else None
    return out


def _judged_wrong(run: Run[Any], teacher: str) -> Iterator[Row]:
    """Samples of a run that came to their end with another answer than the expected one."""
    seen = Survey((0, run.plan.records), run.plan.samples)
    solved = dataclasses.replace(run.config, cluster=dataclasses.replace(run.config.cluster, workers=0))
    with SolutionsReducer(solved, None) as reducer:
        for window in windows(readings(run, 0, run.plan.records, seen)):
            for record, samples, judged in reducer.judged(window):
                if reducer.refusal(judged, Verdict.NOT_EQUAL) != "other_answer":
                    continue
                for sample, verdict in zip(samples, judged.verdicts, strict=True):
                    if sample.finish_reason == "stop" and verdict is Verdict.NOT_EQUAL:
                        yield {
                            "problem": record.text,
                            "generated_solution": sample.text,
                            "sample": sample.index,
                            "solution_tokens": sample.completion_tokens - sample.reasoning_tokens or None,
                            "teacher": teacher,
                            "reasoning": sample.reasoning,
                            "reasoning_tokens": sample.reasoning_tokens or None,
                        }
