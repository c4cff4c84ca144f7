"""Documents to chunks of at most this many tokens, cut at paragraph or sentence ends, never in a formula.

A chunk is filled with paragraphs as long as they fit. A paragraph over the limit is split into sentences.
What is then still over the limit is cut as a last resort, and counted: a sentence at line ends or between
words, a formula between its parts, a word between characters. No text is lost: `joined` gives the document
back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from omi_core.documents.boundaries import LEVELS, characters, inside, lines, pieces
from omi_core.documents.document_options import Documents
from omi_core.options import ConfigError
from omi_core.text.formulas import Span, formulas
from omi_core.text.tokens import BYTES, TokenCounter

# Units that are together shorter than this share of the limit are packed as one, so that hostile text of tiny
# units costs no more than other text.
_GRAIN = 8
# An environment over the limit is cut at the paragraphs and sentences inside it, this many layers deep.
_PEELS = 8
_BATCH = 4 << 20  # characters
_LINES = LEVELS.index(lines)
_TOO_MANY = 1 << 60


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document. `text` has no white space at its ends: that stands in `before` and `after`.

    `before` is empty in all but a document's first chunk, `number` counts from 0, `id` is the document's id,
    a colon and the number.
    """

    id: str
    document: str
    number: int
    text: str
    tokens: int
    before: str
    after: str


def joined(chunks: Iterable[Chunk]) -> str:
    """The document that chunks in order were made from."""
    return "".join(chunk.before + chunk.text + chunk.after for chunk in chunks)


class Splitter:
    """Splits documents, and counts over all of them what it did.

    `counts` holds `documents`, `blank` (documents of white space, without a chunk), `chunks`, and what was
    cut as a last resort: `cut_sentences`, `cut_formulas`, `cut_words`.
    """

    def __init__(self, count: TokenCounter, max_tokens: int = 500) -> None:
        self._count = count
        self._limit = max_tokens
        names = ("documents", "blank", "chunks", "cut_sentences", "cut_formulas", "cut_words")
        self.counts: dict[str, int] = dict.fromkeys(names, 0)

    @staticmethod
    def of(options: Documents) -> Splitter:
        """The splitter that the options ask for. Raises ConfigError: their tokenizer is not one."""
        try:
            count = TokenCounter(options.tokenizer or BYTES, "tokenizer")
        except ValueError as error:
            raise ConfigError(f"documents.{error}") from error
        return Splitter(count, options.max_tokens)

    def split(self, document: str, text: str) -> list[Chunk]:
        """The chunks of the document with that id, in order; of white space alone there are none.

        A single character of more than `max_tokens` tokens is the only chunk that may be over the limit.
        """
        self.counts["documents"] += 1
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        if start >= end:
            self.counts["blank"] += 1
            return []
        packing = _Packing(text, self._count, self._limit, self.counts)
        packing.add((start, end))
        packed = packing.finish()
        self.counts["chunks"] += len(packed)
        stops = [a for (a, _), _ in packed[1:]] + [len(text)]
        return [
            Chunk(
                id=f"{document}:{number}",
                document=document,
                number=number,
                text=text[a:b],
                tokens=tokens,
                before="" if number else text[:a],
                after=text[b:stop],
            )
            for number, (((a, b), tokens), stop) in enumerate(zip(packed, stops, strict=True))
        ]


class _Packing:
    """The chunks of one text in the making."""

    def __init__(self, text: str, count: TokenCounter, limit: int, counts: dict[str, int]) -> None:
        self._text = text
        self._count = count
        self._limit = limit
        self._counts = counts
        self._grain = limit // _GRAIN
        self._closed: list[list[Span]] = []
        self._open: list[Span] = []
        self._tokens = 0

    def add(self, span: Span) -> None:
        """Packs the whole span."""
        if _bytes(self._text[slice(*span)]) <= self._limit:
            self._pack([span], 0, [], 0)
        else:
            self._break(span, 0, formulas(self._text, *span), 0)

    def finish(self) -> list[tuple[Span, int]]:
        """Span and tokens of each chunk, white space at the ends not included."""
        self._close()
        chunks = [chunk for chunk in self._closed if self._core((chunk[0][0], chunk[-1][1]))]
        done: list[tuple[Span, int]] = []
        # The parts were counted one by one, and together they may be more: half of them, then.
        while chunks:
            spans = [_trimmed(self._text, (chunk[0][0], chunk[-1][1])) for chunk in chunks]
            left: list[list[Span]] = []
            for chunk, span, tokens in zip(chunks, spans, self._sizes(map(self._core, spans)), strict=True):
                if tokens <= self._limit or span[1] - span[0] == 1:
                    done.append((span, tokens))
                else:
                    left += [half for half in _halves(chunk, span) if self._core_of(half)]
            chunks = left
        return sorted(done)

    def _pack(self, units: Sequence[Span], level: int, protected: Sequence[Span], peels: int) -> None:
        cores = [self._core(unit) for unit in units]
        blanks = [self._text[a + len(core) : b] for (a, b), core in zip(units, cores, strict=True)]
        last = self._open[-1] if self._open else units[0]
        gaps = [self._text[last[0] : last[1]][len(self._core(last)) :], *blanks[:-1]]
        sizes = self._sizes([*cores, *gaps])
        for unit, size, gap in zip(units, sizes, sizes[len(units) :], strict=False):
            if size > self._limit:
                self._break(unit, level, protected, peels)
            else:
                self._append(unit, size, gap)

    def _append(self, unit: Span, size: int, gap: int) -> None:
        if self._open and self._tokens + gap + size > self._limit:
            self._close()
        self._tokens += size + (gap if self._open else 0)
        self._open.append(unit)

    def _break(self, span: Span, level: int, protected: Sequence[Span], peels: int) -> None:
        """Packs the parts of a span that is over the limit, cut at the first level that cuts it at all."""
        torn = inside(span[0], protected)
        for number in range(level, len(LEVELS)):
            cut = LEVELS[number]
            if cut is pieces and torn and peels < _PEELS and self._text.startswith("\\begin{", span[0]):
                self._counts["cut_formulas"] += 1
                return self._break(span, 0, formulas(self._text, span[0] + 1, span[1]), peels + 1)
            units = self._coarse(cut(self._text, span, protected))
            first = next(units)
            if first == span:
                continue
            if number >= LEVELS.index(pieces) and torn:
                self._counts["cut_formulas"] += level <= LEVELS.index(pieces)
            elif cut is characters:
                self._counts["cut_words"] += 1
            elif number in (_LINES, _LINES + 1):
                self._counts["cut_sentences"] += level <= _LINES
            for batch in _batches(chain([first], units)):
                self._pack(batch, number + 1, protected, peels)
            return None
        self._append(span, self._limit, 0)

    def _coarse(self, units: Iterator[Span]) -> Iterator[Span]:
        """The units, those that follow each other put together up to the grain."""
        start = end = -1
        size = 0
        for a, b in units:
            more = b - a if b - a > self._grain else _bytes(self._text[a:b])
            if end == a and size + more <= self._grain:
                end, size = b, size + more
                continue
            if end >= 0:
                yield start, end
            start, end, size = a, b, more
        if end >= 0:
            yield start, end

    def _close(self) -> None:
        if self._open:
            self._closed.append(self._open)
        self._open, self._tokens = [], 0

    def _sizes(self, texts: Iterable[str]) -> list[int]:
        """Tokens of each text. What must be over the limit is not counted out: it would take too long."""
        texts = list(texts)
        longest = self._limit * self._count.bytes_per_token
        short = [text if len(text) <= longest else "" for text in texts]
        # A blank between words belongs to the next word's token, so for a tokenizer it costs nothing.
        if self._count.bytes_per_token > 1:
            short = ["" if text == " " else text for text in short]
        counted = self._count(short)
        return [
            tokens if len(text) <= longest else _TOO_MANY for text, tokens in zip(texts, counted, strict=True)
        ]

    def _core(self, span: Span) -> str:
        return self._text[slice(*span)].rstrip()

    def _core_of(self, chunk: Sequence[Span]) -> str:
        return self._text[chunk[0][0] : chunk[-1][1]].strip()


def _halves(chunk: list[Span], span: Span) -> tuple[list[Span], list[Span]]:
    if len(chunk) > 1:
        middle = len(chunk) // 2
        return chunk[:middle], chunk[middle:]
    middle = sum(span) // 2
    return [(span[0], middle)], [(middle, span[1])]


def _batches(units: Iterable[Span]) -> Iterator[list[Span]]:
    batch: list[Span] = []
    size = 0
    for a, b in units:
        batch.append((a, b))
        size += b - a
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _trimmed(text: str, span: Span) -> Span:
    """The span without the white space at its ends."""
    part = text[slice(*span)]
    return span[0] + len(part) - len(part.lstrip()), span[0] + len(part.rstrip())


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
