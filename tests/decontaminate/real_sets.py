"""The published test sets beside the checkout, by name."""

from __future__ import annotations

SETS = {
    "gsm8k": "gsm8k/test.jsonl",
    "math": "math/test.jsonl",
    "amc23": "amc23/test.jsonl",
    "aime24": "aime24/test.jsonl",
    "olympiad": "olympiadbench/test.jsonl",
}
