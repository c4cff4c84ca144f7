"""Prompt templates and their renderer: a record's text becomes the chat messages a teacher is sent.

A template file is YAML, one section per task:

    solutions:
      system: optional text
      user: "text with {{text}}"
      examples: [{text: …, solution: …}, …]                      # the bank

`{{text}}` (and `{{style}}` for dialogues) is replaced verbatim; nothing else in a template is special, so
LaTeX braces need no escapes. The whole rendered template is part of a run's fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError, did_you_mean

Message = dict[str, str]


@dataclass(frozen=True)
class Template:
    """The messages around one record's text; `turns` is everything before the last user message."""

    turns: tuple[tuple[str, str], ...]
    user: str

    def messages(self, text: str) -> list[Message]:
        """Chat messages for one record: [{"role": …, "content": …}, …]."""
        head = [{"role": role, "content": content} for role, content in self.turns]
        return [*head, {"role": "user", "content": self.user.replace("{{text}}", text)}]

    def content(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        return {"turns": [list(turn) for turn in self.turns], "user": self.user}


def load(task: str, name: str, path: str | None = None, examples: int | None = None) -> Template:
    """The template for a task: `name` of one that comes with the suite, or the user's file at `path`.

    Raises:
        ConfigError: no such template or file, no section for the task, or too few examples in it.
    """
    label = f"prompt.path={path}" if path else f"prompt.name={name}"
    section = _read(label, name, path).get(task)
    if not isinstance(section, dict) or "{{text}}" not in str(section.get("user", "")):
        raise ConfigError(f"{label}: has no section '{task}' with a 'user' text that contains {{{{text}}}}")
    bank = section.get("examples", [])
    count = len(bank) if examples is None else examples
    if count > len(bank):
        raise ConfigError(f"prompt.examples={examples}: {label} has only {len(bank)}")
    turns: list[tuple[str, str]] = []
    if section.get("system"):
        turns.append(("system", section["system"].strip()))
    for example in bank[:count]:
        turns.append(("user", section["user"].replace("{{text}}", example["text"].strip())))
        turns.append(("assistant", example["solution"].strip()))
    return Template(tuple(turns), section["user"])


def _read(label: str, name: str, path: str | None) -> dict[str, Any]:
    import yaml

    if path:
        file = Path(path)
        if not file.is_file():
            raise ConfigError(f"{label}: no such file")
        text = file.read_text(encoding="utf-8")
    else:
        folder = files("omi_core.prompts")
        names = [
            entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
        ]
        if name not in names:
            raise ConfigError(
                f"{label}: no such template{did_you_mean(name, names)}; one of {', '.join(sorted(names))}"
            )
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{label}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{label}: not a mapping of tasks to templates")
    return values
