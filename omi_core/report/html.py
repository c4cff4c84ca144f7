"""How every page is written: templates that escape each value by themselves.

Model output and names of runs are hostile: they end up escaped and without control characters, so that they
can neither leave their element nor turn the line around. What is `Markup` is taken as it is; only `tag`, a
template and `packaged` make it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

# C0 and C1 controls but tab and newline, and the characters that override the direction of writing.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def readable(value: object) -> str:
    """`value` as text that a page can hold: what is unsafe or no character becomes U+FFFD or `?`."""
    return _UNSAFE.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")


def text(value: object) -> Markup:
    """`value` as text of an element or a quoted attribute; Markup stays as it is."""
    return value if isinstance(value, Markup) else escape(readable(value))


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """An element; children that are not Markup and values of attributes are escaped.

    None leaves an attribute out. `class_` is class, and an underscore inside an attribute's name is a dash.
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(readable(shown))}"')
    return Markup(f"<{' '.join(words)}>{''.join(map(text, children))}</{name}>")


def breakable(words: str) -> Markup:
    """`words` as text that may be broken after dots and underscores, and where a line ends."""
    return Markup(re.sub(r"([._])|\n", r"\1<wbr>", str(text(words))))


def packaged(*names: str) -> Markup:
    """Files of this package, such as `report/style.css`, one after the other as they are."""
    return Markup("".join(map(_source, names)))


@cache
def _source(name: str) -> str:
    return (files("omi_core") / name).read_text(encoding="utf-8")


def content_hash(content: str) -> str:
    """A style sheet or a script of a page, as a content security policy names it."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def render(template: str, **values: Any) -> str:
    """The page of a packaged template with these values.

    Raises:
        jinja2.UndefinedError: the template names a value that is not given.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["breakable"] = breakable
    return made
