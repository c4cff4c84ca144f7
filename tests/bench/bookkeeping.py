"""What a run's own books cost: its plan, what of it is missing, and the start of commands.

    python -m tests.bench.bookkeeping                       # a tenth of the largest published set
    python -m tests.bench.bookkeeping --records 600000 --journals 1000 --tasks 10000

Plan: a JSONL file of problems becomes a run (`plan_generate`), and all of it the first attempt of a thousand
tasks. Missing: journals of all its keys (records x 24) but a few are counted by their indexes, and as the
gate does it, which reads every byte. Commands are started as a user starts them; squeue and sacct are
stand-ins that print a file. Of starts the fastest of several counts. Prints a table and a line of JSON;
`x floor` is wall time against the shortest program for it, in the same run: the file read as JSON and hashed;
the bytes of the journals read; `python -c pass`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tests.bench.journals import WORDS, measured, text_of
from tests.bench.status import lay_out, sacct_rows, squeue_rows

SAMPLES = 24
FRAME = 256
ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(path.stem for path in (ROOT / "jobs").glob("[a-z]*.py"))


def write_problems(path: Path, records: int) -> dict[str, Any]:
    """Problems of about the length of those of OpenMathInstruct-2, each another."""
    rng = np.random.default_rng(0)
    words = [WORDS[n] if n < len(WORDS) else str(n * 7919) for n in rng.integers(0, 200, 1 << 20)]
    with path.open("wb") as out:
        for number in range(records):
            start = number * 7919 % (len(words) - 60)
            text = f"Problem {number}: {' '.join(words[start : start + 50])}"
            out.write(orjson.dumps({"problem": text, "answer": str(number % 1000)}) + b"\n")
    return {}


def make_plan(path: Path, place: Path, samples: int, tasks: int) -> dict[str, Any]:
    """The run of these problems and its first attempt, as far as the share of its last task."""
    from omi_core.config import Generate
    from omi_core.stages import gate
    from omi_core.stages.planning import plan_generate
    from omi_core.store.attempts import new_attempt

    config = Generate(samples=samples)
    config.data.origin, config.data.path, config.data.answer = "file", str(path), "answer"
    config.run.dir = str(place / "planned")
    config.teacher.kind = "rehearsal"
    run = plan_generate(config)
    attempt = new_attempt(run.layout, gate.missing(run), tasks)
    assert attempt.keys == run.plan.keys and attempt.share_size(tasks - 1) > 0
    return {"keys": run.plan.keys}


def plan_floor(path: Path) -> dict[str, Any]:
    """The file read as JSON, and every problem hashed."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as lines:
        for line in lines:
            digest.update(hashlib.blake2b(orjson.loads(line)["problem"].encode()).digest())
    return {"digest": digest.hexdigest()}


def write_journals(place: Path, records: int, samples: int, journals: int, length: int) -> dict[str, Any]:
    """Journals of all keys but the last of each, in frames as a shard writes them.

    Their lines are some text, the same in every frame: counting looks at keys, lengths and checksums alone.
    """
    from omi_core.store.frames import encode
    from omi_core.store.index import IndexWriter
    from omi_core.store.keys import split_ranges

    rng = np.random.default_rng(0)
    lines = "\n".join(text_of(rng, length) for _ in range(FRAME)).encode()
    for number, share in enumerate(split_ranges(np.array([[0, records * samples]]), journals)):
        start, stop = share[0].tolist()
        order = np.argsort(np.arange(start, stop) + rng.integers(0, FRAME, stop - start)) + start
        path = place / f"0001-{number:05d}.jsonl.zst"
        index = IndexWriter(path, [])
        with path.open("wb") as out:
            for at in range(0, len(order) - 1, FRAME):
                keys = np.stack(np.divmod(order[at : min(at + FRAME, len(order) - 1)], samples), axis=1)
                frame, data = encode(lines, keys, 0, out.tell())
                out.write(data)
                index.append(frame)
        index.close()
    return {}


def missing(place: Path, records: int, samples: int, journals: int, verify: bool) -> dict[str, Any]:
    """What the journals lack, as the gate asks for it."""
    from omi_core.store.keys import missing_ranges, settled

    found = settled(sorted(place.glob("*.jsonl.zst")), records, samples, verify)
    ranges = missing_ranges(found.done)
    assert not found.damage and int((ranges[:, 1] - ranges[:, 0]).sum()) == journals
    return {"keys": int(found.done.sum())}


def count_floor(place: Path) -> dict[str, Any]:
    """The bytes of journals and indexes, read and no more."""
    return {"bytes": sum(len(path.read_bytes()) for path in place.iterdir())}


def least(argv: list[str], times: int, **named: Any) -> dict[str, float]:
    """The fastest of several starts of a command: wall and CPU seconds, its children's included."""
    best = {"seconds": float("inf"), "cpu": float("inf")}
    for _ in range(times):
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, **named)
        seconds, after = time.perf_counter() - began, os.times()
        assert done.returncode == 0, done.stderr.decode()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        best = {"seconds": min(best["seconds"], seconds), "cpu": min(best["cpu"], cpu)}
    return best


def environment() -> dict[str, str]:
    """Commands run this checkout, wherever another one is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def starts(times: int) -> dict[str, dict[str, float]]:
    env = environment()
    found = {
        "python -c pass": least([sys.executable, "-c", "pass"], times, env=env),
        "import omi_core": least([sys.executable, "-c", "import omi_core"], times, env=env),
    }
    for command in COMMANDS:
        argv = [sys.executable, "-m", f"jobs.{command}", "--help"]
        found[f"jobs.{command} --help"] = least(argv, times, env=env)
    return found


def stand_in(folder: Path, name: str, printed: str) -> None:
    """An executable that prints this, as a controller that answers at once would."""
    (folder / f"{name}.txt").write_text(printed)
    (folder / name).write_text(f'#!/bin/sh\nexec cat "{folder}/{name}.txt"\n')
    (folder / name).chmod(0o755)


def status(place: Path, tasks: int, times: int) -> dict[str, float]:
    """`jobs.status` of a run of so many tasks, of which nine in ten have ended."""
    known, failed = tasks // 10, tasks // 100
    lay_out(place / "run", tasks, tasks - known - failed)
    slurm = place / "slurm"
    slurm.mkdir()
    stand_in(slurm, "squeue", squeue_rows(tasks, known))
    stand_in(slurm, "sacct", sacct_rows(tasks - known, failed))
    env = environment()
    env["PATH"] = f"{slurm}{os.pathsep}{env['PATH']}"
    return least([sys.executable, "-m", "jobs.status", str(place / "run")], times, env=env)


def books(place: Path, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Plan and count."""
    problems, journals = place / "problems.jsonl", place / "journals"
    journals.mkdir()
    measured(write_problems, problems, options.records)
    results = {
        "plan, floor": measured(plan_floor, problems),
        "plan": measured(make_plan, problems, place, SAMPLES, min(options.tasks, options.records)),
    }
    asked = (journals, options.records, SAMPLES, options.journals)
    measured(write_journals, *asked, options.length)
    results["missing, floor"] = measured(count_floor, journals)
    results["missing, by the indexes"] = measured(missing, *asked, False)
    results["missing, every byte checked"] = measured(missing, *asked, True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--journals", type=int, default=100)
    parser.add_argument("--length", type=int, default=100, help="bytes of text per sample")
    parser.add_argument("--tasks", type=int, default=1000, help="of the run whose status is asked")
    parser.add_argument("--times", type=int, default=5, help="starts of a command, the fastest counts")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) everything")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-books-") as folder:
        place = Path(folder)
        results: dict[str, dict[str, Any]] = starts(options.times)
        results[f"jobs.status, {options.tasks:,} tasks"] = status(place, options.tasks, options.times)
        results |= books(place, options)
    floors = {"plan": results["plan, floor"], "missing": results["missing, floor"]}
    print(f"{options.records} records x {SAMPLES} samples, {options.journals} journals\n")
    print(f"{'':34}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'x floor':>9}")
    for name, row in results.items():
        plain = floors.get(name.partition(",")[0], results["python -c pass"])
        row["x_floor"] = row["seconds"] / plain["seconds"]
        peak = f"{row['peak_mb']:.0f}" if "peak_mb" in row else ""
        print(f"{name:34}{row['seconds']:9.2f}{row['cpu']:9.2f}{peak:>9}{row['x_floor']:9.1f}")
    given = {name: getattr(options, name) for name in ("records", "journals", "tasks")}
    print(json.dumps({"options": given, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
