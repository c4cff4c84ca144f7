"""What a user sees of a run: what it will make, and at its end counts, shares, rates and a row.

The end is told alike wherever the run was made: by the command itself, on the log of a publish job, by the
same command on a finished run, in `jobs.status`, and in summary.json.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from omi_core.config import Generate, Reduce
from omi_core.evaluate.figures import MAJORITY, PASS
from omi_core.evaluate.outcome import read_outcome
from omi_core.evaluate.tables import whole
from omi_core.hints import hint
from omi_core.metrics import METRICS, share
from omi_core.publish.dataset import hole_of
from omi_core.publish.parts import PartError, read_part
from omi_core.stages.best_of_samples import show_best_of_samples
from omi_core.stages.reduce import made_part, part_count, part_paths
from omi_core.stages.run import Run
from omi_core.stages.scoring import show_scores
from omi_core.store.files import write_json
from omi_core.store.manifests import read_manifests, working_seconds
from omi_core.store.plan import Plan
from omi_core.tasks import rates, task_of
from omi_core.terminal import plain_table, terminal

if TYPE_CHECKING:
    from rich.table import Table

_SKIPPED_WORDS = {
    "empty_problem": "with an empty problem",
    "no_ground_truth": "whose ground truth cannot be read",
    "duplicate": "that occurred before",
    "no_solution": "without a solution",
    "solution_not_text": "with a solution that is not text",
    "not_json": "that are not a JSON object",
    "broken_text": "with broken text",
    "missing_column": "without a column",
    "not_a_problem": "whose problem is not text",
    "not_an_answer": "whose ground truth is not an answer",
    "several_answers": "with several answers",
    "not_a_source": "whose source is not text",
    "lost_digits": "with a number that has lost digits",
    "finish_reasons": "with more or fewer finish reasons than solutions",
    "reasonings": "with more or fewer traces than solutions",
}
_SHARES = ("shares", "pass@1", "majority")
_CUTS = {"cut_sentences": "sentences", "cut_formulas": "formulas", "cut_words": "words"}


def announce(run: Run, stats: Mapping[str, Any] | None) -> None:
    """One line about the plan, and one for each kind of input row left out of it.

    `stats` are those of its dataset, None where none is published.
    """
    plan, config = run.plan, run.config
    made = f"{plan.records:,} records"
    if isinstance(config, Generate):
        most = "up to " if run.whole > 1 else ""
        made += f" x {most}{plan.samples} samples by {config.teacher.name}"
    state = ""
    if stats is not None:
        hole = hole_of(stats)
        state = "; complete, nothing to do" if hole is None else f"; published with a hole: {hole}"
    print(f"{run.layout.root}: {made}{state}", file=sys.stderr)
    words = {**_SKIPPED_WORDS, **task_of(config).skipped}
    for reason, count in plan.skipped.items():
        first = ", ".join(plan.skipped_examples.get(reason, [])[:3])
        print(f"left out: {count:,} rows {words.get(reason, reason)} ({first})", file=sys.stderr)
    if plan.chunks:
        print(f"chunks: {cuts(plan)}", file=sys.stderr)
    if plan.skipped and run.layout.skipped_rows.exists():
        print(f"left out: they are listed in {run.layout.skipped_rows}", file=sys.stderr)


def cuts(plan: Plan) -> str:
    """What the chunks of documents came to, and how often one was over the limit and cut inside something."""
    found = ", ".join(f"{plan.chunks[name]:,} {words}" for name, words in _CUTS.items())
    return f"{plan.chunks['chunks']:,} of {plan.chunks['documents']:,} documents; cut inside: {found}"


def show_summary(run: Run, stats: dict[str, Any], gpu_hours: Mapping[str, float] | None = None) -> None:
    """Prints the summary of a published run and keeps the same figures in summary.json.

    `gpu_hours` are those allocated and those worked, where the run was made by jobs with GPUs.
    """
    figures = summarize(run, stats)
    if gpu_hours:
        figures["GPU hours"] = {name: round(hours, 4) for name, hours in gpu_hours.items()}
    write_json(run.layout.summary, figures)
    if task_of(run.config).scored:
        show_scores(run)
        return
    console = terminal()
    console.print(summary_table(str(run.layout.root), figures))
    for name, split in stats.get("splits", {}).items():
        if split.get("size", 0) > split["rows"]:
            asked = f"publish.splits.{name}={split['size']}"
            console.print(f"{asked}: the dataset has fewer rows, so this split is all of it")
    with suppress(PartError):  # damaged since it was published: only the example is lost
        _show_row(run, console)
    if (hole := hole_of(stats)) is not None:
        console.print(f"{hole}; to make them:")
        print(hint("resume", run.layout.root))
    if "reasoning" in stats["counts"].get("tokens", {}) and _leaves_thinking_out(run.config):
        print("thinking is left out: jobs.reduce input=RUN publish.reasoning=column publishes it, too")
    # On one line, however long the path is.
    print(f"dataset: {run.layout.dataset}  (datasets.load_dataset opens it)", flush=True)
    show_best_of_samples(run)


def summary_table(title: str, figures: Mapping[str, Mapping[str, Any]]) -> Table:
    """Figures as `summarize` gives them; sections without any are left out."""
    from rich.text import Text

    table = plain_table(title)
    table.add_column()
    table.add_column(justify="right")
    for section, rows in figures.items():
        if rows:
            table.add_section()
            table.add_row(Text(section, style="bold"), "")
            for label, value in rows.items():
                table.add_row(f"  {label}", _shown(value, section in _SHARES))
    return table


def _leaves_thinking_out(config: Generate | Reduce) -> bool:
    return "reasoning" in task_of(config).schema.optional and config.publish.reasoning == "drop"


def summarize(run: Run, stats: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Section -> label -> figure; shares are floats in [0, 1].

    Raises:
        ValueError: of an evaluation, that it is damaged.
    """
    if task_of(run.config).scored:
        return _summarize_scores(run, stats)
    counts = stats["counts"]
    dropped = {name: n for name, n in counts.get("selection", {}).items() if n}
    rewritten = {}
    for name, count in counts["filters"].items():
        if count["dropped"]:
            dropped[name] = count["dropped"]
        if count.get("rewritten"):
            rewritten[name] = count["rewritten"]
    if stats["duplicates_dropped"]:
        dropped["duplicates"] = stats["duplicates_dropped"]
    hole = hole_of(stats)
    return {
        "input": {
            "records": counts["records"],
            "samples": counts["samples"],
            **({"samples not needed": counts["unneeded"]} if "unneeded" in counts else {}),
            **({} if hole is None else {"samples missing": hole.missing}),
            "quarantined": counts.get("quarantined", 0),
            **{
                f"rows left out: {reason.replace('_', ' ')}": count
                for reason, count in counts.get("skipped_input_rows", {}).items()
            },
            **{f"{words} cut": run.plan.chunks[name] for name, words in _CUTS.items() if run.plan.chunks},
        },
        "dropped": {name.replace("_", " "): count for name, count in dropped.items()},
        "rewritten": {name.replace("_", " "): count for name, count in rewritten.items()},
        "dataset": {
            METRICS["rows"].label: stats["rows"],
            METRICS["content_hash"].label: stats["content_hash"][:16],
        },
        "splits": {name: split["rows"] for name, split in stats.get("splits", {}).items() if name != "train"},
        "tokens": _tokens(stats),
        "shares": rates(task_of(run.config), counts) | _left_open(counts.get("truth", {})),
        "speed": speed(run),
    }


def _summarize_scores(run: Run, stats: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = whole(read_outcome(run.layout.evaluation).figures)

    def of(metric: str, samples: int) -> dict[str, float]:
        return {
            name: each[metric, samples].value for name, each in found.items() if (metric, samples) in each
        }

    samples = run.plan.samples
    return {
        "input": {"records": run.plan.records, "samples": run.plan.keys},
        "evaluation": {
            METRICS["rows"].label: stats["rows"],
            METRICS["content_hash"].label: stats["content_hash"][:16],
        },
        "pass@1": of(PASS, 1),
        "majority": of(MAJORITY, samples) if samples > 1 else {},
        "speed": speed(run),
    }


def _left_open(truth: Mapping[str, int]) -> dict[str, float]:
    """The share of samples that no rule could compare with the ground truth, if there are any."""
    unknown = truth.get("unknown", 0)
    return {"samples not comparable with the ground truth": unknown / truth["samples"]} if unknown else {}


def _tokens(stats: dict[str, Any]) -> dict[str, int]:
    """Of all rows, and of each style and variant, where there are such."""
    if "styles" not in stats:
        return {}
    by_name = {name: part["tokens"] for name, part in {**stats["styles"], **stats["variants"]}.items()}
    return {"all styles": stats["tokens"], **by_name}


def speed(run: Run) -> dict[str, float]:
    """Rates over the shards that ended by themselves; killed ones leave no times."""
    manifests = read_manifests(run.layout).values()
    seconds = sum(working_seconds(manifest) for manifest in manifests)
    if not seconds:
        return {}
    tokens, metric = sum(m["completion_tokens"] for m in manifests), METRICS["tokens_per_second"]
    return {
        "seconds generating": round(seconds, 1),
        "samples/s": round(sum(m["samples"] for m in manifests) / seconds, 1),
        metric.label: round(metric.of({"timed_tokens": tokens, "seconds": seconds}), 1),
    }


def _shown(value: Any, is_share: bool) -> str:
    if is_share:
        return share(value)
    if isinstance(value, float):
        return f"{value:,.1f}" if value >= 0.1 or not value else f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _show_row(run: Run, console: Any) -> None:
    from rich.panel import Panel
    from rich.text import Text

    for path in part_paths(run, part_count(run)):
        if made_part(path, run.plan.fingerprint) is None:
            continue  # published by a command with other reduce_tasks
        for row in read_part(path):
            title, texts = task_of(run.config).show(row)
            text = Text("\n\n".join(texts)[:1500])
            console.print(Panel(text, title=Text(f"a row: {title}"), title_align="left", width=100))
            return
