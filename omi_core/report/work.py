"""How a run was carried out: its attempts, the nodes that took part, what failed. Tables of its own files."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from omi_core.metrics import count_text
from omi_core.report.charts import Table
from omi_core.report.facts import Facts, Failed, Shard
from omi_core.report.svg import duration

_MOST_ROWS = 50


@dataclass(frozen=True)
class WorkTable:
    """A table with its title, and a sentence on how to read it."""

    title: str
    caption: str
    table: Table


def work_tables(run: Facts) -> Iterator[WorkTable]:
    """The tables that there is something to say in."""
    if run.attempts:
        yield _attempts(run)
    if any(shard.node for shard in run.shards):
        yield _nodes(run)
    if run.failed:
        yield _failures(run)


def _attempts(run: Facts) -> WorkTable:
    shards: defaultdict[int, list[Shard]] = defaultdict(list)
    for shard in run.shards:
        shards[shard.attempt].append(shard)
    failed = Counter(each.attempt for each in run.failed)
    rows = []
    for number, when in sorted(run.attempts.items()):
        of = shards[number]
        rows.append(
            [
                str(number),
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(when)),
                count_text(len(of)),
                count_text(sum(shard.samples for shard in of)),
                count_text(sum(shard.sessions - 1 for shard in of if shard.sessions)),
                count_text(failed[number]),
            ]
        )
    caption = (
        "Each submission of the generate stage, in UTC. A task that continued after its time limit was "
        "requeued; one that was killed left no trace of it."
    )
    headers = ["attempt", "submitted", "tasks", "samples", "requeues", "failures left"]
    return WorkTable("Attempts", caption, Table(headers, rows))


def _nodes(run: Facts) -> WorkTable:
    nodes: defaultdict[str, list[Shard]] = defaultdict(list)
    for shard in run.timed:
        nodes[shard.node or "not known"].append(shard)
    failed = Counter(each.node for each in run.failed)
    rows = []
    for name in sorted(nodes.keys() | {each.node for each in run.failed if each.node}):
        of = nodes[name]
        seconds = sum((shard.seconds or 0.0) - shard.away for shard in of)
        tokens = sum(shard.completion_tokens or 0 for shard in of)
        rate = count_text(round(tokens / seconds)) if seconds > 0 else "–"
        held = duration(sum(shard.held or 0.0 for shard in of)) if of else "–"
        rows.append([name, count_text(len(of)), held, rate, count_text(failed[name])])
    caption = "Tasks that ended by themselves on each node; speed is that of one task."
    headers = ["node", "tasks", "time of tasks", "tokens/s", "failures left"]
    return WorkTable("Nodes", caption, Table(headers, rows[:_MOST_ROWS]))


def _failures(run: Facts) -> WorkTable:
    groups: dict[tuple[str, str, str], list[Failed]] = {}
    for each in run.failed:
        groups.setdefault((each.stage, each.cause, each.words), []).append(each)
    rows = [
        [stage, count_text(len(of)), cause, words, ", ".join(sorted({each.node for each in of if each.node}))]
        for (stage, cause, words), of in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    caption = "What failed tasks left word of, also where others have done their work since."
    headers = ["stage", "tasks", "cause", "message", "nodes"]
    return WorkTable("Failures", caption, Table(headers, rows[:_MOST_ROWS]))
