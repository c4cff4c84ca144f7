"""Prompt templates and their renderer: a record's text becomes the chat messages a teacher is sent.

A template file is YAML, one section per task:

    problems:
      system: optional text
      user: "text with {{text}} and perhaps {{style}}"
      examples: [{text: …, problem: …}, …]                       # the few-shot bank
      styles: {one: words for {{style}}, another: {user: …}}     # optional

A style is words that take the place of `{{style}}`, or a mapping with its own `system`, `user` or `examples`.
A section may also be the name of a template of the suite: it is then that one's section. `{{text}}`, in
verdicts `{{other}}` and in selections `{{candidates}}` are replaced verbatim and in one pass; nothing else in
a template is special, so LaTeX braces need no escapes. The whole rendered template is part of a run's
fingerprint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from omi_core.options import ConfigError, did_you_mean

Message = dict[str, str]

# At least two letters: `x^{{n}}` is LaTeX.
_PLACEHOLDER = re.compile(r"\{\{([a-z_]{2,})\}\}")
_MEANT_AS_ONE = re.compile(r"\{\{ *([A-Za-z_]{2,}) *\}\}")
_KEYS = ("system", "user", "examples")
# What a style cannot be called, since in a dataset it is the name of something else.
_TAKEN = ("all", "default", "longest", "mix", "raw")


@dataclass(frozen=True)
class Form:
    """What the templates of a task have: its section, the key of an example's reply, and placeholders.

    `default` names the template where none is asked for. It is one that comes with the suite, or of no
    file: then `section` is what would stand in one. `judged` is the field with what the model is to judge:
    it is the last message, as the model's own.
    """

    task: str
    reply: str
    default: str
    fields: tuple[str, ...] = ("text",)
    section: Mapping[str, Any] | None = None
    judged: str | None = None


@dataclass(frozen=True)
class Template:
    """The messages around one record's text; `turns` is everything before the last user message.

    `style` is its name among those of its section, "" where there are none.
    """

    turns: tuple[tuple[str, str], ...]
    user: str
    style: str = ""

    def messages(self, text: str, **fields: str) -> list[Message]:
        """Chat messages for one record: [{"role": …, "content": …}, …].

        Raises:
            KeyError: the template has a placeholder for a field that is not given.
        """
        head = [{"role": role, "content": content} for role, content in self.turns]
        return [*head, {"role": "user", "content": _filled(self.user, {**fields, "text": text})}]

    def without_system(self) -> Template:
        """The same without a system message."""
        return replace(self, turns=tuple(turn for turn in self.turns if turn[0] != "system"))

    def content(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        own = {"style": self.style} if self.style else {}
        return {"turns": [list(turn) for turn in self.turns], "user": self.user, **own}


def load(
    form: Form,
    name: str | None,
    path: str | None = None,
    examples: int | None = None,
    styles: Sequence[str] = ("",),
) -> tuple[Template, ...]:
    """The templates of a task, one for each of `styles`, in their order.

    `name` is one of those that come with the suite, None the task's default; the user's file at `path` wins
    over it. `examples` is how many are shown, None all. `("all",)` are all styles of the section; none, or
    `("",)`, is the only one of a section that has no choice.

    Raises:
        ConfigError: no such template, file or style; a section that is not there or not well-formed; too few
            examples in it.
    """
    label = f"prompt.path={path}" if path else f"prompt.name={name or form.default}"
    given = form.section if path is None and name in (None, form.default) else None
    section = given or _section(form.task, label, name or form.default, path)
    label = f"{label}: {form.task}"
    variants = _variants(label, section)
    return tuple(
        _template(label, form, style, variants[style], examples)
        for style in _chosen(label, list(variants), styles)
    )


def has_section(task: str, name: str | None, path: str | None = None) -> bool:
    """Whether a template, of the suite or of a file, has a section of its own for this task.

    Raises:
        ConfigError: no such template or file.
    """
    if name is None and path is None:
        return False
    return task in _read(f"prompt.path={path}" if path else f"prompt.name={name}", name or "", path)


def _template(
    label: str, form: Form, style: str, variant: Mapping[str, Any], examples: int | None
) -> Template:
    label = f"{label}, style {style}" if style else label
    user, system = (
        _with_style(f"{label}: '{key}'", _text(f"{label}: '{key}'", variant.get(key) or ""), variant)
        for key in ("user", "system")
    )
    _check_placeholders(f"{label}: 'user'", user, form.fields)
    _check_placeholders(f"{label}: 'system'", system, ())
    if missing := [field for field in form.fields if f"{{{{{field}}}}}" not in user]:
        raise ConfigError(f"{label}: has no 'user' text that contains {{{{{missing[0]}}}}}")
    bank = variant.get("examples") or []
    if not isinstance(bank, list):
        raise ConfigError(f"{label}: 'examples' must be a list")
    count = len(bank) if examples is None else examples
    if count > len(bank):
        raise ConfigError(f"prompt.examples={examples}: {label} has only {len(bank)}")
    turns = [("system", system.strip())] if system.strip() else []
    for number, example in enumerate(bank[:count], 1):
        fields = _example(f"{label}: example {number}", example, (*form.fields, form.reply))
        turns += [("user", _filled(user, fields)), ("assistant", fields[form.reply])]
    return Template(tuple(turns), user, style)


def _filled(words: str, fields: Mapping[str, str]) -> str:
    """`words` with each placeholder replaced, in one pass: what is put in is never looked at again."""
    return _PLACEHOLDER.sub(lambda match: fields[match[1]], words)


def _with_style(label: str, words: str, variant: Mapping[str, Any]) -> str:
    if "{{style}}" not in words:
        return words
    if "style" not in variant:
        raise ConfigError(f"{label} has {{{{style}}}}, but there are no words for it; see 'styles'")
    return words.replace("{{style}}", variant["style"])


def _check_placeholders(label: str, words: str, known: tuple[str, ...]) -> None:
    for match in _MEANT_AS_ONE.finditer(words):
        if match.group() not in [f"{{{{{field}}}}}" for field in known]:
            some = " and ".join(f"{{{{{field}}}}}" for field in (*known, "style"))
            raise ConfigError(f"{label} has the placeholder {match.group()}, it may have {some}")


def _example(label: str, example: Any, keys: tuple[str, ...]) -> dict[str, str]:
    """The texts of an example by their keys, without white space at their ends."""
    if not isinstance(example, dict) or set(example) != set(keys):
        raise ConfigError(f"{label} must have {', '.join(keys)} and nothing else")
    return {key: _text(f"{label}: '{key}'", example[key]).strip() for key in keys}


def _text(label: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{label} is not a text, YAML takes it for {type(value).__name__}; quote it")
    try:  # YAML gives an emoji that JSON wrote as two escapes in two halves
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise ConfigError(f"{label} holds half a character, an escape from \\ud800 to \\udfff") from None


def _variants(label: str, section: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each style of a section its own `system`, `user`, `examples`, and `style`: the words, if any."""
    _refuse_unknown(label, section, (*_KEYS, "styles"))
    common = {key: section[key] for key in _KEYS if key in section}
    styles = section.get("styles")
    if styles is None:
        return {"": common}
    if not isinstance(styles, dict) or not styles:
        raise ConfigError(f"{label}: 'styles' must be a mapping of names to words or sections")
    variants = {}
    for style, own in styles.items():
        here = f"{label}, style {style}"
        if not isinstance(style, str) or not re.fullmatch(r"\w+", style, re.ASCII) or style in _TAKEN:
            taken = ", ".join(_TAKEN)
            raise ConfigError(f"{here}: not a name; use letters, digits and _, in quotes, and not {taken}")
        if isinstance(own, str):
            variants[style] = common | {"style": _text(here, own).strip()}
        elif isinstance(own, dict) or own is None:
            _refuse_unknown(here, own or {}, _KEYS)
            variants[style] = common | (own or {})
        else:
            raise ConfigError(f"{here}: neither words nor a section with {', '.join(_KEYS)}")
    return variants


def _refuse_unknown(label: str, section: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in section:
        if key not in known:
            raise ConfigError(f"{label}: no such key {key!r}{did_you_mean(str(key), list(known))}")


def _chosen(label: str, known: list[str], asked: Sequence[str]) -> list[str]:
    choices = f"one of {', '.join(known)}, or all"
    if list(asked) == ["all"]:
        return known
    if list(asked) in ([], [""]):
        if len(known) > 1:
            raise ConfigError(f"style: missing; {label} has several: {choices}")
        return known
    for place, style in enumerate(asked):
        if known == [""]:
            raise ConfigError(f"style={style}: {label} has no styles; omit style")
        if style == "all" or style in asked[:place]:
            raise ConfigError(f"style={','.join(asked)}: all stands alone, and no style twice")
        if style not in known:
            raise ConfigError(f"style={style}: not in {label}{did_you_mean(style, known)}; {choices}")
    return list(asked)


def _section(task: str, label: str, name: str, path: str | None) -> Mapping[str, Any]:
    """The section of a task, looked up in another template of the suite where it is only a name."""
    section = _read(label, name, path).get(task)
    if isinstance(section, str):
        label = f"{label}: {task}: {section}"
        section = _read(label, section, None).get(task)
    if isinstance(section, dict):
        return section
    having = [other for other in _names() if task in _read(other, other, None)]
    raise ConfigError(f"{label}: has no section '{task}'; these have one: {', '.join(having)}")


def _names() -> list[str]:
    """The templates that come with the suite."""
    entries = (entry.name for entry in files("omi_core.prompts").iterdir())
    return sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))


def _read(label: str, name: str, path: str | None) -> dict[str, Any]:
    import yaml

    if path and not Path(path).is_file():
        raise ConfigError(f"{label}: no such file")
    if not path and name not in (names := _names()):
        raise ConfigError(f"{label}: no such template{did_you_mean(name, names)}; one of {', '.join(names)}")
    file = Path(path) if path else files("omi_core.prompts") / f"{name}.yaml"
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{label}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2020-13-45 is a ValueError
        raise ConfigError(f"{label}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{label}: not a mapping of tasks to templates")
    return values
