"""What jobs.combine and jobs.mix do: make a dataset, tell failures in one line, show what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from omi_core.combine.combine_options import Combine, Mix
from omi_core.combine.combining import KEPT, READ, Outcome, combine
from omi_core.combine.mixing import make_mix
from omi_core.combine.sources import InputDamaged
from omi_core.publish.dataset import NothingToPublish
from omi_core.publish.parts import PartError
from omi_core.store.files import disk_failed
from omi_core.store.frames import FrameDamaged


def combine_datasets(config: Combine) -> int:
    """Brings the combined dataset of a config to its end; returns the exit code.

    Raises:
        ConfigError: as `combine`; or another process works in the directory.
    """
    return finish(lambda: combine(config))


def mix_datasets(config: Mix) -> int:
    """As `combine_datasets` for a mixture."""
    return finish(lambda: make_mix(config))


def finish(make: Callable[[], Outcome]) -> int:
    """Makes a dataset and shows what came of it, or tells in a line why not; returns the exit code."""
    try:
        show(make())
    except (FrameDamaged, InputDamaged, NothingToPublish, PartError, OSError) as error:
        if isinstance(error, OSError) and not disk_failed(error):
            raise
        print(f"failed: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def show(made: Outcome) -> None:
    """Prints what came of each input, the splits, and where the dataset lies."""
    stats = made.stats
    for key, count in stats["counts"]["inputs"].items():
        _show_taken(made.inputs[key], count, made.unit)
    if "problems" in stats["counts"]:
        _show_taken("all", stats["counts"]["problems"], "problems")
    if stats["duplicates_dropped"]:
        print(f"duplicates dropped: {stats['duplicates_dropped']:,}")
    for name, split in stats["splits"].items():
        print(f"{name}: {split['rows']:,} rows")
    print(f"dataset: {made.dataset}  (datasets.load_dataset opens it)")


def _show_taken(name: str, count: Mapping[str, int], unit: str) -> None:
    told = sorted(item for item in count.items() if item[0] not in (READ, KEPT))
    more = "".join(f", {reason.replace('_', ' ')} {number:,}" for reason, number in told if number)
    print(f"{name}: {count[READ]:,} {unit}, {count[KEPT]:,} taken{more}")
