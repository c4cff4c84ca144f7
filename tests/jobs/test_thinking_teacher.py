"""Every task on the embedded teacher that thinks: thoughts are journalled, and no row holds any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars
import pytest

from omi_core.finish import UNCLOSED
from omi_core.publish.verify import verify
from omi_core.records import Sample
from omi_core.store.journal import read_samples
from tests.conftest import Job
from tests.installed import needs

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1200)]
needs("vllm")


def made(job: Job, place: Path, *words: str) -> tuple[list[Sample], list[dict[str, Any]], dict[str, Any]]:
    """Samples, rows and counts of a small run."""
    run = ["teacher=tiny_thinking", "data.size=12", "engine.kv_cache_gb=0.25", "cluster.workers=1"]
    done = job("generate", *run, *words, "run.dir=run", timeout=900)
    assert done.returncode == 0, done.stderr
    verify(place / "run/dataset")
    journals = sorted((place / "run/generate").glob("*.jsonl.zst"))
    files = sorted((place / "run/dataset").rglob("*.parquet"))
    return (
        [sample for group in read_samples(journals, 0, 100) for sample in group],
        [row for file in files for row in polars.read_parquet(file).to_dicts()],
        orjson.loads((place / "run/dataset/stats.json").read_bytes())["counts"],
    )


@pytest.mark.parametrize(
    ("words", "column"),
    [
        (["samples=4"], "generated_solution"),
        (["task=problems", "samples=2"], "problem"),
        (["task=dialogues", "samples=1", "style=[debate,interview]"], "text"),
    ],
    ids=["solutions", "problems", "dialogues"],
)
def test_it_thinks_before_every_task_and_no_row_shows_it(
    job: Job, tmp_path: Path, words: list[str], column: str
) -> None:
    samples, rows, counts = made(job, tmp_path, *words)
    thought = [sample for sample in samples if sample.reasoning]
    assert len(thought) >= 0.9 * len(samples)
    assert not any("think>" in f"{sample.reasoning}{sample.text}" for sample in thought)
    assert all(0 < sample.reasoning_tokens <= sample.completion_tokens for sample in thought)
    assert counts["tokens"]["reasoning"] == sum(sample.reasoning_tokens for sample in samples)
    replies = {sample.text for sample in samples}
    assert rows and all(any(row[column].strip() in reply for reply in replies) for row in rows)


def test_boxes_in_its_thoughts_drop_no_row(job: Job, tmp_path: Path) -> None:
    samples, rows, counts = made(job, tmp_path, "samples=4")
    assert sum((sample.reasoning or "").count("\\boxed{") > 1 for sample in samples) > 4
    assert counts["filters"]["several_boxed"]["dropped"] <= 1
    assert len(rows) > len(samples) / 4


def test_thinking_that_max_tokens_cuts_off_is_counted_and_not_published(job: Job, tmp_path: Path) -> None:
    samples, rows, counts = made(job, tmp_path, "samples=4", "sampling.max_tokens=96")
    unclosed = [sample for sample in samples if sample.finish_reason == UNCLOSED]
    assert unclosed and len(unclosed) == counts["finish"][UNCLOSED]
    assert all(sample.reasoning and not sample.text for sample in unclosed)
    assert all("\\boxed{" in row["generated_solution"] for row in rows)


def test_an_option_of_the_chat_template_makes_it_reply_at_once(job: Job, tmp_path: Path) -> None:
    samples, rows, counts = made(
        job, tmp_path, "samples=4", "+teacher.chat_template_kwargs.enable_thinking=false"
    )
    assert not any(sample.reasoning for sample in samples)
    assert counts["tokens"].get("reasoning", 0) == 0
    assert rows and all("\\boxed{" in row["generated_solution"] for row in rows)
