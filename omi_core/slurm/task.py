"""The stages as array tasks run them: which share is mine, what it leaves, with which exit code."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.publish.dataset import NothingToPublish, recover
from omi_core.publish.parts import PartError
from omi_core.records import Sample
from omi_core.run.attempts import Attempt, read_attempt
from omi_core.run.files import LockTaken, lock, write_json
from omi_core.run.frames import FrameDamaged
from omi_core.run.journal import AppendFailed
from omi_core.run.layout import Layout
from omi_core.slurm import gates, hosts
from omi_core.slurm.commands import SlurmError
from omi_core.slurm.policy import ENGINE_ERRORS, HANDED_BACK, TERMINATED, UNWRITABLE
from omi_core.slurm.script import replicas
from omi_core.stages.generate import ShardReport, TooManyErrors, run_shard
from omi_core.stages.progress import Progress
from omi_core.stages.publish import publish_run, published
from omi_core.stages.reduce import finished_part, part_range, run_part
from omi_core.stages.run import Run, open_run
from omi_core.stages.stopping import SIGNALS, Stop, Stopped
from omi_core.teachers import open_teacher, serve
from omi_core.teachers.base import EngineFailed
from omi_core.teachers.ranks import Follower, Lead, Place, RankLost
from omi_core.teachers.restarting import RestartingTeacher

FAILURES = (
    AppendFailed,
    ConfigError,
    EngineFailed,
    FrameDamaged,
    LockTaken,
    NothingToPublish,
    PartError,
    RankLost,
    TooManyErrors,
    SlurmError,
    gates.ChainEnded,
)
__all__ = ["FAILURES", "HANDED_BACK", "STAGES", "TERMINATED", "UNWRITABLE", "Unwritable"]
# So long after an engine's error: was it another rank that ended?
_HEAR_SECONDS = 5.0


def generate(root: str, numbers: list[int], stop: Stop) -> int:
    """This task's shard of an attempt."""
    run = _generate_run(root)
    attempt = read_attempt(run.layout, numbers[0])
    shard = shard_number(run.config, numbers[1])
    if shard >= attempt.tasks:
        return 0  # the last node has room for more replicas than there are shards
    _own_gpus(run.config)
    stop.drain_seconds = min(run.config.run.drain_seconds, run.config.cluster.signal_seconds / 2)
    place = hosts.place(os.environ, run.config.teacher.nodes)
    if place is not None and place.rank > 0:
        return _follow(run.config, place, stop)
    _finish(run, attempt, shard, stop, place)
    return 0


def canary(root: str, numbers: list[int], stop: Stop) -> int:
    """The canary's samples; on failure the rest of the chain is cancelled with the reason."""
    run = _generate_run(root)
    _own_gpus(run.config)
    place = hosts.place(os.environ, run.config.teacher.nodes)
    if place is not None and place.rank > 0:
        return _follow(run.config, place, stop)
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return 0  # another replica's place
    attempt = read_attempt(run.layout, numbers[0])
    _finish(run, attempt, 0, stop, place)
    gates.check_canary(run, attempt)
    return 0


def gate(root: str, numbers: list[int], stop: Stop) -> int:
    """Opens the way to reduce, or sends the next attempt, or ends the chain."""
    run = _generate_run(root)
    try:
        gates.pass_generate(run, numbers[0])
    except gates.WindowSent as sent:
        print(f"gate: {sent}", flush=True)
    else:
        gates.send_behind(run)
    return 0


def reduce(root: str, numbers: list[int], stop: Stop) -> int:
    """This task's parts: its own, and each `jobs`-th after it."""
    run = open_run(Layout(Path(root)))
    (parts, jobs), first_part = numbers, int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    for part in range(first_part, parts, jobs):
        if finished_part(run, part, parts) is None:
            first, last = part_range(run.plan.records, parts, part)
            with Progress("reduce", "records", last - first) as progress:
                run_part(run, part, parts, stop, progress.advance)
    return 0


def publish(root: str, numbers: list[int], stop: Stop) -> int:
    """The dataset, once every part is there."""
    run = open_run(Layout(Path(root)))
    gates.pass_reduce(run, numbers[0])
    with lock(run.layout.lock, wait=300):  # a command on the login node may publish the same run
        recover(run.layout.dataset)
        if published(run) is None:
            publish_run(run, numbers[0])
    return 0


class Unwritable(RuntimeError):
    """A task failed, and could not leave word why."""


STAGES: dict[str, Callable[[str, list[int], Stop], int]] = {
    "canary": canary,
    "generate": generate,
    "gate": gate,
    "reduce": reduce,
    "publish": publish,
}


def shard_number(config: Generate, offset: int) -> int:
    """The shard of this Slurm task: array tasks count jobs, each of which has one task per replica."""
    job = offset + int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    if config.teacher.nodes > 1:
        return job  # all its tasks are ranks of one teacher
    return job * replicas(config) + int(os.environ.get("SLURM_PROCID", "0"))


def _own_gpus(config: Generate) -> None:
    """Leaves this task only its own GPUs where Slurm shows every task all of the node's."""
    first = int(os.environ.get("SLURM_LOCALID", "0"))
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    size = config.teacher.tensor_parallel * config.teacher.pipeline_parallel
    if not visible and config.cluster.gpu_request == "none":
        # A site that hands out whole nodes may set nothing: all of its GPUs are there.
        visible = [str(number) for number in range(config.cluster.gpus_per_node)]
    if visible and len(visible) == size * replicas(config):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(visible[first * size : (first + 1) * size])


def _generate_run(root: str) -> Run[Generate]:
    run = open_run(Layout(Path(root)))
    if not isinstance(run.config, Generate):
        raise ConfigError(f"{root}: is not a run of jobs.generate")
    return Run(run.layout, run.plan, run.config)


def _follow(config: Generate, place: Place, stop: Stop) -> int:
    """Serves rank 0 as another rank of its teacher. The job's exit code is rank 0's: this one's only tells
    of a failure of its own."""
    with Follower(place, stop.asked) as lead:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # rank 0 hears them too, and decides when all end
        try:
            serve(config.teacher, config.engine, lead)
            if lead.over() is None:
                raise RankLost("a process of the engine has ended")
        except Exception as error:
            if lead.over() is None:
                lead.fail(error)
                raise
        print(f"rank {place.rank}: {lead.over()}", flush=True)
    return 0


def _finish(run: Run[Generate], attempt: Attempt, shard: int, stop: Stop, place: Place | None) -> None:
    """Runs a shard to its end, as rank 0 of the teacher where that spans nodes.

    Raises:
        Stopped: `stop` was asked for before.
    """
    with Lead(place) if place else nullcontext() as lead:
        report = _shard(run, attempt, shard, stop, lead)
    if report is None or (stop.asked() and not report.finished):
        raise Stopped


def _shard(
    run: Run[Generate], attempt: Attempt, shard: int, stop: Stop, lead: Lead | None
) -> ShardReport | None:
    """The report of a shard, None when it was stopped before it began; an error is left beside its journal,
    for the gate to read."""
    try:
        return _generate(run, attempt, shard, stop, lead)
    except Exception as error:
        if type(error).__name__ in ENGINE_ERRORS and stop.asked():
            raise Stopped from error  # SIGTERM reaches the engine's processes as well
        if lead is not None and not isinstance(error, ConfigError) and (lost := lead.lost(_HEAR_SECONDS)):
            _leave_word(run.layout.trouble(attempt.number, shard), lost)
            raise lost from error
        _leave_word(run.layout.trouble(attempt.number, shard), error)
        raise


def _generate(
    run: Run[Generate], attempt: Attempt, shard: int, stop: Stop, lead: Lead | None
) -> ShardReport | None:
    config, started = run.config, time.monotonic()
    group = lead.gather(stop.asked) if lead else None
    if lead is not None and group is None:
        return None

    def count(sample: Sample) -> None:
        if lead is not None and (lost := lead.lost()):
            raise lost
        progress.advance(1, sample.completion_tokens)

    with (
        RestartingTeacher(
            lambda: open_teacher(config.teacher, config.engine, config.sampling, group)
        ) as teacher,
        Progress("generate", "samples", attempt.share_size(shard)) as progress,
    ):
        start_up = time.monotonic() - started
        report = run_shard(run, attempt, shard, teacher, stop, count, start_up)
        if lead is not None:
            lead.end()  # before the engine ends here: its end may wait for the other ranks'
        return report


def _leave_word(trouble: Path, error: Exception) -> None:
    """Writes down why the task fails. Raises Unwritable: a full disk has no room for its error, either."""
    where = traceback.extract_tb(error.__traceback__)
    words = {
        "class": type(error).__name__,
        "message": " ".join(str(error).split())[:2000],
        "at": f"{where[-1].filename}:{where[-1].lineno}" if where else None,
        "node": getattr(error, "node", None) or os.environ.get("SLURMD_NODENAME"),
        "traceback": "".join(traceback.format_exception(error))[-8000:],
    }
    try:
        write_json(trouble, words)
    except OSError as unwritable:
        raise Unwritable(f"{words['class']}: {words['message']}; {unwritable}") from error
