"""Chat messages as the tokens a model is given, by the chat template of its tokenizer.

Templates differ in what they take. Gemma's refuses a system message, others want user and assistant to take
strict turns, some leave the system message out without a word: there the instructions go into the first user
turn. What messages say is text: "<|im_end|>" in a problem is those letters, never the token that ends a turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omi_core.teachers.prompt_starts import PromptStarts
from omi_core.teachers.teacher import Message


class TemplateFailed(ValueError):
    """The chat template does not take these messages; says why, in one line."""


class ChatPrompt:
    """Turns messages into tokens. `tokenizer` is one of transformers, with a chat template or without.

    `template` (Jinja) takes the place of its own, `options` are given to it.
    """

    def __init__(
        self, tokenizer: Any, template: str | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._options = dict(options or {}) | ({"chat_template": template} if template else {})
        self._templated = bool(template or getattr(tokenizer, "chat_template", None))
        self._controls = control_pattern(tokenizer)
        self._folding: bool | None = None  # not known until there is a system message
        # Of a tokenizer of the library `tokenizers`; None where its own tokens are not those of transformers.
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        self._compared = False
        self._starts = PromptStarts(self._by_backend, self._controls)

    def tokens(self, messages: list[Message]) -> list[int]:
        """Token ids of a prompt that ends where the assistant's answer begins, or with its last message.

        Raises:
            TemplateFailed: the template takes them neither as they are nor without a system message.
        """
        if not self._templated:
            end = "\n\n" if _asks(messages) else ""
            return self._encoded("\n\n".join(message["content"] for message in messages) + end)
        if not any(self._controls.search(message["content"]) for message in messages):
            return self._whole(messages)
        return self._pieced(messages)

    def stepped(self, messages: list[Message], end: int) -> list[int]:
        """As `tokens`; of the last message each step, a paragraph, is followed by the token `end`.

        Raises:
            TemplateFailed: as `tokens`, or there is no template.
        """
        if not self._templated:
            raise TemplateFailed("it has no chat template, which the steps of a solution stand in")
        return self._pieced(messages, end)

    def continued(self, text: str) -> list[int]:
        """Token ids of a plain text to go on with: begun as the tokenizer begins one, and not ended."""
        tokens = self._encoded(text)
        ended = len(tokens) > 1 and tokens[-1] == getattr(self._tokenizer, "eos_token_id", None)
        return tokens[:-1] if ended else tokens

    def note(self) -> str | None:
        """What a user should know of the prompts made so far, in one line; None when nothing is special."""
        if not self._templated:
            return "has no chat template; the model is given the texts of the messages, one paragraph each"
        if self._folding:
            return "its chat template takes no system message; the instructions go into the first user turn"
        return None

    def _whole(self, messages: list[Message]) -> list[int]:
        """As `tokens`, of messages without control tokens.

        What transformers does around its backend takes twice the time of both template and backend, and most
        of a sample's time outside the engine. So after a first prompt with the same tokens the backend is
        asked itself.
        """
        if self._backend is None:
            return list(self._applied(messages, tokenize=True))
        tokens = None if self._compared else list(self._applied(messages, tokenize=True))
        text = self._applied(messages, tokenize=False)
        found = self._starts.tokens(text)
        if tokens is None or tokens == found:
            self._compared = True
            return found
        self._backend = None
        return tokens

    def _by_backend(self, text: str) -> list[int]:
        backend: Any = self._backend
        backend.encode_special_tokens = self._tokenizer.split_special_tokens  # `_pieced` changes it
        return backend.encode_batch_fast([text], add_special_tokens=False)[0].ids

    def _applied(self, messages: list[Message], tokenize: bool) -> Any:
        """What the template makes of the messages, with the system message where the template takes it."""
        if messages[0]["role"] != "system":
            return self._render(messages, tokenize)
        if self._folding is None:
            self._folding = not self._takes_system(messages)
        return self._render(_folded(messages) if self._folding else messages, tokenize)

    def _takes_system(self, messages: list[Message]) -> bool:
        word = "zqxjkvbw"  # stands nowhere else; white space a template may change
        try:
            return word in self._render([{"role": "system", "content": word}, *messages[1:]], tokenize=False)
        except TemplateFailed:
            return False

    def _render(self, messages: list[Message], tokenize: bool) -> Any:
        try:
            return self._tokenizer.apply_chat_template(
                messages,
                add_generation_prompt=_asks(messages),
                tokenize=tokenize,
                return_dict=False,
                **self._options,
            )
        except Exception as error:  # a template is a program: it may raise anything
            words = " ".join(str(error).split())[:300]
            raise TemplateFailed(f"its chat template fails: {type(error).__name__}: {words}") from error

    def _pieced(self, messages: list[Message], step_end: int | None = None) -> list[int]:
        """As `tokens`, for texts that hold control tokens: those are put in after the template is done.

        So is `step_end` after each paragraph of the last message.
        """
        mark = _unused("".join(message["content"] for message in messages))
        found: list[str | int] = []

        def marked(what: str | int) -> str:
            found.append(what)
            return f"{mark}{len(found) - 1}{mark}"

        def without(text: str) -> str:
            return self._controls.sub(lambda match: marked(match[0]), text)

        hidden = [message | {"content": without(message["content"])} for message in messages]
        if step_end is not None:
            steps = [step.strip() for step in messages[-1]["content"].split("\n\n") if step.strip()]
            hidden[-1]["content"] = "".join(without(step) + marked(step_end) for step in steps or [""])
        # Every second piece is the number of what was found: a template may leave messages out.
        pieces = self._applied(hidden, tokenize=False).split(mark)
        tokens: list[int] = []
        for place, piece in enumerate(pieces):
            literal = place % 2 == 1
            text = found[int(piece)] if literal else piece
            if isinstance(text, int):
                tokens.append(text)
            elif text:
                tokens += self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=literal)
        return tokens

    def _encoded(self, text: str) -> list[int]:
        if self._controls.search(text):
            return list(self._tokenizer.encode(text, split_special_tokens=True))
        return list(self._tokenizer.encode(text))


def _asks(messages: list[Message]) -> bool:
    """Whether the model is to go on; else the last message is its own, to be judged."""
    return messages[-1]["role"] != "assistant"


def _folded(messages: list[Message]) -> list[Message]:
    """The messages without a system message: what it says begins the first one of the user."""
    system, first, *rest = messages
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]


def control_pattern(tokenizer: Any) -> re.Pattern[str]:
    """Finds what a tokenizer reads as control tokens, wherever it stands, the longest first."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    tokens = [token.content for token in added.values() if token.special and token.content.strip()]
    ordered = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)")


def _unused(text: str) -> str:
    """A character for private use that is not in the text."""
    return next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text)
