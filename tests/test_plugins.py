"""Entry points of other packages: loaded by name, and a package that is broken is named in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omi_core import plugins
from omi_core.options import ConfigError

Packages = dict[str, dict[str, str]]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path for installed packages; what was loaded before is loaded anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield tmp_path
    _forget()
    for name in [name for name in sys.modules if name.startswith("omi_of_a_test")]:
        del sys.modules[name]


def _forget() -> None:
    plugins.load.cache_clear()
    plugins._entries.cache_clear()
    plugins._all.cache_clear()


def install(folder: Path, name: str, entries: dict[str, str], group: str = "omi.filters") -> None:
    """Leaves what pip leaves of a package: its name, its version and its entry points."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    listed = "".join(f"{key} = {value}\n" for key, value in entries.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{listed}")


def test_what_a_package_adds_is_found_by_its_name(packages: Path) -> None:
    (packages / "omi_of_a_test.py").write_text("class One: ...\nclass Two: ...\n")
    install(packages, "omi-b", {"two": "omi_of_a_test:Two"})
    install(packages, "omi-a", {"one": "omi_of_a_test:One"})
    install(packages, "omi-c", {"other": "nowhere"}, "omi.teachers")
    found = plugins.load("omi.filters")
    assert [(name, getattr(cls, "__name__", "")) for name, cls in found.items()] == [
        ("one", "One"),
        ("two", "Two"),
    ]
    assert str(plugins.package("omi.filters", "two")) == "omi-b 1.2"
    with pytest.raises(TypeError):
        found["three"] = None  # type: ignore[index]


def test_without_packages_nothing_is_added(packages: Path) -> None:
    assert plugins.load("omi.filters") == {}


FAULTS: list[tuple[str, Packages, str]] = [
    ("no module", {"omi-a": {"one": "omi_of_a_test_gone:One"}}, "one of omi.filters cannot be loaded from"),
    ("no attribute", {"omi-a": {"one": "omi_of_a_test:Gone"}}, "(AttributeError: module 'omi_of_a_test'"),
    ("raises", {"omi-a": {"one": "omi_of_a_test_bad"}}, "(RuntimeError: first line)"),
    ("capitals", {"omi-a": {"One": "omi_of_a_test:One"}}, "'One' is not a name for an entry point"),
    ("a dot", {"omi-a": {"a.b": "omi_of_a_test:One"}}, "'a.b' is not a name for an entry point"),
    (
        "one name twice",
        {"omi-a": {"one": "omi_of_a_test:One"}, "omi-b": {"one": "omi_of_a_test:One"}},
        "is also in package omi-a 1.2; uninstall one of them",
    ),
]


@pytest.mark.parametrize(("case", "installed", "message"), FAULTS, ids=[case for case, _, _ in FAULTS])
def test_a_fault_of_a_package_is_one_line_that_names_it(
    packages: Path, case: str, installed: Packages, message: str
) -> None:
    (packages / "omi_of_a_test.py").write_text("class One: ...\n")
    (packages / "omi_of_a_test_bad.py").write_text("raise RuntimeError('first line\\nsecond')\n")
    for name, entries in installed.items():
        install(packages, name, entries)
    with pytest.raises(ConfigError) as caught:
        plugins.load("omi.filters")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"package {list(installed)[-1]} 1.2: ")
