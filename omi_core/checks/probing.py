"""The small jobs of `jobs.check`: sent at once, answered and read while they run, cancelled at the end.

| probe | is sent as | shows |
|---|---|---|
| gpu | a generate task: its nodes, GPUs and replicas | environment, GPUs, model, signal, requeue |
| cpu | a gate | environment, Slurm's commands |
| pair | a gate on two nodes | renames and locks between nodes |
| sample | the canary of a run of one record | the teacher |

Their scripts are those of a run but for the time limit, which is short.
"""

from __future__ import annotations

import math
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from omi_core import options
from omi_core.checks import two_nodes
from omi_core.checks.evidence import Evidence, Probe
from omi_core.checks.node_side import CONFIG, WITH_LOGIN
from omi_core.checks.notes import Notes
from omi_core.cluster_options import Canary, Cluster
from omi_core.config import Generate, RunOptions
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError
from omi_core.slurm import commands, states
from omi_core.slurm.failures import log_line, read_trouble
from omi_core.slurm.reasons import meaning
from omi_core.slurm.script import Job, canary_gpus, replicas, script, submit_job
from omi_core.slurm.states import TaskKey
from omi_core.slurm.times import limit_seconds
from omi_core.stages import gate
from omi_core.stages.planning import plan_generate, with_absolute_paths
from omi_core.stages.run import Run
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt
from omi_core.store.files import write_json
from omi_core.store.journal import read_samples
from omi_core.store.layout import Layout
from omi_core.store.manifests import read_manifests

# The directory is looked at often, the controller first every few seconds, and in a long queue seldom.
_LOOK_S, _ASK_S, _SELDOM_S = 0.5, 5.0, 30.0
# What a task wrote last may be seen here a while after Slurm knows that it ended.
_LATE_S = 15.0
_GONE_S = 60.0
# The last part of a probe's reports: of which task, and its name.
_LAST = {"gpu": (0, "signal"), "cpu": (0, "commands"), "pair": (1, "pair")}
_SAMPLE_LIMIT_S = 3600


def probe_limit(cluster: Cluster) -> int:
    """Minutes for a job that waits for its signal: that has room to start before, and comes soon after."""
    return math.ceil(1.3 * cluster.signal_seconds / 60)


def jobs_of(config: Generate, place: Path) -> dict[str, Job]:
    """The probes' jobs by name, shaped as those of a run. Raises ConfigError as `replicas`."""
    nodes, each = config.teacher.nodes, replicas(config)

    def job(name: str, stage: str, nodes: int = 1, tasks: int = 1) -> Job:
        arguments, token = (str(place), "probe", name), place.name.strip(".")
        return Job(f"check.{name}", stage, arguments, place / "logs", token=token, nodes=nodes, tasks=tasks)

    return {
        "gpu": job("gpu", "generate", nodes, each),
        "cpu": job("cpu", "gate"),
        "pair": job("pair", "gate", 2),
    }


class Probing:
    """A directory below `base` that is shared with the probes; a context manager that leaves none of both."""

    def __init__(self, config: Generate, base: Path, here: dict[str, Any]) -> None:
        self.place = base / f".check-{secrets.token_hex(4)}"
        self.evidence = Evidence(config, here, {})
        self._notes = Notes(self.place)
        self._sample: Layout | None = None
        self._ended: dict[str, float] = {}
        self._asked = self._answered = 0.0

    def __enter__(self) -> Probing:
        with_absolute_paths(self.evidence.config)
        (self.place / "logs").mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Cancels what waits or runs, waits for its end for a minute at most, and removes the directory."""
        ids = [seen.job for seen in self.evidence.probes.values() if seen.job is not None]
        until = time.monotonic() + _GONE_S
        while ids and time.monotonic() < until:
            try:
                live = {
                    key.job_id for key, state in states.query(ids).items() if state.state in states.ACTIVE
                }
                commands.scancel(sorted(live))
            except commands.SlurmError:
                live = set(ids)
            if not live:
                break
            time.sleep(_LOOK_S)
        shutil.rmtree(self.place, ignore_errors=True)

    def send(self, skipped: dict[str, str], sample: bool) -> None:
        """Submits the probes but those `skipped`, for the reasons given; with `sample` one more."""
        config = self.evidence.config
        limit = probe_limit(config.cluster)
        # Those that do not wait for the signal end long before it.
        short = replace(config.cluster, time=str(limit), cpu_time=str(limit + 10))
        write_json(self.place / f"{CONFIG}.json", options.written(replace(config, cluster=short)))
        jobs = jobs_of(config, self.place)
        unfit = None if "pair" in skipped else _unfit(short, jobs["pair"])
        if unfit:
            self._notes.leave(WITH_LOGIN, {})
        for name, job in jobs.items():
            seen = self.evidence.probes[name] = Probe(
                name, tasks=job.nodes * job.tasks, why_not=skipped.get(name)
            )
            seen.unfit = unfit if name == "pair" else None
            if seen.why_not is None and seen.unfit is None:
                self._submit(seen, lambda j=job: submit_job(short, j))
        if sample:
            seen = self.evidence.probes["sample"] = Probe("sample", why_not=skipped.get("gpu"))
            if seen.why_not is None:
                self._submit(seen, self._send_sample)

    def _submit(self, seen: Probe, send: Callable[[], str]) -> None:
        try:
            seen.job = send()
        except (commands.SlurmError, ConfigError) as error:
            seen.why_not = f"refused ({error})"

    def _send_sample(self) -> str:
        run = _sample_run(self.evidence.config, self.place / "sample")
        self._sample = run.layout
        attempt = new_attempt(run.layout, gate.missing(run), 1)
        job = Job(
            "check.sample",
            "canary",
            (str(run.layout.root), "canary", str(attempt.number), "0"),
            run.layout.logs,
            token=self.place.name.strip("."),
            nodes=run.config.teacher.nodes,
            gpus=canary_gpus(run.config),
        )
        identifier = submit_job(run.config.cluster, job)
        entry = {"stage": "canary", "job": identifier, "array": None, "attempt": attempt.number}
        ledger.append(run.layout.ledger, entry)
        return identifier

    # -- while they run ------------------------------------------------------------------------------------

    def look(self, patience_s: float) -> Iterator[Evidence]:
        """The evidence again and again, each time with what has come since, until no more will.

        A job that has not begun after `patience_s` seconds is given up.
        """
        begun = self._answered = time.monotonic()
        while True:
            self._read_notes()
            now = time.monotonic()
            if now - self._asked >= min(_ASK_S + (now - begun) / 20, _SELDOM_S):
                self._ask_slurm(now - begun > patience_s, patience_s)
                self._asked = now
            yield self.evidence
            probes = self.evidence.probes.values()
            if all(seen.over or seen.why_not or seen.unfit for seen in probes):
                return
            time.sleep(_LOOK_S)

    def _read_notes(self) -> None:
        names = set(self._notes.names())
        for probe, seen in self.evidence.probes.items():
            for rank in range(seen.tasks):
                name = f"{probe}-{rank}"
                if rank not in seen.answered and f"{name}.here" in names:
                    seen.answered[rank] = time.time()
                    self._notes.leave(f"{name}.seen", {})
                    if probe == "cpu" and self.evidence.probes["pair"].unfit:
                        Thread(target=self._play, daemon=True).start()
                if name in names and (report := self._notes.read(name)) is not None:
                    seen.arrived.setdefault(rank, time.time())
                    seen.reports[rank] = report
        if self._sample is not None:
            self.evidence.sampled = _sample_report(self._sample)

    def _play(self) -> None:
        """Is the other node of the CPU job. What goes wrong, that one says."""
        with suppress(Exception):
            two_nodes.try_out(self._notes, 0)

    def _ask_slurm(self, impatient: bool, patience_s: float) -> None:
        """How the jobs stand; a controller that is away is waited for as long as a job."""
        at_work = {
            seen.job: seen
            for seen in self.evidence.probes.values()
            if seen.job is not None and not seen.over and seen.why_not is None
        }
        try:
            found = states.query(at_work)
        except commands.SlurmError as error:
            if time.monotonic() - self._answered > patience_s:
                for seen in at_work.values():
                    seen.why_not = f"Slurm does not tell how it stands ({error})"
            return
        self._answered = time.monotonic()
        for key, state in found.items():
            seen = at_work[key.job_id]
            seen.state = state
            if state.ended or (state.restarts and 0 in seen.reports and "signal" in seen.reports[0]):
                self._ended.setdefault(key.job_id, time.monotonic())
                if state.restarts or time.monotonic() - self._ended[key.job_id] >= self._lateness(seen):
                    self._finish(seen, key)
            elif impatient and not seen.reports and (told := meaning(state)) is not None:
                why = told.words or "waits"
                seen.why_not = f"{why} ({state.reason or state.state}) still; give patience_minutes=…"

    def _lateness(self, seen: Probe) -> float:
        """How long reports may come after the end of a job: not at all where the last part is there."""
        rank, last = _LAST.get(seen.name, (0, ""))
        whole = last in seen.reports.get(rank, {}) or (seen.name == "sample" and self.evidence.sampled)
        return 0.0 if whole else _LATE_S

    def _finish(self, seen: Probe, key: TaskKey) -> None:
        self._read_notes()
        layout = Layout(self.place)
        if seen.name == "sample" and self._sample is not None:
            layout = self._sample
        seen.said, seen.over = log_line(layout, key)[1], True


def _unfit(cluster: Cluster, job: Job) -> str | None:
    """Why the site takes no job of two nodes, where it does not; else such a job might wait for ever."""
    try:
        commands.run("sbatch", "--test-only", stdin=script(cluster, job), timeout=commands.SBATCH_TIMEOUT_S)
    except commands.SlurmError as error:
        return f"there are no CPU jobs of two nodes here ({error.message})"
    return None


def _sample_run(config: Generate, root: Path) -> Run[Generate]:
    """A run of one record of the demo, with the recipe's teacher; its canary is content with any sample."""
    canary = Canary(records=1, samples=1, min_answers=0.0, max_unfinished=1.0, max_errors=1.0)
    limit = min(limit_seconds(config.cluster.time) or _SAMPLE_LIMIT_S, _SAMPLE_LIMIT_S)
    limit = max(limit, 2 * config.cluster.signal_seconds)
    return plan_generate(
        replace(
            config,
            data=Data(size=1),
            samples=1,
            tasks=1,
            cluster=replace(config.cluster, canary=canary, time=str(math.ceil(limit / 60))),
            run=RunOptions(dir=str(root)),
            # Lengths are no matter of the site's, and need a tokenizer.
            filters=replace(config.filters, max_tokens=None),
        )
    )


def _sample_report(layout: Layout) -> dict[str, Any]:
    """What the sample came to; nothing while neither it nor an error is there."""
    if (trouble := read_trouble(layout.trouble(1, 0))) is not None:
        return {"error": f"{trouble['class']}: {' '.join(str(trouble['message']).split())}"[:500]}
    manifest = read_manifests(layout).get((1, 0))
    if manifest is None or not manifest["samples"]:
        return {}
    for samples in read_samples(layout.journals(), 0, 1):
        if samples[0].error:
            return {"error": str(samples[0].error)}
    return {
        "tokens": manifest["completion_tokens"],
        "seconds": manifest["seconds"],
        "start_up": manifest["start_up"],
    }
