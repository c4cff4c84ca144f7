"""Planning: a checked config becomes a run directory, or finds the one it made before.

Everything a run needs is written in a directory beside the final one, which gets its name when all of it
is on disk; a mistake or a kill before that leaves no run behind.
"""

from __future__ import annotations

import dataclasses
import filecmp
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omi_core import config as schema
from omi_core import options
from omi_core.answers.answer_options import Answers
from omi_core.config import Generate, Reduce
from omi_core.filters.sections import Filters, token_limits
from omi_core.inputs import Skipped
from omi_core.options import ConfigError
from omi_core.publish.published import dataset_directory, dataset_glob
from omi_core.records import Record
from omi_core.stages import gate
from omi_core.stages.imports import import_samples
from omi_core.stages.knowing import check_teacher, name_weights, settle_sampling
from omi_core.stages.reduce import JOINED, readings, windows
from omi_core.stages.run import Run, edited, open_to_continue, published_whole, read_config, run_of
from omi_core.store.files import fsync_path, rename, write_json
from omi_core.store.fingerprint import FORMAT, fingerprint
from omi_core.store.index import index_path
from omi_core.store.keys import count_keys, settled_so_far
from omi_core.store.layout import Layout, check_root
from omi_core.store.plan import Plan, directory, read_plan, records_whole, write_records
from omi_core.store.seen import Survey
from omi_core.tasks import DEFAULT_TASK, task_of
from omi_core.tasks.picks import Picks
from omi_core.tasks.prompting import Prompting
from omi_core.tasks.score_join import SCORES, ScoreReader, ended_texts
from omi_core.teachers.teacher_options import LOADED
from omi_core.teachers.tokenizers import tokenizer_digest

Fill = Callable[[Layout, dict[str, Any]], Plan]


def plan_generate(config: Generate) -> Run[Generate]:
    """The run of `jobs.generate`: planned now, or found as it was planned before.

    Raises:
        ConfigError: the input, prompt or model cannot be had, the directory cannot be written, or it holds
            a run with another fingerprint.
    """
    with_absolute_paths(config)
    content = generate_content(config)
    name = f"{config.task.name}-{config.data.name}-{config.teacher.name}"

    def fill(layout: Layout, content: dict[str, Any]) -> Plan:
        skipped = Skipped(config.data.on_bad_row)
        count, digest = write_records(layout.records, _records(config, skipped))
        skipped.write(layout.skipped_rows)
        return _plan(content | {"input": digest}, count, Prompting(config).samples, True, skipped)

    return _make(config, name, content, fill)


def generate_content(config: Generate) -> dict[str, Any]:
    """What the fingerprint of a run of `jobs.generate` covers, but for its records.

    The config is completed with what the model and the prompt say of the sampling.

    Raises:
        ConfigError: the prompt, the model or the tokenizer cannot be had.
    """
    prompting = Prompting(config)
    check_teacher(config, prompting)
    settle_sampling(config, prompting)
    content = chosen_content(config)
    content["prompt"] = prompting.content()
    name_weights(config.teacher, content["teacher"])
    return content


def _records(config: Generate, skipped: Skipped) -> Iterator[Record]:
    """The records of a new run. Raises ConfigError as `Task.records`, or the run to read is not whole."""
    task, given = task_of(config), config.data.path
    if config.data.pass_rate and (given is None or not Path(given).is_dir()):
        raise ConfigError("data.pass_rate: only with data.path=RUN, a run of solutions; omit it")
    if config.data.pass_rate and not task.solves:
        raise ConfigError(f"data.pass_rate: not read by task={task.name}; omit it")
    samples_too = task.reads_run or bool(config.data.pass_rate)
    if not samples_too or given is None or not Path(given).is_dir():
        return task.records(_with_files(config), skipped)
    source = run_of("data.path", given, f"task={task.name}", task.reads_run or (DEFAULT_TASK,))
    seen = Survey((0, source.plan.records), source.plan.samples)
    solved = dataclasses.replace(source.config, cluster=config.cluster)
    read = readings(source, 0, source.plan.records, seen)
    return task.records_of_run(config, solved, windows(read), skipped)


def _with_files(config: Generate) -> Generate:
    """The config with the files of the dataset in place of the run or dataset that `data.path` names.

    Raises:
        ConfigError: there is no published dataset.
    """
    given = config.data.path
    if given is None or not Path(given).is_dir():
        return config
    directory = dataset_directory(Path(given))
    if directory is not None:
        path = dataset_glob("data.path", given, directory)
        return dataclasses.replace(config, data=dataclasses.replace(config.data, path=path))
    raise ConfigError(f"data.path={given}: neither a file nor a run that is published; finish that run first")


def with_absolute_paths(config: Generate | Reduce) -> None:
    """Paths that the jobs read again become absolute: they work in another directory than this command."""
    if isinstance(config, Generate):
        if config.task.name == SCORES.task:
            config.data.path = _absolute(config.data.path)
        config.prompt.path = _absolute(config.prompt.path)
        if config.teacher.kind in LOADED:
            config.teacher.model = _absolute(config.teacher.model) or ""
        config.teacher.lora = _absolute(config.teacher.lora)
        config.teacher.chat_template = _absolute(config.teacher.chat_template)
    config.answers.picks = _absolute(config.answers.picks)
    config.answers.scores = _absolute(config.answers.scores)
    config.answers.second_opinion = _absolute(config.answers.second_opinion)
    for section in vars(config).values():
        if hasattr(section, "tokenizer"):
            section.tokenizer = _absolute(section.tokenizer)


def _absolute(path: str | None) -> str | None:
    """The path from the root if it is there; else as it was typed, for the message that says so."""
    there = path and os.path.exists(os.path.expanduser(path))
    return os.path.abspath(os.path.expanduser(path)) if path and there else path


def plan_reduce(config: Reduce) -> Run[Any]:
    """The run of `jobs.reduce`: its samples are imported, or taken from another run, while it is planned.

    Raises:
        ConfigError: as `plan_generate`; or the other run is not complete.
    """
    assert config.input is not None
    with_absolute_paths(config)
    if Path(config.input).is_dir():
        return _plan_again(config, Layout(Path(config.input)))
    schema.refuse_unread(DEFAULT_TASK, config)
    notice = _without_token_limit(config)

    def fill(layout: Layout, content: dict[str, Any]) -> Plan:
        skipped = Skipped(config.data.on_bad_row)
        layout.generate.mkdir()
        found = import_samples(config, layout, skipped)
        skipped.write(layout.skipped_rows)
        content = content | {"input": found.digest, "samples": found.samples}
        return _plan(content, found.records, found.samples, False, skipped)

    run = _make(config, f"reduce-{config.data.name}", chosen_content(config), fill)
    if notice is not None:
        print(notice, file=sys.stderr)
    return run


def _without_token_limit(config: Reduce) -> str | None:
    """Turns the default limit in tokens off where no tokenizer counts them; returns the line that says so.

    Imported texts have no teacher whose tokenizer could count.

    Raises:
        ConfigError: another limit than the default was asked for.
    """
    filters, default = config.filters, Filters()
    if filters.tokenizer is not None:
        return None
    notice = None
    for key in token_limits("filters", filters):
        value = getattr(filters, key)
        if value != getattr(default, key):
            raise ConfigError(
                f"filters.{key}={value}: nothing counts the tokens of imported solutions; give a "
                "tokenizer.json as filters.tokenizer=FILE"
            )
        setattr(filters, key, None)
        notice = (
            f"filters.{key}={value}: off, nothing counts the tokens of imported solutions; "
            "filters.tokenizer=FILE turns it on"
        )
    return notice


def _plan_again(config: Reduce, source: Layout) -> Run[Any]:
    """A run with the samples of another and its own options of answers, filters and publishing.

    It has the fingerprint that the other would have had with these options, and gives the same dataset.
    """
    origin = open_to_continue(source)
    schema.refuse_for_imports(config)
    if left := count_keys(gate.missing(origin)):
        raise ConfigError(f"input={source.root}: {left} of its samples are missing; finish that run first")
    again, sections = schema.reduced_again(origin.config, config)
    again = dataclasses.replace(
        again,
        cluster=config.cluster,
        reduce_tasks=config.reduce_tasks,
        plan=config.plan,
        run=config.run,
    )
    _check_joined(origin, again.answers)
    if isinstance(again, Reduce) and (notice := _without_token_limit(again)) is not None:
        print(notice, file=sys.stderr)
    changed = {
        name: value for name, value in chosen_content(again).items() if name in (*sections, "packages")
    }
    kept = {name: value for name, value in origin.plan.content.items() if name != "packages"}

    def fill(layout: Layout, content: dict[str, Any]) -> Plan:
        layout.generate.mkdir()
        for path in [source.records, index_path(source.records), *sorted(source.generate.iterdir())]:
            if path.name.startswith(".") or path.name.endswith(".lock"):
                continue
            _link(path, layout.root / path.relative_to(source.root))
        fsync_path(layout.generate)
        if source.skipped_rows.exists():
            _link(source.skipped_rows, layout.skipped_rows)
        return dataclasses.replace(origin.plan, fingerprint=fingerprint(content), content=content)

    return _make(again, f"{source.root.name}-again", kept | changed, fill)


def _check_joined(run: Run[Any], answers: Answers) -> None:
    """Raises ConfigError when picks or scores cannot be read, or are of another run, as far as its first
    records tell; the reduce stage looks at all."""
    picks = Picks(answers.picks) if answers.picks is not None else None
    scores = ScoreReader("answers.scores", answers.scores) if answers.scores is not None else None
    if picks is None and scores is None:
        return
    seen = Survey((0, run.plan.records), run.plan.samples)
    for record, samples in next(windows(readings(run, 0, run.plan.records, seen)), []):
        if picks is not None:
            picks.of(record.id, samples)
        if scores is not None:
            scores.of(record.id, ended_texts(samples))


def _link(path: Path, target: Path) -> None:
    """The same bytes under another name: a finished journal is never written again. A copy across disks."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copy2(path, target)
        fsync_path(target)


def chosen_content(config: Generate | Reduce) -> dict[str, Any]:
    """The options that decide the dataset, files that they name by their bytes; the input adds more."""
    task_of(config).filters(config)  # a missing tokenizer is a mistake now, not after GPU hours
    return content_by_bytes(config)


def content_by_bytes(config: Generate | Reduce) -> dict[str, Any]:
    """As `chosen_content`, without a look at the model, which may not be there yet."""
    content = schema.content(config)
    for name, section in content.items():
        if isinstance(section, dict) and section.get("tokenizer") is not None:
            section["tokenizer"] = tokenizer_digest(section["tokenizer"], name)
    for key, digest in JOINED.items():
        if given := content.get("answers", {}).get(key):
            content["answers"][key] = digest(given)
    return content


def _plan(content: dict[str, Any], records: int, samples: int, complete: bool, skipped: Skipped) -> Plan:
    if records == 0:
        why = ", ".join(f"{count} {reason}" for reason, count in skipped.counts.items()) or "it is empty"
        first = next((f"; {row['why']}" for row in skipped.listed if "why" in row), "")
        raise ConfigError(f"data: the input has no usable record ({why}{first})")
    content = content | {"format": FORMAT, "records": records}
    return Plan(
        fingerprint=fingerprint(content),
        records=records,
        samples=samples,
        complete=complete,
        content=content,
        skipped=skipped.counts,
        skipped_examples=skipped.examples,
        chunks=skipped.chunks,
    )


def _make(config: Generate | Reduce, name: str, content: dict[str, Any], fill: Fill) -> Run[Any]:
    parent = Path(config.run.dir).parent if config.run.dir else Path(config.run.root)
    check_root(Path(config.run.dir or config.run.root))
    with _new_directory(parent.absolute()) as scratch:
        layout = Layout(scratch)
        plan = fill(layout, content)
        final = Path(config.run.dir) if config.run.dir else parent / f"{name}-{plan.fingerprint[:8]}"
        target = Layout(final)
        directory(target).refuse_file()
        if config.plan and (config.run.fresh or not target.plan.exists()):
            return Run(target, plan, config)  # shown, not made
        if config.run.fresh and final.exists():
            directory(target).move_aside()
        if not final.exists() or not any(final.iterdir()):
            plan.write(layout)
            write_json(layout.config, options.written(config))
            fsync_path(scratch)
            _rename(scratch, final)
        if not config.plan:
            _mend(target, layout, plan, config)
        directory(target).refuse_other(plan.content)
    return Run(target, read_plan(target), config)


def _mend(target: Layout, planned: Layout, plan: Plan, config: Generate | Reduce) -> None:
    """Writes again what is gone or damaged of the plan, the options and the records of a run.

    `planned` is where the same was planned a moment ago. A directory that cannot be told to hold the run of
    this plan stays as it is.
    """
    try:
        if read_plan(target).fingerprint != plan.fingerprint:
            return
    except ConfigError:
        if not _is_of(target, planned, plan):
            return
        plan.write(target)
        gate.warn(f"{target.plan}: was gone or damaged; written again")
    try:
        whole = not edited(plan, read_config(target, plan))
    except ConfigError:
        whole = False
    if not whole:
        write_json(target.config, options.written(config))
        gate.warn(f"{target.config}: was gone, damaged or changed; written again")
    if not records_whole(target, plan):
        for path in (planned.records, index_path(planned.records)):
            os.replace(path, target.root / path.name)
        fsync_path(target.root)
        gate.warn(f"{target.records}: was gone or damaged; written again")


def _is_of(target: Layout, planned: Layout, plan: Plan) -> bool:
    """Whether a directory whose plan cannot be read has the options and the records of this one."""
    try:
        same = not edited(plan, read_config(target, plan))
        return same and filecmp.cmp(target.records, planned.records, shallow=False)
    except (ConfigError, OSError):
        return False


def refuse_changed(run: Run[Any]) -> None:
    """Refuses to generate what is missing of a run with another prompt, model or tokenizer than before.

    A command that plans has compared them; this is for one that goes on from the run's directory.

    Raises:
        ConfigError: one of them is another now, with the difference; or cannot be had.
    """
    plan, config = run.plan, run.config
    if not isinstance(config, Generate) or published_whole(run) is not None:
        return
    if settled_so_far(run.layout, plan.records, plan.samples).done.all():
        return
    of_input = {name: plan.content[name] for name in ("input", "format", "records")}
    directory(run.layout).refuse_other(generate_content(config) | of_input)


def _rename(scratch: Path, final: Path) -> None:
    try:
        rename(scratch, final)
    except OSError:
        if not directory(Layout(final)).exists():
            raise
        # Another process was first; its plan is compared like any older one.


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
