"""`--help` of a command: its examples, the choices of every group and every option, from the schema."""

from __future__ import annotations

import dataclasses
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from omi_core.config import added_choices
from omi_core.options import leaves


def help_text(name: str, schema: type, doc: str) -> str:
    """The whole help page as plain text."""
    parts = [doc.strip(), ""]
    groups = _groups(schema)
    if groups:
        parts.append("Groups (GROUP=CHOICE; a dot reaches inside: teacher.max_model_len=4096)")
    for title, plus, folder in groups:
        parts += ["", f"  {plus}{title}="]
        for choice in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if choice.name.endswith(".yaml"):
                parts.append(f"    {choice.name.removesuffix('.yaml'):<18} {_summary(choice)}")
        parts += [f"    {name:<18} {about}" for name, (about, _) in added_choices().get(title, {}).items()]
    parts += ["", "Options (OPTION=VALUE; a group's choice may set others than these defaults)"]
    last = ""
    for key, value, field in leaves(schema()):
        head = key.rpartition(".")[0]
        if head != last:
            parts.append("")
            last = head
        parts.append(f"  {key}={_shown(value)}")
        parts.append(f"      {field.metadata['help']}{_bounds(field)}")
    parts += ["", "Several values with -m, e.g. -m seed=1,2; your own YAML groups with --config-dir DIR."]
    return "\n".join(parts)


def _groups(schema: type) -> list[tuple[str, str, Traversable]]:
    """(group, '+' when it has to be appended, its folder) for the groups this schema has."""
    names = {field.name for field in dataclasses.fields(schema)}
    out = [
        (folder.name, "", folder)
        for folder in sorted(files("hydra_conf").iterdir(), key=lambda entry: entry.name)
        if folder.is_dir() and folder.name in names and not folder.name.startswith("__")
    ]
    if schema.__name__ != "Generate":
        out = []  # only jobs.generate composes groups
    if "cluster" in names:
        out.append(("cluster", "+", files("cluster_profiles") / "cluster"))
    return out


def _summary(choice: Traversable) -> str:
    """The first comment line of a group file that is not a Hydra directive."""
    for line in choice.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ")
    return ""


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and re.search(r"\s", value):
        return repr(value)
    return str(value)


def _bounds(field: dataclasses.Field[Any]) -> str:
    if field.metadata.get("choices"):
        return f" [{', '.join(field.metadata['choices'])}]"
    words = [
        f"{sign} {field.metadata[name]:g}"
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if field.metadata.get(name) is not None
    ]
    return f" [{', '.join(words)}]" if words else ""
