"""What the teacher is asked for each sample of a run, and where a sample of a plain-text prompt ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omi_core import prompts
from omi_core.prompts import Message, Template
from omi_core.prompts.completion import completion, stop_strings
from omi_core.records import Record, sample_seed
from omi_core.tasks import task_of
from omi_core.tasks.settings import Config
from omi_core.teachers.teacher import Request


class Prompting:
    """The messages of every sample of a record, by its index.

    The samples of the first style come first, then those of the second, and so on; in a style those of the
    task's first prompt, then those of its second.

    Raises:
        ConfigError: there is no such template, or it has no such style.
    """

    def __init__(self, config: Config) -> None:
        self._task, prompt = task_of(config), config.prompt
        self._templates: tuple[Template, ...] = prompts.load(
            self._task.form, prompt.name, prompt.path, prompt.examples, tuple(config.style) or ("",)
        )
        if not prompt.system:
            self._templates = tuple(template.without_system() for template in self._templates)
        self.plain = prompt.format == "completion"
        self.name = prompt.path or prompt.name or self._task.form.default
        self._repeats, self._seed = config.samples, config.seed
        self._prompts = self._task.prompts(config)
        self.styles = tuple(template.style for template in self._templates)

    @property
    def _fields(self) -> tuple[str, ...]:
        form = self._task.form
        return form.fields if form.judged is None else (*form.fields, form.judged)

    @property
    def samples(self) -> int:
        """Samples of one record, over all styles."""
        return len(self._templates) * self._prompts * self._repeats

    def style(self, index: int) -> str:
        """The style of a sample."""
        return self.styles[index // (self._prompts * self._repeats)]

    def messages(self, record: Record, index: int) -> list[Message]:
        """The chat messages of one sample; where the prompt is `plain`, one with the text to go on with."""
        template = self._templates[index // (self._prompts * self._repeats)]
        return self._filled(template, self._task.fields(record, self.number(index)))

    def request(self, record: Record, index: int) -> Request:
        """What the teacher gets for one sample."""
        seed = sample_seed(self._seed, record.id, index)
        return Request(record, index, self.messages(record, index), seed, self._task.texts, self.plain)

    def _filled(self, template: Template, fields: Mapping[str, str]) -> list[Message]:
        if not self.plain:
            judged = self._task.form.judged
            last = [] if judged is None else [{"role": "assistant", "content": fields[judged]}]
            return [*template.messages(**fields), *last]
        return [{"role": "user", "content": completion(template, self._task.form.reply, **fields)}]

    def number(self, index: int) -> int:
        """Which of the task's prompts of a record a sample answers, from 0."""
        return index // self._repeats % self._prompts

    def probes(self) -> list[list[Message]]:
        """Messages as samples have them, one of each style, about a text of no record."""
        fields = dict.fromkeys(self._fields, "1 + 1")
        return [self._filled(template, fields) for template in self._templates]

    def shown(self) -> str:
        """The prompt as people read it, of the first style; {{text}} stands where a record's text goes."""
        fields = {name: f"{{{{{name}}}}}" for name in self._fields}
        messages = self._filled(self._templates[0], fields)
        if self.plain:
            return messages[0]["content"]
        return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in messages)

    def stops(self, stop: list[str]) -> list[str]:
        """The strings that end a sample: those given, and where the prompt is `plain` its own."""
        own = [each for template in self._templates for each in stop_strings(template)] if self.plain else []
        return [*stop, *(each for each in dict.fromkeys(own) if each not in stop)]

    def content(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        contents = [template.content() for template in self._templates]
        whole = contents[0] if self.styles == ("",) else {"styles": contents}
        return whole | ({"format": "completion"} if self.plain else {})
