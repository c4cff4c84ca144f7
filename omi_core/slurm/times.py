"""Time limits as sbatch takes them, a wrong one refused before anything is submitted; durations in words."""

from __future__ import annotations

import re

from omi_core.cluster_options import Cluster
from omi_core.options import ConfigError

_FORMS = (
    # days-hours, days-hours:minutes, days-hours:minutes:seconds
    (re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?"), (86400, 3600, 60, 1)),
    (re.compile(r"(\d+):(\d+):(\d+)"), (3600, 60, 1)),
    (re.compile(r"(\d+)(?::(\d+))?"), (60, 1)),  # minutes, minutes:seconds
)
_NO_LIMIT = ("unlimited", "infinite", "-1", "0")
# YAML takes 12:00:00 without quotes for the number 43200, which sbatch would take for minutes.
_SUSPICIOUS_MINUTES = 3600


def limit_seconds(text: str) -> int | None:
    """Seconds of a time limit such as `30`, `4:00:00` or `1-12`; None for no limit.

    Raises ValueError when sbatch would not take it.
    """
    if text.strip().lower() in _NO_LIMIT:
        return None
    for form, units in _FORMS:
        if found := form.fullmatch(text.strip()):
            return sum(int(part or 0) * unit for part, unit in zip(found.groups(), units, strict=True))
    raise ValueError(text)


def in_words(seconds: float) -> str:
    """A duration for people: `45 s`, `12 min 05 s`, `3 h 20 min`, `2 days 4 h`."""
    whole = round(seconds)
    for large, unit, small, rest in ((86400, "days", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= large * (2 if unit == "days" else 1):
            return f"{whole // large} {unit} {whole % large // small:02d} {rest}"
    return f"{whole} s"


def check_times(cluster: Cluster) -> None:
    """Raises ConfigError for a time limit that sbatch would not take, or that leaves no time to work."""
    for key, text in (("time", cluster.time), ("cpu_time", cluster.cpu_time)):
        try:
            limit = limit_seconds(text)
        except ValueError:
            raise ConfigError(
                f"cluster.{key}={text}: not a time limit; minutes, HH:MM:SS or D-HH:MM:SS"
            ) from None
        if text.isdigit() and int(text) >= _SUSPICIOUS_MINUTES:
            raise ConfigError(
                f"cluster.{key}={text}: a bare number is minutes, here {int(text) / 1440:.1f} days; "
                f'in a profile {key}: "HH:MM:SS" takes quotes; more than 60 hours is D-HH:MM:SS'
            )
        if limit is not None and cluster.signal_seconds >= limit:
            raise ConfigError(
                f"cluster.signal_seconds={cluster.signal_seconds}: not less than cluster.{key}={text} "
                f"({limit} s); a task would hand back its work at once"
            )
