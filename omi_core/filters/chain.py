"""The filters in a row, with a count for each; `build` makes them from a config."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import is_not
from typing import Any

from omi_core.answers.extract import Extractor
from omi_core.filters.filter import Filter
from omi_core.filters.registry import known
from omi_core.options import check_leaf
from omi_core.records import Candidate


class FilterChain:
    """Applies filters in order and counts what each does, over all batches.

    `rows_in == rows_out + the sum of dropped` holds at all times.
    """

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters = tuple(filters)
        names = [item.name for item in self.filters]
        if len(set(names)) < len(names):
            raise ValueError(f"a filter stands twice in the chain: {', '.join(names)}")
        self.rows_in = 0
        self.rows_out = 0
        self._dropped = dict.fromkeys(names, 0)
        self._rewritten = dict.fromkeys(names, 0)

    def apply(self, rows: Sequence[Candidate]) -> list[Candidate]:
        """The rows that are left, in order, rewritten where a filter does so.

        A row that one filter drops is not seen by the next, so each row is dropped at most once. Raises
        RuntimeError when a filter returns another number of rows than it was given.
        """
        left = list(rows)
        for item in self.filters:
            results = item.apply(left)
            if len(results) != len(left):
                raise RuntimeError(
                    f"filter {item.name} was given {len(left)} rows and returned {len(results)}"
                )
            changed = sum(map(is_not, results, left))
            left = [row for row in results if row is not None]
            dropped = len(results) - len(left)
            self._dropped[item.name] += dropped
            self._rewritten[item.name] += changed - dropped
        self.rows_in += len(rows)
        self.rows_out += len(left)
        return left

    def counts(self) -> dict[str, Any]:
        """`{"rows_in": n, "filters": {name: {"dropped": n, "rewritten": n}}, "rows_out": n}`, in order."""
        filters = {
            name: {"dropped": dropped, "rewritten": self._rewritten[name]}
            for name, dropped in self._dropped.items()
        }
        return {"rows_in": self.rows_in, "filters": filters, "rows_out": self.rows_out}


def build(
    config: Mapping[str, Mapping[str, Any] | None],
    *,
    section: str = "filters",
    extract: Extractor | None = None,
) -> FilterChain:
    """The chain of the filters named in `config`, each with its settings; None switches a filter off.

        build({"max_tokens": {"limit": 1024, "tokenizer": "tokenizer.json"}, "unfinished": {}})

    They run in the order of their positions. `section` says which filters are meant, by default those of
    solutions. `extract` is given to those that look for the final answer. Raises ValueError naming the filter
    or setting that is unknown, missing or impossible.
    """
    classes = known(section)
    unknown = [name for name in config if name not in classes]
    if unknown:
        raise ValueError(f"unknown filter {unknown[0]!r}; known are {', '.join(classes)}")
    chosen = [(cls, options) for name, cls in classes.items() if (options := config.get(name)) is not None]
    return FilterChain([_make(cls, options, extract) for cls, options in chosen])


def _make(cls: type[Filter], options: Mapping[str, Any], extract: Extractor | None) -> Filter:
    given = {"extract": extract, **options} if cls.takes("extract") else options
    try:
        inspect.signature(cls).bind(**given)
    except TypeError as error:
        raise ValueError(f"filter {cls.name}: {error}") from None
    option = cls.option
    if option is not None and (value := options.get(option.argument or "")) is not None:
        check_leaf(f"{cls.name}.{option.argument}", value, asdict(option))
    return cls(**given)
