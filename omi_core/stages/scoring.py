"""The last stage of an evaluation: graded samples become figures with intervals, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from omi_core.evaluate.outcome import read_outcome, write_outcome
from omi_core.evaluate.tables import header, lines, markdown, notes
from omi_core.publish.card import CardInfo
from omi_core.publish.parts import read_part
from omi_core.stages.run import Run
from omi_core.terminal import print_table


def score_run(
    run: Run[Any], parts: Sequence[Path], config: Mapping[str, Any], counts: Mapping[str, Any], card: CardInfo
) -> dict[str, Any]:
    """Makes RUN/evaluation of the parts of a run; returns its `stats.json`.

    Raises:
        PartError: a part is damaged.
    """
    sampling = card.sampling or {}
    protocol = {
        "prompt": card.prompt,
        "samples": run.plan.samples,
        **{name: sampling[name] for name in ("temperature", "top_p", "max_tokens") if name in sampling},
    }
    return write_outcome(
        run.layout.evaluation,
        chain.from_iterable(map(read_part, parts)),
        fingerprint=run.plan.fingerprint,
        about={"teacher": card.teacher, "rehearsal": card.rehearsal, "protocol": protocol},
        config=config,
        counts=counts,
        table=partial(markdown, f"Evaluation of {card.teacher}", protocol),
    )


def show_scores(run: Run[Any]) -> None:
    """Prints the table of an evaluation. Raises ValueError when it is damaged."""
    found = read_outcome(run.layout.evaluation)
    print_table(header(run.plan.samples), lines(found.figures))
    for note in notes(found.figures):
        print(note)
    print(f"evaluation: {run.layout.evaluation}")
