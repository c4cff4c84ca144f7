"""How the thinking of vLLM's samples is parted from their answers: by tags, or by one of vLLM's parsers.

Most of vLLM's parsers say between which tags their models think. Their tags are used then, by the same code
as everywhere; the others are asked for each text.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from omi_core.options import ConfigError
from omi_core.teachers.chat_prompt import control_pattern
from omi_core.teachers.teacher_options import OFF, TAGGED, Sampling, TeacherOptions
from omi_core.text import reasoning

# gpt-oss writes channels; vLLM's parser for it only tells where they end.
_CHANNELS = {"openai_gptoss": ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>")}


class ParserFailed(ValueError):
    """vLLM's parser does not take a text; says why, in one line."""


def check_reasoning(teacher: TeacherOptions, sampling: Sampling) -> None:
    """Raises ConfigError when thinking cannot be parted, or ended, as the options have it.

    Of a parser only its name is looked up, and only where vLLM is installed.
    """
    if sampling.thinking_tokens is not None and teacher.nodes > 1:
        raise ConfigError("sampling.thinking_tokens: not possible over several nodes; omit it")
    if teacher.reasoning not in (TAGGED, OFF, *_CHANNELS) and find_spec("vllm") is not None:
        _parser_class(teacher.reasoning)


def budget_arguments(teacher: TeacherOptions) -> dict[str, Any]:
    """What vLLM's engine is given so that it can end thinking after some tokens."""
    from vllm.config.reasoning import ReasoningConfig

    if teacher.reasoning == TAGGED:
        start, end = teacher.reasoning_tags
        return {"reasoning_config": ReasoningConfig(reasoning_start_str=start, reasoning_end_str=end)}
    return {"reasoning_parser": teacher.reasoning}


class Thinking:
    """Parts samples of one model.

    Raises:
        ConfigError: vLLM has no parser of that name, or it does not fit the model's tokenizer.
    """

    def __init__(self, teacher: TeacherOptions, tokenizer: Any) -> None:
        self._off = teacher.reasoning == OFF
        self._tokenizer = tokenizer
        self._parser: Any = None
        self.tags: Sequence[str] = teacher.reasoning_tags
        if teacher.reasoning in _CHANNELS:
            self.tags = _CHANNELS[teacher.reasoning]
        elif teacher.reasoning not in (TAGGED, OFF):
            parser = _parser(teacher.reasoning, tokenizer)
            if parser.reasoning_start_str and parser.reasoning_end_str:
                self.tags = (parser.reasoning_start_str, parser.reasoning_end_str)
            else:
                self._parser = parser
        # Tags that are control tokens are in the text only where control tokens are not left out of it.
        self.in_controls = not self._off and bool(control_pattern(tokenizer).search(" ".join(self.tags)))
        known = tokenizer.get_vocab()
        self._closing = known.get(self.tags[1])

    def opened(self, prompt: Sequence[int]) -> bool:
        """Whether a prompt, as tokens, ends inside of thinking."""
        return not self._off and reasoning.inside(self._tokenizer.decode(list(prompt[-64:])), self.tags)

    def part(self, text: str, tokens: Sequence[int], opened: bool) -> tuple[str | None, str | None, int]:
        """(reasoning, answer, tokens up to the answer); see `omi_core.text.reasoning.part`.

        Raises:
            ParserFailed: vLLM's parser does not take the text.
        """
        if self._off:
            return None, text, 0
        if self._parser is not None:
            trace, answer = self._asked(text)
        else:
            trace, answer = reasoning.part(text, self.tags, opened)
        if trace is None:
            return None, text, 0
        return trace, answer, self._count(answer, tokens)

    def _count(self, answer: str | None, tokens: Sequence[int]) -> int:
        if answer is None:
            return len(tokens)
        if self._parser is None and self._closing in tokens:
            return len(tokens) - list(reversed(tokens)).index(self._closing)
        return max(0, len(tokens) - len(self._tokenizer.encode(answer, add_special_tokens=False)))

    def _asked(self, text: str) -> tuple[str | None, str | None]:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        asked = ChatCompletionRequest.model_validate({"messages": []})
        try:
            trace, answer = self._parser.extract_reasoning(text, asked)
        except Exception as error:  # it is vLLM's, the text a model's: anything may come of that
            raise ParserFailed(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        if trace is None:
            return None, answer or ""
        return trace.strip(), answer.lstrip() if answer is not None else None


def _parser_class(name: str) -> Any:
    from vllm.reasoning import ReasoningParserManager

    try:
        return ReasoningParserManager.get_reasoning_parser(name)
    except KeyError:
        there = ", ".join([TAGGED, OFF, *ReasoningParserManager.list_registered()])
        raise ConfigError(f"teacher.reasoning={name}: vLLM has no such parser; one of {there}") from None


def _parser(name: str, tokenizer: Any) -> Any:
    cls = _parser_class(name)
    try:
        return cls(tokenizer)
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError(f"teacher.reasoning={name}: does not fit this model: {why}") from error
