"""A row of any task as people read it: a line about it, and its texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def shown(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What a row is, in a line, and its texts in the order in which they are read."""
    if "generated_solution" in row:
        votes = f", {row['votes']} of {row['voters']} votes" if row.get("votes") is not None else ""
        return f"{row['expected_answer']}{votes}", [row["problem"], row["generated_solution"]]
    if "messages" in row:
        return f"{row['source']}", [f"{said['role']}: {said['content']}" for said in row["messages"]]
    if "text" in row:
        return f"{row['style']}, {row['tokens']} tokens, of {row['chunk_id']}", [row["text"]]
    if "question" in row:
        said = "contaminated" if row["contaminated"] else "clean"
        return f"{said}, by {row['test_set']} {row['test_index']}", [row["problem"], row["question"]]
    seed = [f"seed: {row['seed_problem']}"] if row.get("seed_problem") else []
    return row["problem_source"], [*seed, row["problem"]]
