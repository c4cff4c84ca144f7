"""`plan=true`: what a command would do, with the exact text of every job; nothing is submitted or made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from omi_core.checks.site_report import to_check, why_to_check
from omi_core.config import Generate
from omi_core.options import ConfigError
from omi_core.publish.dataset import hole_of
from omi_core.slurm import commands
from omi_core.slurm.after import dependency
from omi_core.slurm.budget import refuse_over_budget
from omi_core.slurm.estimate import Estimate, Measured, estimate, measure
from omi_core.slurm.limits import Limits
from omi_core.slurm.script import script
from omi_core.slurm.site_check import check_site
from omi_core.slurm.submit import Chain, Site, ask_site, shares
from omi_core.slurm.times import in_words, limit_seconds
from omi_core.stages import gate
from omi_core.stages.knowing import sampled
from omi_core.stages.run import Run, published
from omi_core.stages.summary import cuts
from omi_core.store.keys import count_keys
from omi_core.store.manifests import read_manifests
from omi_core.tasks.adaptive_options import Adaptive
from omi_core.tasks.prompting import Prompting

_MESSAGE_CHARACTERS = 70


def show_plan(run: Run[Any], canary: bool, active: Sequence[str] = ()) -> int:
    """Prints the plan of a run of which the jobs `active` wait or run; returns the exit code."""
    plan, config = run.plan, run.config
    new = config.run.fresh or not run.layout.plan.exists()
    ranges = np.array([[0, plan.keys]]) if new and plan.complete else gate.missing(run, mend=False)
    missing = count_keys(ranges)
    _line("run", f"{run.layout.root} ({'new' if new else 'continued'})")
    _line("records", f"{plan.records:,}")
    for reason, count in plan.skipped.items():
        first = ", ".join(plan.skipped_examples.get(reason, [])[:3])
        _line("left out", f"{count:,} input rows: {reason} ({first})")
    if plan.chunks:
        _line("chunks", cuts(plan))
    each = f"{plan.samples} per record" if run.whole == 1 else f"at most {plan.samples} per record"
    _line("samples", f"{plan.keys:,} ({each}), {missing:,} missing")
    if run.whole > 1:
        _line("adaptive", _rule(config.adaptive))
    stats = None if new else published(run)
    hole = hole_of(stats) if stats is not None else None
    if hole is not None:
        _line("published", f"with a hole: {hole}")
    elif stats is not None:
        _line("to do", "nothing: the dataset is published")
        return 0
    if active:
        _line("to do", f"nothing now: {len(active)} of its jobs wait or run ({', '.join(active)})")
    if not isinstance(config, Generate):
        return 0
    for name, words in sampled(config):
        _line(name, words)
    measured = measure(read_manifests(run.layout).values(), config.engine.seats) if not new else None
    if missing:
        for name, words in _expected(config, estimate(config, missing, measured), measured):
            _line(name, words)
    if config.cluster.kind != "slurm":
        _line("tasks", f"{config.tasks} generate, {config.reduce_tasks} reduce, one after another here")
        _show_prompt(config)
        return 0
    refuse_over_budget(run, missing, new)
    site, words = _site(run)
    _line("limits", words)
    why = why_to_check(run.layout.root.absolute().parent, config.cluster)
    if why and site.limits.cluster_name:  # there is a Slurm here to ask
        _line("check", to_check(why, config.cluster))
    try:
        chain = Chain(run, site, dry=True, after=_after(run))
        chain.generate(shares(run, ranges, canary)) if missing else chain.reduce()
    except commands.SubmitLimit as error:
        raise ConfigError(str(error)) from error
    for name, words in _asked(config, chain):
        _line(name, words)
    for entry in chain.submitted:
        array = entry.job.array
        tasks = f", {_count(array[1] + 1, 'task')}" if array else ""
        print(f"\n== {entry.job.stage}{tasks}")
        print(script(config.cluster, entry.job), end="")
    if chain.unsent:
        print(f"\n{chain.unsent:,} more samples: submitted by the gate when the queue has room for them")
    _show_prompt(config)
    return 0


def _show_prompt(config: Generate) -> None:
    prompting = Prompting(config)
    print(f"\n== prompt, {config.prompt.format}\n{prompting.shown()}")


def _rule(adaptive: Adaptive) -> str:
    """When a record has samples enough."""
    until = {
        "vote": "its vote is settled"
        + (f" with {adaptive.confidence:.4g}" if adaptive.confidence < 1 else ", whatever the rest would be"),
        "right": f"{adaptive.right} are right",
        "difficulty": "it has a share of the most as large as its share of wrong ones",
    }[adaptive.until]
    return f"{adaptive.first} samples of every record, then {adaptive.step} more at a time until {until}"


def _line(name: str, words: str) -> None:
    print(f"{name:<10} {words}")


def _site(run: Run[Any]) -> tuple[Site, str]:
    try:
        site = ask_site(run.config.cluster)
    except commands.SlurmError as error:
        usual = Limits("", 1001, 10_000)
        why = "no Slurm here" if isinstance(error, commands.NotInstalled) else _short(str(error))
        words = f"not known ({why}); Slurm's defaults: arrays of {usual.max_array_size:,} at most"
        return Site(usual), words
    limits, submit = site.limits, "any number"
    if limits.max_submit_jobs is not None:
        submit = f"{limits.max_submit_jobs:,} ({site.queued:,} are there)"
    array = f"arrays of {limits.max_array_size:,} at most"
    return site, f"{array}, {submit} of your jobs in the queue ({limits.cluster_name})"


def _after(run: Run[Any]) -> str | None:
    """What the first jobs would wait for; the jobs of a run are not known where Slurm does not answer."""
    try:
        return dependency(run.config.cluster.after, run.layout.root)
    except commands.SlurmError:
        return "afterany:<jobs of the run>"


def _asked(config: Generate, chain: Chain) -> Iterator[tuple[str, str]]:
    """What Slurm says of such jobs, where it can be asked. Raises ConfigError when it refuses them."""
    try:
        doubts = list(check_site(config.cluster, [entry.job for entry in chain.submitted]))
    except commands.SlurmError as error:
        if not isinstance(error, commands.NotInstalled):
            yield "site", f"not asked whether it accepts the jobs ({_short(str(error))})"
        return
    for line in doubts or ["takes such jobs"]:
        yield "site", line


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _short(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARACTERS else f"{text[:_MESSAGE_CHARACTERS]}…"


def _expected(config: Generate, found: Estimate, measured: Measured | None) -> Iterator[tuple[str, str]]:
    """Tokens, jobs, GPU hours and time, each with the assumption it rests on."""
    if measured:
        so_far = f"as the {measured.samples:,} samples so far"
        yield "tokens", f"about {found.tokens:,} new ones: {measured.tokens:.0f} per sample, {so_far}"
    else:
        longest = f"sampling.max_tokens={config.sampling.max_tokens} per sample"
        yield "tokens", f"at most {found.tokens:,} new ones: {longest}; nothing is measured yet"
    cluster = config.cluster
    if cluster.kind == "slurm":
        size = f" of {found.gpus} GPUs, {found.shards} replicas in all" if found.gpus else " without GPUs"
        at_once = f", {cluster.throttle} at once" if cluster.throttle else ""
        each = round(found.samples / found.shards)
        yield "generate", f"{_count(found.jobs, 'job')}{size}{at_once}; about {each:,} samples per replica"
    about = "about" if measured else "at most"
    rate = f"{found.rate:,.0f} new tokens/s per replica ({_source(measured)})" if found.rate else ""
    if found.gpus:
        if found.gpu_hours is not None:
            yield "GPU hours", f"{about} {found.gpu_hours:,.1f} at {rate}"
        elif not rate:
            yield (
                "GPU hours",
                "not known: nothing is measured yet; cluster.tokens_per_second=… assumes a speed",
            )
        if found.bound_hours is not None:
            asked = f"{found.jobs} x {found.gpus} GPUs for {in_words(limit_seconds(cluster.time) or 0)}"
            yield "", f"at most {found.bound_hours:,.1f} until jobs requeue themselves ({asked})"
    if rate:
        yield "duration", _duration(config, found, about, "" if found.gpus else f" at {rate}")


def _source(measured: Measured | None) -> str:
    if measured is None or not measured.rate:
        return "assumed: cluster.tokens_per_second"
    short = "" if measured.full else ", too short to fill the engine: longer ones are faster"
    return f"measured: {_count(measured.shards, 'shard')}{short}"


def _duration(config: Generate, found: Estimate, about: str, rate: str) -> str:
    cluster = config.cluster
    limit = limit_seconds(cluster.time) if cluster.kind == "slurm" else None
    if found.seconds is None or found.requeues is None:
        return f"the time limit of {in_words(limit or 0)} ends before a task has started up"
    words = f"{about} {in_words(found.seconds)} per job{rate}"
    if limit is not None:
        again = f"requeues itself {found.requeues} x" if found.requeues else "ends within it"
        words += f"; its time limit is {in_words(limit)}: {again}"
    if cluster.throttle and found.jobs > cluster.throttle:
        words += f"; {math.ceil(found.jobs / cluster.throttle)} rounds"
    return words
