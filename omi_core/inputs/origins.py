"""Rows by `data.*`: of local files, of a dataset on the hub, or of a world that makes them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omi_core.inputs.data_options import Data
from omi_core.inputs.row_files import Row, arrow_rows, file_rows, local_files
from omi_core.inputs.skipped import OnBad, refuse
from omi_core.options import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

_HUB_BATCH = 1024


@dataclass(frozen=True, slots=True)
class World:
    """Rows that are made instead of read, with their places, and the answer to a problem of them or None."""

    rows: Callable[[Data], Iterator[tuple[str, Row]]]
    answer: Callable[[str], str | None]


# By `data.origin`; entered from above, by what makes them.
WORLDS: dict[str, World] = {}


class HubUnreadable(ConfigError):
    """A dataset on the hub cannot be read; says why, in one line, and what to give instead."""

    def __init__(self, hub: str, why: str, key: str = "data.hub", instead: str = "data.path=FILE") -> None:
        super().__init__(
            f"{key}={hub}: cannot be read ({why}); without a connection give a local file, {instead}"
        )
        self.hub, self.why = hub, why


def read_rows(
    data: Data, columns: Sequence[str] | None = None, texts: Sequence[str] | None = (), bad: OnBad = refuse
) -> Iterator[tuple[str, Row]]:
    """(where, row) for every row of the input; `where` is for messages: file and line, or dataset and row.

    `columns`, `texts` and `bad` are as in `file_rows`.
    """
    if data.path is not None:
        if data.origin in WORLDS:
            raise ConfigError(f"data.path={data.path}: data=demo makes its own problems; choose data=file")
        for path in local_files("data.path", data.path):
            yield from file_rows(path, columns, texts, bad)
    elif data.origin == "hub":
        yield from hub_rows(data, texts, bad)
    elif data.origin in WORLDS:
        yield from WORLDS[data.origin].rows(data)
    else:
        raise ConfigError("data.path: missing; give a .jsonl, .jsonl.zst or .parquet file")


def hub_rows(data: Data, texts: Sequence[str] | None = (), bad: OnBad = refuse) -> Iterator[tuple[str, Row]]:
    """Rows of a dataset on the hub, streamed, its configurations one after another; as `file_rows`.

    Of JSON files there the datasets library makes 64-bit numbers before their spelling can be seen.

    Raises:
        ConfigError: no id is given, or the hub cannot be reached or does not have it; or as `bad` does.
    """
    if not data.hub:
        raise ConfigError("data.hub: missing; give a dataset id, e.g. data.hub=openai/gsm8k")
    for config in data.hub_config or [None]:
        before = 0
        for table in _hub_tables(data, config):
            yield from arrow_rows(table, data.hub, before, texts, bad, converted=True)
            before += table.num_rows


def _hub_tables(data: Data, config: str | None) -> Iterator[pa.Table]:
    import datasets

    # It would tell of every retry; the outcome is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    assert data.hub is not None
    try:
        # As tables, since the library's own rows would have lost the types of the numbers.
        stream: Any = datasets.load_dataset(
            data.hub, config, split=data.split, revision=data.revision, streaming=True
        )
        yield from stream.with_format("arrow").iter(batch_size=_HUB_BATCH)
    except Exception as error:  # the hub client raises many kinds; all mean "not available"
        raise HubUnreadable(data.hub, f"{type(error).__name__}: {_short(error)}") from error


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
