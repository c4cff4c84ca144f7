"""The evaluations of a model that jobs.train has made, on the card that lies beside it.

Of a reward model these are the evaluations whose samples it has scored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omi_core.config import Generate
from omi_core.evaluate.outcome import CARD
from omi_core.stages.run import Run
from omi_core.store.files import LockTaken, lock, write_atomic
from omi_core.teachers.models import trained_card

_LOCK_S = 60.0


def tell_card(run: Run[Any]) -> None:
    """Writes the table of an evaluation on the card of the model, over what stood there of the same one.

    Of another run, or a model of another origin, nothing is done. That a card cannot be written is no error.
    """
    card = trained_card(run.config.teacher) if isinstance(run.config, Generate) else None
    tables = [place / CARD for place in (run.layout.evaluation, run.layout.scored)]
    table = next((path for path in tables if path.is_file()), None)
    if card is None or table is None:
        return
    try:
        with lock(card.with_name(f".{card.name}.lock"), wait=_LOCK_S):
            _write(card, run.plan.fingerprint, table.read_text(encoding="utf-8"))
    except (LockTaken, OSError, UnicodeDecodeError) as error:
        print(f"warning: {card}: the evaluation is not on the card ({error})", flush=True)


def _write(card: Path, fingerprint: str, table: str) -> None:
    begin, end = f"<!-- evaluation {fingerprint} -->", f"<!-- end of evaluation {fingerprint} -->"
    title, _, body = table.partition("\n")
    block = f"{begin}\n## {title.lstrip('# ')}\n{body.rstrip()}\n{end}"
    before = card.read_text(encoding="utf-8")
    at, to = before.find(begin), before.find(end)
    if 0 <= at < to:
        after = before[:at] + block + before[to + len(end) :]
    else:
        after = f"{before.rstrip()}\n\n{block}\n"
    if after != before:
        write_atomic(card, after.encode())
