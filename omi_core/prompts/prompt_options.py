"""Options of the prompt: which template it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from omi_core.options import option


@dataclass
class Prompt:
    """The template that makes a prompt of a record."""

    name: str | None = option(
        None,
        "a template that comes with the suite; null: concise, new_problems, mind or judge, by the task",
        transient=True,
    )
    path: str | None = option(
        None, "a template file of your own (YAML); wins over prompt.name", transient=True
    )
    examples: int | None = option(
        None, "solved examples shown; null: all of the template's", ge=0, transient=True
    )
    format: str = option(
        "chat",
        "chat: messages, by the model's chat template; completion: plain text that the model goes on with",
        choices=("chat", "completion"),
        transient=True,
    )
    system: bool = option(True, "false: without the template's system message", transient=True)
