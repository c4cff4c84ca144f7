"""Verdicts on what was claimed, by a rule that is the same for every study and is stated beforehand.

The measure is the paired difference of two settings, seed by seed and problem by problem (`crossed`). Of each
claim two probabilities are found: of such data where it is only just false, and where it is only just true.
Twice the smaller is the claim's p; all claims of a study are corrected together by Holm (1979), those without
data counted as well, so that leaving cells out gains nothing. A claim

- holds, if the corrected p is at most the level, and the data speak for it;
- does not hold, if it is, and they speak against it;
- is not resolved otherwise, or with fewer seeds in common than the rule asks for.

So the probability that any verdict of a study is wrong is at most the level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omi_core.study.crossed import Crossed
from omi_core.study.study_options import MORE, Claim, setting_of

HOLDS, FAILS, OPEN = "holds", "does not hold", "not resolved"
_POINTS = 100


@dataclass(frozen=True)
class Judgement:
    """A claim with its verdict. `found` is None where no seed has both settings; `p` is corrected."""

    name: str
    claim: Claim
    found: Crossed | None
    p: float
    verdict: str
    why: str

    @property
    def told(self) -> str:
        """One sentence, made of the numbers."""
        numbers = "" if self.found is None else f"{numbers_of(self.found)}, p {_probability(self.p)}"
        said = "; ".join(part for part in (numbers, self.why) if part)
        return f"{claimed(self.claim)}: {self.verdict} ({said})."

    def to_json(self) -> dict[str, Any]:
        """What `study.json` says of it; differences in points."""
        out: dict[str, Any] = {
            "first": setting_of(self.claim.first),
            "against": setting_of(self.claim.against),
            "claim": self.claim.claim,
            "margin": self.claim.margin,
            "verdict": self.verdict,
            "why": self.why or None,
            "p": float(f"{self.p:.4g}"),
            "told": self.told,
        }
        return out | ({} if self.found is None else crossed_json(self.found))


def judge(
    claims: Mapping[str, Claim], found: Mapping[str, Crossed | None], level: float, min_seeds: int
) -> list[Judgement]:
    """The verdicts on all claims of a study, in their order, from the differences that were found."""
    sides = {name: _sides(claim, found[name], min_seeds) for name, claim in claims.items()}
    corrected = holm([min(1.0, 2 * min(pair)) for pair in sides.values()])
    judged = []
    for (name, claim), p in zip(claims.items(), corrected, strict=True):
        what = found[name]
        false, true = sides[name]
        verdict = OPEN if p > level else HOLDS if false < true else FAILS
        judged.append(Judgement(name, claim, what, p, verdict, _why(what, min_seeds)))
    return judged


def holm(values: Sequence[float]) -> list[float]:
    """Probabilities of several tests, corrected for their number (Holm 1979), in their order."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    out, last = [1.0] * len(values), 0.0
    for rank, at in enumerate(order):
        last = out[at] = max(last, min(1.0, values[at] * (len(values) - rank)))
    return out


def _sides(claim: Claim, found: Crossed | None, min_seeds: int) -> tuple[float, float]:
    """How probable such data are where the claim is only just false, and where it is only just true."""
    if found is None or found.seeds < min_seeds:
        return 1.0, 1.0
    margin = claim.margin / _POINTS
    if claim.claim == MORE:
        return found.above(margin), found.below(margin)
    # That two differ by less takes both sides (Schuirmann 1987); that they differ by more, either.
    return (
        max(found.above(-margin), found.below(margin)),
        min(found.above(margin), found.below(-margin)),
    )


def _why(found: Crossed | None, min_seeds: int) -> str:
    if found is None:
        return "no seed has both"
    return "" if found.seeds >= min_seeds else f"the rule asks for {min_seeds} seeds"


def claimed(claim: Claim) -> str:
    """The claim in words."""
    first, against = setting_of(claim.first), setting_of(claim.against)
    if claim.claim != MORE:
        return f"{first} differs from {against} by less than {claim.margin:g} points"
    if claim.margin > 0:
        return f"{first} is better than {against} by more than {claim.margin:g} points"
    if claim.margin < 0:
        return f"{first} is not worse than {against} by {-claim.margin:g} points or more"
    return f"{first} is better than {against}"


def numbers_of(found: Crossed) -> str:
    """A difference in points with its interval, and how much it rests on."""
    counts = (f"{found.seeds} seed{'s' * (found.seeds != 1)}", f"{found.problems:,} problems")
    if found.error != found.error:  # NaN: there is no interval
        return f"{found.mean * _POINTS:+.1f} points, {' and '.join(counts)}"
    low, high = (each * _POINTS for each in found.interval)
    return (
        f"{found.mean * _POINTS:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}, {' and '.join(counts)}"
    )


def crossed_json(found: Crossed) -> dict[str, Any]:
    """A mean as a share or a difference in [-1, 1]; null where nothing can be said."""
    known = found.error == found.error
    low, high = found.interval
    return {
        "mean": round(found.mean, 6),
        "spread": round(found.spread, 6) if found.seeds > 1 else None,
        "low": round(low, 6) if known else None,
        "high": round(high, 6) if known else None,
        "seeds": found.seeds,
        "problems": found.problems,
    }


def _probability(p: float) -> str:
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}"
