"""How often each row of an input stands in a mixture: limits, repeats and shares become numbers of rows.

Shares are read as the decimals that the user wrote, and counted exactly: no count is a whole row or more off
its share, and the counts add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from omi_core.combine.combine_options import MixInput, decimal_share
from omi_core.options import ConfigError


@dataclass(frozen=True, slots=True)
class Amount:
    """Each row of an input is taken `every` times, and `drawn` of them, by the seed, `more` times more."""

    every: int
    drawn: int
    more: int

    def rows(self, available: int) -> int:
        """Rows of the mixture, when the input has this many."""
        return self.every * available + self.drawn * self.more


def amounts(
    available: Mapping[str, int], inputs: Mapping[str, MixInput], rows: int | None
) -> dict[str, Amount]:
    """The amount of each input, from the number of its usable rows; the inputs are as `load_mix` checks them.

    Raises:
        ConfigError: an input has no usable row, or too few.
    """
    for name, count in available.items():
        if not count:
            raise ConfigError(f"inputs.{name}: has no usable row; fix it or omit it")
    shares = {name: decimal_share(item.share) for name, item in inputs.items() if item.share is not None}
    out = {name: _fixed(available[name], item) for name, item in inputs.items() if name not in shares}
    total = sum(shares.values(), Fraction(0))
    if out:
        fixed = sum(amount.rows(available[name]) for name, amount in out.items())
        size = floor(fixed / (1 - total))
        counts = _rounded(shares, size, size - fixed)
    else:
        shares = {name: share / total for name, share in shares.items()}
        most = min(available[name] * inputs[name].repeat / share for name, share in shares.items())
        size = rows or floor(most)
        counts = _rounded(shares, size, size)
    for name, count in counts.items():
        out[name] = _shared(name, count, available[name], inputs[name])
    return {name: out[name] for name in inputs}


def _fixed(available: int, item: MixInput) -> Amount:
    if item.limit is None or item.limit >= available:
        return Amount(item.repeat, 0, 0)
    return Amount(0, item.limit, item.repeat)


def _rounded(shares: Mapping[str, Fraction], size: int, rows: int) -> dict[str, int]:
    """Whole numbers that add up to `rows`, next to `shares` of `size`: largest remainders are rounded up."""
    counts = {name: floor(share * size) for name, share in shares.items()}
    by_rest = sorted(shares, key=lambda name: (counts[name] - shares[name] * size, name))
    for name in by_rest[: rows - sum(counts.values())]:
        counts[name] += 1
    return counts


def _shared(name: str, count: int, available: int, item: MixInput) -> Amount:
    if count > available * item.repeat:
        raise ConfigError(
            f"inputs.{name}: a share of {item.share:g} is {count:,} rows, and it has {available:,}; allow "
            f"inputs.{name}.repeat={ceil(count / available)}, or take less of the others"
        )
    return Amount(count // available, count % available, 1)
