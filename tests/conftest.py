"""Shared by all tests: how commands are run, where outside data lies, and how long the long tests are."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.smollm import NotToBeHad, smollm

# A test says what holds, not how fast: beside other work any example may take longer than the 200 ms allowed.
# `make test-slow` draws more examples of every property.
settings.register_profile("untimed", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("untimed")

Job = Callable[..., subprocess.CompletedProcess[str]]
Here = Callable[..., tuple[int, str, str]]
SmallDisk = Callable[[str], Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=4, help="SIGKILLs of the rehearsal kill test")
    parser.addoption("--write-golden", action="store_true", help="write the golden file anew")
    parser.addoption("--write-tables", action="store_true", help="write the tables of filters in docs anew")
    parser.addoption("--vllm-kills", type=int, default=1, help="SIGKILLs of the vLLM kill test")
    parser.addoption(
        "--batching-samples", type=int, default=160, help="samples of the vLLM test that compares batchings"
    )


# Each takes a minute or so. Workers take files in this order, so that in the end none waits long for another.
LONG_FILES = (
    "tests/cluster/test_demos.py",
    "tests/cluster/test_pipeline.py",
    "tests/cluster/test_cells.py",
    "tests/jobs/test_half_texts.py",
    "tests/cluster/test_faults_of_tasks.py",
    "tests/cluster/test_faults_of_chains.py",
    "tests/cluster/test_gpus.py",
    "tests/cluster/test_faults_of_stages.py",
    "tests/cluster/test_waiting.py",
    "tests/cluster/test_faults_of_the_site.py",
    "tests/hostile/test_functions.py",
    "tests/combine/test_kills.py",
    "tests/preferences/test_kills.py",
    "tests/cluster/test_parts.py",
    "tests/cluster/test_passed_options.py",
    "tests/cluster/test_chain.py",
    "tests/cluster/test_nodes.py",
    "tests/cluster/test_check.py",
    "tests/cluster/test_resume.py",
    "tests/cluster/test_soak.py",
    "tests/cluster/test_windows.py",
    "tests/publish/test_crash.py",
    "tests/test_docs.py",
    "tests/test_extending.py",
    "tests/jobs/test_vllm.py",
    "tests/jobs/test_vllm_models.py",
    "tests/pipeline/test_local.py",
    "tests/pipeline/test_studies.py",
    "tests/test_golden.py",
    "tests/tasks/test_added.py",
    "tests/test_api.py",
    "tests/hostile/test_patterns.py",
    "tests/jobs/test_endpoint.py",
    "tests/filters/test_statements.py",
    "tests/filters/test_filters.py",
    "tests/store/test_resumable.py",
    "tests/decontaminate/test_model.py",
    "tests/pipeline/test_recipe.py",
    "tests/jobs/test_generate.py",
    "tests/jobs/test_reduce.py",
    "tests/answers/test_pool.py",
)


# To import the trainer takes longer than most of their tests: one worker takes all of these.
TOGETHER = ("tests/training/", "tests/pipeline/test_train_step.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that stay together first, then the files of `LONG_FILES`, all others as they came."""
    root = Path(__file__).resolve().parents[1]
    ranks = {root / name: rank for rank, name in enumerate(LONG_FILES)}

    def rank(item: pytest.Item) -> int:
        return -1 if item.nodeid.startswith(TOGETHER) else ranks.get(item.path, len(ranks))

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers take whole files, and one of them all files of `TOGETHER`."""
    from xdist.scheduler import LoadFileScheduling

    class WholeFiles(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER[0] if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)

    return WholeFiles(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def long_form(pytestconfig: pytest.Config) -> Callable[[str], int]:
    """The count that an option such as --kills asks for."""

    def count(name: str) -> int:
        value = pytestconfig.getoption(name)
        assert isinstance(value, int)
        return value

    return count


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real problems and model outputs beside the checkout; tests that need it skip without."""
    path = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the folder shared/data with real problems is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def smollm_model() -> Path:
    """The directory of a real instruct model, 135M parameters; without a registry its tests skip."""
    pytest.importorskip("gguf", reason="gguf, which reads the model's file, is not installed")
    try:
        return smollm()
    except NotToBeHad as error:
        pytest.skip(str(error))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Runs `python -m jobs.<command> …` in an empty directory and returns what it printed."""

    def run(command: str, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"jobs.{command}", *arguments],
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Like `job` but in this process, which saves its start: returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [command, *arguments])
        monkeypatch.delitem(sys.modules, f"jobs.{command}", raising=False)  # a test may have imported it
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(f"jobs.{command}", run_name="__main__", alter_sys=False)
        code = ended.value.code
        shown = capsys.readouterr()
        return code if isinstance(code, int) else 1, shown.out, shown.err

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mounts a disk that takes so much, "60k" for one, and no more."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs takes root")
    mounts: list[Path] = []

    def mount(size: str) -> Path:
        disk = tmp_path / f"disk-{size}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
        mounted = subprocess.run(command, capture_output=True, text=True)
        if mounted.returncode != 0:
            pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
        mounts.append(disk)
        return disk

    yield mount
    for disk in mounts:
        subprocess.run(["umount", "-l", disk], check=True)
