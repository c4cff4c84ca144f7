"""`jobs.generate` and `jobs.reduce`: the run of a config is planned, shown, made here or submitted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from omi_core.config import Generate, Reduce
from omi_core.stages.run import Run


def generate(config: Generate) -> int:
    """Makes the dataset here, or submits that to Slurm. Returns the exit code.

    `run.dir` names the run then, whatever it was named by.
    """
    if config.cluster.kind != "slurm":
        from omi_core.stages.planning import plan_generate

        return _make_here(config, lambda: plan_generate(config))
    from omi_core.checks.site_report import to_check, why_to_check
    from omi_core.slurm.sending import active_if_known, plan_to_submit, submit_missing, wants_canary

    run = plan_to_submit(config)
    if config.plan:
        from omi_core.commands.planned import show_plan

        return show_plan(run, wants_canary(config), active_if_known(run))
    code = submit_missing(run, by="generate", after=config.cluster.after)
    config.run.dir = str(run.layout.root)
    if not code and (why := why_to_check(run.layout.root.absolute().parent, config.cluster)):
        print(to_check(why, config.cluster), file=sys.stderr)
    if code or not config.wait:
        return code
    from omi_core.commands.waiting import wait_for

    return wait_for(run.layout.root)


def reduce(config: Reduce) -> int:
    """Brings the run of this config to its published dataset. Returns the exit code."""
    from omi_core.stages.planning import plan_reduce

    return _make_here(config, lambda: plan_reduce(config))


def _make_here(config: Generate | Reduce, plan: Callable[[], Run[Any]]) -> int:
    if config.plan:
        from omi_core.commands.planned import show_plan

        return show_plan(plan(), canary=False)
    return finish_here(config.run.drain_seconds, plan)


def finish_here(drain_seconds: float, make: Callable[[], Run[Any]]) -> int:
    """As `bring_home`, which may fail: that is told in one line. Returns the exit code."""
    from omi_core.stages.here import bring_home, is_failure

    try:
        code = bring_home(drain_seconds, make)
    except Exception as error:
        if not is_failure(error):
            raise
        print(f"failed: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    if code == 130:
        print("stopped; the same command continues", file=sys.stderr)
    return code
