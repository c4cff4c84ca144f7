"""The filter on docs/extending.md, installed as another package: its option is one like any other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from omi_core import plugins
from omi_core.config import load_generate
from omi_core.filters import registry
from omi_core.options import ConfigError
from tests.extending import install, sources

Run = Callable[..., subprocess.CompletedProcess[str]]
MAKE = ("teacher=rehearsal", "data.size=12", "samples=4", "cluster.workers=1", "run.dir=run")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("extending"))


@pytest.fixture
def job(tmp_path: Path) -> Run:
    """Runs `python -m jobs.COMMAND` in an empty directory, with packages of a folder, or with none."""

    def run(command: str, *words: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"jobs.{command}", *words],
            cwd=tmp_path,
            env=os.environ | ({"PYTHONPATH": str(site)} if site else {}),
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a user's mistake."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_the_filter_of_another_package_takes_part_in_a_run(job: Run, site: Path, tmp_path: Path) -> None:
    done = job("generate", *MAKE, "filters.max_sentences=2", site=site)
    assert done.returncode == 0, done.stderr
    stats = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())
    assert stats["counts"]["filters"]["max_sentences"]["dropped"] > 0
    assert "| `max_sentences` |" in (tmp_path / "run/dataset/README.md").read_text()
    plan = orjson.loads((tmp_path / "run/plan.json").read_bytes())
    assert plan["content"]["filters"]["max_sentences"] == 2
    assert plan["content"]["packages"] == {"omi-sentences": "1.0"}

    again = job("reduce", "input=run", "filters.max_sentences=3", "run.dir=again", site=site)
    assert again.returncode == 0, again.stderr
    assert refused(job("resume", "run")) == (
        "error: run: was made with package omi-sentences 1.0, which is not installed; install it"
    )


def test_its_option_is_in_help_and_is_checked_like_any_other(job: Run, site: Path) -> None:
    page = job("generate", "--help=all", site=site).stdout or job("generate", "--help", site=site).stdout
    assert "filters.max_sentences=null" in page
    assert "longest solution, in sentences; null: off (package omi-sentences 1.0) [>= 1]" in page
    low = job("generate", *MAKE, "filters.max_sentences=0", site=site)
    assert refused(low) == "error: filters.max_sentences=0: must be at least 1"
    gone = job("generate", *MAKE, "filters.max_sentences=2")
    assert refused(gone).startswith("error: filters.max_sentences: no such option")


def test_a_package_that_is_installed_but_not_used_changes_no_run(
    job: Run, site: Path, tmp_path: Path
) -> None:
    assert job("generate", *MAKE, site=site).returncode == 0
    with_it = (tmp_path / "run/plan.json").read_bytes()
    plain = job("generate", *MAKE, "run.fresh=true")
    assert plain.returncode == 0, plain.stderr
    assert (tmp_path / "run/plan.json").read_bytes() == with_it
    assert b"max_sentences" not in with_it
    assert b"max_sentences" not in (tmp_path / "run.old-1/config.json").read_bytes()
    assert job("status", "run.old-1").returncode == 0


@pytest.mark.slow
def test_another_version_of_the_package_continues_no_run(
    job: Run, site: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = (*MAKE, "filters.max_sentences=2")
    assert job("generate", *words, site=site).returncode == 0
    newer = install(tmp_path_factory.mktemp("newer"), {'version = "1.0"': 'version = "1.1"'})
    assert "packages.omi-sentences 1.0 → 1.1" in refused(job("generate", *words, site=newer))
    assert refused(job("resume", "run", site=newer)) == (
        "error: run: was made with package omi-sentences 1.0, and 1.1 is installed; install 1.0 again, or "
        "start another run"
    )


BROKEN = [
    ("cannot be imported", {"from omi_core.filters": "from omi_core.gone"}, "cannot be loaded from"),
    ("no such class", {"omi_sentences:MaxSentences": "omi_sentences:Gone"}, "cannot be loaded from"),
    ("no filter", {"(RowFilter)": "(Example)"}, "is not a class made from omi_core.filters.Filter"),
    ("without its method", {"def solution_after": "def other"}, "is not a class made from"),
    ("another name", {'name = "max_sentences"': 'name = "max"'}, "has the name 'max', not that of its entry"),
    ("another section", {"position = 85": 'position = 85\n    section = "x"'}, "has the section 'x'"),
    ("no position", {"position = 85": ""}, "has no position, a number"),
    ("no examples", {"examples = (": "shown = ("}, "has no examples, a tuple of Example"),
    ("no option", {"option = ": "other = "}, "has no option, an Option of type"),
    ("a type of its own", {"int | None": "Fraction"}, "has no option, an Option of type"),
    ("on by default", {'None", None': 'None", 20'}, "is not off by default"),
    ("no such keyword", {', "limit", ge': ', "most", ge'}, "has no keyword 'most' in its constructor"),
    (
        "a name that is taken",
        {"max_sentences": "max_words"},
        "has a name or an option filters.max_words that",
    ),
    (
        "an option that is taken",
        {"ge=1)": 'name="tokenizer", ge=1)'},
        "has a name or an option filters.tokenizer that",
    ),
]


def leave(site: Path, replaced: dict[str, str]) -> None:
    """What pip leaves of the package with texts in it replaced."""
    files = sources(replaced)
    info = site / "omi_sentences-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "omi_sentences.py").write_text(files["omi_sentences.py"])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: omi-sentences\nVersion: 1.0\n")
    entry = files["pyproject.toml"].partition('"omi.filters"]\n')[2].splitlines()[0].replace('"', "")
    (info / "entry_points.txt").write_text(f"[omi.filters]\n{entry}\n")


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Packages are looked for anew, before and after a test."""

    def forget() -> None:
        for found in (plugins.load, plugins._entries, plugins._all, registry._known):
            found.cache_clear()
        sys.modules.pop("omi_sentences", None)

    forget()
    yield
    forget()


@pytest.mark.parametrize(("case", "replaced", "message"), BROKEN, ids=[case for case, _, _ in BROKEN])
@pytest.mark.usefixtures("forgetful")
def test_a_package_that_cannot_be_used_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, replaced: dict[str, str], message: str
) -> None:
    leave(tmp_path, replaced)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        load_generate({})
    assert str(caught.value).startswith("package omi-sentences 1.0: ")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_command_beside_a_package_that_cannot_be_used_ends_with_2_and_leaves_nothing(
    job: Run, tmp_path: Path
) -> None:
    leave(tmp_path / "site", {"position = 85": ""})
    done = job("generate", *MAKE, "filters.max_sentences=2", site=tmp_path / "site")
    assert refused(done).startswith("error: package omi-sentences 1.0: filter max_sentences has no position")
    assert not (tmp_path / "run").exists()
