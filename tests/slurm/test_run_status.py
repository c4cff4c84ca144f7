"""What `jobs.status` makes of a run's files and of what squeue and sacct print."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.commands.status import one_run
from omi_core.records import Sample
from omi_core.slurm import states
from omi_core.slurm.commands import Busy, SlurmError
from omi_core.slurm.run_status import Status, run_status
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt, read_attempt
from omi_core.store.files import write_json
from omi_core.store.flight import Flight
from omi_core.store.journal import JournalWriter
from omi_core.store.keys import count_keys, iter_keys
from omi_core.store.layout import Layout
from omi_core.terminal import terminal
from tests.conftest import Here
from tests.slurm.composing import compose

NOW = int(time.time())


class Site:
    """A run of two jobs of two replicas on 8 GPUs each, and what Slurm is to print about it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = compose(
            "+cluster=slurm",
            "cluster.partition=gpu",
            "cluster.gpus_per_node=8",
            "teacher=rehearsal",
            "teacher.tensor_parallel=4",
            "data.size=4",
            "samples=2",
            f"run.dir={root}",
        )
        self.run: Run[Any] = plan_generate(config)
        self.layout: Layout = self.run.layout
        self.layout.logs.mkdir()
        self.squeue: list[str] | Exception = []
        self.sacct: list[str] = []
        self.asked: list[str] = []
        monkeypatch.setattr(states, "run", self._run)

    def _run(self, *argv: str, **_: object) -> str:
        self.asked.append(argv[0])
        printed = self.squeue if argv[0] == "squeue" else self.sacct
        if isinstance(printed, Exception):
            raise printed
        return "".join(f"{line}\n" for line in printed)

    def chain(self, *jobs: str) -> int:
        """A chain of which gate, reduce and publish follow the array `jobs[0]`; the number of its attempt."""
        ranges = gate.missing(self.run)
        attempt = new_attempt(self.layout, ranges, 4)
        self.note(stage="chain", by="generate", keys=count_keys(ranges))
        arrays = {"generate": [0, 1, 0], "reduce": [0, 0, 0]}
        for stage, job in zip(("generate", "gate", "reduce", "publish"), jobs, strict=False):
            number = attempt.number if stage == "generate" else None
            self.note(stage=stage, attempt=number, job=job, array=arrays.get(stage), after=None)
        return attempt.number

    def note(self, **entry: Any) -> None:
        ledger.append(self.layout.ledger, entry)

    def trouble(self, attempt: int, shard: int, name: str, message: str) -> None:
        write_json(self.layout.trouble(attempt, shard), {"class": name, "message": message, "at": "x.py:7"})

    def log(self, name: str, text: str) -> str:
        path = self.layout.logs / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def status(self) -> Status:
        return run_status(self.run)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path / "run", monkeypatch)


def row(key: str, state: str, *, code: str = "0", used: str = "0:00", start: int | None = None) -> str:
    """A line of squeue. A task such as 7_1 is of an array."""
    job, _, index = key.partition("_")
    started = str(start) if start else "N/A"
    return f"{job}|{index or 'N/A'}|{state}|0|{code}|{code}|{used}|{started}|N/A|n1|gres/gpu=8|None|"


def groups(status: Status) -> list[tuple[int, str, str, str]]:
    return [(group.count, group.cause, group.stage, group.message) for group in status.failures]


def test_sacct_is_not_asked_while_squeue_knows_every_task(site: Site) -> None:
    site.chain("7", "8")
    site.squeue = [row("7_0", "RUNNING"), row("7_1", "PENDING"), row("8", "PENDING")]
    status = site.status()
    assert site.asked == ["squeue"]
    assert status.tasks == {"generate": {"RUNNING": 1, "PENDING": 1}, "gate": {"PENDING": 1}}
    assert status.state == "running"


def test_sacct_is_asked_once_for_what_squeue_has_forgotten(site: Site) -> None:
    site.chain("7")
    site.squeue = [row("7_1", "RUNNING")]
    times = f"{NOW - 900}|{NOW - 900}|{NOW - 800}"
    site.sacct = [f"7_0|COMPLETED|0:0|0:0|100|{times}|n1|gres/gpu=8|None"]
    assert site.status().tasks["generate"] == {"COMPLETED": 1, "RUNNING": 1}
    assert site.asked == ["squeue", "sacct"]


def test_gpu_hours_are_of_running_jobs_too_and_by_manifest_where_slurm_has_forgotten(site: Site) -> None:
    number = site.chain("7")
    site.squeue = [row("7_0", "RUNNING", used="1:00:00")]
    figures = {"samples": 2, "completion_tokens": 20, "seconds": 3000, "start_up": 600, "last_admitted": 1200}
    write_json(site.layout.shard_manifest(number, 2), figures)
    write_json(site.layout.shard_manifest(number, 3), figures | {"seconds": 100, "last_admitted": 100})
    status = site.status()
    assert status.gpu_hours == pytest.approx(8 * 1 + 8 * 1)  # the longer of two replicas held the node
    assert status.gpu_hours_worked == pytest.approx(4 * 1 + 4 * 700 / 3600)
    assert status.idle_share == pytest.approx((600 + 1800 + 600) / (3600 + 700))


def at_work(site: Site, number: int, shard: int, samples: int, begun: float, written: float) -> Path:
    """A shard at work since `begun` whose last sample came at `written`; its lock file."""
    attempt = read_attempt(site.layout, number)
    keys = list(iter_keys(attempt.share(shard), site.run.plan.samples))[:samples]
    journal = site.layout.journal(number, shard)
    with JournalWriter(journal) as writer:
        for ordinal, index in keys:
            writer.add(Sample(ordinal, f"{ordinal:032x}", index, "t", "stop", 1, 1, 0.1))
    lock = journal.with_name(f"{journal.name}.lock")
    lock.write_text("{}")
    os.utime(lock, (begun, begun))
    os.utime(journal, (written, written))
    return lock


def test_time_left_is_that_of_the_tasks_at_work_and_what_queues_is_told_apart(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = site.chain("7")  # 8 samples over 4 shards in 2 jobs
    site.squeue = [row("7_0", "RUNNING", start=NOW - 500), row("7_1", "PENDING")]
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    assert (site.status().rate, site.status().eta) == (None, None)  # both replicas start up
    at_work(site, number, 0, 1, NOW - 100, NOW - 1)
    at_work(site, number, 1, 1, NOW - 100, NOW - 1)
    status = site.status()  # each one sample in 100 s, start-up not counted, and one left
    assert (status.rate, status.eta, status.samples_queued) == (0.02, 100, 4)


def test_a_canary_tells_no_time_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    number = site.chain()
    site.note(stage="canary", attempt=number, job="7", array=None, after=None)
    site.squeue = [row("7", "RUNNING", start=NOW - 500)]
    at_work(site, number, 0, 1, NOW - 100, NOW - 1)
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    assert (site.status().rate, site.status().eta, site.status().samples_queued) == (None, None, 0)


def ended(site: Site, number: int) -> None:
    lock = at_work(site, number, 0, 2, NOW - 3000, NOW - 2000)
    lock.write_bytes(b"")
    os.utime(lock, (NOW - 1900, NOW - 1900))


@pytest.mark.parametrize(
    ("left", "why", "seconds", "gpus"),
    [
        (lambda site, n: at_work(site, n, 0, 1, NOW - 3000, NOW - 700), "no sample", 700, 4),
        (lambda site, n: at_work(site, n, 0, 1, NOW - 3000, NOW - 500), None, 0, 0),
        (lambda site, n: at_work(site, n, 0, 0, NOW - 650, NOW - 650), "no sample", 650, 4),
        # Of the session before it was requeued.
        (lambda site, n: at_work(site, n, 0, 1, NOW - 9000, NOW - 8000), "still starts up", 3600, 4),
        (ended, "done, and others of its job are not", 1900, 4),
    ],
    ids=["stopped", "working", "no sample yet", "starts up again", "waits for its neighbour"],
)
def test_gpus_that_are_held_and_do_no_work_are_told_by_node(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    left: Callable[[Site, int], object],
    why: str | None,
    seconds: int,
    gpus: int,
) -> None:
    number = site.chain("7")
    site.squeue = [row("7_0", "RUNNING", start=NOW - 3600), row("7_1", "COMPLETED")]
    at_work(site, number, 1, 1, NOW - 3000, NOW - 5)
    left(site, number)
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    found = [(held.node, held.why, held.seconds, held.gpus, held.tasks) for held in site.status().idle]
    assert found == ([("n1", why, seconds, gpus, ["7_0"])] if why else [])
    assert run_status(site.run, idle_s=10_000).idle == []


def test_when_slurm_expects_a_task_to_start_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.chain("7", "8")
    site.squeue = [row("7_0", "PENDING", start=NOW + 7200), row("7_1", "PENDING", start=NOW + 3600)]
    site.squeue.append(row("8", "PENDING"))
    status = site.status()
    assert [(group.stage, group.count, group.starts) for group in status.waiting] == [
        ("generate", 2, NOW + 3600),
        ("gate", 1, None),
    ]
    terminal().print(*one_run(status))
    when = time.strftime("%d %b %H:%M", time.localtime(NOW + 3600))
    assert f"expected to start {when}" in capsys.readouterr().out


def test_what_kills_cost_is_samples_begun_over_samples_brought_home(site: Site) -> None:
    number = site.chain("7")
    assert site.status().begun_per_sample is None
    site.squeue = [row("7_0", "FAILED", code="9"), row("7_1", "RUNNING", start=NOW)]
    at_work(site, number, 0, 1, NOW - 10, NOW)
    flight = Flight(site.layout.flight(number, 0))  # killed with two of three samples in flight
    for ordinal in (0, 0, 1):
        flight.take_off(ordinal)
    at_work(site, number, 2, 1, NOW - 10, NOW)  # runs: what is in flight is not lost
    Flight(site.layout.flight(number, 2)).take_off(2)
    assert site.status().begun_per_sample == 3.0
    # Another shard has ended by itself, and begun nothing twice.
    figures = {"samples": 2, "completion_tokens": 9, "seconds": 1, "start_up": 1, "last_admitted": 1}
    whole = {"keys": 2, "begun": 2, "finished": True}
    write_json(site.layout.shard_manifest(number, 1), figures | whole)
    assert site.status().begun_per_sample == pytest.approx(5 / 3)


def test_failures_are_grouped_with_a_line_of_the_log_and_its_place(site: Site) -> None:
    number = site.chain("7", "8")
    site.squeue = [row("7_0", "FAILED", code="256"), row("7_1", "FAILED", code="256"), row("8", "PENDING")]
    for shard in (0, 1, 3):
        site.trouble(number, shard, "EngineDeadError", "the engine\ndied")
    log = site.log(
        "7_0_0.log", "Traceback\nNCCL error: peer gone\ngenerate: 1 of 2 samples (3.0 samples/s)\n"
    )
    status = site.status()
    assert groups(status) == [(3, "engine failure", "generate", "EngineDeadError: the engine died")]
    first = status.failures[0]
    assert (first.attempt, first.task, first.log) == (number, 0, log)
    assert first.line == "NCCL error: peer gone"
    assert first.see == str(site.layout.trouble(number, 0))


@pytest.mark.parametrize(
    ("state", "code", "cause", "words"),
    [
        ("TIMEOUT", "0", "time limit", "TIMEOUT"),
        ("NODE_FAIL", "0", "node failure", "NODE_FAIL"),
        ("OUT_OF_MEMORY", "0", "out of memory", "OUT_OF_MEMORY"),
        ("FAILED", "9", "unknown", "FAILED by SIGKILL"),
        ("FAILED", "256", "unknown", "FAILED with exit code 1"),
        ("CANCELLED", "0", "cancelled", "CANCELLED"),
    ],
)
def test_what_was_killed_without_a_word_is_told_by_slurm(
    site: Site, state: str, code: str, cause: str, words: str
) -> None:
    site.chain("7")
    site.squeue = [row("7_0", state, code=code), row("7_1", state, code=code)]
    log = site.log(
        "7_0.sbatch.log", "slurmstepd: error: it was so\nsrun: error: n1: task 0: Exited with exit code 9\n"
    )
    status = site.status()
    assert groups(status) == [(2, cause, "generate", words)]
    assert (status.failures[0].log, status.failures[0].line) == (log, "slurmstepd: error: it was so")


def test_failures_of_earlier_chains_are_only_counted(site: Site) -> None:
    old = site.chain("5", "6")
    site.trouble(old, 0, "KeyError", "long ago")
    new = site.chain("7", "8")
    site.trouble(new, 1, "OSError", "now")
    site.squeue = [row("7_0", "FAILED", code="256"), row("7_1", "RUNNING"), row("5_0", "FAILED", code="9")]
    status = site.status()
    assert groups(status) == [(1, "disk", "generate", "OSError: now")]
    assert status.failures_before == 1


def test_a_gate_that_spoke_is_no_failure_but_one_that_died_is(site: Site) -> None:
    site.chain("7", "8", "9")
    site.squeue = [row("7_0", "COMPLETED"), row("8", "OUT_OF_MEMORY"), row("9_0", "CANCELLED")]
    assert groups(site.status()) == [(1, "out of memory", "gate", "OUT_OF_MEMORY")]
    site.note(stage="end", reason="4 of 8 samples are missing")
    status = site.status()
    assert groups(status) == [(1, "gate", "gate", "4 of 8 samples are missing")]
    assert status.state == "ended"


def test_a_job_in_whose_place_another_was_sent_is_healed(site: Site) -> None:
    site.chain("7", "8", "9", "10")
    site.squeue = [row("8", "COMPLETED"), row("9_0", "FAILED", code="9"), row("10", "FAILED", code="9")]
    assert [(group.stage, group.cause) for group in site.status().failures] == [
        ("reduce", "unknown"),
        ("publish", "unknown"),
    ]
    site.note(stage="reduce", job="11", array=[0, 0, 0], after=None)
    site.note(stage="publish", job="12", array=None, after=None)
    site.squeue += [row("11_0", "RUNNING"), row("12", "PENDING")]
    assert site.status().failures == []


def test_why_a_job_without_a_shard_failed_is_told_by_what_it_left(site: Site) -> None:
    site.chain("7", "8", "9", "10")
    left = site.layout.job_trouble("10")
    write_json(left, {"class": "OSError", "message": "[Errno 28] No space left on device"})
    site.squeue = [row("10", "FAILED", code="256")]
    (group,) = site.status().failures
    assert (group.cause, group.stage, group.see) == ("disk", "publish", str(left))
    assert group.message == "OSError: [Errno 28] No space left on device"


def test_a_refusal_of_the_site_is_told_until_a_command_succeeds(site: Site) -> None:
    site.note(stage="refused", by="generate", reason="cluster.partition=gqu: refused by Slurm")
    assert groups(site.status()) == [
        (1, "submission", "submission", "cluster.partition=gqu: refused by Slurm")
    ]
    assert site.status().state == "ended"
    site.chain("7", "8")
    site.squeue = [row("7_0", "CANCELLED"), row("7_1", "CANCELLED"), row("8", "CANCELLED")]
    site.note(stage="refused", by="resume", reason="sbatch: not now")  # half a chain was taken back
    assert groups(site.status()) == [(1, "submission", "submission", "sbatch: not now")]
    site.chain("9")
    site.squeue = [row("9_0", "RUNNING", start=NOW), row("9_1", "RUNNING", start=NOW)]
    assert (site.status().failures, site.status().state) == ([], "running")
    site.note(stage="refused", by="resume", reason="no")  # the chain goes on all the same
    assert site.status().state == "running"


def test_every_window_of_an_array_is_counted(site: Site) -> None:
    number = site.chain("7")
    site.note(stage="generate", attempt=number, job="8", array=[0, 2, 0], after=None)
    site.squeue = [row("7_0", "RUNNING"), row("7_1", "RUNNING"), row("8_0-2", "PENDING")]
    assert site.status().tasks["generate"] == {"RUNNING": 2, "PENDING": 3}


@pytest.mark.parametrize("error", [Busy("squeue", "no answer"), SlurmError("squeue", "denied")])
def test_where_slurm_does_not_answer_nothing_is_said_of_its_jobs(site: Site, error: SlurmError) -> None:
    site.chain("7")
    site.squeue = error
    status = site.status()
    assert (status.state, status.tasks, status.failures) == ("unknown", {}, [])
    assert error.message in (status.note or "")


def unreadable(folder: Path) -> dict[str, Callable[[Path], object]]:
    return {
        "no-config": lambda run: (run / "config.json").unlink(),
        "torn-plan": lambda run: (run / "plan.json").write_bytes(b'{"finger'),
        "bad-config": lambda run: (run / "config.json").write_bytes(b'{"nonsense": 1}'),
    }


def test_a_damaged_run_is_a_line_of_the_table_and_half_planned_ones_are_none(
    here: Here, tmp_path: Path
) -> None:
    work = ("teacher=rehearsal", "data.size=4", "samples=2", "cluster.workers=1")
    assert here("generate", *work, "run.dir=runs/good")[0] == 0
    for name, damage in unreadable(tmp_path).items():
        assert here("generate", *work, f"run.dir=runs/{name}")[0] == 0
        damage(tmp_path / "runs" / name)
    (tmp_path / "runs/.planning-host-1").mkdir()
    (tmp_path / "runs/.planning-host-1/plan.json").write_text("{}")
    code, out, err = here("status")
    assert (code, err) == (0, "")
    assert out.count("unreadable") == 3 and "published" in out and "planning" not in out
    code, out, _ = here("status", "json=true")
    found = {Path(each["root"]).name: each["state"] for each in orjson.loads(out)}
    assert found == {"good": "published"} | dict.fromkeys(unreadable(tmp_path), "unreadable")
    code, out, err = here("status", "runs/no-config")
    assert (code, out.count("\n")) == (1, 1) and out.startswith("unreadable: runs/no-config")


def test_where_there_are_no_runs_it_says_so(here: Here) -> None:
    code, out, _ = here("status")
    assert (code, out) == (0, "no runs here; root=DIR names another folder\n")
