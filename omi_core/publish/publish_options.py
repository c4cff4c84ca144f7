"""Options of the published dataset."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option


@dataclass
class Publish:
    """What the dataset holds beside its rows, and how it is cut into files."""

    rows_per_file: int = option(500_000, "rows per parquet and jsonl.zst file", ge=1)
    provenance: bool = option(True, "add columns for record, sample, votes, agreement, tokens and teacher")
    pass_rate: bool = option(
        False, "add a column with the share of the problem's samples that are right", late=True
    )
    splits: dict[str, int] = option(
        {}, "further splits, NAME: ROWS, by fair downsampling: first solutions first, then second ones, …"
    )
    seed: int = option(42, "seed of these splits: which solution of a problem is its first", ge=0)
    reasoning: str = option(
        "drop",
        "thinking before a solution: a column of its own, inline before the solution in its tags, or drop",
        choices=("drop", "column", "inline"),
        late=True,
    )
    chat: str | None = option(
        None,
        "publish all rows as chat messages, too, with the answer in a column of this name; null: do not",
        choices=("expected_answer", "answer"),
    )
    reasoning_key: str = option(
        "reasoning_content",
        "key of a chat message for publish.reasoning=column: as Qwen3 reads it, or thinking, as gpt-oss does",
        choices=("reasoning_content", "thinking"),
        late=True,
    )
