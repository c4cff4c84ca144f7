"""The search by embeddings: exact, in the order of cosine and index, and loaded from an optional package."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from omi_core.decontaminate import EmbeddingSearch, Questions, load_model, nearest
from omi_core.decontaminate.nearest import packaged
from omi_core.options import ConfigError

nearest_module = sys.modules["omi_core.decontaminate.nearest"]


class Letters:
    """Stands in for a model: a text is the counts of its letters."""

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray:
        return np.array([[text.count(chr(97 + at)) for at in range(26)] for text in sentences], dtype=float)


SMALL = st.integers(-2, 2).map(float)


@given(
    arrays(np.float64, st.tuples(st.integers(0, 5), st.just(2)), elements=SMALL),
    arrays(np.float64, st.tuples(st.integers(0, 9), st.just(2)), elements=SMALL),
    st.integers(1, 4),
)
def test_it_is_the_order_by_cosine_then_index(one: np.ndarray, tests: np.ndarray, k: int) -> None:
    indices, scores = nearest(one, tests, k)
    assert indices.shape == scores.shape == (len(one), min(k, len(tests)))
    for row, near, how in zip(one, indices, scores, strict=True):
        lengths = np.linalg.norm(row) * np.linalg.norm(tests, axis=1)
        cosines = np.divide(tests @ row, lengths, out=np.zeros(len(tests)), where=lengths > 0)
        assert np.allclose(how, np.sort(cosines)[::-1][: len(how)], atol=1e-6)
        assert np.allclose(cosines[near], how, atol=1e-6)
        assert len(set(near.tolist())) == len(near)


def test_of_equal_ones_the_first_are_taken_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    for entries in (1, 300, 1 << 24):
        monkeypatch.setattr(nearest_module, "_ENTRIES", entries)
        indices, _ = nearest(np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]]), tests, 3)
        assert indices.tolist() == [[0, 2, 4], [1, 3, 5], [0, 1, 2]]


def test_lengths_play_no_part_not_even_extreme_ones() -> None:
    tests = np.array([[1e-30, 0.0], [0.0, 1e30]])
    indices, scores = nearest(np.array([[1e30, 1e20], [1e-20, 1e-10]]), tests, 1)
    assert indices.tolist() == [[0], [1]]
    assert np.allclose(scores, 1)


WRONG = [
    (np.zeros((2, 3)), np.zeros((2, 4)), 1, "do not fit"),
    (np.zeros(3), np.zeros((2, 3)), 1, "do not fit"),
    (np.zeros((2, 3)), np.zeros((2, 3)), 0, "at least 1"),
    (np.full((2, 3), np.nan), np.zeros((2, 3)), 1, "not finite"),
    (np.zeros((2, 3)), np.full((2, 3), np.inf), 1, "not finite"),
]


@pytest.mark.parametrize(("one", "tests", "k", "message"), WRONG)
def test_what_makes_no_sense_is_refused(one: np.ndarray, tests: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest(one, tests, k)


def test_a_problem_finds_its_rewording() -> None:
    sets = [Questions("a", ["how many ducks", "solve for x"]), Questions("b", ["ducks, how many?"])]
    search = EmbeddingSearch(sets, Letters())
    assert search.search([]) == []
    (hits,) = search.search(["many ducks, how"], k=2)
    assert [(hit.test_set, hit.test_index, hit.method) for hit in hits] == [
        ("a", 0, "embedding"),
        ("b", 0, "embedding"),
    ]
    assert hits[0].score == pytest.approx(1)
    assert len(search.search(["x"])[0]) == 3


def test_only_the_beginning_of_a_text_is_read_however_long_it_is() -> None:
    read: list[int] = []

    class Lengths(Letters):
        def encode(self, sentences: list[str], **options: Any) -> np.ndarray:
            read.extend(map(len, sentences))
            return super().encode(sentences, **options)

    EmbeddingSearch([Questions("a", ["x"])], Lengths()).search(["x" * 3_000_000])
    assert read == [1, 20_000]


def test_a_package_that_carries_a_model_is_one_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, text in {
        "some_model/model/modules.json": "[]",
        "some_model-1.dist-info/METADATA": "Name: some-model\nVersion: 1\n",
        "some_model-1.dist-info/RECORD": "some_model/model/modules.json,,\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packaged("some-model") == tmp_path / "some_model/model"
    assert [packaged(name) for name in ("numpy", "no-such-package", "org/model", "")] == [None] * 4


def test_a_missing_package_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match="model=m: the package sentence-transformers is missing") as told:
        load_model("m")
    assert "\n" not in str(told.value)


def test_a_model_that_cannot_be_loaded_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Letters:
        raise OSError("no file\nnamed config.json")

    package = ModuleType("sentence_transformers")
    monkeypatch.setattr(package, "SentenceTransformer", refuse, raising=False)
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    with pytest.raises(
        ConfigError, match=r"model=m: cannot be loaded \(OSError: no file named config.json\)"
    ):
        load_model("m")
    with pytest.raises(ConfigError, match="model=./m: no such directory"):
        load_model("./m")
