"""A training on Slurm: one job of N nodes, and on each one launcher that starts the processes of its GPUs.

The launchers find each other as the ranks of a teacher that spans nodes do (`omi_core.teachers.ranks`), which
gives them an address and a free port; torch's elastic agent does the rest. Before the time limit every
process stops after the same step, with a checkpoint, and the job goes back to the queue.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.slurm import commands, hosts
from omi_core.slurm.after import check_after, dependency
from omi_core.slurm.links import waited_lock
from omi_core.slurm.script import Job, check_cluster, check_logs, submit_job
from omi_core.slurm.standing import live_ids, refuse_at_work
from omi_core.stages.stopping import Stop, Stopped
from omi_core.store import ledger
from omi_core.teachers import orphans
from omi_core.teachers.ranks import Follower, Lead, RankGroup, RankLost, RankPlace
from omi_core.training.examples import read_counts
from omi_core.training.students import check_student
from omi_core.training.teaching import check_first_rows, show_model
from omi_core.training.train_options import Train
from omi_core.training.training_directory import is_training
from omi_core.training.training_run import (
    TrainingRun,
    open_training,
    plan_training,
    prepare_examples,
    working_on,
)

STAGE = "train"
STOP_FILE = "OMI_STOP_FILE"
_LOOK_S = 0.5


def training_job(run: TrainingRun) -> Job:
    """The job of a training."""
    return Job(
        name=f"{run.root.name}.{STAGE}",
        stage=STAGE,
        arguments=(str(run.root), STAGE),
        logs=run.layout.logs,
        token=run.fingerprint[:12],
        after=dependency(run.config.cluster.after, run.root),
        nodes=run.config.nodes,
    )


def processes(run: TrainingRun) -> int:
    """Processes of all nodes: one for each GPU, or one for each node without.

    Raises:
        ConfigError: the rows of a step do not divide over them.
    """
    count = run.config.nodes * max(1, run.config.cluster.gpus_per_node)
    for stage in run.stages:
        if stage.settings.batch % count:
            raise ConfigError(
                f"training.batch={stage.settings.batch}: does not divide over {count} processes "
                f"(nodes={run.config.nodes} x cluster.gpus_per_node); choose another number of nodes"
            )
    return count


def submit_training(run: TrainingRun) -> int:
    """Submits the job of a training, unless one waits or runs. Returns the exit code.

    Raises:
        ConfigError: the data or the student cannot be had, or the site refuses the job.
    """
    cluster = run.config.cluster
    check_cluster(cluster)
    check_after(cluster.after)
    check_logs(run.layout.logs)
    processes(run)
    check_student(run)
    check_first_rows(run)
    try:
        # The job holds the directory while it runs, so the queue is asked first.
        live = live_ids(ledger.read(run.layout.ledger)) if is_training(run.root) else []
        if run.config.run.fresh:
            refuse_at_work(run.root, live)
        if live:
            print(f"job {', '.join(live)} waits or runs already")
            return 0
        with working_on(run):
            if run.complete():
                print(f"complete, nothing to do: {run.model}")
                return 0
            identifier = submit_job(cluster, training_job(run))
            ledger.append(run.layout.ledger, {"stage": STAGE, "job": identifier, "array": None})
    except commands.SlurmError as error:
        raise ConfigError(f"+cluster={cluster.name}: {error}") from error
    print(f"{STAGE:>9}  job {identifier}")
    print(f"follow: {hint('status', run.root)}   stop: {hint('cancel', run.root)}")
    return 0


def plan_for_job(config: Train) -> TrainingRun:
    """A training planned and written down, for a job of somebody else's that is about to be submitted.

    Raises:
        ConfigError: the data or the student cannot be had, or the rows of a step do not divide.
        LockTaken: another process works in its directory.
    """
    run = plan_training(config)
    processes(run)
    check_student(run)
    check_first_rows(run)
    with working_on(run):
        return run


def train_job(root: str, stop: Stop) -> int:
    """What the task of a node does: starts its processes and waits for them. Returns the exit code.

    Raises:
        ConfigError: the data is not what it was, or cannot be trained on.
        RankLost: the task of another node is gone, or did not come.
        Stopped: work is left, for the job's time is over or it was cancelled.
    """
    run = open_training(Path(root))
    place = hosts.place(os.environ, run.config.nodes, "nodes")
    if place is None:
        place = RankPlace(0, 1, "", (), (), os.environ.get("SLURM_JOB_ID", "0"))
        with waited_lock(run.layout.lock):
            return _lead(run, place, RankGroup(0, 1, "localhost", 0, "localhost"), stop)
    if place.rank:
        with Follower(place, stop.asked) as follower:
            while any(read_counts(stage.examples) is None for stage in run.stages):
                if stop.asked():
                    raise Stopped
                if why := follower.over():
                    raise RankLost(f"rank 0 has ended before the examples were there: {why}")
                time.sleep(_LOOK_S)
            return _launch(run, place, follower.group, stop)
    with waited_lock(run.layout.lock), Lead(place) as lead:
        group = lead.gather(stop.asked)
        if group is None:
            raise Stopped
        return _lead(run, place, group, stop)


def _lead(run: TrainingRun, place: RankPlace, group: RankGroup, stop: Stop) -> int:
    """What the first node does besides: prepares the rows for all, and says what came of it."""
    if run.complete():
        print(f"complete, nothing to do: {run.model}", flush=True)
    prepare_examples(run)
    code = _launch(run, place, group, stop)
    show_model(run)
    return code


def _launch(run: TrainingRun, place: RankPlace, group: RankGroup, stop: Stop) -> int:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=place.ranks,
        max_nodes=place.ranks,
        nproc_per_node=processes(run) // place.ranks,
        run_id=place.key,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{group.address}:{group.port}",
        rdzv_configs={"is_host": place.rank == 0},
        max_restarts=0,
        local_addr=group.own_address,
    )
    command = elastic_launch(config, sys.executable)
    try:
        with orphans.marked(), _handing_on(stop):
            command("-m", "omi_core.training.train_process", str(run.root))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(
            f"failed: the process of rank {rank} ended with exit code {failure.exitcode}, see above",
            flush=True,
        )
        return 1
    except Exception as error:
        if type(error).__name__ != "SignalException":  # of the agent: SIGTERM ends it
            raise
        stop.ask(signal.SIGTERM)
        raise Stopped from error
    if not run.complete():
        stop.ask(signal.SIGUSR2)
        raise Stopped
    return 0


@contextmanager
def _handing_on(stop: Stop) -> Iterator[None]:
    """Tells the processes of this node, by a file, when this one is asked to stop: they hear no signal."""
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="omi-") as folder:
        file = Path(folder, "stop")

        def watch() -> None:
            while not ended.wait(_LOOK_S):
                if stop.asked():
                    file.touch()
                    return

        os.environ[STOP_FILE] = str(file)
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            del os.environ[STOP_FILE]
