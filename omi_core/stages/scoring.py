"""The last stage of an evaluation: graded samples become figures with intervals, and the table of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from omi_core.answers.yes_no import YES
from omi_core.evaluate.outcome import PAIRS, read_outcome, write_outcome
from omi_core.evaluate.tables import header, lines, markdown, notes
from omi_core.evaluate.tallies import RIGHT, UNDECIDED, WRONG, Rows
from omi_core.inputs import Row, file_rows
from omi_core.options import ConfigError
from omi_core.publish.card import CardInfo
from omi_core.publish.parts import read_part
from omi_core.publish.published import dataset_files
from omi_core.stages.run import Run
from omi_core.tasks.rulings import PAIR
from omi_core.tasks.score_join import ScoreReader
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


def undecided_pairs(run: Run[Any], wrong: bool) -> int:
    """How many answers a judge is to be asked about: undecided ones, or `wrong` ones, too."""
    with (run.layout.evaluation / PAIRS).open("rb") as file:
        return sum(wrong or orjson.loads(line)["verdict"] == UNDECIDED for line in file)


def score_judged(run: Run[Any], parts: Sequence[Path], rulings: Path, name: str) -> None:
    """Makes RUN/judged-NAME of the parts of a run: the figures with a judge's rulings. Shows them.

    Raises:
        ConfigError: `rulings` is not the dataset of a run of that task.
    """
    said: dict[tuple[str, ...], str] = {}
    for where, row in _rows_of("judge", str(rulings), [*PAIR, "same"]):
        if not {*PAIR, "same"} <= row.keys():
            raise ConfigError(f"judge={rulings}: {where} holds no ruling; give a run of task=rulings")
        if row["same"] is not None:
            said[tuple(row[key] for key in PAIR)] = RIGHT if row["same"] == YES else WRONG
    print(f"\nwith the rulings of {name} on {len(said):,} answers:")
    rows = (_ruled(row, said) for row in chain.from_iterable(map(read_part, parts)))
    _score_anew(run, rows, f"judged-{name}", {"judge": name})


def score_by(run: Run[Any], parts: Sequence[Path], given: str) -> None:
    """Makes RUN/scored-NAME of the parts of a run: the figures with those by score. Shows them.

    `given` is a run of `jobs.score` on it, or files with `record_id`, `sample` and `score` of every sample.

    Raises:
        ConfigError: there are none, or that of a sample is missing, not a number, or of another text.
    """
    reader = ScoreReader("scores", given)

    def scores(samples: Rows) -> list[float]:
        texts = [
            (row["sample"], row["generated_solution"] if row["finish"] == "stop" else None) for row in samples
        ]
        found = reader.of(samples[0]["record_id"], texts)
        return [-math.inf if score is None else score for score in found]

    name = Path(given).name.partition(".")[0]
    rows = chain.from_iterable(map(read_part, parts))
    _score_anew(run, rows, f"scored-{name}", {"scores": name}, scores)


def _rows_of(key: str, given: str, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    return chain.from_iterable(file_rows(path, columns) for path in dataset_files(key, given))


def _score_anew(
    run: Run[Any],
    rows: Iterable[dict[str, Any]],
    place: str,
    by: Mapping[str, str],
    scores: Callable[[Rows], list[float]] | None = None,
) -> None:
    """Makes other figures of a run beside its own, and shows them; `by` says what they are made with."""
    before = read_outcome(run.layout.evaluation)
    words = ", ".join(f"{key}: {value}" for key, value in by.items())
    directory, protocol = run.layout.root / place, {**before.protocol, **by}
    write_outcome(
        directory,
        rows,
        fingerprint=run.plan.fingerprint,
        about={"teacher": before.teacher, "rehearsal": before.rehearsal, "protocol": protocol},
        config={"fingerprint": run.plan.fingerprint, **by},
        counts={},
        table=partial(markdown, f"Evaluation of {before.teacher}, {words}", protocol),
        scores=scores,
    )
    show_figures(directory)


def _ruled(row: dict[str, Any], said: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """A graded sample with the judge's verdict, where there is one; what is proved right stays so."""
    ruling = said.get(tuple(row[key] for key in PAIR)) if row["verdict"] in (UNDECIDED, WRONG) else None
    return row if ruling is None else row | {"verdict": ruling}


def show_scores(run: Run[Any]) -> None:
    """Prints the table of an evaluation. Raises ValueError when it is damaged."""
    show_figures(run.layout.evaluation)


def show_figures(directory: Path) -> None:
    """Prints the table of the figures there. Raises ValueError when they are damaged."""
    found = read_outcome(directory)
    print_table(header(found.figures), lines(found.figures))
    for note in notes(found.figures):
        print(note)
    print(f"evaluation: {directory}")
