"""The library's structure: imports point one way, and a name means one thing.

A package is a folder of `omi_core`, or a module that lies there by itself. Imports inside functions and those
for types count as well.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "omi_core").rglob("*.py")}


def package_of(path: Path) -> str:
    return path.relative_to(ROOT / "omi_core").parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """The packages of this library that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                yield from f"{node.module}.{name.name}".split(".")[1:2] if _own(node.module) else ()
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if _own(name.name + "."))


def _own(module: str) -> bool:
    return module.partition(".")[0] == "omi_core"


def test_no_package_imports_one_that_imports_it() -> None:
    uses: dict[str, set[str]] = defaultdict(set)
    for path, tree in MODULES.items():
        uses[package_of(path)] |= set(imported(tree)) - {package_of(path)}
    order = list(TopologicalSorter(uses).static_order())  # raises CycleError, which names the circle
    assert order.index("store") < order.index("stages") < order.index("commands")


def repeated(names: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for name, place in names:
        places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_two_modules_have_one_name() -> None:
    names = ((path.stem, package_of(path)) for path in MODULES if path.stem != "__init__")
    assert repeated(names) == {}


# A command's own options and entry; the API says in its own words what the library does below.
SHARED = {"Options", "main"}


def test_no_two_public_classes_have_one_name() -> None:
    """But for filters: the same one may stand in several chains."""

    def names() -> Iterator[tuple[str, str]]:
        for path, tree in MODULES.items():
            if isinstance(tree, ast.Module) and package_of(path) != "filters":
                for node in tree.body:
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        yield node.name, str(path.relative_to(ROOT))

    assert {name for name in repeated(names())} <= SHARED


def test_commands_are_thin() -> None:
    files = list((ROOT / "jobs").glob("*.py"))
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in files) < 1000


# With Python before 3.11.5 such a repeat goes on behind what its last try has read (a fault of `re`).
_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[?*+]|\{\d*,?\d*\})\+")


def test_no_pattern_repeats_a_group_possessively() -> None:
    """`(?>(?:…)*)` is the same as `(?:…)*+`, and right in every Python that the suite runs on."""
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:60]}"
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if _POSSESSIVE_GROUP.search(node.value)
    }
    assert found == set()
