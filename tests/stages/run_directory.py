"""A model of a run directory: whatever is done to it, what is published is right, or says what it lacks.

    python -m tests.stages.run_directory HISTORIES STEPS

A process of its own, since it forks: a child of one whose threads hold locks, as those of polars do, may wait
for them forever. Every command and every job is such a child, which may be killed at any call that makes
something durable or visible. Files are flipped, cut and deleted between them. The invariant: a dataset that
is published is, byte for byte, that of an undisturbed run, or it states how many samples it was made without.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.publish.dataset import NothingToPublish, hole_of
from omi_core.slurm import array_task, commands, gates, states
from omi_core.slurm.run_status import gather_readable
from omi_core.stages import gate
from omi_core.stages.generate import run_shard
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate, refuse_changed
from omi_core.stages.reduce import part_count
from omi_core.stages.run import Run, open_run, open_to_continue, published
from omi_core.stages.stopping import Stop
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.store.files import write_json
from omi_core.store.keys import count_keys
from omi_core.store.layout import Layout
from omi_core.teachers import open_teacher

RECORDS, SAMPLES = 6, 2
CALLS = ("fsync", "write", "pwrite", "replace", "rename", "link", "unlink", "ftruncate", "open", "mkdir")
DONE, REFUSED, FAILED, KILLED = "done", "refused", "failed", "killed"
# Of these the others are proof: of two that are damaged none can be written again.
EVIDENCE = ("plan.json", "config.json", "records.jsonl.zst", "dataset/stats.json", "dataset/config.json")


# Imported before the forks, each of which would take the time for it.
_HEAVY = ("antlr4", "numpy.ma", "polars", "pyarrow.compute", "pyarrow.parquet", "tokenizers", "yaml")
_HEAVY += ("omi_core.tasks.solutions", "omi_core.teachers.rehearsal")
_HEAVY += ("omi_core.answers.pool", "omi_core.teachers.tiny.world")


def config(root: Path, tasks: int = 1, reduce_tasks: int = 1, coverage: float = 1.0) -> Generate:
    shares = {"wrong": 0.2, "malformed": 0.0, "overlong": 0.0, "hostile": 0.0}
    values: dict[str, Any] = {
        "run": {"dir": str(root), "flush_samples": 2, "min_coverage": coverage},
        "teacher": {"name": "r", "kind": "rehearsal", "model": "rehearsal", "rehearsal": shares},
        "data": {"size": RECORDS, "answer": "answer"},
        "samples": SAMPLES,
        "tasks": tasks,
        "reduce_tasks": reduce_tasks,
        "cluster": {"workers": 1},
        "publish": {"splits": {}},
    }
    return load_generate(values)


def in_a_process(do: Callable[[], Any], log: Path, die_at: int = 0) -> str:
    """How a process ends that does something and is killed at its `die_at`-th call (0: never)."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            _die_at(die_at)
            do()
            code = 0
        except ConfigError as error:
            os.write(2, str(error).encode())
            code = 2
        except (*array_task.FAILURES, *_FAILURES) as error:
            os.write(2, str(error).encode())
            code = 1
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return KILLED
    outcome = {0: DONE, 1: FAILED, 2: REFUSED}.get(os.waitstatus_to_exitcode(status))
    assert outcome is not None, log.read_text(errors="replace")
    return outcome


_FAILURES = (NothingToPublish,)


def _die_at(number: int) -> None:
    made = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            if made == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return run

    for name in CALLS if number else ():
        setattr(os, name, counted(getattr(os, name)))


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def rows_of(files: dict[str, bytes]) -> list[dict[str, Any]]:
    packed = [data for name, data in sorted(files.items()) if name.endswith(".jsonl.zst")]
    lines = b"".join(zstandard.ZstdDecompressor().decompressobj().decompress(data) for data in packed)
    return [orjson.loads(line) for line in lines.splitlines()]


def row_keys(files: dict[str, bytes]) -> set[tuple[str, ...]]:
    names = ("problem", "generated_solution", "expected_answer")
    return {tuple(row[name] for name in names) for row in rows_of(files)}


class RunDirectory(RuleBasedStateMachine):
    """The rules are what users, jobs and accidents do."""

    undisturbed: dict[str, bytes]
    steps = 0
    holes = 0  # steps after which a dataset with a hole was there

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="states-"))
        self.root, self.log = self.place / "run", self.place / "log"
        self.layout = Layout(self.root)
        self.harmed: set[str] = set()  # evidence, since it was last written again
        self.tainted: int | None = None  # the directory of a dataset that was damaged

    def teardown(self) -> None:
        try:
            if self.layout.dataset.exists():  # what only `verify` would notice goes
                shutil.rmtree(self.layout.dataset)
            outcome = self._do(lambda: run_locally(plan_generate(config(self.root)), Stop()))
            assert outcome == DONE or self._may_refuse(), self.log.read_text(errors="replace")
            if outcome == DONE:
                assert files_of(self.layout.dataset) == self.undisturbed
        finally:
            shutil.rmtree(self.place)

    def _may_refuse(self) -> bool:
        return len(self.harmed) > 1

    def _do(self, do: Callable[[], Any], die_at: int = 0) -> str:
        return in_a_process(do, self.log, die_at)

    # -- what a user types ---------------------------------------------------------------------------------

    @rule(
        tasks=st.integers(1, 3),
        reduce_tasks=st.integers(1, 3),
        coverage=st.sampled_from([1.0, 0.5, 0.01]),
        die_at=st.integers(0, 250),
    )
    def generate(self, tasks: int, reduce_tasks: int, coverage: float, die_at: int) -> None:
        made = config(self.root, tasks, reduce_tasks, coverage)
        outcome = self._do(lambda: run_locally(plan_generate(made), Stop()), die_at)
        assert outcome in (DONE, KILLED) or self._may_refuse(), self.log.read_text(errors="replace")
        if outcome == DONE:
            self.harmed.clear()
            self._is_whole()

    @precondition(lambda self: self.layout.plan.exists())
    @rule(tasks=st.integers(1, 3), die_at=st.integers(0, 250))
    def resume(self, tasks: int, die_at: int) -> None:
        def do() -> None:
            run = open_to_continue(self.layout)
            refuse_changed(run)
            run_locally(Run(run.layout, run.plan, dataclasses.replace(run.config, tasks=tasks)), Stop())

        outcome = self._do(do, die_at)
        assert outcome in (DONE, KILLED) or self.harmed, self.log.read_text(errors="replace")
        if outcome == DONE:
            self._is_whole()

    @precondition(lambda self: not self.root.exists())
    @rule(die_at=st.integers(0, 60))
    def plan(self, die_at: int) -> None:
        self._do(lambda: plan_generate(config(self.root)), die_at)

    @precondition(lambda self: self.layout.plan.exists())
    @rule()
    def look(self) -> None:
        assert self._do(lambda: self._look()) == DONE, self.log.read_text(errors="replace")

    def _look(self) -> None:
        status = gather_readable(self.root)
        assert status.note is None or "\n" not in status.note
        assert status.state != "unreadable" or status.note

    @precondition(lambda self: self.layout.plan.exists())
    @rule()
    def cancel(self) -> None:
        ledger.append(self.layout.ledger, {"stage": "cancel", "jobs": []})

    @rule()
    def delete_dataset(self) -> None:
        shutil.rmtree(self.layout.dataset, ignore_errors=True)

    # -- what jobs do --------------------------------------------------------------------------------------

    @precondition(lambda self: self.layout.plan.exists())
    @rule(tasks=st.integers(1, 4), lost=st.integers(0, 3), die_at=st.integers(0, 120))
    def array(self, tasks: int, lost: int, die_at: int) -> None:
        """An attempt of which one task is lost, and another may be killed."""
        outcome = self._do(lambda: self._array(tasks, lost), die_at)
        assert outcome in (DONE, KILLED) or self.harmed, self.log.read_text(errors="replace")

    def _array(self, tasks: int, lost: int) -> None:
        run: Any = open_to_continue(self.layout)
        missing = gate.missing(run)
        if not count_keys(missing):
            return
        attempt = new_attempt(run.layout, missing, tasks)
        ledger.append(run.layout.ledger, {"stage": "generate", "attempt": attempt.number})
        chosen = run.config
        with open_teacher(chosen.teacher, chosen.engine, chosen.sampling) as teacher:
            for number in range(attempt.tasks):
                if number != lost:
                    run_shard(run, attempt, number, teacher, Stop(), lambda sample: None)

    @precondition(lambda self: self.layout.plan.exists())
    @rule(
        tasks=st.integers(1, 4),
        lost=st.integers(0, 3),
        parts=st.integers(1, 3),
        coverage=st.sampled_from([1.0, 0.5, 0.1]),
        publish=st.booleans(),
        gone=st.one_of(st.integers(0, 9), st.none()),
        die_at=st.one_of(st.just(0), st.integers(0, 250)),
    )
    def chain(
        self,
        tasks: int,
        lost: int,
        parts: int,
        coverage: float,
        publish: bool,
        gone: int | None,
        die_at: int,
    ) -> None:
        """An array, gate, reduce and publish as jobs; what they would submit is left out.

        `gone`: a journal that is no longer there when the chain begins, and no dataset either, since one
        that was whole stays.
        """
        if gone is not None and (journals := self.layout.journals()):
            journals[gone % len(journals)].unlink()
            self.delete_dataset()

        def do() -> None:
            opened = open_to_continue(self.layout)
            options = dataclasses.replace(opened.config.run, min_coverage=coverage)
            chosen = dataclasses.replace(opened.config, run=options, reduce_tasks=parts)
            write_json(self.layout.config, dataclasses.asdict(chosen))
            ledger.append(self.layout.ledger, {"stage": "chain", "by": "test", "keys": 0})
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(gates, "_send", lambda *arguments: None)
                patch.setattr(states, "query_submitted", _no_slurm)
                self._array(tasks, lost)
                run: Any = Run(opened.layout, opened.plan, chosen)
                gates.pass_generate(run, None)
                count = part_count(run)
                array_task.reduce(str(self.root), [count, 1], Stop())
                if publish:
                    array_task.publish(str(self.root), [count], Stop())

        self._do(do, die_at)

    # -- accidents -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.layout.plan.exists())
    @rule(
        where=st.sampled_from(["", "", "generate/", "reduce/"]),
        which=st.integers(0, 999),
        how=st.sampled_from(["flip", "cut", "delete"]),
        at=st.integers(0, 10**6),
    )
    def damage(self, where: str, which: int, how: str, at: int) -> None:
        there = (name for name in files_of(self.root) if not name.endswith(".lock"))
        names = sorted(name for name in there if name.startswith(where))
        if not names:
            return
        name = names[which % len(names)]
        path = self.root / name
        data = bytearray(path.read_bytes())
        if not data:
            return
        if name.startswith("dataset/"):
            self.tainted = self.layout.dataset.stat().st_ino
        if name in EVIDENCE:
            self.harmed.add(name)
        if how == "delete":
            path.unlink()
            return
        if how == "cut":
            del data[at % len(data) :]
        else:
            data[at % len(data)] ^= 1 << at % 8
        path.write_bytes(data)

    # -- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def published_is_right_or_says_what_is_missing(self) -> None:
        type(self).steps += 1
        stats = self._published()
        if stats is None or self._is_tainted():
            return
        files = files_of(self.layout.dataset)
        hole = hole_of(stats)
        type(self).holes += hole is not None
        if hole is None:
            assert files == self.undisturbed
            return
        assert 0 < hole.missing < hole.of == RECORDS * SAMPLES
        assert stats["counts"]["samples"] == hole.of - hole.missing
        assert f"{hole.missing} of {hole.of} samples are missing" in files["README.md"].decode()
        assert row_keys(files) <= row_keys(self.undisturbed)

    def _published(self) -> dict[str, Any] | None:
        try:
            return published(open_run(self.layout))
        except ConfigError:
            return None

    def _is_tainted(self) -> bool:
        there = self.layout.dataset.exists()
        return there and self.tainted == self.layout.dataset.stat().st_ino

    def _is_whole(self) -> None:
        if not self._is_tainted():
            assert files_of(self.layout.dataset) == self.undisturbed


def _no_slurm(jobs: object) -> Any:
    raise commands.NotInstalled("squeue", "not here")


def run_histories(number: int, steps: int) -> tuple[int, int]:
    """Tries this many histories of at most this many steps each.

    Returns the steps taken, and after how many of them a dataset with a hole was there.

    Raises:
        AssertionError: a history after which something published is not right.
    """
    for name in _HEAVY:
        import_module(name)
    place = Path(tempfile.mkdtemp(prefix="states"))
    try:
        root = place / "undisturbed"
        assert in_a_process(lambda: run_locally(plan_generate(config(root)), Stop()), place / "log") == DONE
        RunDirectory.undisturbed = files_of(root / "dataset")
        run_state_machine_as_test(
            RunDirectory,
            settings=settings(
                max_examples=number,
                stateful_step_count=steps,
                deadline=None,
                derandomize=True,
                database=None,
                phases=(Phase.explicit, Phase.generate),
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
    finally:
        shutil.rmtree(place)
    return RunDirectory.steps, RunDirectory.holes


if __name__ == "__main__":
    print("{} steps, {} with a hole".format(*run_histories(*map(int, sys.argv[1:]))))
