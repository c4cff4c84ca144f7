"""The task `dialogues`: chunks of raw documents are retold as conversations, in one style or several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from omi_core.config import Generate, Reduce
from omi_core.documents import Splitter, read_documents
from omi_core.filters.chain import build
from omi_core.filters.conversations.turns import turns
from omi_core.filters.sections import chosen
from omi_core.inputs import Skipped, read_rows
from omi_core.publish.mix import RAW
from omi_core.publish.rows import DIALOGUES
from omi_core.publish.styles import Styles
from omi_core.records import Record
from omi_core.stages.prompting import Prompting
from omi_core.stages.reducing import Reading, Reducer, candidate
from omi_core.stages.run import Run
from omi_core.stages.tasks import Task
from omi_core.stages.tokenizers import tokenizer_file
from omi_core.store.plan import Records
from omi_core.text.tokens import TokenCounter


class DialoguesReducer(Reducer):
    """Keeps the conversations that the heuristic filter lets through, and counts their tokens."""

    schema = DIALOGUES

    def __init__(self, config: Generate | Reduce, samples: int | None) -> None:
        assert isinstance(config, Generate)
        super().__init__(config, samples)
        self._prompting = Prompting(config)
        self._chain = build(filter_options(config), section="conversations")
        self._tokens = TokenCounter(tokenizer_file(config, "documents") or "", "documents.tokenizer")
        self.chains = (self._chain,)
        self.provenance = _provenance(config)

    def _rows(self, usable: Sequence[Reading]) -> Iterator[dict[str, Any]]:
        records = {record.id: record for record, _ in usable}
        # Record by record: what a filter has found out about a chunk serves all its conversations.
        kept = [
            one
            for record, samples in usable
            for one in self._chain.apply([candidate(record, sample) for sample in samples])
        ]
        for one, tokens in zip(kept, self._tokens([one.solution for one in kept]), strict=True):
            record, style = records[one.record_id], self._prompting.style(one.index)
            self._counts[f"styles/{style}/rows"] += 1
            self._counts[f"styles/{style}/tokens"] += tokens
            optional = {"source": record.source, "sample": one.index, "teacher": self._teacher}
            yield _row(record, one.solution, style, tokens, {key: optional[key] for key in self.provenance})


def _provenance(config: Generate) -> tuple[str, ...]:
    return DIALOGUES.optional if config.publish.provenance else ()


def _row(record: Record, text: str, style: str, tokens: int, optional: Mapping[str, Any]) -> dict[str, Any]:
    document = record.extra["document"]
    return {
        "text": text,
        "style": style,
        "document_id": document,
        "chunk_id": f"{document}:{record.extra['chunk']}",
        "tokens": tokens,
        **optional,
    }


def _raw_rows(run: Run[Generate]) -> Iterator[dict[str, Any]]:
    """A row for each chunk as it is, in order; nobody wrote it, so sample and teacher are null."""
    provenance = _provenance(run.config)
    for record in Records(run.layout.records).slice(0, run.plan.records):
        optional = {"source": record.source, "sample": None, "teacher": None}
        chosen = {name: optional[name] for name in provenance}
        yield _row(record, record.text, RAW, record.extra["tokens"], chosen)


def _styles(run: Run[Generate]) -> Styles:
    variants = run.config.variants
    names = Prompting(run.config).styles
    return Styles(names, variants.longest, variants.mix, lambda: _raw_rows(run))


def filter_options(config: Generate | Reduce) -> dict[str, dict[str, Any]]:
    """The filters of conversations, in order, with their options."""
    assert isinstance(config, Generate)
    return chosen("conversations", config.conversations, lambda: tokenizer_file(config, "conversations"))


def _records(config: Generate, skipped: Skipped) -> Iterator[Record]:
    """A record for each chunk, with its document, number and tokens in `extra`; each document once."""
    options = dataclasses.replace(config.documents, tokenizer=tokenizer_file(config, "documents"))
    splitter = Splitter.of(options)
    skipped.chunks = splitter.counts
    seen: set[str] = set()
    ordinal = 0
    columns = [column for column in (options.text, options.id, options.source) if column is not None]
    for document in read_documents(read_rows(config.data, columns, columns, skipped.bad), options, skipped):
        if document.id in seen:
            skipped.add("duplicate_document", document.id)
            continue
        seen.add(document.id)
        for chunk in splitter.split(document.id, document.text):
            if ordinal == config.data.limit:
                return
            extra = {"document": chunk.document, "chunk": chunk.number, "tokens": chunk.tokens}
            yield Record.make(ordinal, chunk.text, None, document.source, extra)
            ordinal += 1


def _answers(config: Generate) -> Callable[[str], bool]:
    return lambda text: sum(1 for _ in turns(text)) > 1


TASK = Task(_records, DialoguesReducer.of, filter_options, _answers, _styles)
