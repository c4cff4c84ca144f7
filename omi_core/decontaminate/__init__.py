"""Decontamination: which problems repeat a question of a test set.

    search = NgramSearch([Questions("gsm8k", texts)])
    for hits in search.search(problems, k=5): ...

`NgramSearch` needs no model. `EmbeddingSearch` finds what says the same in other words; its hits are
candidates for a judge, and `read_verdicts` reads what that one said.
"""

from omi_core.decontaminate.hits import Hit, Questions
from omi_core.decontaminate.judged import read_verdicts
from omi_core.decontaminate.nearest import EmbeddingSearch, load_model, nearest
from omi_core.decontaminate.ngram import NgramSearch

__all__ = ["EmbeddingSearch", "Hit", "NgramSearch", "Questions", "load_model", "nearest", "read_verdicts"]
