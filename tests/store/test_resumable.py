"""Directories that are planned once, by each command that makes one: runs, combined datasets, pipelines."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.combine.combine_options import Place
from omi_core.combine.directory import planned
from omi_core.config import load_generate
from omi_core.options import ConfigError
from omi_core.pipeline import definition as pipelines
from omi_core.pipeline.definition import Pipeline
from omi_core.stages.planning import plan_generate
from omi_core.store.files import LockTaken, lock
from omi_core.store.fingerprint import fingerprint

# (directory, options that decide the content, whether to start anew): what a command does before it works.
Command = Callable[[Path, dict[str, int], bool], None]


def run(root: Path, options: dict[str, int], fresh: bool) -> None:
    values: dict[str, Any] = {
        "run": {"dir": str(root), "fresh": fresh},
        "teacher": {"name": "r", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 3, "answer": "answer"},
    }
    plan_generate(load_generate(values | options))


def dataset(root: Path, options: dict[str, int], fresh: bool) -> None:
    with planned(Place(str(root), fresh=fresh), "name", "combine", options):
        pass


def pipeline(root: Path, options: dict[str, int], fresh: bool) -> None:
    whole = Pipeline(root, "recipe", fingerprint(options), options, ())
    if not fresh:
        pipelines.directory(root).refuse_other(whole.content)
    elif pipelines.is_pipeline(root):
        pipelines.directory(root).move_aside()
    pipelines.directory(root).make()
    with lock(whole.layout.lock):
        pipelines.write_pipeline(whole)


USERS = [
    pytest.param(run, "plan.json", id="run"),
    pytest.param(dataset, "combine.json", id="dataset"),
    pytest.param(pipeline, "pipeline.json", id="pipeline"),
]
each_user = pytest.mark.parametrize("command, plan", USERS)
FOUR, FIVE = {"samples": 4, "seed": 1}, {"samples": 5, "seed": 1}


def files_of(directory: Path) -> dict[str, bytes]:
    """What a directory holds, without hidden files and without config.json, which tells place and command."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
        and path.name != "config.json"
        and "/." not in str(path.relative_to(directory.parent))
    }


@each_user
def test_the_same_command_continues_and_changes_nothing_planned(
    command: Command, plan: str, tmp_path: Path
) -> None:
    command(tmp_path / "made", FOUR, False)
    before = files_of(tmp_path)
    assert f"made/{plan}" in before
    command(tmp_path / "made", FOUR, False)
    assert files_of(tmp_path) == before


@each_user
def test_another_content_is_refused_with_the_difference(command: Command, plan: str, tmp_path: Path) -> None:
    command(tmp_path / "made", FOUR, False)
    before = files_of(tmp_path)
    with pytest.raises(ConfigError) as refused:
        command(tmp_path / "made", FIVE, False)
    message = str(refused.value)
    assert message.startswith(f"run.dir={tmp_path / 'made'}: was made with another ")
    assert "samples 4 → 5" in message and "seed" not in message and "\n" not in message
    assert message.endswith("choose another run.dir, or run.fresh=true to start over")
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("command", [dataset, pipeline])
def test_of_many_differences_the_first_five_are_shown(command: Command, tmp_path: Path) -> None:
    command(tmp_path / "made", {f"option{n}": n for n in range(8)}, False)
    with pytest.raises(ConfigError, match=r"\(option0 0 → 1; .*option4 4 → 5; and 3 more\)"):
        command(tmp_path / "made", {f"option{n}": n + 1 for n in range(8)}, False)


@each_user
def test_a_fresh_start_moves_the_old_one_aside_and_deletes_nothing(
    command: Command, plan: str, tmp_path: Path
) -> None:
    command(tmp_path / "made", FOUR, False)
    kept = files_of(tmp_path / "made")
    command(tmp_path / "made", FIVE, True)
    second = files_of(tmp_path / "made")
    assert second[plan] != kept[plan]
    assert files_of(tmp_path / "made.old-1") == kept
    command(tmp_path / "made", FOUR, True)
    assert files_of(tmp_path / "made.old-1") == kept
    assert files_of(tmp_path / "made.old-2") == second
    assert files_of(tmp_path / "made") == kept


@pytest.mark.parametrize("fresh", [False, True])
@each_user
def test_a_directory_of_something_else_is_left_alone(
    command: Command, plan: str, fresh: bool, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match=r"not a (run directory|directory of jobs.combine|pipeline)\b"):
        command(tmp_path / "made", FOUR, fresh)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["thesis.tex"]


@each_user
def test_a_place_that_cannot_be_a_directory_is_a_mistake(command: Command, plan: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"run\.dir.*cannot (be made|write in)"):
        command(tmp_path / "file/made", FOUR, False)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"samples": 4', b'"samples": 5'),
        lambda data: orjson.dumps({name: v for name, v in orjson.loads(data).items() if name != "content"}),
    ],
    ids=["empty", "torn", "changed", "lacking"],
)
@each_user
def test_a_damaged_plan_is_refused_by_name(
    command: Command, plan: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    command(tmp_path / "made", FOUR, False)
    file = tmp_path / "made" / plan
    file.write_bytes(damage(file.read_bytes()))
    before = files_of(tmp_path)
    with pytest.raises(ConfigError) as refused:  # also by what would be right for the changed one
        command(tmp_path / "made", FIVE, False)
    assert str(refused.value).startswith(f"{file}: not a plan this version can read (")
    assert "\n" not in str(refused.value)
    assert files_of(tmp_path) == before


@each_user
def test_it_is_not_moved_while_a_process_works_in_it(command: Command, plan: str, tmp_path: Path) -> None:
    command(tmp_path / "made", FOUR, False)
    with lock(tmp_path / "made/.lock"), pytest.raises(LockTaken, match=f"in use by process {os.getpid()}"):
        command(tmp_path / "made", FIVE, True)
    assert not (tmp_path / "made.old-1").exists()


CALLS = ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "link")


def killed(do: Callable[[], None], at: int) -> bool:
    """Whether a process that does something is killed at its `at`-th call that makes something durable."""
    child = os.fork()
    if child == 0:
        made = 0

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def instead(*arguments: Any, **named: Any) -> Any:
                nonlocal made
                made += 1
                if made == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **named)

            return instead

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("fresh", [False, True])
@each_user
def test_killed_at_any_call_the_same_command_makes_it(
    command: Command, plan: str, fresh: bool, tmp_path: Path
) -> None:
    """Over an older one, too, which is whole under one of its two names whenever it is killed."""
    command(tmp_path / "whole", FOUR, False)
    whole = files_of(tmp_path / "whole")
    at, going, old = 1, True, {}
    while going:
        root = tmp_path / str(at) / "made"
        if fresh:
            command(root, FIVE, False)
            old = files_of(root)
        going = killed(lambda root=root: command(root, FOUR, fresh), at)
        if fresh:
            names = [path for path in (root, root.with_name("made.old-1")) if path.is_dir()]
            assert old in [files_of(path) for path in names]
        command(root, FOUR, fresh and root.exists() and files_of(root) == old)
        assert files_of(root) == whole
        at += 1
    assert at > 4


@each_user
@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_is_no_place_for_a_directory(command: Command, plan: str, fresh: bool, tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.write_text("mine")
    with pytest.raises(ConfigError, match=r"^run\.dir=.*/x: "):
        command(place, FOUR, fresh)
    assert place.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
