"""Decontamination: which problems repeat a question of a test set.

    search = NgramSearch([Questions("gsm8k", texts)])
    for hits in search.search(problems, k=5): ...

`NgramSearch` needs no model. `EmbeddingSearch` finds what says the same in other words; its hits are
candidates for a judge, not verdicts.
"""

from omi_core.decontaminate.hits import Hit, Questions, Search
from omi_core.decontaminate.nearest import EmbeddingSearch, load_model, nearest
from omi_core.decontaminate.ngram import NgramSearch

__all__ = ["EmbeddingSearch", "Hit", "NgramSearch", "Questions", "Search", "load_model", "nearest"]
