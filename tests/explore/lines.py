"""Lines as `jobs.decontaminate` writes them, made short; a question a/Which? is Which? of the test set a."""

from __future__ import annotations

from typing import Any


def hit(question: str, method: str = "ngram", score: float = 0.8, index: int = 0) -> dict[str, Any]:
    test_set, _, text = question.partition("/")
    return {"test_set": test_set, "test_index": index, "test_text": text, "method": method, "score": score}


def pair(
    problem: str, question: str, method: str = "ngram", score: float = 0.8, index: int = 0
) -> dict[str, Any]:
    """A line of contamination.jsonl."""
    return {"where": f"in:{problem}", "problem": problem, **hit(question, method, score, index)}


def near(problem: str, *questions: tuple[str, float]) -> dict[str, Any]:
    """A line of nearest.jsonl."""
    found = [hit(question, "embedding", score) for question, score in questions]
    return {"where": f"in:{problem}", "problem": problem, "nearest": found}
