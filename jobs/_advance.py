"""Carrying a pipeline out on Slurm: who submits which step, and when.

A step of `jobs.generate` is a chain of jobs with one more link at its end, `advance`, which submits the
steps that wait for it. Other steps are one job each, which does the same when its work is done. Whoever
submits holds the pipeline's lock and writes down before and after what it submits, so that no step is
submitted twice, and half a chain, whose submission was killed, is taken back.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from jobs import _pipeline, _slurm
from omi_core.config import Generate, load_generate
from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.pipeline import progress
from omi_core.pipeline.plan import Pipeline, Step, read_pipeline
from omi_core.pipeline.status import step_entries
from omi_core.run import ledger
from omi_core.run.files import LockTaken, lock
from omi_core.run.layout import Layout
from omi_core.slurm import commands
from omi_core.slurm.after import dependency
from omi_core.slurm.script import Job
from omi_core.slurm.script import submit as submit_job
from omi_core.slurm.standing import standing
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import open_run

# How long a job waits for room in the queue, for the controller, or for another that submits.
_WAIT_S = 1800.0
# Lines of the pipeline's ledger that a user's command writes; what was sent before counts no more.
_MARKS = ("chain", "cancel")

Entry = dict[str, Any]


def submit(pipeline: Pipeline, by: str) -> int:
    """Submits every step that can begin and of which nothing waits or runs; returns the exit code.

    Raises:
        ConfigError: a step cannot be planned, the site refuses a job, or another command submits.
    """
    try:
        with lock(pipeline.layout.lock):
            ledger.append(pipeline.layout.ledger, {"stage": "chain", "by": by})
            after = pipeline.cluster.get("after") if by == "pipeline" else None
            _send_ready(pipeline, partial(_send_unless_active, after=after))
    except LockTaken as error:
        raise ConfigError(str(error)) from error
    except commands.SlurmError as error:
        raise ConfigError(f"+cluster={pipeline.cluster['name']}: {error}") from error
    root = pipeline.root
    print(f"follow: {hint('status', root)}   stop: {hint('cancel', root)}")
    print(f"resume: {hint('resume', root)}", flush=True)
    return 0


def advance_job(run: str) -> int:
    """What the last job of a step's chain does: submits what waits for the step. Returns its exit code."""
    root = Path(run)
    pipeline = read_pipeline(root.parent)
    step = next((step for step in pipeline.steps if step.folder == root.name), None)
    if step is None:
        print(f"advance: {root} is no step of {pipeline.root}", flush=True)
        return 0
    if later := _later_link(root):
        print(f"advance: the chain goes on in job {later}", flush=True)
        return 0
    if progress.result(pipeline, step) is None:
        print(
            f"failed: step {step.name} is not published; to continue: {hint('resume', pipeline.root)}",
            file=sys.stderr,
            flush=True,
        )
        return 1
    return advance(pipeline)


def step_job(root: str, name: str) -> int:
    """A step that is a process of its own; a job then submits what waits for it. Returns its exit code."""
    pipeline = read_pipeline(Path(root))
    code = _pipeline.carry_out(pipeline, name)
    if not pipeline.on_slurm:
        return code
    if code:
        reason = progress.failure(pipeline, pipeline.step(name)) or f"it ended with exit code {code}"
        print(f"failed: step {name}: {reason}", file=sys.stderr, flush=True)
        return code
    return advance(pipeline)


def advance(pipeline: Pipeline) -> int:
    """From inside a job: submits every step that can begin and was not submitted yet; the exit code."""
    with lock(pipeline.layout.lock, wait=_WAIT_S):
        marks = [entry["stage"] for entry in _entries(pipeline) if entry["stage"] in _MARKS]
        if marks and marks[-1] == "cancel":
            print(f"the pipeline was cancelled; to continue: {hint('resume', pipeline.root)}", flush=True)
            return 0
        _send_ready(pipeline, _send_patiently)
        if len(progress.done_steps(pipeline)) == len(pipeline.steps):
            _pipeline.show_table(pipeline)
    return 0


def _send_ready(pipeline: Pipeline, send: Any) -> None:
    """Sends every step whose needs are done and that was not sent since the last command of a user.

    A step that cannot be planned does not keep the others from it; its error is raised at the end.
    """
    errors: list[Exception] = []
    tried: set[str] = set()
    while True:  # while one was planned, another may have become ready
        done = progress.done_steps(pipeline)
        progress.note_done(pipeline, done)
        sent = _sent(pipeline)
        sent -= {step.name for step in pipeline.steps if progress.is_stale(pipeline, step)}
        steps = [s for s in progress.ready(pipeline, done) if s.name not in sent and s.name not in tried]
        if not steps:
            break
        for step in steps:
            tried.add(step.name)
            try:
                send(pipeline, step)
            except (ConfigError, OSError, commands.SlurmError) as error:
                reason = " ".join(str(error).split())
                progress.note(pipeline, "failed", step, reason=reason)
                errors.append(ConfigError(f"step {step.name}: {reason}"))
    if errors:
        raise errors[0]


def _entries(pipeline: Pipeline) -> list[Entry]:
    return ledger.read(pipeline.layout.ledger)


def _sent(pipeline: Pipeline) -> set[str]:
    """Names of the steps that were submitted whole since the last command of a user."""
    sent: set[str] = set()
    for entry in _entries(pipeline):
        if entry["stage"] in _MARKS:
            sent.clear()
        elif entry["stage"] == "sent":
            sent.add(entry["step"])
    return sent


def _send_unless_active(pipeline: Pipeline, step: Step, after: str | None) -> None:
    """For a user's command: leaves a step alone whose jobs wait or run, unless they are half a chain.

    What is held of them is released, what can never start is submitted anew.
    """
    stand = standing(step_entries(pipeline, step))
    stages = [e["stage"] for e in _entries(pipeline) if e.get("step") == step.name]
    half = [stage for stage in stages if stage in ("sending", "sent")][-1:] == ["sending"]
    if not half and not _slurm.make_way(stand, pipeline.root, _moved(pipeline, step), step.name):
        progress.note(pipeline, "sent", step)
        return
    _send(pipeline, step, after)


def _moved(pipeline: Pipeline, step: Step) -> bool:
    """Whether the step's run is to be asked for in another way than before."""
    layout = Layout(pipeline.directory(step))
    if step.command != "generate" or not layout.plan.is_file():
        return False
    return open_run(layout).config.cluster != load_generate(pipeline.config(step)).cluster


def _send_patiently(pipeline: Pipeline, step: Step) -> None:
    """For a job: waits for the controller, and for room in the queue."""
    deadline, delay = time.monotonic() + _WAIT_S, 1.0
    while True:
        try:
            return _send(pipeline, step)
        except (ConfigError, commands.SlurmError) as error:
            cause = error.__cause__ if isinstance(error, ConfigError) else error
            passing = isinstance(cause, (commands.Busy, commands.SubmitLimit))
            if not passing or time.monotonic() > deadline:
                raise
            print(f"step {step.name}: {error}; trying again in {delay:.0f} s", flush=True)
            time.sleep(delay)
            delay = min(2 * delay, 60.0)


def _send(pipeline: Pipeline, step: Step, after: str | None = None) -> None:
    """Submits a step whole; what a killed submission has left of it is cancelled first.

    `after` is `cluster.after` of the steps that begin with the pipeline.
    """
    if active := active_jobs(pipeline, step):
        commands.scancel(active[::-1])
    progress.begin(pipeline, step)
    progress.note(pipeline, "sending", step)
    print(f"== step {step.number} of {len(pipeline.steps)}: {step.name}", flush=True)
    os.chdir(pipeline.cwd)  # paths in options are as they were typed there
    if step.command == "generate":
        run = plan_generate(load_generate(pipeline.config(step)))
        first = not run.layout.ledger.exists()
        if _slurm.submit_missing(run, by="pipeline" if first else "resume", after=after):
            raise ConfigError("its jobs could not be submitted, see above")
    else:
        _send_job(pipeline, step, after)
    progress.note(pipeline, "sent", step)


def _send_job(pipeline: Pipeline, step: Step, after: str | None) -> None:
    layout = pipeline.layout
    job = Job(
        name=f"{pipeline.root.name}.{step.name}",
        stage="step",
        arguments=(str(pipeline.root), "step", step.name),
        logs=layout.logs,
        after=dependency(after, pipeline.root),
        token=pipeline.fingerprint[:12],
    )
    cluster = load_generate({"cluster": pipeline.cluster}).cluster
    identifier = submit_job(Generate(cluster=cluster), job)
    progress.note(pipeline, "step", step, job=identifier, array=None, after=None)
    print(f"{step.command:>9}  job {identifier}", flush=True)


def active_jobs(pipeline: Pipeline, step: Step) -> list[str]:
    """Ids of a step's jobs that Slurm still has waiting or running, without this one, in order of submission.

    Raises:
        SlurmError: Slurm does not answer.
    """
    own = os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")
    return [job for job in standing(step_entries(pipeline, step)).live if job != own]


def _later_link(root: Path) -> str | None:
    """The job in which a step's chain goes on, where this job's own was replaced by another."""
    links = [e["job"] for e in ledger.read(Layout(root).ledger) if e["stage"] == "advance"]
    own = os.environ.get("SLURM_JOB_ID")
    return links[-1] if own in links and links[-1] != own else None


def cancel(pipeline: Pipeline) -> int:
    """Cancels all jobs of a pipeline; nothing is submitted until it is resumed. Returns the exit code.

    Raises:
        ConfigError: Slurm does not answer, or another process submits for a minute.
    """
    try:
        with lock(pipeline.layout.lock, wait=60):
            jobs = [job for step in pipeline.steps for job in active_jobs(pipeline, step)]
            # First: a job that is about to submit the next step finds it when it gets the lock.
            ledger.append(pipeline.layout.ledger, {"stage": "cancel", "jobs": jobs})
            for step in pipeline.steps:
                _cancel_step(pipeline, step)
    except LockTaken as error:
        raise ConfigError(str(error)) from error
    except commands.SlurmError as error:
        raise ConfigError(str(error)) from error
    if not jobs:
        print("no job of it waits or runs")
    else:
        print(f"cancelled {', '.join(jobs)}; resume: {hint('resume', pipeline.root)}")
    return 0


def _cancel_step(pipeline: Pipeline, step: Step) -> None:
    jobs = active_jobs(pipeline, step)
    commands.scancel(jobs[::-1])
    if jobs and step.command == "generate":
        ledger.append(Layout(pipeline.directory(step)).ledger, {"stage": "cancel", "jobs": jobs})
