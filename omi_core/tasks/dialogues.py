"""The task `dialogues`: chunks of raw documents are retold as conversations, in one style or several."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omi_core.documents import Splitter, read_documents
from omi_core.documents.document_options import Documents
from omi_core.filters.chain import build
from omi_core.filters.conversations.turns import turns
from omi_core.filters.sections import Conversations, chosen, refuse_idle
from omi_core.inputs import Skipped, read_rows
from omi_core.options import option
from omi_core.prompts import Form
from omi_core.publish.mix import RAW
from omi_core.publish.rows import Column, Schema
from omi_core.publish.styles import Styles
from omi_core.records import Record
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.reducing import Fate, Reading, Reducer, candidate, walk
from omi_core.tasks.settings import Config
from omi_core.tasks.task import Chosen, Task
from omi_core.teachers.teacher import Request, Texts
from omi_core.teachers.tokenizers import tokenizer_file
from omi_core.text.tokens import TokenCounter

DIALOGUES = Schema(
    "dialogues",
    ("text", "style", "document_id", "chunk_id", "tokens"),
    ("source", "sample", "teacher"),
    key=2,
    own={
        "text": Column(str, "the conversation, or in `mix` also the raw text", nullable=False, long=True),
        "document_id": Column(str, "the document that the text was made from", nullable=False, repeats=True),
        "chunk_id": Column(
            str, "its chunk: the document's id, a colon and the chunk's number", nullable=False, repeats=True
        ),
        "tokens": Column(int, "tokens of the text, as the chunks were counted", nullable=False),
    },
)
_WORDS_PER_TURN = 6


@dataclass
class Variants:
    """The task `dialogues`: what is published besides a folder for each style."""

    longest: bool = option(False, "also the longest conversation of every chunk, as a variant of its own")
    mix: float | None = option(
        None, "also conversations among raw text, with this share of raw text in tokens; null: no", gt=0, lt=1
    )


class DialoguesReducer(Reducer):
    """Keeps the conversations that the heuristic filter lets through, and counts their tokens."""

    def __init__(self, config: Config, samples: int | None) -> None:
        super().__init__(config, samples)
        self._prompting = Prompting(config)
        self._chain = build(filter_options(config), section="conversations")
        self._tokens = TokenCounter(_chunk_tokenizer(config), "documents.tokenizer")
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

    def _fates(self, usable: Sequence[Reading]) -> Iterator[dict[int, Fate]]:
        for record, samples in usable:
            rows = [candidate(record, one) for one in samples]
            walked = walk(self._chain, rows, [one.text for one in samples])
            yield {
                one.index: Fate(one, outcome, place=place)
                for one, (_, outcome, place) in zip(samples, walked, strict=True)
            }


def _provenance(config: Config) -> tuple[str, ...]:
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


def _raw_rows(config: Config, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """A row for each chunk as it is, in order; no teacher wrote it, so sample and teacher are null."""
    provenance = _provenance(config)
    for record in records:
        optional = {"source": record.source, "sample": None, "teacher": None}
        columns = {name: optional[name] for name in provenance}
        yield _row(record, record.text, RAW, record.extra["tokens"], columns)


def _chunk_tokenizer(config: Config) -> str:
    """The tokenizer.json that chunks are counted with; ConfigError where there is none."""
    return tokenizer_file(config.documents.tokenizer, config.teacher, "documents") or ""


def filter_options(config: Config) -> Chosen:
    """The filters of conversations, in order, with their options."""
    otherwise = ", or conversations.min_tokens=null"
    options, teacher = config.conversations, getattr(config, "teacher", None)
    return chosen(
        "conversations",
        options,
        lambda: tokenizer_file(options.tokenizer, teacher, "conversations", otherwise),
    )


def _dialogue(draw: random.Random, request: Request) -> str:
    """The text in short turns of two speakers, with a word of their own before each."""
    words = request.record.text.split()
    pieces = [words[at : at + _WORDS_PER_TURN] for at in range(0, len(words), _WORDS_PER_TURN)]
    names = draw.sample(("Ann", "Bob", "Eve", "Tom", "Zoe"), 2)
    turns = [
        f"{names[number % 2]}: {draw.choice(('Well', 'Then', 'So', 'Next', 'Right'))}, {' '.join(piece)}"
        for number, piece in enumerate(pieces)
    ]
    return "\n".join([*turns, f"{names[len(pieces) % 2]}: That is all of it, and it is what we were given."])


def _monologue(draw: random.Random, request: Request) -> str:
    return f"It is said that {request.record.text[:200]} and there are {draw.randint(2, 99)} more to the"


class Dialogues(Task):
    """Raw text is retold as conversations, in one style or several."""

    name = DIALOGUES.task
    about = "raw text retold as conversations"
    position = 30
    sections = {"documents": Documents, "conversations": Conversations, "variants": Variants}
    reduced = ("conversations", "variants")
    form = Form(DIALOGUES.task, "dialogue", "mind")
    texts = Texts(
        right=_dialogue,
        wrong=lambda draw, request: f"Ann: {request.record.text}\nBob: {request.record.text}",
        malformed=_monologue,
    )
    schema = DIALOGUES
    together = "chunk_id"
    figures = ("tokens",)
    skipped = {
        "duplicate_document": "with a document that occurred before",
        "empty_document": "without text",
        "no_document_id": "without a document id",
        "not_a_text": "whose document is not text",
        "not_an_id": "whose document id is not text",
    }
    made_from = "texts"

    def check(self, config: Config) -> None:
        refuse_idle("conversations", config.conversations)

    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        """A record for each chunk, its document, number and tokens in `extra`; each document once."""
        options = dataclasses.replace(config.documents, tokenizer=_chunk_tokenizer(config))
        splitter = Splitter.of(options)
        skipped.chunks = splitter.counts
        seen: set[str] = set()
        ordinal = 0
        columns = [column for column in (options.text, options.id, options.source) if column is not None]
        rows = read_rows(config.data, columns, columns, skipped.bad)
        for document in read_documents(rows, options, skipped):
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

    def is_answer(self, config: Config) -> Callable[[str], bool]:
        return lambda text: sum(1 for _ in turns(text)) > 1

    def filters(self, config: Config) -> Chosen:
        return filter_options(config)

    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> DialoguesReducer:
        return DialoguesReducer(config, samples)

    def styles(self, config: Config, records: Callable[[], Iterable[Record]]) -> Styles:
        variants = config.variants
        names = Prompting(config).styles
        return Styles(names, variants.longest, variants.mix, lambda: _raw_rows(config, records()))

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        return f"{row['style']}, {row['tokens']} tokens, of {row['chunk_id']}", [row["text"]]


TASK = Dialogues()
