"""Small trained models, shipped in the package, and the closed world they know: teachers, and a base model.

`path` gives the checkpoint directory that vLLM loads like any other model. The world is in `world`.
How they were trained and measured is in the folder `maintenance` of a clone; MODEL_CARD.md has the figures.
"""

from __future__ import annotations

from pathlib import Path

_DIRECTORIES = {
    "tiny": "strong",
    "tiny_weak": "weak",
    "tiny_thinking": "thinking",
    "tiny_muddled": "muddled",
    "tiny_verbose": "verbose",
    "tiny_base": "base",
}


def path(name: str) -> Path:
    """The checkpoint directory of an embedded model by its name; ValueError for another name."""
    if name not in _DIRECTORIES:
        raise ValueError(f"no embedded model is called {name!r}; there are {', '.join(_DIRECTORIES)}")
    return Path(__file__).parent / _DIRECTORIES[name]
