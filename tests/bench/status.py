"""How long `jobs.status` takes for a run of many tasks, Slurm's own time left out.

A run of 10,000 array tasks is laid out on disk: 9,000 of them ended and left journal, index and manifest, 40
of those failed ones left their trouble; squeue still knows the last 1,000, as compact rows, sacct the others.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from omi_core.config import Generate
from omi_core.records import Sample
from omi_core.slurm import states
from omi_core.slurm.run_status import Status, run_status
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run, open_run
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.store.files import write_json
from omi_core.store.journal import JournalWriter
from omi_core.store.layout import Layout


def lay_out(root: Path, tasks: int, ended: int) -> Run:
    """A run of `tasks` tasks with 4 samples each, of which the first `ended` have ended."""
    config = Generate(samples=4)
    config.data.size = tasks
    config.run.dir, config.tasks = str(root), tasks
    config.teacher.kind = "rehearsal"
    config.cluster.name, config.cluster.kind, config.cluster.gpus_per_node = "site", "slurm", 1
    run = plan_generate(config)
    layout = run.layout
    keys = run.plan.keys
    ledger.append(layout.ledger, {"stage": "chain", "by": "generate", "keys": keys})
    attempt = new_attempt(layout, np.array([[0, keys]]), tasks)
    array = [0, tasks - 1, 0]
    ledger.append(
        layout.ledger, {"stage": "generate", "attempt": 1, "job": "7", "array": array, "after": None}
    )
    for task in range(ended):
        path = layout.journal(1, task)
        with JournalWriter(path) as journal:
            for ordinal, index in ((key // 4, key % 4) for key in range(*attempt.share(task)[0].tolist())):
                journal.add(Sample(ordinal, "0" * 32, index, "text", "stop", 10, 10, 1.0))
        figures = {"samples": 4, "completion_tokens": 40, "seconds": 60.0, "start_up": 20.0}
        write_json(layout.shard_manifest(1, task), {**figures, "last_admitted": 50.0})
    for task in range(ended, min(ended + 40, tasks)):
        write_json(layout.trouble(1, task), {"class": "EngineDeadError", "message": "it died", "at": "x:1"})
    return open_run(Layout(root))


def squeue_rows(tasks: int, known: int) -> str:
    """What squeue prints: running tasks one by one, pending ones in one row."""
    now = int(time.time())
    first = tasks - known
    running = "".join(
        f"7|{task}|RUNNING|0|0|0|10:00|{now - 600}|{now + 3000}|n{task}|cpu=8,gres/gpu=1|None|\n"
        for task in range(first, first + known // 2)
    )
    return (
        running
        + f"7|{first + known // 2}-{tasks - 1}|PENDING|0|0|0|0:00|N/A|N/A||cpu=8,gres/gpu=1|Priority|\n"
    )


def sacct_rows(tasks: int, failed: int) -> str:
    now = int(time.time())
    rest = f"0:0|0:0|80|{now - 4000}|{now - 3000}|{now - 2920}|"
    return "".join(
        f"7_{task}|{'FAILED' if task >= tasks - failed else 'COMPLETED'}|{rest}n{task}|gres/gpu=1|None\n"
        for task in range(tasks)
    )


def timed(call: Callable[[], Status], times: int) -> tuple[float, Status]:
    """CPU seconds of the fastest of several calls, and its result."""
    best, result = float("inf"), None
    for _ in range(times):
        begin = time.process_time()
        result = call()
        best = min(best, time.process_time() - begin)
    assert result is not None
    return best, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    known = options.tasks // 10
    printed = {
        "squeue": squeue_rows(options.tasks, known),
        "sacct": sacct_rows(options.tasks - known, failed=options.tasks // 100),
    }
    asked: list[str] = []

    def run(*argv: str, **_: object) -> str:
        asked.append(argv[0])
        return printed[argv[0]]

    states.run = run  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        made = lay_out(Path(folder) / "run", options.tasks, options.tasks - known - options.tasks // 100)
        asked.clear()
        seconds, status = timed(lambda: run_status(made), options.times)
        calls = {name: asked.count(name) / options.times for name in printed}
    print(f"{options.tasks:,} tasks: {seconds:.2f} s of CPU time, calls {calls}")
    print(*status.failures, sep="\n")
    told = dataclasses.asdict(status)
    del told["failures"]
    print(json.dumps({"options": {"tasks": options.tasks}, "cpu": seconds, "calls": calls, "status": told}))


if __name__ == "__main__":
    main()
