"""`datasets.load_dataset` opens what was published, offline, with the field types of the published sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from omi_core.publish import CardInfo, publish

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/data/real_samples/openmathinstruct2_100.jsonl"


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real samples are not at hand")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_load_dataset_gives_back_the_rows_in_order(
    tmp_path: Path, card: CardInfo, write_parts: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import Value, load_dataset

    rows = [orjson.loads(line) for line in SAMPLES.read_bytes().splitlines()]
    parts = write_parts(tmp_path / "r", [rows[:50], rows[50:]])
    # Twelve files: were they not read in the order of their numbers, the rows would be shuffled.
    publish(parts, tmp_path / "ds", card=card, config={}, rows_per_file=9)
    loaded = load_dataset(str(tmp_path / "ds"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert list(loaded["train"]) == rows
    assert loaded["train"].features == dict.fromkeys(rows[0], Value("string"))
