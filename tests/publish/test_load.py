"""`datasets.load_dataset` opens what was published, offline, with the field types of the published sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.publish import CardInfo, publish
from omi_core.publish.publish_options import Publish

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/data/real_samples/openmathinstruct2_100.jsonl"


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real samples are not at hand")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_load_dataset_gives_back_rows_splits_and_messages_in_order(
    tmp_path: Path, card: CardInfo, write_parts: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import List, Value, load_dataset

    rows = [orjson.loads(line) for line in SAMPLES.read_bytes().splitlines()]
    parts = write_parts(tmp_path / "r", [rows[:50], rows[50:]])
    # Twelve files: were they not read in the order of their numbers, the rows would be shuffled.
    splits = {"train_20": 20, "train_1M": 1_000_000}
    publish(
        parts,
        tmp_path / "ds",
        card=card,
        config={},
        options=Publish(rows_per_file=9, splits=splits, chat="answer"),
    )
    loaded = load_dataset(str(tmp_path / "ds"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train", "train_20", "train_1M"]
    assert list(loaded["train"]) == list(loaded["train_1M"]) == rows
    assert loaded["train"].features == dict.fromkeys(rows[0], Value("string"))
    drawn: list[Any] = list(loaded["train_20"])
    assert drawn == [row for row in rows if row in drawn] and len(drawn) == 20

    chat = load_dataset(str(tmp_path / "ds"), "chat", split="train_20", cache_dir=str(tmp_path / "cache"))
    message = {"role": Value("string"), "content": Value("string")}
    assert chat.features == {
        "messages": List(message),
        "answer": Value("string"),
        "problem_source": Value("string"),
    }
    assert list(chat) == [
        {
            "messages": [
                {"role": "user", "content": row["problem"]},
                {"role": "assistant", "content": row["generated_solution"]},
            ],
            "answer": row["expected_answer"],
            "problem_source": row["problem_source"],
        }
        for row in drawn
    ]
