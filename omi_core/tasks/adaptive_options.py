"""Options of adaptive sampling: when a record has samples enough."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option


@dataclass
class Adaptive:
    """Samples in rounds, and no more of a record than it takes."""

    first: int | None = option(
        None,
        "samples that every record gets; `samples` is then the most. null: all get `samples`",
        ge=1,
        late=True,
    )
    step: int = option(8, "samples of each further round", ge=1, late=True)
    until: str = option(
        "vote",
        "when it is enough. vote: the vote is settled; right: adaptive.right samples are right; "
        "difficulty: the record has a share of `samples` as large as its share of wrong ones",
        choices=("vote", "right", "difficulty"),
        late=True,
    )
    right: int = option(4, "for adaptive.until=right: right samples that are enough", ge=1, late=True)
    confidence: float = option(
        1.0,
        "for adaptive.until=vote: how sure the lead of the majority has to be; 1: nothing can overtake it",
        gt=0.5,
        le=1,
        late=True,
    )
