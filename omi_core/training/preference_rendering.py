"""Preference data as the tokens a reward model learns from: the responses to a problem, right and wrong.

A response is shown as jobs.score shows one: the problem in the words of the prompt's section `scores`, the
response as the assistant's message, by the chat template, to its very last token, where its score is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omi_core import prompts
from omi_core.combine.messages import fault
from omi_core.inputs import Row
from omi_core.options import ConfigError
from omi_core.prompts import Message, Template, has_section
from omi_core.prompts.prompt_options import Prompt
from omi_core.publish.rows import clean_text
from omi_core.tasks.scores import TASK as SCORES_TASK
from omi_core.teachers.chat_prompt import ChatPrompt
from omi_core.training.rendering import EMPTY, NO_LOSS, TOO_LONG, Example, in_words, open_tokenizer, plain
from omi_core.training.train_options import Student, Training

PREFERENCES = ("problem", "responses", "messages", "right", "prompt", "chosen", "rejected")
RIGHT, WRONG = 1, 0
_ASKED: list[Message] = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
_Conversation = tuple[list[Message], bool]


def holds_preferences(columns: Sequence[str]) -> bool:
    """Whether rows of these columns are preference data: lists of responses, or pairs."""
    has = set(columns)
    return {"chosen", "rejected"} <= has or (
        "right" in has and ("messages" in has or {"problem", "responses"} <= has)
    )


def scoring_template(prompt: Prompt) -> Template:
    """What responses are shown with: the prompt's section `scores`, or as jobs.score does without one.

    Raises:
        ConfigError: there is no such prompt, or it shows examples of scores.
    """
    form = SCORES_TASK.form
    own = has_section(form.task, prompt.name, prompt.path)
    name, path = (prompt.name, prompt.path) if own else (None, None)
    (template,) = prompts.load(form, name, path, prompt.examples)
    if any(role != "system" for role, _ in template.turns):
        raise ConfigError(
            f"prompt.{'path' if path else 'name'}={path or name}: its section {form.task} has examples, "
            "which a reward model is not shown; give prompt.examples=0"
        )
    return template if prompt.system else template.without_system()


def template_file(template: Template) -> str:
    """A template file that says to jobs.score what responses are shown with."""
    import yaml

    section = {role: words for role, words in template.turns} | {"user": template.user}
    return yaml.safe_dump({SCORES_TASK.form.task: section}, allow_unicode=True, sort_keys=False)


def open_scoring_tokenizer(student: Student) -> Any:
    """As `open_tokenizer`, with padding that ends no response.

    transformers reads a score at the last token that is no padding, and vLLM at the last one.

    Raises:
        ConfigError: as `open_tokenizer`, or there is no other special token than the one at the end.
    """
    tokenizer = open_tokenizer(student)
    shown = ChatPrompt(tokenizer).tokens(_ASKED)
    own = tokenizer.pad_token_id
    if own is not None and own != shown[-1]:
        return tokenizer
    special = [(key, token.content) for key, token in tokenizer.added_tokens_decoder.items() if token.special]
    # Best one that is for padding, or is in no text; any that is not the last one does.
    fit = sorted((key in shown, "pad" not in text, key) for key, text in special if key != shown[-1])
    if not fit:
        raise ConfigError(
            f"student.model={student.model}: has no special token for padding but the one that ends a "
            "response; give its tokenizer a pad token"
        )
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(fit[0][-1])
    return tokenizer


class PreferenceRendering:
    """Makes examples of rows, with a tokenizer of `open_scoring_tokenizer`.

    `template` is None for rows as they are. In an example the responses stand end to end, and the label at
    the last token of each is `RIGHT` or `WRONG`.
    """

    def __init__(self, tokenizer: Any, template: Template | None, stage: Training) -> None:
        self._chat = ChatPrompt(tokenizer)
        self._template, self._most = template, stage.max_length

    def example(self, row: Row) -> Example | str:
        """The example of a row, or why there is none, in a word.

        Raises:
            TemplateFailed: the chat template does not take its messages.
        """
        found = conversations(row)
        if isinstance(found, str):
            return found
        tokens: list[int] = []
        labels: list[int] = []
        for messages, right in found:
            shown = self._chat.tokens(in_words(self._template, messages))
            if len(shown) > self._most:
                return TOO_LONG
            tokens += shown
            labels += [NO_LOSS] * (len(shown) - 1) + [RIGHT if right else WRONG]
        return Example(tokens, labels)


def conversations(row: Row) -> list[_Conversation] | str:
    """The responses of a row, each in its conversation, and whether it is right; else why there are none."""
    found = _pair(row) if "chosen" in row else _list(row)
    if isinstance(found, str):
        return found
    made: list[_Conversation] = []
    for messages, right in found:
        if reason := fault({"messages": messages}):
            return reason
        said = [plain(message) for message in messages]
        made.append(([each | {"content": clean_text(each["content"])} for each in said], right))
    if len({right for _, right in made}) < 2:
        return "one_kind"
    return made


def _pair(row: Row) -> list[tuple[Any, bool]] | str:
    """Chosen and rejected of a row, each behind the prompt, if that stands apart."""
    asked = _messages("user", row.get("prompt") or [])
    found = []
    for side, right in (("chosen", True), ("rejected", False)):
        said = _messages("assistant", row.get(side))
        if asked is None or said is None:
            return EMPTY
        found.append(([*asked, *said], right))
    return found


def _messages(role: str, given: Any) -> list[Any] | None:
    """Messages as they are, a text as one message."""
    if isinstance(given, str):
        return [{"role": role, "content": given}]
    return list(given) if isinstance(given, list) else None


def _list(row: Row) -> list[tuple[Any, bool]] | str:
    """The responses to a problem, as conversations or as texts."""
    right, told = row.get("right"), row.get("messages")
    if told is None:
        asked, texts = row.get("problem"), row.get("responses")
        if not isinstance(texts, list):
            return EMPTY
        told = [
            [{"role": "user", "content": asked}, {"role": "assistant", "content": text}] for text in texts
        ]
    if not isinstance(told, list) or not isinstance(right, list):
        return EMPTY
    if len(told) != len(right) or not all(isinstance(each, bool) for each in right):
        return "unequal_lists"
    return list(zip(told, right, strict=True))
