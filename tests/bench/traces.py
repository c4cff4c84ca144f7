"""What long thinking costs: samples with traces of 100 KB through generate, reduce and publish.

    python -m tests.bench.traces                                       # 10,000 samples of 100 KB
    python -m tests.bench.traces --samples 2000 --kilobytes 500

A rehearsal thinks before each solution, and the traces are published as a column. Each stage runs in a
process of its own, so that its peak memory is its own. Its floor is the shortest program that does the same
with the same bytes, in one thread: `generate`, one zstd stream of JSON lines; `reduce`, that stream read,
decoded and written again; `publish` as in tests.bench.publish. What the rehearsal takes to draw its texts, as
a model would, is measured by itself and not counted as CPU time of `generate`.

Prints a table and a line of JSON. MB are those of all texts, after reduce as well. MB/s and `x floor` go
by CPU time.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from omi_core.config import Generate
from omi_core.records import sample_seed
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.publish import publish_run
from omi_core.stages.reduce import run_part
from omi_core.stages.run import open_run, records_of
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import new_attempt
from omi_core.store.layout import Layout
from omi_core.tasks import task_of
from omi_core.tasks.prompting import Prompting
from omi_core.teachers import Request, open_teacher
from tests.bench.answers import cpu_seconds
from tests.bench.journals import measured
from tests.bench.publish import FLOORS, floors

EACH = 8
LEVEL = 3


def options(root: Path, samples: int, kilobytes: int) -> Generate:
    """A run in which every sample thinks about `kilobytes` KB, and most are right."""
    config = Generate(samples=EACH)
    config.run.dir = str(root)
    config.data.size = -(-samples // EACH)
    config.teacher.kind = "rehearsal"
    config.teacher.rehearsal.thinking = 1.0
    config.teacher.rehearsal.hostile = 0.0  # the floor writes plain JSON
    config.teacher.rehearsal.trace_tokens = kilobytes * 1000 // 4
    config.sampling.max_tokens = kilobytes * 1000
    config.publish.reasoning = "column"
    config.cluster.workers = 1
    return config


def generated(root: Path, samples: int, kilobytes: int) -> dict[str, Any]:
    run = plan_generate(options(root, samples, kilobytes))
    attempt = new_attempt(run.layout, np.array([[0, run.plan.keys]]), 1)
    began, size = cpu_seconds(), 0

    def count(sample: Any) -> None:
        nonlocal size
        size += len(sample.text) + len(sample.reasoning or "")

    with open_teacher(run.config.teacher, run.config.engine, run.config.sampling) as teacher:
        report = run_shard(run, attempt, 0, teacher, Stop(), count)
    assert report.finished
    return {"all_cpu": cpu_seconds() - began, "bytes": size, "samples": run.plan.keys}


def drawn(root: Path, out: Path) -> dict[str, Any]:
    """The floor of generating, the samples as lines in one zstd stream; and what it took to draw them."""
    run = open_run(Layout(root))
    assert isinstance(run.config, Generate)
    config, prompting, texts = run.config, Prompting(run.config), task_of(run.config).texts
    asked = (
        Request(record, at, prompting.messages(record, at), sample_seed(config.seed, record.id, at), texts)
        for record in records_of(run)
        for at in range(EACH)
    )
    with (
        open_teacher(config.teacher, config.engine, config.sampling) as teacher,
        zstandard.open(out, "wb", zstandard.ZstdCompressor(level=LEVEL)) as lines,
    ):
        began, writing = cpu_seconds(), 0.0
        for sample in teacher.generate(asked):
            assert sample is not None
            before = cpu_seconds()
            lines.write(orjson.dumps(sample.to_json(), option=orjson.OPT_APPEND_NEWLINE))
            writing += cpu_seconds() - before
    return {"all_cpu": writing, "drawing": cpu_seconds() - began - writing}


def reduced(root: Path) -> dict[str, Any]:
    run, began = open_run(Layout(root)), cpu_seconds()
    manifest = run_part(run, 0, 1, Stop(), lambda records: None)
    return {"all_cpu": cpu_seconds() - began, "rows": manifest.rows}


def copied(lines: Path, out: Path) -> dict[str, Any]:
    """The floor of reducing: every line read and decoded, encoded and written again."""
    began = cpu_seconds()
    with (
        zstandard.open(lines, "rb") as source,
        zstandard.open(out, "wb", zstandard.ZstdCompressor(level=LEVEL)) as rows,
    ):
        for line in io.BufferedReader(source, 1 << 20):
            rows.write(orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE))
    return {"all_cpu": cpu_seconds() - began}


def published(root: Path) -> dict[str, Any]:
    began = cpu_seconds()
    stats = publish_run(open_run(Layout(root)), 1)
    return {"all_cpu": cpu_seconds() - began, "rows": stats["rows"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=100, help="of thinking per sample")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.dir, prefix="bench-traces-") as folder:
        root, lines = Path(folder) / "run", Path(folder) / "lines.zst"
        stages = {"generate": measured(generated, root, asked.samples, asked.kilobytes)}
        floor = measured(drawn, root, lines)
        stages["generate"]["all_cpu"] -= floor["drawing"]
        least = {"generate": floor["all_cpu"]}
        stages["reduce"] = measured(reduced, root)
        least["reduce"] = measured(copied, lines, Path(folder) / "rows.zst")["all_cpu"]
        stages["publish"] = measured(published, root)
        of_publish = measured(floors, root / "dataset")
        least["publish"] = sum(of_publish[f"{name}_cpu"] for name in FLOORS)
    report(stages, least, stages["generate"]["bytes"] / 1e6)
    said = {"samples": asked.samples, "kilobytes": asked.kilobytes}
    print(json.dumps({"options": said, "stages": stages, "floors": least}))


def report(stages: dict[str, dict[str, Any]], least: dict[str, float], size: float) -> None:
    """Adds MB/s and the ratios to `stages`, and prints them; `size` is that of all texts, in MB."""
    made, kept = stages["generate"]["samples"], stages["publish"]["rows"]
    print(f"{made} samples, {size:.0f} MB; {kept} rows\n")
    print(f"{'':10}{'wall s':>9}{'CPU s':>9}{'MB/s':>8}{'peak MB':>9}{'floor s':>9}{'x floor':>9}")
    for name, stage in stages.items():
        stage["mb_per_second"] = size / stage["all_cpu"]
        stage["x_floor"] = stage["all_cpu"] / least[name]
        print(
            f"{name:10}{stage['seconds']:9.2f}{stage['all_cpu']:9.2f}{stage['mb_per_second']:8.1f}"
            f"{stage['peak_mb']:9.0f}{least[name]:9.2f}{stage['x_floor']:9.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
