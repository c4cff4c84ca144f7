"""The tables of filters in docs/ say what the classes say.

python -m pytest tests/filters/test_tables.py --write-tables      # writes their rows anew
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omi_core.filters import Filter
from omi_core.filters.registry import built_in

DOCS = Path(__file__).parents[2] / "docs"


def default_of(cls: type[Filter]) -> str:
    value: Any = cls.option.default if cls.option else None
    return "null" if value is None else str(value).lower()


def does(cls: type[Filter]) -> str:
    """The first paragraph of the docstring, as the end of a sentence."""
    text = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
    return f"{text[0].lower()}{text[1:].removesuffix('.')}"


def of_solutions(cls: type[Filter]) -> str:
    option = f"`filters.{cls.key()}={default_of(cls)}`"
    return f"| `{cls.name}` | {cls.position} | {option} | {does(cls)} | {cls.reason} |"


def of_conversations(cls: type[Filter]) -> str:
    return f"| `conversations.{cls.key()}` | {default_of(cls)} | {does(cls)} | {cls.reason} |"


def of_problems(cls: type[Filter]) -> str:
    option = f"`problems.{cls.key()}={default_of(cls)}`" if cls.key() else ""
    return f"| `{cls.name}` | {option} | {does(cls)} |"


TABLES: dict[str, tuple[str, str, Callable[[type[Filter]], str]]] = {
    "filters": (
        "dataset.md",
        "| filter | position | option and default | what it does | why |",
        of_solutions,
    ),
    "conversations": (
        "dialogues.md",
        "| option | default | what it does | source of the default |",
        of_conversations,
    ),
    "problems": ("problems.md", "| count | option and default | what it does |", of_problems),
}


@pytest.mark.parametrize("section", TABLES)
def test_the_table_of_a_section_is_that_of_its_filters(section: str, request: pytest.FixtureRequest) -> None:
    name, header, row_of = TABLES[section]
    page = DOCS / name
    lines = page.read_text(encoding="utf-8").splitlines()
    first = lines.index(header) + 2
    rows = [row_of(cls) for cls in built_in(section)]
    last = next(at for at in range(first, len(lines)) if not lines[at].startswith("|"))
    if request.config.getoption("write_tables"):
        names = {row.partition(" | ")[0] for row in rows}
        others = [line for line in lines[first:last] if line.partition(" | ")[0] not in names]
        page.write_text("\n".join([*lines[:first], *rows, *others, *lines[last:], ""]), encoding="utf-8")
    else:
        assert lines[first : first + len(rows)] == rows, "pytest tests/filters/test_tables.py --write-tables"
