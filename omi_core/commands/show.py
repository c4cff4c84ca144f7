"""`jobs.show`: one record of a run with all of its samples, and what became of each."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omi_core.commands import finding
from omi_core.options import ConfigError, option

if TYPE_CHECKING:
    from omi_core.records import Record
    from omi_core.stages.run import Run
    from omi_core.tasks.reducing import Fate

_ANSWER_CHARACTERS = 40


@dataclass
class Show(finding.Where):
    sample: int | None = option(None, "the sample whose whole text is shown; null: a line for each", ge=0)
    json: bool = option(False, "print JSON, for scripts")


def main(config: Show, words: list[str]) -> int:
    """Shows the record. Returns the exit code."""
    from omi_core.stages.run import open_run
    from omi_core.store.frames import FrameDamaged
    from omi_core.store.layout import Layout

    found = finding.resolve(words[:1], Path(config.root))
    if len(words) != 2:
        raise ConfigError("give a run and a record of it: its number, from 0, or how its id begins")
    (root,) = _one(found, words[0])
    run = open_run(Layout(root))
    try:
        record, fates = _look_up(run, words[1])
    except FrameDamaged as error:
        raise OSError(str(error)) from error
    if config.sample is not None:
        fates = [fate for fate in fates if fate.sample.index == config.sample]
        if not fates:
            raise ConfigError(f"sample={config.sample}: record {record.ordinal} has no such sample so far")
    if config.json:
        _print_json(record, fates)
    else:
        _print_record(record)
        _print_text(fates[0]) if config.sample is not None else _print_table(fates)
    return 0


def _one(found: list[Path], word: str) -> list[Path]:
    if len(found) > 1:
        raise ConfigError(f"{word}: means {len(found)} runs; give one")
    return found


def _look_up(run: Run[Any], word: str) -> tuple[Record, list[Fate]]:
    """The record that a word means, and what became of its samples.

    Raises:
        ConfigError: there is no such record, or several.
    """
    from omi_core.stages.run import records_of
    from omi_core.store.journal import read_samples
    from omi_core.tasks import task_of

    ordinal = _ordinal(run, word)
    found = next(read_samples(run.layout.journals(), ordinal, ordinal + 1), [])
    samples = run.plan.samples if run.plan.complete else None
    with task_of(run.config).reducer(run.config, samples, lambda: records_of(run)) as reducer:
        from omi_core.store.plan import Records

        record = Records(run.layout.records)[ordinal]
        return record, next(reducer.fates([(record, found)]))


def _ordinal(run: Run[Any], word: str) -> int:
    from omi_core.stages.run import records_of

    if word.isdecimal() and len(word) < 20 and int(word) < run.plan.records:
        return int(word)
    matches: list[int] = []
    if re.fullmatch("[0-9a-f]{4,32}", word):
        for record in records_of(run):
            if record.id.startswith(word):
                matches.append(record.ordinal)
            if len(matches) > 1:
                raise ConfigError(f"{word}: several records have an id that begins so; give more of it")
    if not matches:
        last = run.plan.records - 1
        raise ConfigError(f"{word}: no such record; give a number from 0 to {last}, or how its id begins")
    return matches[0]


def _print_json(record: Record, fates: Sequence[Fate]) -> None:
    import orjson

    rows = [fate.sample.to_json() | {name: getattr(fate, name) for name in _TOLD} for fate in fates]
    sys.stdout.buffer.write(
        orjson.dumps({"record": record.to_json(), "samples": rows}, option=orjson.OPT_INDENT_2) + b"\n"
    )
    sys.stdout.flush()


_TOLD = ("outcome", "answer", "group", "verdict", "place")


def _print_record(record: Record) -> None:
    from omi_core.report.html import readable

    print(f"record {record.ordinal}, {record.id}, from {readable(record.source)}")
    print(f"\n{readable(record.text)}\n")
    if record.expected_answer is not None:
        print(f"ground truth: {readable(record.expected_answer)}")


def _print_table(fates: Sequence[Fate]) -> None:
    from omi_core.report.html import readable
    from omi_core.terminal import print_table

    def line(fate: Fate) -> list[str]:
        sample = fate.sample
        answer = readable(fate.answer or "-")
        group = "-" if fate.group is None else str(fate.group)
        return [
            str(sample.index),
            answer if len(answer) <= _ANSWER_CHARACTERS else answer[:_ANSWER_CHARACTERS] + "…",
            group,
            (fate.verdict or "-").replace("_", " "),
            fate.outcome.replace("_", " ") or "-",
            sample.finish_reason,
            f"{sample.completion_tokens:,}",
        ]

    drawn = [fate for fate in fates if fate.sample.drawn]
    print_table(["sample", "answer", "class", "is it right?", "became", "finish", "tokens"], map(line, drawn))
    if left := len(fates) - len(drawn):
        print(f"{left} more were not needed")
    if not fates:
        print("no sample so far")


def _print_text(fate: Fate) -> None:
    from omi_core.report.html import readable

    sample = fate.sample
    if sample.reasoning is not None:
        print(f"--- thought ({sample.reasoning_tokens:,} tokens)\n{readable(sample.reasoning)}\n---")
    start, end = fate.place or (len(sample.text), len(sample.text))
    parts = [readable(part) for part in (sample.text[:start], sample.text[start:end], sample.text[end:])]
    print(parts[0] + (f">>>{parts[1]}<<<" if fate.place else "") + parts[2])
    _print_table([fate])
    if sample.error is not None:
        print(readable(sample.error))
