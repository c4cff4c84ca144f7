"""Pipelines on a real Slurm: one command, jobs that submit the next step, the same bytes for any history."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import orjson
import pytest

from tests.cluster.chain import SITE, Chain, files

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]

Made = dict[str, bytes]
WORK = ("recipe=rehearsal", "size=12", "test_size=3", "cluster.workers=1", "run.dir=all")
SLOW = ("teacher.rehearsal.latency=0.5", "engine.max_num_seqs=4", "run.flush_samples=2")
STEPS = ("01-test_set", "02-solve", "03-check", "04-solve_again")


def made(root: Path) -> Made:
    """What the steps have made: the datasets, and the clean rows."""
    found = {
        f"{step}/{name}": data for step in STEPS for name, data in files(root / step / "dataset").items()
    }
    return found | {"clean": (root / "03-check/clean.jsonl").read_bytes()}


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What one machine makes of the recipe."""
    place = tmp_path_factory.mktemp("alone")
    command = [sys.executable, "-m", "jobs.pipeline", *WORK]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return made(place / "all")


class Line:
    """The pipeline `all` on a cluster, as its user sees it."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.cluster, self.root = chain, chain.cluster, chain.place / "all"

    def step(self, folder: str) -> Chain:
        return Chain(self.cluster, self.root, folder)

    def submit(self, *options: str) -> str:
        done = self.chain.type("pipeline", *WORK, *SITE, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def resume(self) -> str:
        done = self.chain.type("resume", "all")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ledger(self, stage: str) -> list[str]:
        """The steps of which the pipeline's ledger says this, in order."""
        path = self.root / "ledger.jsonl"
        entries = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        return [entry["step"] for entry in entries if entry["stage"] == stage]

    def logs(self) -> str:
        return "\n".join(f"== {path}\n{path.read_text()}" for path in sorted(self.root.rglob("logs/*.log")))

    def finished(self) -> Made:
        """Waits until the last step is done; what the steps have made."""
        try:
            self.cluster.wait_for(lambda: "solve_again" in self.ledger("done"), 180, "the pipeline is done")
        except AssertionError as error:
            ledgers = [path.read_text() for path in sorted(self.root.rglob("ledger.jsonl"))]
            raise AssertionError("\n".join([*ledgers, self.logs(), str(error)])) from None
        self.chain.idle()
        return made(self.root)

    def state(self) -> str:
        done = self.chain.type("status", "all", "json=true")
        assert done.returncode == 0, done.stderr
        return orjson.loads(done.stdout)[0]["state"]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For a while somebody else submits steps of it, so that all who would submit wait."""
        with (self.root / ".lock").open("ab") as file:
            flock(file, LOCK_EX)
            yield


@pytest.fixture
def line(chain: Chain) -> Line:
    return Line(chain)


def test_one_command_carries_all_steps_through(line: Line, alone: Made) -> None:
    said = line.submit("tasks=2")
    assert "jobs.status" in said
    assert line.finished() == alone
    assert line.state() == "finished"
    assert line.ledger("sent") == ["test_set", "solve", "check", "solve_again"]
    stages = [entry["stage"] for entry in line.step("02-solve").ledger()]
    assert stages == ["chain", "generate", "gate", "reduce", "publish", "advance", "rescue"]
    again = line.chain.type("pipeline", *WORK, *SITE, "wait=true")
    assert again.returncode == 0 and "all: finished" in again.stdout
    assert "complete, nothing to do" in again.stderr
    assert "solve_again" in line.chain.type("logs", "all").stdout


@pytest.mark.slow
def test_steps_that_end_at_once_submit_the_next_one_once(line: Line, alone: Made) -> None:
    line.submit()
    with line.locked():
        for folder in STEPS[:2]:
            chain = line.step(folder)
            line.cluster.wait_for(
                lambda c=chain: bool(c.processes("advance")), 120, f"{folder} is at its end"
            )
    assert line.finished() == alone
    assert line.ledger("sent") == ["test_set", "solve", "check", "solve_again"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "folder"),
    [
        ("publish", "02-solve"),
        pytest.param("advance", "02-solve", marks=pytest.mark.slow),
        pytest.param("step", "", marks=pytest.mark.slow),
    ],
)
def test_a_single_job_that_is_killed_is_sent_again(line: Line, alone: Made, stage: str, folder: str) -> None:
    line.submit()
    killed = line.step(folder) if folder else Chain(line.cluster, line.chain.place, "all")
    killed.kill(stage, seconds=120)
    assert line.finished() == alone
    assert line.ledger("sent").count("solve") == 1
    assert line.state() == "finished"


@pytest.mark.slow
def test_a_step_that_is_cancelled_is_told_and_not_sent_again(line: Line, alone: Made) -> None:
    line.submit()
    whole = Chain(line.cluster, line.chain.place, "all")
    line.cluster.wait_for(lambda: bool(whole.processes("step")), 120, "the step runs")
    line.cluster.run("scancel", whole.job("step"))
    line.chain.idle(120)
    assert line.state() == "stopped"
    shown = orjson.loads(line.chain.type("status", "all", "json=true").stdout)[0]
    (step,) = [step for step in shown["steps"] if step["name"] == "check"]
    assert step["state"] == "failed"
    assert re.match(r"job \d+: 1 x cancelled", step["reason"])
    assert step["reason"] in line.chain.type("status", "all").stdout
    line.resume()
    assert line.finished() == alone


@pytest.mark.slow
@pytest.mark.parametrize("fault", [pytest.param("node crash", marks=pytest.mark.slow), "killed"])
def test_a_job_that_ends_while_it_submits_the_next_step(line: Line, alone: Made, fault: str) -> None:
    line.submit()
    last = line.step("02-solve")
    with line.locked():
        line.cluster.wait_for(lambda: bool(last.processes("advance")), 120, "the step is at its end")
        if fault == "killed":
            last.kill("advance")
        else:
            line.cluster.crash(line.cluster.job(last.job("advance")).node, noticed=True)
    assert line.finished() == alone
    assert len(line.ledger("step")) == 1  # one job for check


@pytest.mark.slow
def test_a_pipeline_that_is_cancelled_and_resumed_at_once_goes_on(line: Line, alone: Made) -> None:
    line.submit(*SLOW)
    line.step("02-solve").begun()
    assert line.chain.type("cancel", "all").returncode == 0
    assert "wait or run already" not in line.resume()
    assert line.finished() == alone


@pytest.mark.slow
def test_half_a_chain_whose_submission_was_killed_is_taken_back(line: Line, alone: Made) -> None:
    line.submit("+cluster.options={hold: true}")
    half, whole = line.step(STEPS[0]), line.step(STEPS[1])
    array = half.job("generate")
    for stage in ("rescue", "advance", "publish", "reduce", "gate"):
        line.cluster.run("scancel", half.job(stage))
    keep(half.run / "ledger.jsonl", lambda entry: entry["stage"] in ("chain", "generate"))
    keep(
        line.root / "ledger.jsonl", lambda entry: (entry["stage"], entry.get("step")) != ("sent", "test_set")
    )
    said = line.submit()
    assert line.cluster.settled(array) == {"CANCELLED"}
    assert "solve: 6 of its jobs wait or run already" in said
    for entry in whole.ledger():
        if entry.get("job"):
            line.cluster.run("scontrol", "release", entry["job"])
    assert line.finished() == alone


def keep(path: Path, wanted: Callable[[dict[str, str]], bool]) -> None:
    """Leaves only these lines of a ledger, as if whoever wrote it had been killed before the others."""
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if wanted(orjson.loads(line))]
    path.write_bytes(b"".join(lines))


@pytest.mark.slow
def test_a_submission_that_is_killed_in_the_middle_of_sbatch_is_made_again(line: Line, alone: Made) -> None:
    with line.cluster.calls.held("sbatch"):
        started = line.chain.start("pipeline", *WORK, *SITE)
        line.cluster.wait_for(lambda: line.cluster.calls.count("sbatch") > 0, 60, "it submits")
        started.kill()
        started.communicate()
    assert line.ledger("sending") and line.ledger("sent") == []
    line.submit()
    assert line.finished() == alone


@pytest.mark.slow
def test_a_gate_that_sends_a_chain_of_its_own_takes_the_pipeline_along(line: Line, alone: Made) -> None:
    line.submit(*SLOW)
    chain = line.step("02-solve")
    chain.begun()
    chain.kill("generate")
    assert line.finished() == alone
    assert len(chain.ledger("advance")) == 2
    assert line.ledger("sent") == ["test_set", "solve", "check", "solve_again"]


@pytest.mark.slow
def test_a_controller_that_is_busy_while_a_step_is_submitted(line: Line, alone: Made) -> None:
    line.submit()
    line.cluster.calls.refuse("sbatch", times=3)
    assert line.finished() == alone
    assert line.ledger("sent") == ["test_set", "solve", "check", "solve_again"]


@pytest.mark.slow
def test_a_cancelled_pipeline_submits_nothing_until_it_is_resumed(line: Line, alone: Made) -> None:
    with line.cluster.closed():
        line.submit()
        again = line.chain.type("pipeline", *WORK, *SITE)
        assert "wait or run already" in again.stdout
        done = line.chain.type("cancel", "all")
        assert done.returncode == 0, done.stderr
        assert "jobs.resume" in done.stdout
        line.chain.idle()
    assert line.state() == "cancelled"
    assert set(line.ledger("sent")) == {"test_set", "solve"}
    line.resume()
    assert line.finished() == alone


@pytest.mark.slow
def test_a_step_that_fails_is_told_by_name_and_holds_up_what_waits_for_it(line: Line, alone: Made) -> None:
    line.submit("steps.solve.canary=true", "steps.solve.cluster.canary.min_answers=1")
    line.cluster.wait_for(lambda: bool(line.step("02-solve").ledger("end")), 120, "the canary fails")
    line.chain.idle(120)
    shown = line.chain.type("status", "all").stdout
    assert "the canary failed" in shown
    assert "check" not in line.ledger("sent")
    line.resume()
    assert line.finished() == alone


def test_other_commands_wait_for_the_one_that_submits(line: Line) -> None:
    line.submit()
    with line.locked():
        done = line.chain.type("pipeline", *WORK, *SITE)
    assert done.returncode == 2
    assert "in use by" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    line.chain.type("cancel", "all")
