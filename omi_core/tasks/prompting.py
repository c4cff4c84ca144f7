"""What the teacher is asked for each sample of a run."""

from __future__ import annotations

from typing import Any

from omi_core import prompts
from omi_core.config import Generate
from omi_core.prompts import Message, Template
from omi_core.records import Record


class Prompting:
    """The messages of every sample of a record, by its index.

    `samples` generations of the first style come first, then those of the second, and so on. A judge is asked
    of each question in both orders: the problem first, then the question first.

    Raises:
        ConfigError: there is no such template, or it has no such style.
    """

    def __init__(self, config: Generate) -> None:
        prompt = config.prompt
        self._templates: tuple[Template, ...] = prompts.load(
            config.task.name, prompt.name, prompt.path, prompt.examples, tuple(config.style) or ("",)
        )
        self._repeats = config.samples
        self._questions = config.verdicts.questions
        self._orders = 2 * config.verdicts.questions if config.task.name == "verdicts" else 1
        self.styles = tuple(template.style for template in self._templates)

    @property
    def samples(self) -> int:
        """Samples of one record, over all styles."""
        return len(self._templates) * self._orders * self._repeats

    def style(self, index: int) -> str:
        """The style of a sample."""
        return self.styles[index // (self._orders * self._repeats)]

    def messages(self, record: Record, index: int) -> list[Message]:
        """The chat messages of one sample."""
        template = self._templates[index // (self._orders * self._repeats)]
        if self._orders == 1:
            return template.messages(record.text)
        number, turned = self.pair(index)
        pair = record.text, self.questions(record)[number]["test_text"]
        first, second = pair[::-1] if turned else pair
        return template.messages(first, other=second)

    def probes(self) -> list[list[Message]]:
        """Messages as samples have them, one of each style, about a text of no record."""
        return [template.messages("1 + 1", other="1 + 1") for template in self._templates]

    def questions(self, record: Record) -> list[dict[str, Any]]:
        """The questions that a judge compares a record with, the nearest first."""
        return record.extra["questions"][: self._questions]

    def pair(self, index: int) -> tuple[int, bool]:
        """Which of these questions a sample is about, and whether it stands first."""
        number, turned = divmod(index // self._repeats, 2)
        return number, bool(turned)

    def content(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        contents = [template.content() for template in self._templates]
        return contents[0] if self.styles == ("",) else {"styles": contents}
