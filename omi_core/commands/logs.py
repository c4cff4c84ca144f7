"""`jobs.logs`: what the tasks of a run printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omi_core.commands.finding import Where, runs_in
from omi_core.options import ConfigError, option

if TYPE_CHECKING:
    from omi_core.slurm.states import TaskKey
    from omi_core.store.layout import Layout

STAGES = ("canary", "generate", "gate", "reduce", "publish", "advance", "rescue", "step", "train")
# Between two looks at the files, and two questions to Slurm.
_LOOK_S, _ASK_S = 1.0, 20.0


@dataclass
class Options(Where):
    task: int | None = option(
        None, "index of an array task whose whole logs to show; null: the last lines of all tasks", ge=0
    )
    stage: str | None = option(
        None, "show only this stage; null: all stages, or generate where task is set", choices=STAGES
    )
    lines: int = option(5, "lines to show from the end of each log", ge=1)
    failed: bool = option(False, "show only tasks that failed, also what their job's script printed")
    follow: bool = option(False, "go on with what is printed from now on, until nothing waits or runs")


def main(config: Options, runs: list[Path]) -> int:
    """Prints the logs of one run, or of all steps of a pipeline, oldest job first. Returns the exit code."""
    from omi_core.store.layout import Layout

    # A pipeline's own are the jobs of steps that are not runs.
    shown: dict[Path, int] = {}
    for stage, path in _found(runs[0], config):
        text = path.read_bytes()
        shown[path] = len(text)
        print(f"== {stage} {path}")
        lines = text.decode("utf-8", "replace").splitlines()
        print("\n".join(lines if config.task is not None else lines[-config.lines :]), flush=True)
    if config.follow:
        return _follow(runs[0], config, shown)
    if shown:
        return 0
    if config.failed:
        print("no task of it has failed")
        return 0
    raise ConfigError(f"{runs[0]}: has no such log; jobs write theirs to {Layout(runs[0]).logs}")


def _found(root: Path, config: Options) -> Iterator[tuple[str, Path]]:
    """(stage, log) of a run, or of a pipeline and its steps; empty ones are left out unless one is asked for.

    Of a job that fills a node with replicas, those that had nothing to do print nothing.
    """
    from omi_core.store.layout import Layout

    for layout in map(Layout, [root, *runs_in(root)]):
        for stage, path in _logs(layout, config):
            if config.task is not None or path.stat().st_size:
                yield stage, path


def _logs(layout: Layout, config: Options) -> Iterator[tuple[str, Path]]:
    from omi_core.store import ledger

    wanted = config.stage or ("generate" if config.task is not None else None)
    entries = [entry for entry in ledger.read(layout.ledger) if entry.get("job")]
    failed = _failed(layout, entries) if config.failed else set()
    for entry in entries:
        if wanted is not None and entry["stage"] != wanted:
            continue
        index = "*" if config.task is None else str(config.task)
        name = f"{entry['job']}_{index}" if entry["array"] else entry["job"]
        patterns = [f"{name}_*.log"]
        if config.failed:
            keys = [key for key in failed if key.job_id == entry["job"]]
            keys = [key for key in keys if config.task in (None, key.array_index)]
            patterns = [pattern for key in sorted(keys) for pattern in (f"{key}_*.log", f"{key}.sbatch.log")]
        for pattern in patterns:
            yield from ((entry["stage"], path) for path in sorted(layout.logs.glob(pattern)))


def _failed(layout: Layout, entries: list[dict[str, Any]]) -> set[TaskKey]:
    """Tasks that left word of a failure, and those that failed as Slurm has it, where it answers."""
    from omi_core.slurm import commands, failures, states
    from omi_core.slurm.script import replicas
    from omi_core.stages.run import open_run

    found: set[TaskKey] = set()
    try:
        seen = states.query_submitted(entries)
        found = {key for key, state in seen.items() if state.state in states.FAILURES - {"CANCELLED"}}
    except commands.SlurmError as error:
        print(f"Slurm does not answer ({error}); shown is what tasks themselves have left")
    each = replicas(open_run(layout).config) if layout.plan.is_file() else 1
    for place in failures.places(entries, each):
        if any(layout.trouble(place.attempt, place.shard + rank).exists() for rank in range(each)):
            found.add(place.key)
    for path in layout.logs.glob("*.trouble.json"):
        job, _, index = path.name.partition(".")[0].partition("_")
        found.add(states.TaskKey(job, int(index) if index else None))
    return found


def _follow(root: Path, config: Options, shown: dict[Path, int]) -> int:
    """Prints what is added to the logs, until nothing of the run waits or runs. Returns the exit code."""
    from omi_core.commands.waiting import gather
    from omi_core.slurm.run_status import ALIVE

    last, asked, over = None, time.monotonic() - _ASK_S, False
    while True:
        for stage, path in _found(root, config):
            with path.open("rb") as file:
                file.seek(shown.get(path, 0))
                added = file.read()
            whole = added[: added.rfind(b"\n") + 1]  # the rest of a line comes later
            if not whole:
                continue
            shown[path] = shown.get(path, 0) + len(whole)
            if path != last:
                print(f"== {stage} {path}")
                last = path
            print(whole.decode("utf-8", "replace"), end="", flush=True)
        if over:
            return 0
        if time.monotonic() - asked >= _ASK_S:
            over, asked = gather(root).state not in (*ALIVE, "unknown"), time.monotonic()
        if not over:
            time.sleep(_LOOK_S)
