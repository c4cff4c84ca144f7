"""The task and the teacher on docs/extending.md, installed as packages: they are like any other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.extending import install, sources

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("data.size=6", "cluster.workers=1", "run.dir=run")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Both packages as pip installs them."""
    places = [install(tmp_path_factory.mktemp(name), folder=name) for name in ("rhymes", "echo")]
    return os.pathsep.join(map(str, places))


@pytest.fixture
def job(tmp_path: Path) -> Run:
    """Runs `python -m jobs.COMMAND` in an empty directory, with these packages."""

    def run(site: str, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"jobs.{command}", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": site},
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


def content(run: Path) -> dict[str, object]:
    return orjson.loads((run / "plan.json").read_bytes())["content"]


def test_a_task_of_another_package_is_made_shown_compared_and_combined(
    job: Run, site: str, tmp_path: Path
) -> None:
    words = ("task=rhymes", "teacher=rehearsal", *SMALL, "teacher.rehearsal.wrong=0.5")
    done = job(site, "generate", *words)
    assert done.returncode == 0, done.stderr
    assert "rhymes of the right length" in done.stdout and "Roses are red" in done.stdout
    stats = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())
    assert stats["columns"] == ["rhyme", "about"]
    assert stats["counts"]["samples"] == 12 and stats["counts"]["selection"]["other_length"] > 0
    made = content(tmp_path / "run")
    assert made["packages"] == {"omi-rhymes": "1.0"} and made["rhymes"] == {"lines": 2}
    assert made["sampling"]["max_tokens"] == 64 and "answers" not in made  # type: ignore[index]

    again = job(site, "generate", *words, "tasks=3")
    assert again.returncode == 0 and "nothing to do" in again.stderr
    compared = job(site, "compare", "run")
    assert compared.returncode == 0 and "voted" not in compared.stdout
    assert job(site, "report", "run", "out=report.html").returncode == 0, "report"
    combined = job(site, "combine", "inputs=[run]", "run.dir=both")
    assert combined.returncode == 0, combined.stderr
    card = (tmp_path / "both/dataset/README.md").read_text()
    assert "| `rhyme` | string | the rhyme |" in card


def test_a_teacher_of_another_package_is_opened_with_its_options(job: Run, site: str, tmp_path: Path) -> None:
    words = ("task=problems", "style=[similar]", "samples=1", *SMALL)
    done = job(site, "generate", "teacher=echo", "teacher.echo.times=2", *words)
    assert done.returncode == 1 and "dropped: copy_of_seed 6" in done.stderr  # an echo is no new problem
    made = content(tmp_path / "run")
    assert made["packages"] == {"omi-echo": "1.0"}
    assert made["teacher"]["echo"] == {"times": 2}  # type: ignore[index]
    changed = job(site, "generate", "teacher=echo", "teacher.echo.times=3", *words)
    assert changed.returncode == 2 and "teacher.echo.times 2 → 3" in changed.stderr


def test_what_packages_add_is_in_help_and_is_checked(job: Run, site: str) -> None:
    page = job(site, "generate", "--help=all").stdout or job(site, "generate", "--help").stdout
    for line in ("rhymes             rhymes about texts", "rhymes.lines=2", "teacher.echo.times=1"):
        assert line in page
    assert "no model: repeats the last message" in page
    for word, message in (
        ("rhymes.lines=0", "rhymes.lines=0: must be at least 1"),
        ("task=problems rhymes.lines=3", "rhymes.lines: not read by task=problems"),
        ("task=rhymes style=[x]", "style: rhymes have none"),
    ):
        done = job(site, "generate", "teacher=rehearsal", *word.split(), *SMALL)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert message in done.stderr


@pytest.mark.slow
def test_packages_that_are_installed_and_not_used_change_no_run(job: Run, site: str, tmp_path: Path) -> None:
    words = ("generate", "teacher=rehearsal", *SMALL)
    assert job(site, *words).returncode == 0
    with_them = (tmp_path / "run/plan.json").read_bytes()
    assert job("", *words, "run.fresh=true").returncode == 0
    assert (tmp_path / "run/plan.json").read_bytes() == with_them
    assert job("", "status", "run.old-1").returncode == 0
    config = (tmp_path / "run.old-1/config.json").read_bytes()
    assert b"rhymes" not in config and b"echo" not in config


def leave(site: Path, folder: str, replaced: dict[str, str]) -> None:
    """What pip leaves of a package with texts in it replaced."""
    files = sources(replaced, folder)
    info = site / f"omi_{folder}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"omi_{folder}.py").write_text(files[f"omi_{folder}.py"])
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: omi-{folder}\nVersion: 1.0\n")
    group, entry = files["pyproject.toml"].partition('entry-points."')[2].splitlines()[:2]
    name = group.partition('"')[0]
    (info / "entry_points.txt").write_text(f"[{name}]\n{entry.replace(chr(34), '')}\n")


BROKEN = [
    ("rhymes", "cannot be imported", {"from omi_core.tasks import Task": "from omi_core.gone import Task"}),
    ("rhymes", "is not a class made from", {"omi_rhymes:RhymesTask": "omi_rhymes:Rhymes"}),
    ("rhymes", "is not a class made from", {"def records": "def other"}),
    ("rhymes", "has another name than", {'name = "rhymes"': 'name = "verses"'}),
    ("rhymes", "has no about", {'about = "rhymes about texts"': ""}),
    ("rhymes", "has a section data, a name that is taken", {'{"rhymes": Rhymes}': '{"data": Rhymes}'}),
    ("rhymes", "column 'votes' is known", {'"rhyme": Column(str': '"votes": Column(str'}),
    ("echo", "is not a class made from", {"def generate": "def other"}),
    ("echo", "has the name 'parrot'", {'name = "echo"': 'name = "parrot"'}),
    ("echo", "has a name that is taken", {'name = "echo"': 'name = "model"', 'echo = "omi': 'model = "omi'}),
]


@pytest.mark.parametrize(("folder", "message", "replaced"), BROKEN, ids=[" ".join(b[:2]) for b in BROKEN])
def test_a_package_that_cannot_be_used_is_one_line_that_names_it(
    job: Run, tmp_path: Path, folder: str, message: str, replaced: dict[str, str]
) -> None:
    leave(tmp_path / "site", folder, replaced)
    done = job(str(tmp_path / "site"), "generate", "teacher=rehearsal", *SMALL)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"error: package omi-{folder} 1.0: ")
    assert message.replace("cannot be imported", "cannot be loaded from") in done.stderr
    assert not (tmp_path / "run").exists()
