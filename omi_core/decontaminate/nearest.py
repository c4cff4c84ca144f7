"""The test questions nearest to a problem in meaning, by exact search over embeddings.

There is no index: with some ten thousand questions a matrix product per block of problems is fast, and exact.
What is near is not yet the same; the hits are for a person or a judge to look at.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from omi_core.decontaminate.hits import Hit, Questions, numbered
from omi_core.decontaminate.normal import MAX_CHARS
from omi_core.options import ConfigError

METHOD = "embedding"
_ENTRIES = 1 << 24  # similarities held at once: 64 MiB


class Encoder(Protocol):
    """The part of a sentence-transformers model that is used here."""

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray:
        """An array of shape (texts, dimensions)."""
        ...


class EmbeddingSearch:
    """Finds the test questions nearest to a problem by the cosine of their embeddings."""

    def __init__(self, sets: Sequence[Questions], model: Encoder) -> None:
        self._questions = list(numbered(sets))
        self._model = model
        self._embeddings = self._embed([text for _, _, text in self._questions])

    def search(self, texts: Sequence[str], k: int | None = None) -> list[list[Hit]]:
        """For each text its k nearest questions (None: all), the nearest first.

        Their score is the cosine to four places, since the rest changes with the processor. Of a text only
        the first MAX_CHARS characters are read, and of these what the model takes: often 256 or 512 tokens.
        The embeddings of all texts are in memory at once: give thousands, not millions.
        """
        if not texts:
            return []
        k = len(self._questions) if k is None else k
        indices, scores = nearest(self._embed(texts), self._embeddings, k)
        rows = zip(indices.tolist(), scores.tolist(), strict=True)
        return [[self._hit(number, score) for number, score in zip(*row, strict=True)] for row in rows]

    def _hit(self, number: int, score: float) -> Hit:
        return Hit(*self._questions[number], METHOD, round(score, 4))

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        # Half a character (a lone surrogate) stops a tokenizer.
        read = [text[:MAX_CHARS].encode("utf-8", "replace").decode() for text in texts]
        embeddings = self._model.encode(read, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(embeddings, dtype=np.float32)


def nearest(embeddings: np.ndarray, test_embeddings: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k test embeddings nearest to each embedding, by cosine.

    `embeddings` has shape (n, d), `test_embeddings` (m, d). Returns their indices, int64, and cosines,
    float32, both of shape (n, min(k, m)), the nearest first and of equal ones the lowest index first. The
    cosine with a vector of zeros is 0. Memory besides arguments and results: a copy of the test embeddings,
    and a few times 64 MiB for similarities (or one row of them, if that is more).

    Raises:
        ValueError: the shapes do not fit, k is below 1, or a value is not finite.
    """
    if embeddings.ndim != 2 or test_embeddings.ndim != 2 or embeddings.shape[1] != test_embeddings.shape[1]:
        raise ValueError(f"embeddings of shapes {embeddings.shape} and {test_embeddings.shape} do not fit")
    if k < 1:
        raise ValueError(f"k={k}: must be at least 1")
    k = min(k, len(test_embeddings))
    indices = np.empty((len(embeddings), k), dtype=np.int64)
    scores = np.empty((len(embeddings), k), dtype=np.float32)
    if not k:
        return indices, scores
    targets = _unit(test_embeddings).T
    rows = max(1, _ENTRIES // len(test_embeddings))
    for first in range(0, len(embeddings), rows):
        block = slice(first, first + rows)
        indices[block], scores[block] = _best(_unit(embeddings[block]) @ targets, k)
    return indices, scores


def _unit(embeddings: np.ndarray) -> np.ndarray:
    rows = np.asarray(embeddings, dtype=np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("an embedding holds a value that is not finite")
    # Scaled first, so that no square overflows or vanishes.
    rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True, initial=0), np.finfo(np.float32).tiny)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths, lengths, 1)


def _best(similarities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and values of the k largest of each row of (rows, m), the largest first, ties by index."""
    found = np.argpartition(similarities, -k, axis=1)[:, -k:]
    least = np.take_along_axis(similarities, found, axis=1).min(axis=1, keepdims=True)
    for row in np.flatnonzero(np.count_nonzero(similarities >= least, axis=1) > k):  # a tie at the border
        equal = np.flatnonzero(similarities[row] == least[row])
        above = np.flatnonzero(similarities[row] > least[row])
        found[row] = np.concatenate([above, equal[: k - len(above)]])
    found.sort(axis=1)
    values = np.take_along_axis(similarities, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def load_model(name: str) -> Encoder:
    """A sentence-transformers model: a local directory, an installed package that carries one, or a hub id.

    Raises:
        ConfigError: sentence-transformers is not installed, or the model cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise ConfigError(
            f"model={name}: the package sentence-transformers is missing ({error}); install it with pip"
        ) from error
    if name[0] in "./" and not Path(name).is_dir():
        raise ConfigError(f"model={name}: no such directory")
    disable_progress_bar()
    # It would tell of every retry; the outcome is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        model: Any = SentenceTransformer(str(name if Path(name).is_dir() else packaged(name) or name))
    except Exception as error:  # the library raises many kinds; all mean "not available"
        text = " ".join(str(error).split())[:200]
        raise ConfigError(f"model={name}: cannot be loaded ({type(error).__name__}: {text})") from error
    return model


def packaged(name: str) -> Path | None:
    """The directory of the model that the installed package `name` carries; None where it carries none.

    Some packages hold nothing else, for machines that reach a package index but not the hub.
    """
    try:
        files = importlib.metadata.files(name) or ()
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    lists = (file for file in files if file.name == "modules.json")
    return next((Path(str(file.locate())).parent for file in lists), None)
