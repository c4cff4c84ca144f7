"""Filters: which candidates stay, and what is cut from them, each rule a small class with its own examples.

chain = build({"unfinished": {}, "no_boxed": {}, "max_tokens": {"tokenizer": "tokenizer.json"}})
kept = chain.apply(candidates)
chain.counts()
"""

from omi_core.filters.base import Example, Filter, RowFilter
from omi_core.filters.chain import FILTERS, FilterChain, build

__all__ = ["FILTERS", "Example", "Filter", "FilterChain", "RowFilter", "build"]
