"""The stages as array tasks run them: which share is mine, what it leaves, with which exit code."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.publish.dataset import recover
from omi_core.publish.parts import PartError
from omi_core.slurm import gates, hosts, links
from omi_core.slurm.canary import check_canary
from omi_core.slurm.commands import SlurmError
from omi_core.slurm.retry_policy import HANDED_BACK, TERMINATED, UNWRITABLE
from omi_core.slurm.run_status import gpu_hours
from omi_core.slurm.script import ON_GPUS, replicas
from omi_core.stages import here
from omi_core.stages.generate import ShardReport, run_shard
from omi_core.stages.notify import notify_published
from omi_core.stages.progress import Progress
from omi_core.stages.publish import publish_run
from omi_core.stages.reduce import discard_damaged, finished_part, part_paths, part_range, run_part
from omi_core.stages.run import Run, is_current, open_to_continue, outcome, published
from omi_core.stages.stopping import SIGNALS, Stop, Stopped
from omi_core.stages.summary import show_summary
from omi_core.stages.trained_card import tell_card
from omi_core.store.attempts import Attempt, AttemptDamaged, read_attempt
from omi_core.store.files import write_json
from omi_core.store.layout import Layout
from omi_core.teachers import open_teacher, serve
from omi_core.teachers.ranks import Follower, Lead, RankLost, RankPlace
from omi_core.teachers.restarting import RestartingTeacher
from omi_core.teachers.spanning import SpanningTeacher
from omi_core.teachers.teacher import EngineFailed, Teacher

# How long a shard waits for another writer of its journal: what is left of it on a node that lost touch is
# ended by Slurm when the node is back; else the gate sends what is missing again, with journals of its own.
_LOCK_WAIT_S = 300.0

FAILURES = (*here.FAILURES, AttemptDamaged, ConfigError, RankLost, SlurmError, links.ChainEnded)
__all__ = ["FAILURES", "HANDED_BACK", "STAGES", "TERMINATED", "UNWRITABLE", "Unwritable"]


def generate(root: str, numbers: list[int], stop: Stop) -> int:
    """This task's shard of an attempt, or this rank's part in it."""
    run = _generate_run(root)
    links.refuse_unknown(run.layout)
    attempt = read_attempt(run.layout, numbers[0])
    shard = shard_number(run.config, numbers[1])
    if shard >= attempt.tasks:
        return 0  # the last node has room for more replicas than there are shards
    own_gpus(run.config)
    stop.drain_seconds = min(run.config.run.drain_seconds, run.config.cluster.signal_seconds / 2)
    place = hosts.place(os.environ, run.config.teacher.nodes)
    if place is not None and place.rank > 0:
        return _follow(run.config, place, stop)
    _finish(run, attempt, shard, stop, place)
    return 0


def canary(root: str, numbers: list[int], stop: Stop) -> int:
    """The canary's samples; on failure the rest of the chain is cancelled with the reason."""
    run = _generate_run(root)
    links.refuse_unknown(run.layout)
    own_gpus(run.config)
    place = hosts.place(os.environ, run.config.teacher.nodes)
    if place is not None and place.rank > 0:
        return _follow(run.config, place, stop)
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return 0  # another replica's place
    attempt = read_attempt(run.layout, numbers[0])
    _finish(run, attempt, 0, stop, place)
    check_canary(run, attempt)
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
    run = open_to_continue(Layout(Path(root)))
    links.refuse_unknown(run.layout)
    (parts, jobs), first_part = numbers, int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    for part in range(first_part, parts, jobs):
        if finished_part(run, part, parts) is None:
            first, last = part_range(run.plan.records, parts, part)
            with Progress("reduce", "records", last - first) as progress:
                run_part(run, part, parts, stop, progress.advance)
    return 0


def publish(root: str, numbers: list[int], stop: Stop) -> int:
    """The dataset or the evaluation, once every part is there.

    Damaged parts are sent again, in a chain of their own.
    """
    run, parts = open_to_continue(Layout(Path(root))), numbers[0]
    gates.pass_reduce(run, parts)
    try:
        with links.waited_lock(run.layout.lock):  # a command on the login node may publish the same run
            recover(outcome(run))
            stats = published(run)
            if stats is None or not is_current(run, stats):
                stats = publish_run(run, parts)
            show_summary(run, stats, gpu_hours(run))
        tell_card(run)
        notify_published(run, stats)
    except PartError as error:
        print(f"publish: {error}", flush=True)
        discard_damaged(part_paths(run, parts))
        gates.pass_reduce(run, parts)
        raise  # every part is whole, and still they are no dataset
    return 0


class Unwritable(RuntimeError):
    """A task failed, and could not leave word why."""


@contextmanager
def leaving_word(root: str, stage: str) -> Iterator[None]:
    """Has a job that fails inside write down why, for whoever may send it again; outside of Slurm nothing.

    A shard leaves its own word, and what a chain ends with stands in its ledger.

    Raises:
        Unwritable: there is no room even for that.
    """
    key = links.own_key()
    if key is None or stage in ON_GPUS:
        yield
        return
    path = Layout(Path(root)).job_trouble(str(key))
    path.unlink(missing_ok=True)  # of a run before it was requeued
    try:
        yield
    except (Stopped, links.ChainEnded):
        raise
    except Exception as error:
        _write_trouble(path, error)
        raise


def _write_trouble(path: Path, error: Exception) -> None:
    where = traceback.extract_tb(error.__traceback__)[-1]
    words = {
        "class": type(error).__name__,
        "message": " ".join(str(error).split())[:2000],
        "at": f"{where.filename}:{where.lineno}",
        "node": getattr(error, "node", None) or os.environ.get("SLURMD_NODENAME"),
        "traceback": traceback.format_exc()[-8000:],
    }
    try:
        write_json(path, words)
    except OSError as unwritable:  # a full disk has no room for its own error, either
        raise Unwritable(f"{words['class']}: {words['message']}; {unwritable}") from error


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


def own_gpus(config: Generate) -> None:
    """Leaves this task only its own GPUs where Slurm shows every task all of the node's."""
    first = int(os.environ.get("SLURM_LOCALID", "0"))
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    size = config.teacher.tensor_parallel * config.teacher.pipeline_parallel
    if not visible and config.cluster.gpu_request == "none":
        # A site that hands out whole nodes may set nothing: all of its GPUs are there.
        visible = [str(number) for number in range(config.cluster.gpus_per_node)]
    # Where Slurm binds them to tasks each sees its own; else all, of which some may belong to no replica.
    if len(visible) >= size * replicas(config):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(visible[first * size : (first + 1) * size])


def _generate_run(root: str) -> Run[Generate]:
    run = open_to_continue(Layout(Path(root)))
    if not isinstance(run.config, Generate):
        raise ConfigError(f"{root}: is not a run of jobs.generate")
    return Run(run.layout, run.plan, run.config)


def _follow(config: Generate, place: RankPlace, stop: Stop) -> int:
    """Serves rank 0 as another rank of its teacher. What the work came to, rank 0 says by its exit code."""
    with Follower(place, stop.asked) as lead:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # rank 0 hears them too, and decides when all end
        try:
            serve(config.teacher, config.engine, config.sampling, lead)
            if lead.over() is None:
                raise RankLost("a process of the engine has ended")
        except Exception as error:
            if lead.over() is None:
                lead.fail(error)
                raise
        print(f"rank {place.rank}: {lead.over()}", flush=True)
    return 0


def _finish(run: Run[Generate], attempt: Attempt, shard: int, stop: Stop, place: RankPlace | None) -> None:
    """Runs a shard to its end, as rank 0 of a teacher that spans nodes where there is a place in one.

    Raises:
        Stopped: `stop` was asked for before; what is missing stays missing.
    """
    if place is None:
        config = run.config
        start = lambda: open_teacher(config.teacher, config.engine, config.sampling)  # noqa: E731
        report = _shard(run, attempt, shard, stop, lambda: RestartingTeacher(start))
    else:
        with Lead(place) as lead:
            report = _shard(_once(run), attempt, shard, stop, lambda: _gathered(run.config, lead, stop))
    if stop.asked() and not report.finished:
        raise Stopped


def _once(run: Run[Generate]) -> Run[Generate]:
    """The run without restarts of the engine: one over several nodes ends on all of them."""
    config = dataclasses.replace(run.config, engine=dataclasses.replace(run.config.engine, restarts=0))
    return Run(run.layout, run.plan, config)


def _gathered(config: Generate, lead: Lead, stop: Stop) -> Teacher:
    """The teacher of rank 0, when all ranks are there."""
    group = lead.gather(stop.asked)
    if group is None:
        raise Stopped
    return SpanningTeacher(lambda: open_teacher(config.teacher, config.engine, config.sampling, group), lead)


def _shard(
    run: Run[Generate], attempt: Attempt, shard: int, stop: Stop, start: Callable[[], Teacher]
) -> ShardReport:
    """Runs a shard with a teacher that is started; an error is left beside its journal, for the gate."""
    started = time.monotonic()
    try:
        with (
            start() as teacher,
            Progress("generate", "samples", attempt.share_size(shard)) as progress,
        ):
            return run_shard(
                run,
                attempt,
                shard,
                teacher,
                stop,
                lambda sample: progress.advance(1, sample.completion_tokens),
                time.monotonic() - started,
                _LOCK_WAIT_S,
            )
    except Stopped:
        raise
    except Exception as error:
        if isinstance(error, EngineFailed | RankLost) and stop.asked():
            raise Stopped from error  # Slurm's SIGTERM ends the engine's processes as well
        _write_trouble(run.layout.trouble(attempt.number, shard), error)
        raise
