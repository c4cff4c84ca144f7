"""Filters: which candidates stay, and what is cut from them, each rule a small class with its own examples.

chain = build({"unfinished": {}, "no_boxed": {}, "max_tokens": {"tokenizer": "tokenizer.json"}})
kept = chain.apply(candidates)
chain.counts()

A filter is a class in a module of this package, or in another package that names it as an entry point of
`omi.filters`; docs/extending.md shows one.
"""

from omi_core.filters.chain import FilterChain, build
from omi_core.filters.filter import Example, Filter, Option, RowFilter
from omi_core.filters.registry import known

__all__ = ["Example", "Filter", "FilterChain", "Option", "RowFilter", "build", "known"]
