"""Rows of a dataset as the tokens a student learns from: prompt and reply, with a loss on the reply alone.

The prompt is made as generation and evaluation make it (`ChatPrompt`), token for token. The loss of a reply
goes up to the token that ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from omi_core import prompts
from omi_core.combine.messages import fault, inline
from omi_core.inputs import Row
from omi_core.options import ConfigError
from omi_core.prompts import Message, Template
from omi_core.prompts.prompt_options import Prompt
from omi_core.tasks.evaluations import TASK as EVALUATIONS
from omi_core.teachers.chat_prompt import ChatPrompt, TemplateFailed
from omi_core.teachers.models import local_directory, model_path
from omi_core.text.reasoning import joined
from omi_core.training.train_options import Student, Training

NO_LOSS = -100
TOO_LONG, CUT, EMPTY = "too_long", "cut", "no_columns"
_TEMPLATES = ("llama3",)
# What a tokenizer would save of how it was read: a model's bytes would tell who was offline.
_HOW_READ = ("is_local", "local_files_only")


@dataclass(frozen=True)
class Example:
    """A row as tokens; `labels` are the same tokens where there is a loss, `NO_LOSS` elsewhere."""

    tokens: list[int]
    labels: list[int]
    cut: bool = False


def chat_template(student: Student) -> str | None:
    """The text of `student.chat_template`; None where the model's own is used. Raises ConfigError."""
    given = student.chat_template
    if given is None:
        return None
    if given in _TEMPLATES:
        return (files("omi_core.training") / f"{given}.jinja").read_text(encoding="utf-8").rstrip("\n")
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(
            f"student.chat_template={given}: cannot be read: {why}; give a file, or {', '.join(_TEMPLATES)}"
        ) from error


def student_template(prompt: Prompt) -> Template:
    """What the student is asked with, as jobs.evaluate asks. Raises ConfigError."""
    (template,) = prompts.load(EVALUATIONS.form, prompt.name, prompt.path, prompt.examples)
    return template if prompt.system else template.without_system()


def open_tokenizer(student: Student) -> Any:
    """The student's tokenizer with the chat template that it learns, and the token that ends a reply.

    Raises:
        ConfigError: the model has no tokenizer that can be had, or no chat template.
    """
    from transformers import AutoTokenizer

    label = f"student.model={student.model}"
    if student.model.startswith(("/", "./", "../", "~")) and local_directory(student.model) is None:
        raise ConfigError(f"{label}: no such directory")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_path(student.model), revision=student.revision)
    except Exception as error:  # the hub client and the tokenizers raise many kinds
        raise ConfigError(
            f"{label}: its tokenizer cannot be had ({' '.join(str(error).split())[:200]})"
        ) from error
    for how in _HOW_READ:
        tokenizer.init_kwargs.pop(how, None)
    if (template := chat_template(student)) is not None:
        tokenizer.chat_template = template
    if not tokenizer.chat_template:
        raise ConfigError(
            f"{label}: has no chat template, by which it would be asked; give student.chat_template=llama3 "
            "or a file"
        )
    end = _end_of_reply(tokenizer)
    if end is not None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"{label}: its chat template ends a reply with no special token, and it has none")
    return tokenizer


def _end_of_reply(tokenizer: Any) -> int | None:
    """The first special token that the template puts behind a reply."""
    asked: list[Message] = [{"role": "user", "content": "1"}]
    chat = ChatPrompt(tokenizer)
    try:
        before = len(chat.tokens(asked))
        whole = chat.tokens([*asked, {"role": "assistant", "content": "2"}])
    except TemplateFailed as error:
        raise ConfigError(f"student.chat_template: {error}") from error
    special = {key for key, token in tokenizer.added_tokens_decoder.items() if token.special}
    return next((token for token in whole[before:] if token in special), None)


class Rendering:
    """Makes examples of rows. `tokenizer` is of `open_tokenizer`, `template` None for rows as they are."""

    def __init__(self, tokenizer: Any, template: Template | None, stage: Training) -> None:
        self._chat = ChatPrompt(tokenizer)
        self._end: int = tokenizer.eos_token_id
        self._template, self._stage = template, stage

    def example(self, row: Row) -> Example | str:
        """The example of a row, or why there is none, in a word.

        Raises:
            TemplateFailed: the chat template does not take its messages, or does not begin an answered
                conversation as it begins a prompt.
        """
        messages = conversation(row)
        if isinstance(messages, str):
            return messages
        asked = in_words(self._template, messages)
        # The examples of a prompt are answered, too, but not by the student.
        tokens, labels = self._tokens(asked, len(asked) - len(messages))
        most = self._stage.max_length
        if len(tokens) <= most:
            return Example(tokens, labels)
        if self._stage.too_long == "drop" or all(label == NO_LOSS for label in labels[:most]):
            return TOO_LONG
        return Example(tokens[:most], labels[:most], cut=True)

    def _tokens(self, messages: list[Message], first: int) -> tuple[list[int], list[int]]:
        """Tokens and labels. Only replies from the message `first` on have a loss."""
        tokens: list[int] = []
        labels: list[int] = []
        for at, message in enumerate(messages):
            if at < first or message["role"] != "assistant":
                continue
            prompt = self._chat.tokens(messages[:at])
            reply = self._chat.tokens([*messages[:at], message | {"content": message["content"].strip()}])
            if prompt[: len(tokens)] != tokens or reply[: len(prompt)] != prompt:
                raise TemplateFailed(
                    "its chat template writes an answered conversation otherwise than a prompt and a reply"
                )
            reply = reply[len(prompt) :]
            # What a template puts behind the end (a line break, say) is the next prompt's.
            reply = (
                [*reply[: reply.index(self._end)], self._end] if self._end in reply else [*reply, self._end]
            )
            labels += [NO_LOSS] * (len(prompt) - len(tokens)) + reply
            tokens = prompt + reply
        return tokens, labels


def in_words(template: Template | None, messages: list[Message]) -> list[Message]:
    """The messages, a single question of them asked in the words of the template."""
    if template is None or [message["role"] for message in messages] != ["user", "assistant"]:
        return messages
    return [*template.messages(messages[0]["content"]), messages[1]]


def conversation(row: Row) -> list[Message] | str:
    """The messages of a row: its own, or its problem and its solution; else why there are none."""
    if "messages" in row:
        reason = fault(row)
        return reason or [plain(inline(message)) for message in row["messages"]]
    problem, solution = row.get("problem"), row.get("generated_solution")
    if not (isinstance(problem, str) and isinstance(solution, str)):
        return EMPTY
    if not (problem.strip() and solution.strip()):
        return "empty_message"
    if isinstance(thought := row.get("reasoning"), str):
        solution = joined(thought, solution)
    return [{"role": "user", "content": problem}, {"role": "assistant", "content": solution}]


def plain(message: Mapping[str, Any]) -> Message:
    """A message without what else stands in it."""
    return {"role": message["role"], "content": message["content"]}
