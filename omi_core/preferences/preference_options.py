"""The options of `jobs.preferences`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omi_core import options
from omi_core.combine.combine_options import Place
from omi_core.options import ConfigError, option, section
from omi_core.publish.rows import CONVERSATIONS, PAIRS, RESPONSES

FORMS = {"responses": RESPONSES, "messages": CONVERSATIONS, "pairs": PAIRS}


@dataclass
class Preferences:
    """Root of `jobs.preferences`; the defaults are those of AceMath (arXiv 2412.15084, section 4.1)."""

    inputs: list[str] = option(
        [], "finished runs of solutions: several teachers, or one, on the same problems", transient=True
    )
    scores: list[str] = option(
        [], "of each input, in their order, the run that scored it; none: responses are drawn at random",
        transient=True,
    )  # fmt: skip
    name: str = option("preferences", "the name of the dataset on the card")
    form: str = option(
        "responses",
        "a row: a problem and its responses, as texts or as messages; or a pair of them, chosen and rejected",
        choices=tuple(FORMS),
    )
    size: int = option(6, "responses that are drawn for a problem", ge=2)
    top: int = option(
        14, "they are drawn from this many best right ones and this many worst wrong ones", ge=1
    )
    balance: str = option(
        "near",
        "half of them right: as near to it as there are responses, or exact, leaving out other problems",
        choices=("near", "exact"),
    )
    pairs: int | None = option(
        None,
        "with form=pairs: most pairs of a problem, drawn; null: each right one with each wrong one",
        ge=1,
    )
    max_chars: int | None = option(
        None, "longest response that is drawn, in characters; null: any that was scored", ge=1
    )
    seed: int = option(42, "seed of what is drawn", ge=0)
    rows_per_file: int = option(500_000, "rows per parquet and jsonl.zst file", ge=1)
    workers: int = option(
        0, "processes that compare answers; 0: as many as there are processors", ge=0, transient=True
    )
    run: Place = section(Place, transient=True)


def load_preferences(values: Mapping[str, Any]) -> Preferences:
    """The checked config of `jobs.preferences`.

    Raises:
        ConfigError: as `options.load`, or values that do not go together.
    """
    config = options.load(Preferences, values)
    if not config.inputs:
        raise ConfigError("inputs: missing; give finished runs of solutions, e.g. inputs=[runs/a,runs/b]")
    if twice := next((given for given in config.inputs if config.inputs.count(given) > 1), None):
        raise ConfigError(f"inputs={twice}: is given twice; its responses would only be repeated")
    if config.scores and len(config.scores) != len(config.inputs):
        raise ConfigError(
            f"scores: {len(config.scores)} for {len(config.inputs)} inputs; give one for each, in their order"
        )
    if 2 * config.top < config.size:
        raise ConfigError(f"top={config.top}: too few to draw size={config.size}; raise it, or lower size")
    if config.balance == "exact" and config.size % 2:
        raise ConfigError(f"balance=exact: size={config.size} has no half; give an even number")
    if config.pairs is not None and config.form != "pairs":
        raise ConfigError(
            f"pairs={config.pairs}: not read with form={config.form}; give form=pairs, or omit it"
        )
    return config
