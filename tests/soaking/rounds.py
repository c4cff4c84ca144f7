"""A round of the soak: one run, brought to its published dataset through all its sessions, and checked."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from omi_core.publish.parts import manifest_path, part_path
from omi_core.stages import gate
from omi_core.stages.reduce import finished_part
from omi_core.stages.run import open_run, published
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.store.keys import count_keys
from omi_core.store.layout import Layout
from omi_core.store.plan import read_plan
from tests.published import published_file
from tests.soaking.checks import Acknowledged, Difference, check_dataset, digests
from tests.soaking.faults import (
    ANY,
    CALM_FROM,
    FULL_DISK,
    GENERATE,
    KILL,
    KILL_ONE,
    PAUSE,
    PUBLISH,
    REDUCE,
    Disk,
    Fault,
    Session,
)
from tests.soaking.processes import Process

_TICK_S = 0.05
# A session takes ten seconds or so, on a machine that is busy with other work minutes: after that it hangs.
_SESSION_S = 900.0
# A calm session fails only by a fault of the product; a second one is for what it may find damaged.
_LAST = CALM_FROM + 2
_STAGES = (ANY, GENERATE, REDUCE, PUBLISH)

# Few hostile answers: each of them takes seconds to refuse, and here it is not the grader that is tried.
_GENERATED = ["teacher=rehearsal", "data.size=150", "samples=6", "teacher.rehearsal.hostile=0.002"]
_PUBLISHED = ["publish.splits.small=200", "publish.chat=answer"]
# Some 300 samples a second and a flush for every 8, so that most faults fall between two flushes.
_SLOWLY = ["teacher.rehearsal.latency=0.05", "engine.max_num_seqs=16", "run.flush_samples=8"]


class References:
    """The dataset of an undisturbed run of each command, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[str, str]] = {}

    def options(self, command: str) -> list[str]:
        """What the command is given; `reduce` takes on the rows that `generate` publishes."""
        if command == "generate":
            return [*_GENERATED, *_PUBLISHED, "cluster.workers=1"]
        self.of("generate")
        rows = published_file(self._folder / "undisturbed-generate/dataset/jsonl")
        return [f"input={rows}", *_PUBLISHED, "cluster.workers=1"]

    def of(self, command: str) -> dict[str, str]:
        """SHA-256 of the dataset's files, by path. Raises Difference: the run or its dataset is no good."""
        if command not in self._known:
            root = self._folder / f"undisturbed-{command}"
            words = [*self.options(command), f"run.dir={root}"]
            process = Process(f"jobs.{command}", words, self._folder / f"undisturbed-{command}.log")
            process.wait(_SESSION_S)
            if complaint := process.complaint(disk_was_full=False):
                raise Difference(complaint)
            check_dataset(root / "dataset", read_plan(Layout(root)))
            self._known[command] = digests(root / "dataset")
        return self._known[command]


@dataclass
class Report:
    """What a round went through; `hits` counts kills by the stage that the run was in."""

    command: str
    sessions: int = 0
    arrays: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    requeued: int = 0
    full_disk_failures: int = 0
    samples: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Round:
    """Round `number`; its run lies on `disk`, what its processes print in `logs`, below `folder`."""

    def __init__(
        self, number: int, references: References, disk: Disk, folder: Path, draw: Callable[[int], Session]
    ) -> None:
        # Every third run is an import: it has nothing to generate, and its plan takes longer.
        self.report = Report("reduce" if number % 3 == 2 else "generate")
        self.root = disk.folder / f"round-{number}"
        self.logs = folder / f"round-{number}-logs"
        self.logs.mkdir()
        self.references = references
        self.disk = disk
        self._draw = draw
        self.layout = Layout(self.root)
        self.keys = Acknowledged(self.layout)

    def play(self) -> Report:
        """Goes through sessions until the run is published, and checks it. Raises Difference."""
        started = time.monotonic()
        expected = self.references.of(self.report.command)
        for number in range(_LAST):
            _Play(self._draw(number), self, number).run()
            self.report.sessions += 1
            if self._published():
                break
        else:
            raise Difference(f"not published after {_LAST} sessions, the last of them undisturbed")
        plan = read_plan(self.layout)
        check_dataset(self.layout.dataset, plan, expected)
        self.report.samples = self.keys.count()
        self.report.bytes = sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())
        self.report.seconds = time.monotonic() - started
        return self.report

    def keep(self, folder: Path) -> Path:
        """Copies the run of a failed round from its disk."""
        kept = folder / f"failed-{self.root.name}"
        if self.root.exists():
            shutil.copytree(self.root, kept / "run", symlinks=True)
        return kept

    def _published(self) -> bool:
        return self.keys.plan is not None and published(open_run(self.layout)) is not None


class _Play:
    """One session of a round."""

    def __init__(self, session: Session, round_: Round, number: int) -> None:
        self._session, self._number = session, number
        self._round = round_
        self._report, self.keys, self.layout = round_.report, round_.keys, round_.layout
        self.disk = round_.disk
        self._disk_was_full = False
        self._waiting = list(session.faults)
        # (when, what) ends a pause or gives the disk's space back.
        self._ends: list[tuple[float, Callable[[], object]]] = []

    def run(self) -> None:
        """Raises Difference: it hangs, fails for no reason, leaves processes behind, or keys are gone."""
        self._processes = list(self._start())
        self._begun = time.monotonic()
        self._reached = dict.fromkeys(_STAGES, float("inf")) | {ANY: self._begun}
        try:
            while any([process.alive() for process in self._processes]):
                self._tick()
                time.sleep(_TICK_S)
        finally:
            for process in self._processes:
                if process.alive():
                    process.kill()
            self._end_what_is_due(float("inf"))
        self._check_ends()

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._begun > _SESSION_S:
            alive = [process.name for process in self._processes if process.alive()]
            raise Difference(f"still at work after {_SESSION_S:.0f} s: {alive}")
        self._end_what_is_due(now)
        self.keys.look()
        stage = self._stage()
        for reached in _STAGES[: _STAGES.index(stage) + 1] if stage in _STAGES else ():
            self._reached[reached] = min(self._reached[reached], now)
        for fault in [f for f in self._waiting if now >= self._reached[f.stage] + f.delay]:
            self._waiting.remove(fault)
            self._strike(fault, stage)

    def _strike(self, fault: Fault, stage: str) -> None:
        alive = [process for process in self._processes if process.alive()]
        if not alive:
            return
        victim, until = alive[fault.victim % len(alive)], time.monotonic() + fault.seconds
        if fault.kind in (KILL, KILL_ONE):
            victim.kill(whole=fault.kind == KILL)
            self._report.hits[stage] += 1
            if self._session.array and fault.requeue:
                self._check_end(victim)
                victim.start()
                self._report.requeued += 1
        elif fault.kind == PAUSE:
            victim.signal(signal.SIGSTOP)
            self._ends.append((until, lambda: victim.signal(signal.SIGCONT)))
        elif fault.kind == FULL_DISK:
            self.disk.fill(fault.room)
            self._disk_was_full = True
            self._ends.append((until, self.disk.clear))
        self._report.faults[fault.kind] += 1

    def _end_what_is_due(self, now: float) -> None:
        for when, end in [entry for entry in self._ends if entry[0] <= now]:
            self._ends.remove((when, end))
            end()

    def _check_ends(self) -> None:
        for process in self._processes:
            self._check_end(process)
        self.keys.look_closely()

    def _check_end(self, process: Process) -> None:
        if left := process.left_behind():
            raise Difference(f"{process.name}: has ended, and left processes {left} behind")
        if complaint := process.complaint(self._disk_was_full):
            raise Difference(complaint)
        self._report.full_disk_failures += not process.killed and process.wait(0) != 0

    def _stage(self) -> str:
        """What is to be done next by what is on disk: "plan", or a stage."""
        plan = self.keys.plan
        if plan is None:
            return "plan"
        if not self.keys.all_there():
            return GENERATE
        folder, parts = self.layout.parts(self._parts()), range(self._parts())
        return PUBLISH if all(manifest_path(part_path(folder, p)).exists() for p in parts) else REDUCE

    def _parts(self) -> int:
        """Parts of this session's reduce stage, as `part_count` has them."""
        assert self.keys.plan is not None
        return min(self._session.parts, self.keys.plan.records)

    def _start(self) -> Iterator[Process]:
        if self._session.array and self.keys.plan is not None:
            self._report.arrays += 1
            yield from self._array()
            return
        report, session = self._report, self._session
        words = [*self._round.references.options(report.command), f"run.dir={self._round.root}"]
        if report.command == "generate":
            words += [*_SLOWLY, f"tasks={session.tasks}"]
        yield self._process(f"jobs.{report.command}", [*words, f"reduce_tasks={session.parts}"])

    def _array(self) -> Iterator[Process]:
        """The tasks of the stage that is next, side by side, as a cluster's chain of jobs starts them."""
        run, tasks, parts = open_run(self.layout), self._session.tasks, self._parts()
        ranges = gate.missing(run)
        if missing := count_keys(ranges):
            attempt = new_attempt(self.layout, ranges, tasks)
            entry = {"stage": GENERATE, "attempt": attempt.number, "tasks": attempt.tasks, "keys": missing}
            ledger.append(self.layout.ledger, entry)
            for task in range(attempt.tasks):
                yield self._task(task, GENERATE, attempt.number, 0)
        elif any(finished_part(run, part, parts) is None for part in range(parts)):
            for task in range(parts):
                yield self._task(task, REDUCE, parts, parts)
        else:
            yield self._task(0, PUBLISH, parts)

    def _task(self, task: int, stage: str, *numbers: int) -> Process:
        words = [str(self._round.root), stage, *map(str, numbers)]
        return self._process("jobs._task", words, {"SLURM_ARRAY_TASK_ID": str(task)}, task)

    def _process(
        self, module: str, words: list[str], variables: dict[str, str] | None = None, task: int = 0
    ) -> Process:
        log = self._round.logs / f"{self._number:02}-{task}.log"
        return Process(module, words, log, variables)
