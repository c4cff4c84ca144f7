"""What the teacher is asked for each sample of a run."""

from __future__ import annotations

from typing import Any

from omi_core import prompts
from omi_core.prompts import Message, Template
from omi_core.records import Record
from omi_core.tasks import task_of
from omi_core.tasks.settings import Config


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
        self._repeats = config.samples
        self._prompts = self._task.prompts(config)
        self.styles = tuple(template.style for template in self._templates)

    @property
    def samples(self) -> int:
        """Samples of one record, over all styles."""
        return len(self._templates) * self._prompts * self._repeats

    def style(self, index: int) -> str:
        """The style of a sample."""
        return self.styles[index // (self._prompts * self._repeats)]

    def messages(self, record: Record, index: int) -> list[Message]:
        """The chat messages of one sample."""
        template = self._templates[index // (self._prompts * self._repeats)]
        return template.messages(**self._task.fields(record, self.number(index)))

    def number(self, index: int) -> int:
        """Which of the task's prompts of a record a sample answers, from 0."""
        return index // self._repeats % self._prompts

    def probes(self) -> list[list[Message]]:
        """Messages as samples have them, one of each style, about a text of no record."""
        fields = dict.fromkeys(self._task.form.fields, "1 + 1")
        return [template.messages(**fields) for template in self._templates]

    def content(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        contents = [template.content() for template in self._templates]
        return contents[0] if self.styles == ("",) else {"styles": contents}
