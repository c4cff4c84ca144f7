"""Which responses to a problem a reward model is trained on: score-sorted sampling (arXiv 2412.15084, 4.1.2).

Right responses that score high are right for good reasons, and wrong ones that score low are truly wrong: a
rule that compares answers errs with the others more often. So both kinds are drawn from that end of their
ranks. What is drawn depends on the seed, the problem and its candidates alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from omi_core.inputs import Row
from omi_core.preferences.preference_options import Preferences
from omi_core.records import digest128

OF_EACH = ("responses", "right", "answers", "teachers", "scores")


def drawn_row(row: Row, config: Preferences) -> Row | str:
    """The row with the responses that are drawn, right ones first; or in a word why none are."""
    draw = Random(digest128("preferences", config.seed, row["problem"]))
    first: dict[str, int] = {}
    for at, text in enumerate(row["responses"]):
        first.setdefault(text, at)
    kept = list(first.values())
    draw.shuffle(kept)  # ranks that are equal, or not known, are drawn, too
    sides = [[at for at in kept if row["right"][at] is side] for side in (True, False)]
    if kept and not all(sides):
        return "all_right" if sides[0] else "all_wrong"
    if "scores" in row:
        sides[0].sort(key=lambda at: -row["scores"][at])
        sides[1].sort(key=lambda at: row["scores"][at])
        sides = [side[: config.top] for side in sides]
    if sum(map(len, sides)) < config.size:
        return "few_responses"
    numbers = _numbers(draw, len(sides[0]), len(sides[1]), config)
    if numbers is None:
        return "unbalanced"
    chosen = [
        at
        for side, number in zip(sides, numbers, strict=True)
        for at in (side[place] for place in sorted(draw.sample(range(len(side)), number)))
    ]
    return {name: [value[at] for at in chosen] if name in OF_EACH else value for name, value in row.items()}


def _numbers(draw: Random, right: int, wrong: int, config: Preferences) -> tuple[int, int] | None:
    """How many right and wrong responses are drawn of these; None where they cannot be balanced as asked."""
    half = (config.size + draw.randrange(2)) // 2  # of an odd number either half
    if config.balance == "exact" and min(right, wrong) < half:
        return None
    # At least one of either, and of neither more than there are.
    chosen = min(max(half, config.size - wrong, 1), right, config.size - 1)
    return chosen, config.size - chosen


def formed(row: Row, config: Preferences) -> Iterator[Row]:
    """The rows that a drawn one becomes in the form that is asked for."""
    if config.form == "responses":
        yield row
    elif config.form == "messages":
        asked = _message("user", row["problem"])
        told = [[asked, _message("assistant", text)] for text in row["responses"]]
        yield {"messages" if name == "responses" else name: value for name, value in row.items()} | {
            "messages": told
        }
    else:
        yield from _pairs(row, config)


def _pairs(row: Row, config: Preferences) -> Iterator[Row]:
    right = [at for at, each in enumerate(row["right"]) if each]
    wrong = [at for at, each in enumerate(row["right"]) if not each]
    pairs = [(chosen, rejected) for chosen in right for rejected in wrong]
    if config.pairs is not None and config.pairs < len(pairs):
        draw = Random(digest128("pairs", config.seed, row["problem"]))
        pairs = [pairs[at] for at in sorted(draw.sample(range(len(pairs)), config.pairs))]
    for pair in pairs:
        out: Row = {"prompt": [_message("user", row["problem"])]}
        sides = dict(zip(("chosen", "rejected"), pair, strict=True))
        for side, at in sides.items():
            out[side] = [_message("assistant", row["responses"][at])]
        out |= {name: row[name] for name in ("expected_answer", "problem_source")}
        out |= {f"score_{side}": row["scores"][at] for side, at in sides.items() if "scores" in row}
        yield out | {f"teacher_{side}": row["teachers"][at] for side, at in sides.items()}


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def merged(rows: Sequence[Row]) -> Row:
    """The rows of one problem, of several runs, as one; the first says what its answer is called."""
    return rows[0] | {
        name: [each for row in rows for each in row[name]] for name in OF_EACH if name in rows[0]
    }
