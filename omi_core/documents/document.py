"""Documents from rows: the text, an id that does not depend on its place, and where it is from.

Rows come from `omi_core.inputs` one by one (parquet by row groups), so memory does not grow with the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from omi_core.documents.document_options import Documents
from omi_core.inputs import BadRow, Number, Row, Skipped, cell, described, one_text, only_item
from omi_core.inputs.numbers import decode, is_broken_text
from omi_core.records import digest128


@dataclass(frozen=True, slots=True)
class Document:
    """A raw text. `id` is the input's own or a hash of the text; `source` is what `documents.source` says."""

    id: str
    text: str
    source: str


def read_documents(
    rows: Iterable[tuple[str, Row]], options: Documents, skipped: Skipped
) -> Iterator[Document]:
    """The documents of (where, row) pairs, in order; rows without text or id go to `skipped`.

    Equal texts stay: they have the same id, unless the input names another.

    Raises:
        ConfigError: a bad row, as `skipped` has it: it lacks a column that the options name, or its id or
            source is neither a text nor a number.
    """
    for where, row in rows:
        try:
            document = _document(row, where, options, skipped)
        except BadRow as fault:
            skipped.bad(fault)
            continue
        if document is not None:
            yield document


def _document(row: Row, where: str, options: Documents, skipped: Skipped) -> Document | None:
    """The document of a row; None where there is none. Raises BadRow."""
    text = _value(row, options.text, where, "documents.text")
    if text is None or isinstance(text, str) and not text.strip():
        skipped.add("empty_document", where)
        return None
    if not isinstance(text, str) or isinstance(text, Number):
        line = f"documents.text={options.text}: {where} holds {described(text)}; a document is a text"
        raise BadRow("not_a_text", where, line)
    if options.id is None:
        name: str | None = digest128("document", text)
    else:
        name = _label(row, options.id, where, "documents.id", "not_an_id")
        if name is None or not name.strip():
            skipped.add("no_document_id", where)
            return None
    source = None
    if options.source is not None:
        source = _label(row, options.source, where, "documents.source", "not_a_source")
    return Document(name, text, source or "")


def _label(row: Row, column: str, where: str, key: str, reason: str) -> str | None:
    """The text or number at a column, None where there is none. Raises BadRow with `reason`."""
    value = only_item(_value(row, column, where, key))
    if value is None or value == []:
        return None
    text = one_text(value)
    if text is None:
        line = f"{key}={column}: {where} holds {described(value)}; give a column with a text or a number"
        raise BadRow(reason, where, line)
    return text


def _value(row: Row, column: str, where: str, key: str) -> Any:
    """As `cell`; a.b also reaches inside a column that holds a JSON object as a text, as OpenWebMath's."""
    head = column.partition(".")[0]
    if column not in row and isinstance(inner := row.get(head), str):
        try:
            value = decode(inner.encode(), exactly=True)
        except ValueError:  # not JSON, so there is no such column
            value = None
        if value is not None and not is_broken_text(value):
            row = {**row, head: value}
    return cell(row, column, where, key)
