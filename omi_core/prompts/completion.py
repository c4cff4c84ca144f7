"""A template as plain text that a model goes on with, for base models and against a chat model's own manner.

The instructions stand first, then each example, then the record, six line breaks apart. A model that has
answered goes on with another problem; the stop strings end its sample there.
"""

from __future__ import annotations

from omi_core.prompts import Template

_BETWEEN = "\n" * 6


def completion(template: Template, reply: str, text: str, **fields: str) -> str:
    """The prompt for one record; it ends where the answer begins. `reply` is the key of an example's reply.

    Raises:
        KeyError: as of `Template.messages`.
    """
    label = f"\n\n{reply.capitalize()}:\n"
    *head, last = template.messages(text, **fields)
    blocks: list[str] = []
    for message in head:
        if message["role"] == "assistant":
            blocks[-1] += label + message["content"]
        else:
            blocks.append(message["content"])
    return _BETWEEN.join([*blocks, last["content"] + label])


def stop_strings(template: Template) -> list[str]:
    """What a model writes only when it goes on with another record: the gap, and how a record begins."""
    lead = template.user.partition("{{")[0].strip().partition("\n")[0].rstrip()
    return [_BETWEEN, *([f"\n\n{lead}"] if lead else [])]
