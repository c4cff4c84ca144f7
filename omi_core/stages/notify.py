"""A shell command of the user's that is run when a run or a pipeline has ended, once for each end.

What was told lies in notified.json. It is written when the command has ended, so a job that is killed in that
moment is the one case in which something is told twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from omi_core.stages.run import Run, outcome
from omi_core.store import ledger
from omi_core.store.files import lock, read_json, write_json
from omi_core.store.layout import Layout

_COMMAND_S, _LOCK_S = 60.0, 120.0


def notify_published(run: Run[Any], stats: Mapping[str, Any]) -> None:
    """Tells that a run is published. Of a step of a pipeline nothing is told: the pipeline has not ended."""
    if run.layout.pipeline is None:
        result = {
            "OMI_RESULT": str(outcome(run).absolute()),
            "OMI_SUMMARY": str(run.layout.summary.absolute()),
        }
        notify_end(run.layout, command_of(run), "published", stats["content_hash"], **result)


def notify_ended(layout: Layout, command: str | None, state: str, reason: str) -> None:
    """Tells that a chain of jobs, or a command, has ended without a result, once for each command."""
    since = ledger.since(ledger.read(layout.ledger), "chain")
    notify_end(layout, command, state, str(since[0]["time"]) if since else "", OMI_REASON=reason)


def command_of(run: Run[Any]) -> str | None:
    """The command that a run is to notify by; `jobs.reduce` has none."""
    return getattr(run.config, "notify", None)


def notify_end(layout: Layout, command: str | None, state: str, of: str, **more: str) -> None:
    """Runs the command unless this end, which `of` names, was told before. No failure of it is an error."""
    if command is None:
        return
    told, this = layout.notified, {"state": state, "of": of}
    try:
        with lock(told.with_name(f".{told.name}.lock"), wait=_LOCK_S):
            with suppress(OSError, ValueError):
                if read_json(told) == this:
                    return
            about = {"OMI_RUN": str(layout.root.absolute()), "OMI_STATE": state} | more
            _run(command, {name: value.replace("\0", " ") for name, value in about.items()})
            write_json(told, this)
    except (OSError, ValueError) as error:
        print(f"warning: notify: {error}", flush=True)


def _run(command: str, about: Mapping[str, str]) -> None:
    """Runs the command with all that it starts, for a minute at most."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMI_")}
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        env=environment | dict(about),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(_COMMAND_S)
    except subprocess.TimeoutExpired:
        code = None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code != 0:
        how = f"no end within {_COMMAND_S:g} s" if code is None else f"exit code {code}"
        print(f"warning: notify: {how} of {command}", flush=True)
