"""Documents from rows: the text, an id that does not depend on its place, and where it is from.

Rows come from `omi_core.inputs` one by one (parquet by row groups), so memory does not grow with the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from omi_core.dialogue_options import Documents
from omi_core.inputs import Row, Skipped, cell
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
        ConfigError: a row lacks a column that the options name.
    """
    for where, row in rows:
        text = _value(row, options.text, where, "documents.text")
        if not isinstance(text, str) or not text.strip():
            skipped.add("empty_document", where)
            continue
        if options.id is None:
            name: Any = digest128("document", text)
        else:
            name = _value(row, options.id, where, "documents.id")
            if name is None or isinstance(name, float | bool) or not str(name).strip():
                skipped.add("no_document_id", where)
                continue
        source = _value(row, options.source, where, "documents.source") if options.source else None
        yield Document(str(name), text, "" if source is None else str(source))


def _value(row: Row, column: str, where: str, key: str) -> Any:
    """As `cell`; a.b also reaches inside a column that holds a JSON object as a text, as OpenWebMath's."""
    head = column.partition(".")[0]
    if column not in row and isinstance(inner := row.get(head), str):
        try:
            row = {**row, head: orjson.loads(inner)}
        except ValueError:  # of lone surrogates too: not JSON, so there is no such column
            pass
    return cell(row, column, where, key)
