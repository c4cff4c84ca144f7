"""Planning: a checked config becomes a run directory, or finds the one it made before.

Everything a run needs is written in a directory beside the final one, which gets its name when all of it
is on disk; a mistake or a kill before that leaves no run behind.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omi_core import options, prompts
from omi_core.config import Generate, Reduce
from omi_core.inputs import Skipped, read_records
from omi_core.options import ConfigError
from omi_core.run.files import fsync_directory, lock, write_json
from omi_core.run.fingerprint import FORMAT, directory_digest, fingerprint
from omi_core.run.layout import Layout
from omi_core.run.plan import Plan, read_plan, refuse_other, write_records
from omi_core.stages.imports import import_samples
from omi_core.stages.reduce import filter_options
from omi_core.stages.run import Run
from omi_core.teachers import local_directory

Fill = Callable[[Layout, dict[str, Any]], Plan]


def plan_generate(config: Generate) -> Run[Generate]:
    """The run of `jobs.generate`: planned now, or found as it was planned before.

    Raises:
        ConfigError: the input, prompt or model cannot be had, the directory cannot be written, or it holds
            a run with another fingerprint.
    """
    filter_options(config)  # a tokenizer that is not there is a mistake now, not after the GPU hours
    template = prompts.load(config.task.name, config.prompt.name, config.prompt.path, config.prompt.examples)
    content = options.content(config)
    content["prompt"] = template.content()
    directory = local_directory(config.teacher.model) if config.teacher.kind == "vllm" else None
    content["teacher"]["weights"] = directory_digest(directory) if directory else None
    name = f"{config.task.name}-{config.data.name}-{config.teacher.name}"

    def fill(layout: Layout, content: dict[str, Any]) -> Plan:
        skipped = Skipped()
        records = read_records(config.data, config.answers.pattern, skipped)
        count, digest = write_records(layout.records, records)
        return _plan(content | {"input": digest}, count, config.samples, True, skipped)

    return _make(config, name, content, fill)


def plan_reduce(config: Reduce) -> Run[Reduce]:
    """The run of `jobs.reduce`: its samples are imported while it is planned.

    Raises:
        ConfigError: as `plan_generate`.
    """

    filter_options(config)

    def fill(layout: Layout, content: dict[str, Any]) -> Plan:
        skipped = Skipped()
        layout.generate.mkdir()
        found = import_samples(config, layout, skipped)
        content = content | {"input": found.digest, "samples": found.samples}
        return _plan(content, found.records, found.samples, False, skipped)

    return _make(config, f"reduce-{config.data.name}", options.content(config), fill)


def _plan(content: dict[str, Any], records: int, samples: int, complete: bool, skipped: Skipped) -> Plan:
    if records == 0:
        why = ", ".join(f"{count} {reason}" for reason, count in skipped.counts.items()) or "it is empty"
        raise ConfigError(f"data: the input has no usable record ({why})")
    content = content | {"format": FORMAT, "records": records}
    return Plan(
        fingerprint=fingerprint(content),
        records=records,
        samples=samples,
        complete=complete,
        content=content,
        skipped=skipped.counts,
        skipped_examples=skipped.examples,
    )


def _make(config: Generate | Reduce, name: str, content: dict[str, Any], fill: Fill) -> Run[Any]:
    parent = Path(config.run.dir).parent if config.run.dir else Path(config.run.root)
    with _new_directory(parent.absolute()) as scratch:
        layout = Layout(scratch)
        plan = fill(layout, content)
        final = Path(config.run.dir) if config.run.dir else parent / f"{name}-{plan.fingerprint[:8]}"
        target = Layout(final)
        if config.run.fresh and final.exists():
            _move_aside(target)
        if not final.exists() or not any(final.iterdir()):
            plan.write(layout)
            write_json(layout.config, dataclasses.asdict(config))
            fsync_directory(scratch)
            _rename(scratch, final)
        existing = read_plan(target)
        refuse_other(target, existing, plan)
    return Run(target, existing, config)


def _rename(scratch: Path, final: Path) -> None:
    try:
        os.rename(scratch, final)
    except OSError:
        if not Layout(final).plan.exists():
            raise
        # Another process was first; its plan is compared like any older one.
    fsync_directory(final.parent)


def _move_aside(layout: Layout) -> None:
    """Gives an existing run another name; nothing of it is deleted. Raises LockTaken while it is in use."""
    read_plan(layout)  # only ever move a run
    with lock(layout.lock):
        number = 1
        while (aside := layout.root.with_name(f"{layout.root.name}.old-{number}")).exists():
            number += 1
        os.rename(layout.root, aside)


@contextmanager
def _new_directory(parent: Path) -> Iterator[Path]:
    """A scratch directory in `parent`; it, and the parents made for it, go if it is not used in the end."""
    made = [path for path in [parent, *parent.parents] if not path.exists()]
    scratch = parent / f".planning-{socket.gethostname()}-{os.getpid()}"
    try:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _sweep(parent)
            scratch.mkdir()
        except OSError as error:
            raise ConfigError(
                f"run.dir: cannot write in {parent} ({error.strerror}); choose another"
            ) from error
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for path in made:  # innermost first
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _sweep(parent: Path) -> None:
    """Removes scratch directories whose process on this machine has been killed."""
    for path in parent.glob(f".planning-{socket.gethostname()}-*"):
        found = re.search(r"-(\d+)$", path.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)
