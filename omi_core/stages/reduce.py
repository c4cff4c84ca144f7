"""The reduce stage: merge, vote and filter. One task turns a range of ordinals into one part.

Records are taken in windows, so memory does not grow with the range; comparisons of a window go to the
grader in bulk, so that its workers are kept busy.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from omi_core import filters
from omi_core.answers import Extractor, Grader, Limits, Policy, Verdict
from omi_core.config import Answers, Generate, Reduce
from omi_core.options import ConfigError
from omi_core.publish.parts import (
    PartError,
    PartManifest,
    PartWriter,
    manifest_path,
    part_path,
    read_lines,
    read_manifest,
)
from omi_core.records import Candidate, Record, Sample
from omi_core.run.journal import read_samples
from omi_core.run.plan import Records
from omi_core.stages.judging import Judge, Judged
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop, Stopped
from omi_core.teachers.models import local_directory

WINDOW = 256

Reading = tuple[Record, list[Sample]]


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
    config = run.config
    with ExitStack() as stack:
        reducer = stack.enter_context(Reducer(config, run.plan.samples if run.plan.complete else None))
        writer = stack.enter_context(
            PartWriter(folder, part, fingerprint=run.plan.fingerprint, provenance=reducer.provenance)
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
    while window := list(islice(readings, WINDOW)):
        yield window


class Reducer:
    """Turns readings into published rows and counts everything on the way; a context manager."""

    def __init__(self, config: Generate | Reduce, samples: int | None) -> None:
        self._config = config
        self._samples = samples
        self._extract = Extractor(config.answers.methods, config.answers.pattern)
        self._teacher = config.teacher.name if isinstance(config, Generate) else None
        self._counts: Counter[str] = Counter()
        chosen = filter_options(config)
        # Cut-off solutions go before answers are looked at, so that they are counted as what they are.
        early = ("unfinished",)
        self._before = filters.build({name: chosen[name] for name in chosen if name in early})
        self._after = filters.build(
            {name: chosen[name] for name in chosen if name not in early}, extract=self._extract
        )
        self.provenance = provenance(config)

    def __enter__(self) -> Reducer:
        answers = self._config.answers
        self._grader = Grader(
            policy_of(answers),
            workers=self._config.cluster.workers or None,
            limits=Limits(cpu_seconds=answers.deadline, memory_bytes=int(answers.memory_gb * 2**30)),
        )
        self._judge = Judge(self._grader, answers.expected, self._counts)
        return self

    def __exit__(self, *_: object) -> None:
        self._grader.close()

    def counts(self) -> dict[str, Any]:
        """Nested counts so far.

        Raises:
            AssertionError: a sample is not accounted for.
        """
        chains = {**self._before.counts()["filters"], **self._after.counts()["filters"]}
        nested: dict[str, Any] = {"filters": chains}
        for key, value in self._counts.items():
            at = nested
            *path, leaf = key.split("/")
            for name in path:
                at = at.setdefault(name, {})
            at[leaf] = value
        dropped = sum(count["dropped"] for count in chains.values())
        accounted = self._counts["quarantined"] + dropped + self._counts["rows"]
        accounted += sum(value for key, value in self._counts.items() if key.startswith("selection/"))
        if accounted != self._counts["samples"]:
            raise AssertionError(
                f"{self._counts['samples']} samples came in and {accounted} are accounted for"
            )
        return nested

    def reduce(self, window: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        """The rows that a window of records leaves, in order of record and sample."""
        usable = [(record, self._without_errors(samples)) for record, samples in window]
        answers = [[self._answer(sample) for sample in samples] for _, samples in usable]
        judged: dict[str, Judged] = {}
        selected: list[Candidate] = []
        outcomes = self._judge.judge([record for record, _ in usable], answers)
        for (record, samples), outcome in zip(usable, outcomes, strict=True):
            judged[record.id] = outcome
            selected += self._selected(record, samples, outcome)
        for candidate in self._after.apply(selected):
            self._counts["rows"] += 1
            yield self._row(candidate, judged[candidate.record_id])
        for _, samples in window:
            self._counts["records"] += 1
            self._counts["samples"] += len(samples)
            self._counts["records_without_samples"] += not samples
            if self._samples is not None:
                self._counts["missing_samples"] += self._samples - len(samples)

    def _without_errors(self, samples: list[Sample]) -> list[Sample]:
        for sample in samples:
            self._counts[f"finish/{sample.finish_reason}"] += 1
            self._counts["tokens/prompt"] += sample.prompt_tokens
            self._counts["tokens/completion"] += sample.completion_tokens
            if sample.error is not None:
                self._counts["quarantined"] += 1
                self._counts[f"errors/{sample.error.partition(':')[0]}"] += 1
        return [sample for sample in samples if sample.error is None]

    def _answer(self, sample: Sample) -> str | None:
        # What is dropped for being cut off has no say in what the answer is either.
        cut_off = self._config.filters.unfinished and sample.finish_reason == "length"
        answer = None if cut_off else self._extract(sample.text).answer
        self._counts["answers/none" if answer is None else "answers/found"] += 1
        return answer

    def _selected(self, record: Record, samples: list[Sample], judged: Judged) -> Iterator[Candidate]:
        """The samples of a record whose answer is the expected one."""
        verdicts = {sample.index: verdict for sample, verdict in zip(samples, judged.verdicts, strict=True)}
        candidates = [
            _candidate(record, sample, answer, judged.expected or "")
            for sample, answer in zip(samples, judged.answers, strict=True)
        ]
        for candidate in self._before.apply(candidates):
            reason = self._refusal(judged, verdicts[candidate.index])
            if reason is None:
                yield candidate
            else:
                self._counts[f"selection/{reason}"] += 1

    def _refusal(self, judged: Judged, verdict: Verdict | None) -> str | None:
        """Why a sample is not kept for its answer, or None."""
        if verdict is None:
            return "no_answer"
        if verdict is Verdict.UNKNOWN:
            return "unknown"
        if verdict is Verdict.NOT_EQUAL:
            return "other_answer"
        if judged.agreement < self._config.answers.min_agreement:
            return "low_agreement"
        return None

    def _row(self, candidate: Candidate, judged: Judged) -> dict[str, Any]:
        row: dict[str, Any] = {
            "problem": candidate.problem,
            "generated_solution": candidate.solution,
            "expected_answer": candidate.expected_answer,
            "problem_source": candidate.source,
        }
        optional = {
            "record_id": candidate.record_id,
            "sample": candidate.index,
            "votes": judged.votes,
            "voters": judged.voters,
            "agreement": judged.agreement,
            "solution_tokens": candidate.completion_tokens,
            "teacher": self._teacher,
        }
        return row | {name: optional[name] for name in self.provenance}


def _candidate(record: Record, sample: Sample, answer: str | None, expected: str) -> Candidate:
    return Candidate(
        problem=record.text,
        solution=sample.text,
        answer=answer,
        expected_answer=expected,
        source=record.source,
        finish_reason=sample.finish_reason,
        record_id=record.id,
        index=sample.index,
        completion_tokens=sample.completion_tokens,
    )


def policy_of(answers: Answers) -> Policy:
    """The comparison policy of a config; its tolerance as the decimal the user wrote, exactly."""
    chosen: dict[str, Any] = dataclasses.asdict(answers.policy)
    chosen["tolerance"] = Fraction(str(answers.policy.tolerance))
    return Policy(**chosen)


def provenance(config: Generate | Reduce) -> tuple[str, ...]:
    """The optional columns of the published rows."""
    if not config.publish.provenance:
        return ()
    columns = ("record_id", "sample", "votes", "voters", "agreement")
    return (*columns, "solution_tokens", "teacher") if isinstance(config, Generate) else columns


def filter_options(config: Generate | Reduce) -> dict[str, dict[str, Any]]:
    """The filters a config turns on, in the order in which they run, as `filters.build` takes them."""
    options = config.filters
    out: dict[str, dict[str, Any]] = {
        name: {}
        for name in (
            "unfinished",
            "strip_prefix",
            "no_boxed",
            "several_boxed",
            "trim_after_answer",
            "wrong_arithmetic",
        )
        if getattr(options, name)
    }
    if options.min_chars:
        out["min_chars"] = {"limit": options.min_chars}
    tokenizer = tokenizer_file(config) if options.max_tokens is not None else None
    if tokenizer is not None:
        out["max_tokens"] = {"limit": options.max_tokens, "tokenizer": tokenizer}
    return {name: out[name] for name in filters.FILTERS if name in out}


def tokenizer_file(config: Generate | Reduce) -> str | None:
    """The tokenizer.json that `filters.max_tokens` counts with; None where there is none to take.

    Raises:
        ConfigError: the one that is named is not there.
    """
    named = config.filters.tokenizer
    if named is not None:
        path = Path(named) / "tokenizer.json" if Path(named).is_dir() else Path(named)
        if not path.is_file():
            raise ConfigError(
                f"filters.tokenizer={named}: no such file; give a tokenizer.json or its directory"
            )
        return str(path)
    if not isinstance(config, Generate):
        return None
    teacher = config.teacher
    # A rehearsal has no tokenizer of its own; the embedded one is always there.
    model = "embedded:strong" if teacher.kind == "rehearsal" else teacher.model
    local = local_directory(model)
    if local is None:
        return hub_tokenizer(model, teacher.revision)
    if not (local / "tokenizer.json").is_file():
        raise ConfigError(f"teacher.model={model}: has no tokenizer.json; {_NO_TOKENIZER}")
    return str(local / "tokenizer.json")


_NO_TOKENIZER = "give filters.tokenizer=FILE, or turn the limit off with filters.max_tokens=null"


def hub_tokenizer(model: str, revision: str | None) -> str:
    """The tokenizer.json of a model on the hub, from the local cache where it is there.

    Raises:
        ConfigError: it can be had neither from the cache nor from the hub.
    """
    import logging

    from huggingface_hub import hf_hub_download

    logging.getLogger("huggingface_hub").setLevel(
        logging.ERROR
    )  # it tells every retry; the outcome is enough
    try:
        return hf_hub_download(model, "tokenizer.json", revision=revision)
    except Exception as error:  # the hub client raises many kinds; all mean "not to be had"
        why = " ".join(str(error).split())[:150]
        raise ConfigError(
            f"teacher.model={model}: its tokenizer.json cannot be had ({why}); {_NO_TOKENIZER}"
        ) from error
