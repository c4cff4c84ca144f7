"""The pages of a run's records: the one that is served, and the one that is passed on.

Every text is hostile: it is escaped by the template, pages have no script, and their policy allows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from threading import Lock
from typing import Any

from omi_core.explore.explorer import MARK
from omi_core.explore.record_index import Line, RecordIndex
from omi_core.explore.selection import EVERY, ORDERS, Selection
from omi_core.metrics import count_text, share
from omi_core.options import ConfigError
from omi_core.records import Record
from omi_core.report import html
from omi_core.report.mathml import with_formulas
from omi_core.stages.run import Run
from omi_core.store.frames import FrameDamaged
from omi_core.store.plan import Records
from omi_core.tasks import task_of
from omi_core.tasks.reducing import Fate

PAGE = 50
_POLICY = "default-src 'none'; form-action 'self'; base-uri 'none'"
_TEXT = 20_000  # characters of a text that are shown
_AROUND = 1_000  # and of what lies around a place beyond them
_ANSWER = 200


class RecordPages:
    """Makes the pages of one run from its index; for any number of threads."""

    def __init__(self, run: Run[Any], index: RecordIndex) -> None:
        self._run, self._index = run, index
        self._records, self._lock = Records(run.layout.records), Lock()

    def served(self, selection: Selection, at: int) -> str:
        """The records that are selected, a page of them as a list, and the one at `at` (from 0) in full.

        Raises:
            ConfigError: no sample can become the reason that is selected.
        """
        self._check(selection)
        total, lines = self._index.find(selection, at // PAGE * PAGE, PAGE)
        if at and not lines:
            return self.served(selection, max(0, total - 1))
        first, warning, records = at // PAGE * PAGE, "", []
        chosen = min(at - first, len(lines) - 1)
        if lines:
            try:
                records = [self._shown(lines[chosen].ordinal, selection.reason)]
            except (ConfigError, FrameDamaged, OSError) as error:
                warning = f"record {lines[chosen].ordinal}: {error}"
        here = first + chosen

        def link(label: str, to: int, rel: str = "") -> dict[str, str]:
            return {"label": label, "href": selection.query(at=to or None), "rel": rel}

        last = first + len(lines)
        return self._page(
            selection,
            warning=warning,
            form=self._form(selection),
            lines=[
                _listed(line, selection.query(at=first + number or None), number == chosen)
                for number, line in enumerate(lines)
            ],
            found=f"{first + 1:,} to {last:,} of {total:,} records" if lines else "No record matches.",
            pages=[link("back", first - PAGE)] * (first > 0) + [link("more", last)] * (last < total),
            neighbours=[link("previous", here - 1, "prev")] * (here > 0)
            + [link("next", here + 1, "next")] * (here + 1 < total),
            records=records,
        )

    def chosen(self, selection: Selection, limit: int) -> tuple[str, int, int]:
        """(a page of the first `limit` records that are selected, how many these are, of how many).

        Raises:
            ConfigError, FrameDamaged, FileNotFoundError: a record cannot be read.
        """
        self._check(selection)
        total, lines = self._index.find(selection, 0, limit)
        warning = (
            f"This page holds the first {len(lines):,} of {total:,} records." if len(lines) < total else ""
        )
        page = self._page(
            selection,
            warning=warning,
            form=None,
            lines=None,
            records=[self._shown(line.ordinal, selection.reason) for line in lines],
            about=f"Of the records these: {selection}.",
        )
        return page, len(lines), total

    def _check(self, selection: Selection) -> None:
        names = [name for name, _, _ in self._index.outcomes]
        if selection.reason and selection.reason not in names:
            known = ", ".join(names) or "nothing so far"
            raise ConfigError(f"reason={selection.reason}: no sample of the run became that; known: {known}")

    def _page(self, selection: Selection, **values: Any) -> str:
        style = html.packaged("report/style.css", "explore/records.css")
        plan, form = self._run.plan, values["form"]
        teacher = getattr(self._run.config, "teacher", None)
        about = task_of(self._run.config).name + (f" of {teacher.name}" if teacher else "")
        known: dict[str, Any] = {"about": about, "found": "", "pages": (), "neighbours": ()}
        outcomes = [
            {
                "name": _words(name),
                "samples": count_text(samples),
                "colour": _colour(name),
                "tag": "a" if form else "span",
                "href": replace(selection, reason="" if name == selection.reason else name).query(),
                "chosen": name == selection.reason,
            }
            for name, samples, _ in self._index.outcomes
        ]
        return html.render(
            "explore/records.html",
            policy=f"{_POLICY}; style-src {html.content_hash(style)}",
            mark=MARK + plan.fingerprint[:12],
            title=f"{plan.records:,} records of {self._run.layout.root.name}",
            style=style,
            outcomes=outcomes,
            **{**known, **values},
        )

    def _form(self, selection: Selection) -> dict[str, Any]:
        spans = (
            ("pass_rate", "Pass rate", selection.pass_rate),
            ("disagreement", "Disagreement", selection.disagreement),
        )
        return {
            "search": selection.search,
            "reason": selection.reason,
            "reasons": [(name, _words(name)) for name, _, _ in self._index.outcomes],
            "spans": [
                {"name": name, "label": label, "least": least, "most": most}
                for name, label, span in spans
                for least, most in [("", "") if span == EVERY else (f"{span[0]:g}", f"{span[1]:g}")]
            ],
            "order": selection.order,
            "orders": [(name, label) for name, (label, _) in ORDERS.items()],
        }

    def _shown(self, ordinal: int, reason: str) -> dict[str, Any]:
        """A record as the template takes it, the first sample open that became `reason`.

        Raises as `RecordIndex.fates`, and ConfigError as `Records`.
        """
        with self._lock:
            record = self._records[ordinal]
        fates = self._index.fates(self._run.layout, ordinal)
        drawn = [fate for fate in fates if fate.sample.drawn]
        opened = next((fate for fate in drawn if reason and fate.outcome == reason), None)
        unneeded = len(fates) - len(drawn)
        notes = [f"{unneeded} more were not needed."] if unneeded else []
        notes += [] if drawn else ["No sample so far."]
        return {
            "ordinal": ordinal,
            "id": record.id,
            "source": record.source,
            "start": _cut(record.text, 160),
            # Those of samples stay as they are: filters look at them so, and places are marked in them.
            "text": with_formulas(_cut(record.text, _TEXT)),
            "figures": _figures(record, drawn),
            "samples": [_sample(fate, fate is opened) for fate in drawn],
            "note": " ".join(notes),
        }


def _figures(record: Record, drawn: Sequence[Fate]) -> list[str]:
    """What stands between a problem and its samples."""
    truth = record.expected_answer
    figures = [] if truth is None else [f"ground truth: {_cut(truth, _ANSWER)}"]
    rows = sum(fate.outcome == "row" for fate in drawn)
    figures += [
        f"{len(drawn)} samples, {rows} rows",
        f"{len({fate.group for fate in drawn} - {None})} answers",
    ]
    tokens = sum(fate.sample.completion_tokens for fate in drawn)  # nothing counts those of imports
    return [*figures, *([f"{count_text(tokens)} tokens"] if tokens else [])]


def _sample(fate: Fate, opened: bool) -> dict[str, Any]:
    sample = fate.sample
    return {
        "index": sample.index,
        "open": opened,
        "became": _words(fate.outcome) or "-",
        "colour": _colour(fate.outcome),
        "answer": "-" if fate.answer is None else _cut(fate.answer, _ANSWER),
        "group": "" if fate.group is None else str(fate.group),
        "verdict": _words(fate.verdict or ""),
        "finish": sample.finish_reason,
        "tokens": f"{count_text(sample.completion_tokens)} tokens" if sample.completion_tokens else "",
        "thought": f"reasoning, {count_text(sample.reasoning_tokens)} tokens"
        if sample.reasoning_tokens
        else "reasoning",
        "reasoning": None if sample.reasoning is None else _cut(sample.reasoning, _TEXT),
        "text": _parts(sample.text, fate.place),
        "error": sample.error,
    }


def _listed(line: Line, href: str, chosen: bool) -> dict[str, Any]:
    return {
        "ordinal": f"{line.ordinal:,}",
        "href": href,
        "chosen": chosen,
        "kept": f"{line.kept} of {line.samples} kept",
        "rate": "" if line.pass_rate is None else f"{share(line.pass_rate)} right",
        "disagreement": f"{share(line.disagreement)} disagree" if line.disagreement else "",
        "start": line.start,
    }


def _parts(text: str, place: tuple[int, int] | None) -> list[dict[str, Any]]:
    """A text in pieces, of which the place is marked; of a long one the beginning and what is around that."""
    start, end = place or (0, 0)
    end = min(end, start + _TEXT)
    spans = [(0, min(len(text), _TEXT))]
    if end > _TEXT:
        spans.append((max(_TEXT, start - _AROUND), min(len(text), end + _AROUND)))
    pieces: list[tuple[str, bool]] = []
    done = 0
    for first, last in spans:
        if first > done:
            pieces.append((f"\n{_left(first - done)}\n", False))
        edges = sorted({first, *(max(first, min(last, edge)) for edge in (start, end)), last})
        pieces += [(text[a:b], start <= a < end) for a, b in pairwise(edges)]
        done = last
    if done < len(text):
        pieces.append((_left(len(text) - done), False))
    return [{"words": words, "marked": marked} for words, marked in pieces]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + _left(len(text) - most)


def _left(characters: int) -> str:
    return f"… [{characters:,} more characters]"


def _words(name: str) -> str:
    """A name of the counts as people read it."""
    return name.replace("_", " ")


def _colour(outcome: str) -> str:
    return "k5" if outcome == "row" else "k0" if outcome in _ASIDE else "k2"


# What never came to an answer, and what nothing is wrong with.
_ASIDE = ("", "quarantined", "unclosed_reasoning", "unfinished", "other_solution")
