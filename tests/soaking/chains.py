"""A round of the soak on Slurm: one run on the throw-away cluster, what befalls it, and what its user types.

What is drawn depends on (seed, round) alone; only the moments at which jobs get somewhere are their own.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import orjson

from omi_core.store.attempts import read_attempt
from omi_core.store.index import contents
from omi_core.store.layout import Layout
from omi_core.store.plan import read_plan
from tests.cluster.chain import SITE, WORK, Chain
from tests.cluster.cluster import Cluster
from tests.soaking.checks import Difference, check_dataset

STAGES = ("canary", "generate", "gate", "reduce", "publish", "rescue")
# Kind -> how often it is drawn.
KINDS = {
    "kill": 6,
    "kill job": 1,
    "terminate": 2,
    "time limit": 1,
    "requeue": 2,
    "cancel task": 1,
    "cancel job": 2,
    "node crash": 2,
    "drain": 1,
    "controller": 1,
    "flip": 1,
    "user cancels": 1,
    "user resumes": 1,
}
_ROUND_S, _LOOK_S, _TICK_S = 300.0, 1.0, 0.1
_RESUMES = 10
_LIVE = ("PENDING", "RUNNING")


@dataclass(frozen=True)
class Fault:
    """One fault, `delay` s after a stage is first seen at work; `victim` chooses among what is there."""

    kind: str
    stage: str
    delay: float
    victim: int

    def __str__(self) -> str:
        return f"{self.kind} ({self.stage} + {self.delay:.1f} s)"


@dataclass(frozen=True)
class Draw:
    """The options that a round begins with, those of each later command, and what befalls it."""

    options: tuple[str, ...]
    resumes: tuple[tuple[str, ...], ...]
    faults: tuple[Fault, ...]

    @property
    def may_have_holes(self) -> bool:
        return any(option.startswith("run.min_coverage") for option in self.options)


def draw_round(seed: int, number: int) -> Draw:
    """What happens in a round."""
    draw = random.Random(f"{seed} {number}")
    options = [
        f"tasks={draw.choice([1, 2, 3, 4])}",
        f"reduce_tasks={draw.choice([1, 2, 3])}",
        f"teacher.rehearsal.latency={draw.choice([0.2, 0.4])}",
        "engine.max_num_seqs=4",
        f"run.flush_samples={draw.choice([2, 8])}",
    ]
    for chance, option in (
        (0.2, f"cluster.throttle={draw.choice([1, 2])}"),
        (0.25, "cluster.requeue=false"),
        (0.2, "run.min_coverage=0.5"),
        (0.2, "canary=true"),
        (0.2, "cluster.exclusive=true"),
    ):
        if draw.random() < chance:
            options.append(option)
    faults = []
    for _ in range(draw.choice([2, 3, 3, 4, 5])):
        kind = draw.choices(list(KINDS), weights=list(KINDS.values()))[0]
        stage = draw.choice(["generate", "generate", "gate", "reduce", "publish", "publish"])
        # About as long as a stage is at work here; gate and publish are mostly imports.
        delay = draw.uniform(0, 3.0 if stage == "generate" else 0.8)
        faults.append(Fault(kind, stage, delay, draw.randrange(1000)))
    resumes = [
        (
            f"tasks={draw.choice([1, 2, 3, 5])}",
            *([f"reduce_tasks={draw.choice([1, 2, 3])}"] * draw.choice([0, 0, 1])),
        )
        for _ in range(_RESUMES)
    ]
    return Draw(tuple(options), tuple(resumes), tuple(faults))


@dataclass
class Report:
    """What a round came to."""

    seconds: float = 0.0
    attempts: int = 0
    resumes: int = 0
    missing: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    unmet: int = 0


class Round:
    """One run, from its submission to its dataset."""

    def __init__(
        self,
        cluster: Cluster,
        place: Path,
        draw: Draw,
        expected: dict[str, str],
        words: Sequence[str] = (),
    ) -> None:
        """`words` are options that the run has besides."""
        self.chain = Chain(cluster, place)
        self._work = ("generate", *WORK, *SITE, "run.dir=run", *words)
        self.cluster, self.draw, self.report = cluster, draw, Report()
        self._expected = expected
        self._waiting = list(draw.faults)
        self._reached: dict[str, float] = {}
        self._ends: list[tuple[float, object]] = []
        self._looked = 0.0
        self.told: list[str] = []

    def play(self) -> Report:
        """Raises Difference: two arrays at once, a command that fails, a wrong dataset, or none at all."""
        begun = time.monotonic()
        self._type(*self._work, *self.draw.options)
        self._until_published(begun + _ROUND_S)
        self._mend_site()
        self.chain.idle(90)
        self.report.missing = self._hole()
        self._check()
        self.report.seconds = time.monotonic() - begun
        self.report.attempts = self.chain.attempts()
        self.report.unmet = len(self._waiting)
        return self.report

    # -- the loop ------------------------------------------------------------------------------------------

    def _until_published(self, deadline: float) -> None:
        stats = self.chain.run / "dataset/stats.json"
        while not stats.exists():
            if time.monotonic() > deadline:
                raise Difference(f"not published after {_ROUND_S:.0f} s: {self._words()}")
            self._strike_what_is_due()
            self._look()
            time.sleep(_TICK_S)

    def _strike_what_is_due(self) -> None:
        now = time.monotonic()
        for end in [end for end in self._ends if end[0] <= now]:
            self._ends.remove(end)
            self._undo(end[1])
        if not self._waiting:
            return
        for stage in {fault.stage for fault in self._waiting} - set(self._reached):
            if self.chain.processes(stage):
                self._reached[stage] = now
        for fault in [f for f in self._waiting if now >= self._reached.get(f.stage, now + 1) + f.delay]:
            self._waiting.remove(fault)
            self._strike(fault)

    def _look(self) -> None:
        """Once a second: nothing is made twice, and where nothing waits or runs the user goes on."""
        if time.monotonic() - self._looked < _LOOK_S or not self.cluster.controller_runs():
            return
        self._looked = time.monotonic()
        rows = self.cluster.jobs()
        if not rows:
            return  # the controller did not answer
        live = [row for row in rows if row.state in _LIVE]
        self._refuse_two_at_once({row.id.split("_")[0] for row in live})
        if not self.chain.queued() and not (self.chain.run / "dataset/stats.json").exists():
            if self.report.resumes >= _RESUMES:
                raise Difference(f"still not published after {_RESUMES} resumes: {self._words()}")
            self._mend_site()
            self._resume(*self.draw.resumes[self.report.resumes])

    def _refuse_two_at_once(self, live: set[str]) -> None:
        """Raises Difference where two arrays that wait or run were to make the same samples."""
        made = {}
        for entry in self.chain.ledger():
            if entry.get("job") in live and entry["stage"] in ("canary", "generate"):
                made.setdefault(entry["attempt"], entry["job"])
        layout = Layout(self.chain.run)
        for one, other in combinations(made, 2):
            keys = [_keys(read_attempt(layout, number).ranges) for number in (one, other)]
            if both := len(keys[0] & keys[1]):
                again = {
                    row.id: row.state for row in self.cluster.jobs() if row.id.split("_")[0] in made.values()
                }
                if all(
                    any(state in _LIVE for job, state in again.items() if job.split("_")[0] == made[number])
                    for number in (one, other)
                ):
                    raise Difference(
                        f"jobs {made[one]} and {made[other]} make {both} samples at once: {again}"
                    )

    # -- what befalls it -----------------------------------------------------------------------------------

    def _strike(self, fault: Fault) -> None:
        self.told.append(str(fault))
        stages = [stage for stage in STAGES if self.chain.processes(stage)]
        hit = self._befall(fault, fault.stage if fault.stage in stages else (stages or [""])[0])
        self.report.faults[fault.kind] += hit
        if hit:
            self.report.stages[fault.stage if fault.stage in stages else (stages or ["queue"])[0]] += 1

    def _befall(self, fault: Fault, stage: str) -> bool:
        signals = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "time limit": signal.SIGUSR2}
        if fault.kind in signals:
            pids = self.chain.processes(stage) if stage else []
            chosen = pids if fault.victim % 2 else pids[fault.victim % max(1, len(pids)) :][:1]
            for pid in chosen:
                with suppress(ProcessLookupError):
                    os.kill(pid, signals[fault.kind])
            return bool(chosen)
        if fault.kind in ("user cancels", "user resumes"):
            if fault.kind == "user cancels":
                self._type("cancel", "run")
            self._resume(*self.draw.resumes[self.report.resumes])
            return True
        if fault.kind == "controller":
            if fault.victim % 2:
                self.cluster.remembered()
            self.cluster.stop_controller(crash=bool(fault.victim % 2))
            self.cluster.start_controller()
            return True
        if fault.kind == "flip":
            return self._flip(fault.victim)
        return self._befall_job(fault)

    def _befall_job(self, fault: Fault) -> bool:
        rows = sorted((row for row in self.cluster.jobs() if row.state in _LIVE), key=lambda row: row.id)
        running = [row for row in rows if row.state == "RUNNING" and row.node]
        if fault.kind == "cancel job" and rows:
            self.cluster.ask("scancel", rows[fault.victim % len(rows)].id.split("_")[0])
        elif fault.kind == "cancel task" and rows:
            self.cluster.ask("scancel", rows[fault.victim % len(rows)].id)
        elif fault.kind == "kill job" and running:
            self.cluster.ask("scancel", "--signal=KILL", "--full", running[fault.victim % len(running)].id)
        elif fault.kind == "requeue" and running:
            self.cluster.ask("scontrol", "requeue", running[fault.victim % len(running)].id)
        elif fault.kind in ("node crash", "drain") and running:
            node = running[fault.victim % len(running)].node.split(",")[0]
            if fault.kind == "drain":
                self.cluster.drain(node)
            else:
                self.cluster.crash(node, noticed=True)
            self._ends.append((time.monotonic() + 3, node))
        else:
            return False
        return True

    def _flip(self, victim: int) -> bool:
        """One bit in a frame of a journal that nobody writes to any more, as a bad disk would."""
        if self.chain.processes("generate"):
            return False
        whole = [path for path in Layout(self.chain.run).journals() if contents(path).frames]
        if not whole:
            return False
        path = whole[victim % len(whole)]
        frame = contents(path).frames[0]
        with path.open("r+b") as file:
            file.seek(frame.offset + (frame.end - frame.offset) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        return True

    def _undo(self, node: object) -> None:
        self.cluster.start(str(node))

    def _mend_site(self) -> None:
        for _, node in self._ends:
            self._undo(node)
        self._ends = []

    # -- what the user types -------------------------------------------------------------------------------

    def _resume(self, *options: str) -> None:
        self.report.resumes += 1
        if options and all(option.startswith("tasks=") for option in options):
            self._type("resume", "run", *options)
            return
        kept = [
            o for o in self.draw.options if not o.startswith(("canary", *(p.split("=")[0] for p in options)))
        ]
        self._type(*self._work, *kept, *options)

    def _type(self, command: str, *arguments: str) -> None:
        """Raises Difference where a command fails otherwise than in one line."""
        done = self.chain.type(command, *arguments)
        said = [line for line in done.stderr.splitlines() if line.startswith(("error:", "failed:"))]
        self.told.append(
            f"{command} {' '.join(arguments[-2:])} -> {done.returncode} {' '.join(said)}".strip()
        )
        if (
            done.returncode not in (0, 1, 2)
            or (done.returncode and len(said) != 1)
            or "Traceback" in done.stderr
        ):
            raise Difference(f"jobs.{command} ended with {done.returncode}: {done.stdout}{done.stderr}")

    # -- what must hold ------------------------------------------------------------------------------------

    def _hole(self) -> int:
        """Samples that the dataset does not count. Raises Difference where nobody said it may miss any."""
        stats = orjson.loads((self.chain.run / "dataset/stats.json").read_bytes())
        counts = stats["counts"]
        missing = read_plan(Layout(self.chain.run)).keys - counts["samples"] - counts.get("unneeded", 0)
        if missing and not self.draw.may_have_holes:
            raise Difference(f"published with {missing} samples missing, and nobody asked for a hole")
        return missing

    def _check(self) -> None:
        plan = read_plan(Layout(self.chain.run))
        if not self.report.missing:
            check_dataset(self.chain.run / "dataset", plan, self._expected)
        if strays := self.cluster.strays():
            raise Difference(f"processes are left: {strays}")
        status = self.chain.status()
        if status["state"] != "published":
            raise Difference(f"published, and jobs.status says {status['state']}")
        if status["failures"] and not self.report.missing:
            raise Difference(f"published, and jobs.status still shows {status['failures']}")

    def _words(self) -> str:
        ledger = [
            f"{e['stage']} {e.get('job', '')} {e.get('reason', '')}".strip() for e in self.chain.ledger()
        ]
        return "\n".join([*self.told, *ledger, self.cluster.report()])


def _keys(ranges: np.ndarray) -> set[int]:
    return {key for start, stop in ranges.tolist() for key in range(start, stop)}
