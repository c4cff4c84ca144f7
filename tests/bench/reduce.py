r"""The fused reduce stage on two cores, beside the plain chain of library calls that does the same.

    python -m tests.bench.reduce --data ../shared/data                      # 1e5 samples of each kind
    python -m tests.bench.reduce --data ../shared/data --kinds math --samples 100000 1000000 --repeat 1

`synthesise` makes the runs. Fused is the product's `run_part`, two parts in two processes at once: it reads
the journals, extracts, compares, votes, filters, counts tokens and writes the parts; publishing, which drops
duplicates and writes parquet and jsonl.zst, is measured by itself and added. Plain is one process: lines of
JSON, the last box, the ground truth parsed once per problem, `verify(gold, parse(answer))` per answer, a
Counter for the vote, the tokenizer per solution, a set for the duplicates, JSON to a zstd stream. It works on
the first `--plain` samples, and its CPU time per sample is taken for all; its imports are not counted, those
of the fused stage and its workers are. It is spared the answers that math libraries choke on (`HOSTILE`),
which the fused stage has to survive. It has no filter on arithmetic and trims nothing. `plain, verdicts
cached` keeps the verdict of a pair, which its reader might not think of. Fused and plain take turns.

Prints a table and a line of JSON. CPU time is that of a process and the workers it has ended; `x` compares
it, `x wall` the elapsed time of all samples, with the plain chain on its one core and without its imports.
`peak` is that of one part's process, `worker` that of its largest worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import zstandard

from omi_core.stages.publish import publish_run
from omi_core.stages.reduce import run_part
from omi_core.stages.run import open_run
from omi_core.stages.stopping import Stop
from omi_core.store.journal import read_samples
from omi_core.store.layout import Layout
from omi_core.store.plan import Records
from tests.bench.answers import cpu_seconds
from tests.bench.journals import measured
from tests.bench.solutions import HOSTILE, KINDS
from tests.bench.synthesise import synthesise
from tests.bench.tokens import texts_of, train_tokenizer

PARTS = 2
LIMIT = 1024
FILTERS = ("no_boxed", "several_boxed", "trim_after_answer", "strip_prefix", "wrong_arithmetic")


def make(root: Path, kind: str, samples: int, per_problem: int, data: Path | None, tokenizer: Path) -> dict:
    made = synthesise(root, kind, samples, per_problem, data, str(tokenizer))
    return {"samples": made.run.plan.keys, "text": made.text_bytes / made.written}


def fused(root: Path, part: int, filters: bool) -> dict[str, Any]:
    """One part; without `filters` only those on the length and on cut-off solutions, which plain has, too."""
    run = open_run(Layout(root))
    run.config.cluster.workers = 1
    if not filters:
        off = dict.fromkeys(FILTERS, False)
        run = replace(run, config=replace(run.config, filters=replace(run.config.filters, **off)))
    manifest = run_part(run, part, PARTS, Stop(), lambda records: None)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    # Of the process since it began, with all that it has imported.
    return {"all_cpu": cpu_seconds(), "rows": manifest.rows, "worker_mb": worker}


def both_parts(root: Path, filters: bool = True) -> dict[str, Any]:
    """The parts at once; CPU time is their sum, the rest that of the one that needs more."""
    shutil.rmtree(root / "reduce", ignore_errors=True)
    with ThreadPoolExecutor(PARTS) as pool:
        results = list(pool.map(lambda part: measured(fused, root, part, filters), range(PARTS)))
    names = ("all_cpu", "rows")
    most = {name: max(result[name] for result in results) for name in ("seconds", "peak_mb", "worker_mb")}
    return most | {name: sum(result[name] for result in results) for name in names}


def published(root: Path) -> dict[str, Any]:
    shutil.rmtree(root / "dataset", ignore_errors=True)
    began = cpu_seconds()
    stats = publish_run(open_run(Layout(root)), PARTS)
    return {"all_cpu": cpu_seconds() - began, "rows": stats["rows"]}


def as_lines(root: Path, path: Path, samples: int) -> dict[str, Any]:
    """The first records of a run as the lines of JSON that a plain program would have written."""
    run, count = open_run(Layout(root)), 0
    records = Records(run.layout.records)
    last = min(run.plan.records, -(-samples // run.plan.samples))
    with path.open("wb") as out:
        for group in read_samples(run.layout.journals(), 0, last):
            record = records[group[0].ordinal]
            for sample in group:
                row = {"problem": record.text, "expected_answer": record.expected_answer}
                row |= {"problem_source": record.source, "generated_solution": sample.text}
                row |= {"finish_reason": sample.finish_reason}
                if any(hostile in sample.text for hostile in HOSTILE):
                    continue
                out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                count += 1
    return {"samples": count}


def last_box(text: str) -> str | None:
    """The content of the last box whose braces match."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 1, start + len("\\boxed{")
    for at in range(begin, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if not depth:
            return text[begin:at]
    return None


def plain(path: Path, tokenizer: Path, cached: bool) -> dict[str, Any]:
    """The chain as one would write it with the libraries at hand."""
    import logging

    from math_verify import parse, verify  # type: ignore[attr-defined]
    from tokenizers import Tokenizer

    logging.disable(logging.CRITICAL)
    count = Tokenizer.from_file(str(tokenizer))
    verify(parse("$1$"), parse("$2$"))  # their first call builds tables
    began, started, samples, rows = cpu_seconds(), time.perf_counter(), 0, 0
    seen: set[tuple[str, str]] = set()
    groups: dict[str, list[dict[str, Any]]] = {}
    with path.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            groups.setdefault(row["problem"], []).append(row)
            samples += 1
    with zstandard.open(path.with_suffix(".zst"), "wb", zstandard.ZstdCompressor(level=3)) as out:
        for problem, group in groups.items():
            gold = parse(f"${group[0]['expected_answer']}$")
            answers = [
                last_box(row["generated_solution"]) if row["finish_reason"] == "stop" else None
                for row in group
            ]
            votes = Counter(answer for answer in answers if answer is not None)
            verdicts: dict[str, bool] = {}
            for row, answer in zip(group, answers, strict=True):
                if answer is None:
                    continue
                right = verdicts.get(answer) if cached else None
                if right is None:
                    right = verdicts[answer] = verify(gold, parse(f"${answer}$"))
                text = row["generated_solution"]
                if not right or (problem, text) in seen or len(count.encode(text).ids) > LIMIT:
                    continue
                seen.add((problem, text))
                row["votes"] = votes[answer]
                out.write(json.dumps(row).encode() + b"\n")
                rows += 1
    spent = {"all_cpu": cpu_seconds() - began, "all_seconds": time.perf_counter() - started}
    return spent | {"samples": samples, "rows": rows}


def compare(root: Path, tokenizer: Path, samples: int, plain_samples: int, repeat: int) -> dict[str, Any]:
    """All programs on one run in turns: CPU seconds per million samples, and the medians of the ratios."""
    lines = root.with_suffix(".jsonl")
    measured(as_lines, root, lines, plain_samples)
    out: dict[str, Any] = {"rounds": []}
    for _ in range(repeat):
        one = {"fused": both_parts(root), "publish": measured(published, root)}
        one["fused, plain's filters"] = both_parts(root, filters=False)
        for name, cached in (("plain", False), ("plain, verdicts cached", True)):
            one[name] = measured(plain, lines, tokenizer, cached)
        for result in one.values():
            count, wall = result.get("samples", samples), result.get("all_seconds", result["seconds"])
            result["us"], result["us_wall"] = 1e6 * result["all_cpu"] / count, 1e6 * wall / count
        out["rounds"].append(one)
    for name, parts in (
        ("fused", ("fused",)),
        ("fused and publish", ("fused", "publish")),
        ("fused, plain's filters", ("fused, plain's filters",)),
        ("plain", ("plain",)),
        ("plain, verdicts cached", ("plain, verdicts cached",)),
    ):
        costs = [sum(one[part]["us"] for part in parts) for one in out["rounds"]]
        ratios = [one["plain"]["us"] / cost for one, cost in zip(out["rounds"], costs, strict=True)]
        walls = [sum(one[part]["us_wall"] for part in parts) for one in out["rounds"]]
        by_wall = [one["plain"]["us_wall"] / wall for one, wall in zip(out["rounds"], walls, strict=True)]
        first = out["rounds"][0][parts[0]]
        out[name] = {
            "us": statistics.median(costs),
            "x": statistics.median(ratios),
            "x_wall": statistics.median(by_wall),
            "seconds": first["seconds"],
            "peak_mb": max(one[parts[0]]["peak_mb"] for one in out["rounds"]),
            "worker_mb": first.get("worker_mb"),
            "rows": out["rounds"][0][parts[-1]]["rows"],
        }
    return out


def show(kind: str, made: dict, result: dict[str, Any]) -> None:
    print(f"\n{kind}: {made['samples']} samples, {made['text']:.0f} bytes of text each\n")
    print(f"{'':26}{'µs / sample':>12}{'x':>8}{'x wall':>8}{'wall s':>9}", end="")
    print(f"{'peak MB':>9}{'worker MB':>11}{'rows':>10}")
    for name, row in result.items():
        if name == "rounds":
            continue
        worker = f"{row['worker_mb']:.0f}" if row["worker_mb"] else ""
        print(
            f"{name:26}{row['us']:12.0f}{row['x']:8.1f}{row['x_wall']:8.1f}{row['seconds']:9.1f}{row['peak_mb']:9.0f}"
            f"{worker:>11}{row['rows']:10}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with real problems; without: the demo's world")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--samples", type=int, nargs="+", default=[100_000], help="one run for each size")
    parser.add_argument("--per-problem", type=int, default=64)
    parser.add_argument("--plain", type=int, default=2000, help="samples for the plain chain")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the runs")
    options = parser.parse_args()
    if options.data is None or not options.data.is_dir():
        print(f"no folder {options.data}: problems and answers are those of the demo's world")
        options.data = None
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-reduce-"))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    results: dict[str, Any] = {}
    try:
        tokenizer = place / "tokenizer.json"
        train_tokenizer(texts_of(options.data)).save(str(tokenizer))
        for kind in options.kinds:
            for samples in options.samples:
                root = place / f"{kind}-{samples}"
                made = measured(make, root, kind, samples, options.per_problem, options.data, tokenizer)
                result = compare(root, tokenizer, made["samples"], options.plain, options.repeat)
                show(kind, made, result)
                results[f"{kind} {samples}"] = {"made": made, **result}
                shutil.rmtree(root)
    finally:
        shutil.rmtree(place)
    shown = {"plain": options.plain, "per_problem": options.per_problem, "repeat": options.repeat}
    print(json.dumps({"options": shown, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
