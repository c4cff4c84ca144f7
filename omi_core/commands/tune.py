"""`jobs.tune`: trial runs of several settings, made here one after another or submitted at once, compared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omi_core.config import Generate
from omi_core.hints import word
from omi_core.stages.run import Run, published
from omi_core.stages.trials import TrialFigures, accepted_shares, samples_alike, trial_figures
from omi_core.store.files import write_json
from omi_core.store.layout import Layout
from omi_core.terminal import print_table
from omi_core.tune_options import Trial, TuneCell, trials

# Less is within what two equal trials differ by.
_CLEAR = 0.03
_AT_WORK = 3


def tune(asked: Sequence[TuneCell]) -> int:
    """Makes or submits the trials and shows the table of those that have ended. Returns the exit code:
    0 all are done, 1 some have failed, 3 some are at work."""
    from omi_core.slurm.script import replicas

    made = trials(asked)
    for trial in made:  # before the first is made: one that no node can hold is a mistake of all
        replicas(trial.config)
    if asked[0].plan:
        return _show_plan(made)
    on_slurm = made[0].config.cluster.kind == "slurm"
    states = _submit(made) if on_slurm else _make_here(made)
    _show(made, states)
    if "at work" in states:
        return _AT_WORK
    return int(any(state != "done" for state in states))


def _show_plan(made: Sequence[Trial]) -> int:
    from omi_core.commands.making import generate

    codes = []
    for number, trial in enumerate(made, 1):
        print(f"--- trial {number} of {len(made)}: {trial.words or 'as given'}")
        codes.append(generate(_of_one_replica(trial)))
    return max(codes)


def _of_one_replica(trial: Trial) -> Generate:
    """The config of a trial: on a site that gives out single GPUs it takes those of one replica."""
    from omi_core.slurm.script import canary_gpus

    config = trial.config
    if config.cluster.kind == "slurm" and (gpus := canary_gpus(config)) is not None:
        # Trials around one setting share the section: it is not changed for all.
        return replace(config, cluster=replace(config.cluster, gpus_per_node=gpus))
    return config


def _make_here(made: Sequence[Trial]) -> list[str]:
    """Each in a process of its own: an engine leaves nothing to the next one."""
    from omi_core.stages.planning import plan_generate

    states = []
    for number, trial in enumerate(made, 1):
        run = plan_generate(trial.config)
        done = published(run) is not None
        what = "done" if done else f"{run.plan.keys:,} samples"
        print(f"{number} of {len(made)}: {trial.words or 'as given'}: {what}", file=sys.stderr, flush=True)
        states.append("done" if done else _resume(run))
    return states


def _resume(run: Run[Any]) -> str:
    """Makes one run; its output is on a log. Returns `done`, or why it has failed, in one line."""
    run.layout.logs.mkdir(exist_ok=True)
    log = run.layout.logs / "tune.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "jobs.resume", word(run.layout.root)]
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
        ).returncode
    if code == 0:
        return "done"
    if code in (130, -2):
        raise KeyboardInterrupt
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((line for line in reversed(lines) if line.startswith(("failed:", "error:"))), None)
    return f"{said or f'exit code {code}'} ({log})"


def _submit(made: Sequence[Trial]) -> list[str]:
    """Submits what is not done yet; with `wait` it returns when all have ended."""
    from omi_core.commands.making import generate
    from omi_core.commands.waiting import wait_until_ended
    from omi_core.slurm.run_status import ALIVE, Status, gather_readable

    waits = made[0].config.wait
    for trial in made:
        trial.config.wait = False
        generate(_of_one_replica(trial))
    roots = [Path(trial.config.run.dir or "") for trial in made]

    if waits:
        wait_until_ended(lambda: [gather_readable(root) for root in roots])

    def state(status: Status) -> str:
        if status.state == "published":
            return "done"
        if status.state in ALIVE:
            return "at work"
        why = next((group.message or group.line for group in status.failures), None) or status.note
        return f"{status.state}: {why}" if why else status.state

    return [state(gather_readable(root)) for root in roots]


def _show(made: Sequence[Trial], states: Sequence[str]) -> None:
    """The table, the advice, and both in a file."""
    figures = _figures(made, states)
    gpus = any(each is not None and each.gpus for each in figures)
    unit = "GPU-s" if gpus else "seconds"
    headers = ["setting", "start-up s", "tokens/s", "accepted", f"{unit} per row", "rows per hour"]
    if gpus:
        headers[-1] = "rows per GPU hour"
    rows, seen = [], {}
    best = min(
        (each.seconds_per_row for each in figures if each is not None and each.seconds_per_row), default=None
    )
    for trial, state, each in zip(made, states, figures, strict=True):
        name = trial.words or "as given"
        seen[name] = _known(trial, state, each)
        if each is None:
            rows.append([name, *["-"] * 4, state if state == "at work" else "failed"])
            continue
        cost = each.seconds_per_row
        told = [f"{each.start_up:,.0f}", f"{each.tokens_per_second:,.0f}", f"{each.accepted:.1%}"]
        mark = " *" if cost is not None and cost == best else ""
        told += ["-", "-"] if cost is None else [f"{cost:.3g}{mark}", f"{3600 / cost:,.0f}"]
        rows.append([name, *told])
    print_table(headers, rows)
    for trial, state in zip(made, states, strict=True):
        if state not in ("done", "at work"):
            print(f"{trial.words or 'as given'}: {' '.join(state.split())}")
    for line in _advice(made, figures, unit):
        print(line)
    path = Path(made[0].config.run.dir or "").parent / "tune.json"
    write_json(path, {"trials": seen})
    print(f"figures: {path}")


def _figures(made: Sequence[Trial], states: Sequence[str]) -> list[TrialFigures | None]:
    from omi_core.stages.run import open_run

    runs = [
        open_run(Layout(Path(trial.config.run.dir or ""))) if state == "done" else None
        for trial, state in zip(made, states, strict=True)
    ]
    shares = accepted_shares(
        (samples_alike(run), (published(run) or {}).get("counts", {})) for run in runs if run is not None
    )
    return [None if run is None else trial_figures(run, shares[samples_alike(run)]) for run in runs]


def _advice(made: Sequence[Trial], figures: Sequence[TrialFigures | None], unit: str) -> list[str]:
    """What to do, in sentences."""
    known = [
        (cost, trial, each)
        for trial, each in zip(made, figures, strict=True)
        if each is not None and (cost := each.seconds_per_row) is not None
    ]
    if not known:
        return []
    best = min(known, key=lambda one: one[0])
    if not best[2].full:
        more = "data.size" if best[1].config.data.origin == "world" else "data.limit"
        return [
            "seats were never all taken for long, so a long run may be faster or slower than this: give more "
            f"problems by {more}, or fewer seats"
        ]
    given = next((one for one in known if not one[1].words), known[0])
    saved = 1 - best[0] / given[0]
    if best[1] is given[1] or saved < _CLEAR:
        return [f"no setting is clearly cheaper than {given[1].words or 'that given'}"]
    than = given[1].words or "as given"
    return [
        f"cheapest: {best[0]:.3g} {unit} per row, {saved:.0%} less than {than}; to use it, add",
        f"    {best[1].words}",
    ]


def _known(trial: Trial, state: str, figures: TrialFigures | None) -> dict[str, Any]:
    told = {"setting": dict(trial.setting), "run": trial.config.run.dir, "state": state}
    if figures is None:
        return told
    return told | vars(figures) | {"seconds_per_row": figures.seconds_per_row}
