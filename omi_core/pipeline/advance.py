"""Carrying a pipeline out on Slurm: who submits which step, and when.

A step of `jobs.generate` or `jobs.evaluate` is a chain of jobs with one more link at its end, `advance`,
which submits the steps that wait for it. Other steps are one job each, which does the same when its work is
done; a training is one on GPUs and one behind it, which looks at what came of it. Whoever submits holds the
pipeline's lock and writes down before and after what it submits, so that no step is submitted twice, and half
a chain, whose submission was killed, is taken back. Behind each of these last jobs a rescue job waits for it
to fail, and does its work, or sends it again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from omi_core import options
from omi_core.hints import follow, to_continue
from omi_core.options import ConfigError
from omi_core.pipeline import run_steps, step_progress
from omi_core.pipeline.definition import Pipeline, Step, read_pipeline
from omi_core.pipeline.jobs_of_steps import job_of, jobs_behind, pipeline_cluster
from omi_core.pipeline.queue_room import Room, at_work
from omi_core.pipeline.showing import show_table
from omi_core.pipeline.state import step_entries
from omi_core.pipeline.steps import generate_of
from omi_core.slurm import commands, gates, sending
from omi_core.slurm.after import dependency
from omi_core.slurm.failures import job_failure
from omi_core.slurm.links import GoesOn, ask, own_job, this_chain, waited_lock
from omi_core.slurm.retry_policy import TERMINATED, Cause, decide
from omi_core.slurm.script import submit_job
from omi_core.slurm.standing import cancel_live, live_ids, standing, tell_cancelled
from omi_core.stages.best_of_samples import show_best_of_samples
from omi_core.stages.notify import notify_end, notify_ended, notify_published
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import open_run, published
from omi_core.stages.trained_card import tell_card
from omi_core.store import ledger
from omi_core.store.files import LockTaken, lock
from omi_core.store.layout import Layout
from omi_core.training.launching import plan_for_job
from omi_core.training.train_options import Train

# How long a job waits for room in the queue, or for the controller.
_WAIT_S = 1800.0
# How long a step waits for another process in its directory.
_WAIT_OF_STEP_S = 300.0
# What a step ends with that a signal has stopped.
_INTERRUPTED = 130

Entry = dict[str, Any]


def submit(pipeline: Pipeline, by: str) -> int:
    """Submits every step that can begin and of which nothing waits or runs; returns the exit code.

    Raises:
        ConfigError: a step cannot be planned, the site refuses a job, or another command submits.
    """
    try:
        with lock(pipeline.layout.lock):
            if _was_stopped(pipeline):
                sending.wait_until_gone(lambda: active_jobs(pipeline))
            ledger.append(pipeline.layout.ledger, {"stage": "chain", "by": by})
            after = pipeline.cluster.get("after") if by == "pipeline" else None
            _send_ready(pipeline, partial(_send_unless_active, after=after))
    except commands.SlurmError as error:
        raise ConfigError(f"+cluster={pipeline.cluster['name']}: {error}") from error
    print(follow(pipeline.root), flush=True)
    return 0


def advance_job(run: str) -> int:
    """What the last job of a step's chain does: submits what waits for the step. Returns its exit code.

    Raises:
        ChainEnded: the step is not published, and its chain is over.
    """
    root = Path(run)
    if not _published(root):
        return 0
    pipeline = read_pipeline(root.parent)
    if not any(step.folder == root.name for step in pipeline.steps):
        print(f"advance: {root} is no step of {pipeline.root}", flush=True)
        return 0
    return advance(pipeline)


def _published(root: Path) -> bool:
    """Whether a run is published; if not, what is missing of it is sent again. Raises ChainEnded."""
    run = open_run(Layout(root))
    try:
        gates.pass_publish(run)
    except GoesOn as goes_on:
        print(f"not published yet: {goes_on}", flush=True)
        return False
    if (stats := published(run)) is not None:  # publish may have been killed before it told
        show_best_of_samples(run)
        tell_card(run)
        notify_published(run, stats)
    return True


def rescue_job(root: str, name: str | None = None) -> int:
    """What a job does that starts when the one before it has failed: publish, advance or a step.

    Raises:
        ChainEnded: a chain is over.
    """
    if name is not None:
        return _rescue_step(read_pipeline(Path(root)), name, "rescue")
    layout = Layout(Path(root))
    if layout.pipeline is None:
        _published(layout.root)
        return 0
    sent = [entry for entry in this_chain(layout) if entry["stage"] == "advance"]
    if _was_cancelled(layout, sent[-1:]):
        print(f"advance (job {sent[-1]['job']}) was cancelled; {to_continue(layout.pipeline)}", flush=True)
        return 0
    return advance_job(root)


def _was_cancelled(layout: Layout, entries: list[Entry]) -> bool:
    seen = ask(entries)
    return any(job_failure(layout, key, state).cause is Cause.CANCELLED for key, state in seen.items())


def _rescue_step(pipeline: Pipeline, name: str, stage: str) -> int:
    """Goes on where the step is done; else sends its job again, if that makes sense. Returns the exit code.

    `stage` is that of the job at hand.
    """
    step = pipeline.step(name)
    with waited_lock(pipeline.layout.lock):
        sent = _jobs_of(pipeline, step)
        done = step_progress.result(pipeline, step) is not None
        if not done and sent and not _replaced(pipeline, step, stage):
            seen = ask(sent[-1:])
            failures = [job_failure(pipeline.layout, key, seen[key]) for key in seen]
            decision = decide(failures, 1, len(sent), pipeline_cluster(pipeline).max_attempts)
            reason = step_progress.failure(pipeline, step)  # what the step itself knows of it
            if reason is not None or not decision.again:
                reason = reason or f"job {sent[-1]['job']}: {decision.reason}"
                if step_progress.failure(pipeline, step) is None:
                    step_progress.note(pipeline, "failed", step, reason=reason)
                print(f"failed: step {name}: {reason}; {to_continue(pipeline.root)}", flush=True)
                notify_ended(pipeline.layout, pipeline.notify, "stopped", f"step {name}: {reason}")
                _send_ready(pipeline, _send_patiently)
                return 1
            print(f"step {name}: {decision.reason}; sent again, attempt {len(sent) + 1}", flush=True)
            _send_patiently(pipeline, step, Room(pipeline))
    return advance(pipeline) if done else 0


def _jobs_of(pipeline: Pipeline, step: Step) -> list[Entry]:
    """The ledger's jobs of a step that is not a chain, since the last command of a user."""
    stage = step.work_stage
    return [e for e in _since_a_command(pipeline) if e["stage"] == stage and e["step"] == step.name]


def _replaced(pipeline: Pipeline, step: Step, stage: str) -> bool:
    """Whether another job of this stage has taken this one's place."""
    jobs = [e["job"] for e in _entries(pipeline) if e["stage"] == stage and e["step"] == step.name]
    return jobs[-1:] not in ([], [own_job()])


def step_job(root: str, name: str) -> int:
    """A step that is a process of its own; a job then submits what waits for it. Returns its exit code.

    The work of a step that trains is that of the job before this one.
    """
    pipeline = read_pipeline(Path(root))
    if pipeline.on_slurm and pipeline.step(name).trains:
        return _rescue_step(pipeline, name, "step")
    code = _carry_out(pipeline, name)
    if not pipeline.on_slurm:
        return code
    if code:
        reason = step_progress.failure(pipeline, pipeline.step(name)) or f"it ended with exit code {code}"
        print(f"failed: step {name}: {reason}", file=sys.stderr, flush=True)
        return TERMINATED if code == _INTERRUPTED else code
    return advance(pipeline)


def _carry_out(pipeline: Pipeline, name: str) -> int:
    """A step's work, once no other process does it; the exit code. Raises LockTaken after 5 minutes."""
    return commands.retry(
        lambda: run_steps.carry_out(pipeline, name),
        _WAIT_OF_STEP_S,
        passing=lambda error: isinstance(error, LockTaken),
        said=lambda error: print(f"waiting for {error}", flush=True),
    )


def advance(pipeline: Pipeline) -> int:
    """From inside a job: submits every step that can begin and was not submitted yet; the exit code."""
    with waited_lock(pipeline.layout.lock):
        if _was_stopped(pipeline):
            print(f"the pipeline was cancelled; {to_continue(pipeline.root)}", flush=True)
            return 0
        _send_ready(pipeline, _send_patiently)
        if len(step_progress.done_steps(pipeline)) == len(pipeline.steps):
            show_table(pipeline)
            notify_end(pipeline.layout, pipeline.notify, "finished", pipeline.fingerprint)
    return 0


def others_go_on(run: str) -> None:
    """What a job does that has ended its chain: steps that do not need its run are sent, if any wait."""
    root = Layout(Path(run)).pipeline
    if root is not None:
        advance(read_pipeline(root))


def _send_ready(pipeline: Pipeline, send: Any) -> None:
    """Sends every step whose needs are done and that was not sent since the last command of a user.

    A step that cannot be planned does not keep the others from it; its error is raised at the end. Where the
    queue has no room for one while others are at work, it is left to the job that ends one of those.
    """
    errors: list[Exception] = []
    tried: set[str] = set()
    room = Room(pipeline)
    while True:  # while one was planned, another may have become ready
        look = step_progress.Look(pipeline)
        step_progress.note_done(pipeline, look.done())
        sent = {entry["step"] for entry in _since_a_command(pipeline) if entry["stage"] == "sent"}
        sent -= {step.name for step in pipeline.steps if look.is_stale(step)}
        steps = [s for s in look.ready() if s.name not in sent and s.name not in tried]
        if not steps:
            break
        for step in steps:
            tried.add(step.name)
            try:
                send(pipeline, step, room)
            except (ConfigError, OSError, commands.SlurmError) as error:
                if _is_full(error) and at_work(pipeline):
                    print(f"step {step.name}: {error}; it is sent when another step ends", flush=True)
                    tried.update(each.name for each in steps)  # there is room for none of them
                    break
                reason = " ".join(str(error).split())
                step_progress.note(pipeline, "failed", step, reason=reason)
                errors.append(ConfigError(f"step {step.name}: {reason}"))
    if errors:
        raise errors[0]


def _entries(pipeline: Pipeline) -> list[Entry]:
    return ledger.read(pipeline.layout.ledger)


def _since_a_command(pipeline: Pipeline) -> list[Entry]:
    """The ledger from the last command of a user on; what was sent before counts no more."""
    return ledger.since(_entries(pipeline), "chain", "cancel")


def _was_stopped(pipeline: Pipeline) -> bool:
    """Whether a user's last command cancelled it."""
    return [entry["stage"] for entry in _since_a_command(pipeline)][:1] == ["cancel"]


def _send_unless_active(pipeline: Pipeline, step: Step, room: Room, after: str | None) -> None:
    """For a user's command: leaves a step alone whose jobs wait or run, unless they are half a chain.

    What is held of them is released, what can never start is submitted anew. An array whose gate is gone is
    left alone, too, and gets another gate.
    """
    entries = step_entries(step_progress.Look(pipeline), step)
    stand = standing(entries)
    stages = [e["stage"] for e in _entries(pipeline) if e.get("step") == step.name]
    half = [stage for stage in stages if stage in ("sending", "sent")][-1:] == ["sending"]
    keep = not half and sending.lacks_gate(stand, entries)
    if (
        not half
        and not keep
        and not sending.make_way(stand, pipeline.root, _moved(pipeline, step), step.name)
    ):
        step_progress.note(pipeline, "sent", step)
        return
    _send(pipeline, step, room, after, keep)


def _moved(pipeline: Pipeline, step: Step) -> bool:
    """Whether the step's run is to be asked for in another way than before."""
    layout = Layout(pipeline.directory(step))
    if not step.is_chain or not layout.plan.is_file():
        return False
    return open_run(layout).config.cluster != generate_of(step.command, pipeline.config(step)).cluster


def _send_patiently(pipeline: Pipeline, step: Step, room: Room) -> None:
    """For a job: waits for the controller, and for room in the queue."""

    def passing(error: Exception) -> bool:
        cause = error.__cause__ if isinstance(error, ConfigError) else error
        return isinstance(cause, commands.Busy) or (_is_full(error) and not at_work(pipeline))

    def said(error: Exception) -> None:
        print(f"step {step.name}: {error}; trying again soon", flush=True)

    commands.retry(lambda: _send(pipeline, step, room), _WAIT_S, passing=passing, said=said)


def _is_full(error: Exception) -> bool:
    """Whether the queue had no room for a job."""
    return isinstance(error.__cause__ if isinstance(error, ConfigError) else error, commands.SubmitLimit)


def _send(pipeline: Pipeline, step: Step, room: Room, after: str | None = None, keep: bool = False) -> None:
    """Submits a step whole; what a killed submission has left of it is cancelled first, unless `keep`.

    `after` is `cluster.after` of the steps that begin with the pipeline.
    """
    if not keep:
        room.check(step)
        cancel_live(step_entries(step_progress.Look(pipeline), step))
    step_progress.begin(pipeline, step)
    step_progress.note(pipeline, "sending", step)
    print(f"== step {pipeline.place(step)}: {step.name}", flush=True)
    os.chdir(pipeline.cwd)  # paths in options are as they were typed there
    if step.is_chain:
        run = plan_generate(generate_of(step.command, pipeline.config(step)))
        first = not run.layout.ledger.exists()
        if sending.submit_missing(run, by="pipeline" if first else "resume", after=after):
            raise ConfigError("its jobs could not be submitted, see above")
    else:
        if step.trains:
            plan_for_job(options.restore(Train, pipeline.config(step)))
        try:
            _send_job(pipeline, step, after)
        except commands.SubmitLimit:  # half of it is left to nobody
            cancel_live(step_entries(step_progress.Look(pipeline), step))
            raise
    step_progress.note(pipeline, "sent", step)


def _send_job(pipeline: Pipeline, step: Step, first: str | None) -> None:
    after = dependency(first, pipeline.root)
    for stage, kind in jobs_behind(step):
        identifier = submit_job(*job_of(pipeline, step, stage, after))
        step_progress.note(pipeline, stage, step, job=identifier, array=None, after=after)
        after = f"{kind}:{identifier}"
        if stage == step.work_stage:
            print(f"{step.command:>9}  job {identifier}", flush=True)


def active_jobs(pipeline: Pipeline) -> list[str]:
    """Ids of a pipeline's jobs that Slurm still has waiting or running, without this one, step after step.

    Raises:
        SlurmError: Slurm does not answer.
    """
    look = step_progress.Look(pipeline)
    return live_ids(entry for step in pipeline.steps for entry in step_entries(look, step))


def cancel_pipeline(pipeline: Pipeline) -> int:
    """Cancels all jobs of a pipeline; nothing is submitted until it is resumed. Returns the exit code.

    Raises:
        ConfigError: Slurm does not answer, or another process submits for a minute.
    """

    def all_of_it() -> list[str]:
        with lock(pipeline.layout.lock, wait=60):
            jobs = active_jobs(pipeline)
            # First: a job that is about to submit the next step finds it when it gets the lock.
            ledger.append(pipeline.layout.ledger, {"stage": "cancel", "jobs": jobs})
            look = step_progress.Look(pipeline)
            of_steps = {step.name: step_entries(look, step) for step in pipeline.steps}
            live = cancel_live(entry for entries in of_steps.values() for entry in entries)
            for step in pipeline.steps:
                of_step = list(dict.fromkeys(e["job"] for e in of_steps[step.name] if e["job"] in live))
                if of_step and step.is_chain:
                    own = Layout(pipeline.directory(step)).ledger
                    ledger.append(own, {"stage": "cancel", "jobs": of_step})
        return jobs

    return tell_cancelled(pipeline.root, all_of_it)


STAGES: dict[str, Callable[..., int]] = {"advance": advance_job, "rescue": rescue_job, "step": step_job}
