"""`datasets` keeps what it has loaded: other rows must never be answered from its cache.

The two datasets of each test are alike in all but the letter that their rows are about: names, columns,
numbers and sizes of rows and files, and the times of the files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omi_core.publish import SCHEMAS, CardInfo, PartWriter, Styles, publish
from omi_core.publish.publish_options import Publish
from omi_core.publish.rows import Schema

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

Rows = list[dict[str, Any]]
STYLES = ("debate", "interview")
STYLED = Styles(STYLES, longest=True)


def rows_of(schema: Schema, about: str) -> Rows:
    """24 rows of a schema; `about` is a letter that stands in each."""
    texts = {"solutions": "problem", "problems": "problem", "verdicts": "problem", "dialogues": "text"}
    texts["selections"] = "problem"
    made = []
    for number in range(24):
        if schema.task == "mixture":
            messages = [{"role": role, "content": f"{about}{number}"} for role in ("user", "assistant")]
            row: dict[str, Any] = {"messages": messages, "answer": "5", "source": "s"}
        else:
            row = {name: _FILLING.get(name, "x") for name in schema.required}
            row[texts[schema.task]] = f"{about} and {number}"
        if "style" in row:
            row |= {"style": STYLES[number % 2], "chunk_id": f"d:{number // 2}"}
        made.append(row)
    return made


_FILLING: dict[str, Any] = {
    "tokens": 5, "test_index": 1, "score": 0.5, "contaminated": True, "selected": 1, "right": True
}  # fmt: skip

# task -> options of publish, and the (configuration, split)s that it gives
FORMS: dict[str, tuple[dict[str, Any], list[tuple[str | None, str]]]] = {
    "solutions": (
        {"options": Publish(rows_per_file=10, splits={"few": 7}, chat="answer")},
        [(None, "train"), (None, "few"), ("chat", "train"), ("chat", "few")],
    ),
    "problems": ({}, [(None, "train")]),
    "verdicts": ({}, [(None, "train")]),
    "selections": ({}, [(None, "train")]),
    "mixture": ({"unique": None}, [(None, "train")]),
    "dialogues": ({"styles": STYLED}, [(name, "train") for name in (None, *STYLES, "longest")]),
}
FOLDERS = {"dialogues": ("debate/", "longest/"), "solutions": ("", "chat/")}  # "" for all others


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """The letters that the loaded rows are about; all calls of a test share a cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    def loaded(*names: str, **more: Any) -> set[str]:
        rows: Any = load_dataset(*names, **more, cache_dir=str(tmp_path / "cache"))
        assert len(rows)
        first = [row.get("messages") or row.get("problem") or row["text"] for row in rows]
        return {each[0]["content"][0] if isinstance(each, list) else each[0] for each in first}

    return loaded


def published(task: str, about: str, place: Path) -> Path:
    """A dataset all of whose files are of one time."""
    scratch = place.with_name(f"{place.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with PartWriter(scratch, 0, fingerprint="f", schema=SCHEMAS[task]) as part:
        for row in rows_of(SCHEMAS[task], about):
            part.write(row)
        part.finish()
    card = CardInfo(name="n", task=task, teacher="t", prompt="p", source="s", samples=1)
    publish([part.path], place, card=card, config={}, **FORMS[task][0])
    for path in [*place.rglob("*"), place]:
        os.utime(path, (10**9, 10**9))
    return place


@pytest.mark.parametrize(
    "places", [("a/dataset", "b/dataset"), ("a/dataset", "a/dataset")], ids=["two", "anew"]
)
@pytest.mark.parametrize("task", FORMS)
def test_every_form_of_a_dataset_is_loaded_with_its_own_rows(
    tmp_path: Path, load: Callable[..., set[str]], task: str, places: tuple[str, str]
) -> None:
    for about, place in zip("AB", places, strict=True):
        dataset = published(task, about, tmp_path / place)
        for name, split in FORMS[task][1]:
            given = [str(dataset)] if name is None else [str(dataset), name]
            assert load(*given, split=split) == {about}, (name, split)


@pytest.mark.parametrize("task", FORMS)
def test_files_of_a_dataset_made_anew_are_loaded_anew_though_their_times_are_the_same(
    tmp_path: Path, load: Callable[..., set[str]], task: str
) -> None:
    for about in "AB":
        dataset = published(task, about, tmp_path / "dataset")
        for folder in FOLDERS.get(task, ("",)):
            for kind, files in (("parquet", "data/train-*.parquet"), ("json", "jsonl/train-*.jsonl.zst")):
                found = load(kind, data_files=f"{dataset}/{folder}{files}", split="train")
                assert found == {about}, (folder, kind)
            found = load(str(dataset), data_files=f"{folder}jsonl/train-*.jsonl.zst", split="train")
            assert found == {about}, folder


def test_equal_rows_have_equal_names(tmp_path: Path) -> None:
    names = [
        sorted(str(path.relative_to(place)) for path in published("solutions", "A", place).rglob("*"))
        for place in (tmp_path / "one", tmp_path / "other")
    ]
    assert names[0] == names[1]
    other = {path.name for path in published("solutions", "B", tmp_path / "b").rglob("*-*")}
    assert other.isdisjoint(path.name for path in (tmp_path / "one").rglob("*-*"))
