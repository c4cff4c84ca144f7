"""The chat API of OpenAI-compatible servers: what a request holds, and what an answer means.

Nothing that a server says is taken on trust: an answer is a completion, a refusal of this one request, a
reason to ask again, or a sign that the server is not the one that was meant.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from omi_core.finish import finished
from omi_core.teachers.models import read_template
from omi_core.teachers.teacher import Request
from omi_core.teachers.teacher_options import Sampling, TeacherOptions
from omi_core.teachers.vllm_sampling import sampling_fields

PATH = {False: "/chat/completions", True: "/completions"}  # of a request that is plain
_TOO_LONG = re.compile(r"context_length_exceeded|maximum context length", re.I)
# What no other request would fare better with: the address, the key or the account is not right.
_MISTAKES = {
    401: "the key is refused",
    402: "the account cannot pay",
    403: "the key may not use it",
    404: "there is no such address or model",
    405: "there is no such address",
}
_REASONING = ("reasoning_content", "reasoning")
_TEXTS = ("text", "output_text")  # kinds of parts of a message
_BUSY = (408, 425, 429, 503, 529)
_MOST_TOKENS = 2**31 - 1


class Refused(Exception):
    """The server will never complete this request. "Class: why"."""


class Again(Exception):
    """It may work another time. "Class: why".

    `after`: seconds the server asks to wait. `busy`: it had no room, whatever the request was. `foreign`:
    what came is not of this API at all.
    """

    def __init__(
        self, words: str, after: float | None = None, busy: bool = False, foreign: bool = False
    ) -> None:
        super().__init__(words)
        self.after, self.busy, self.foreign = after, busy, foreign


class Mistaken(Exception):
    """The address, the key or the model's name is wrong; says so in a few words."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished answer; `finish_reason` is "stop" or "length", uncounted tokens are 0.

    `reasoning` is what the server gives apart from the text; None where it does not.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    reasoning: str | None = None
    reasoning_tokens: int = 0


# No part of every server's API, so they are sent only when they say something; what they say else.
_SILENT = {
    "top_k": 0,
    "stop": [],
    "min_p": 0,
    "repetition_penalty": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "stop_token_ids": [],
}


def template_fields(teacher: TeacherOptions) -> dict[str, Any]:
    """What a server is told of the chat template. Raises ConfigError when its file cannot be read."""
    fields = {"chat_template": read_template(teacher), "chat_template_kwargs": teacher.chat_template_kwargs}
    return {name: value for name, value in fields.items() if value}


def request_body(model: str, sampling: Sampling, extra: Mapping[str, Any], request: Request) -> bytes:
    """The JSON of a request; fields of `extra` win, and those that are null there are omitted."""
    content = {"prompt": request.messages[0]["content"]} if request.plain else {"messages": request.messages}
    fields: dict[str, Any] = {"model": model, **content, "seed": request.seed, "n": 1}
    fields |= {
        name: value
        for name, value in sampling_fields(sampling).items()
        if name not in _SILENT or value != _SILENT[name]
    }
    fields |= extra
    return orjson.dumps({name: value for name, value in fields.items() if value is not None})


def read_completion(raw: bytes, shown: Callable[[str], str]) -> Completion:
    """What an answer with status 200 says; `shown` makes the server's words fit to be told.

    Raises:
        Refused: a content filter, or the model by a field of its own, has withheld the text.
        Again: it is not a completion, or is truncated.
    """
    try:
        answer = orjson.loads(raw)
        choice = answer["choices"][0]
        message, reason = choice["message"] if "message" in choice else choice, choice["finish_reason"]
        text = message["content" if "message" in choice else "text"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, IndexError, TypeError):
        raise Again("BadAnswer: not a chat completion", foreign=True) from None
    if reason == "content_filter":
        raise Refused("ContentFilter: the server withholds the text")
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        raise Refused(f"ContentFilter: {shown(refusal)}")
    # DeepSeek's name for it, and that of newer servers.
    trace = next((message[key] for key in _REASONING if isinstance(message.get(key), str)), None)
    text = _text_of(text)
    if text is None:
        raise Again("BadAnswer: the content is not a text", foreign=True)
    ended = finished(reason)
    if ended is None:
        # A server that is shut down breaks its answers off ("abort"); they are not samples.
        raise Again(f"BadAnswer: broken off with finish reason {shown(str(reason))[:40]!r}")
    usage = answer.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return Completion(
        text,
        ended,
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        trace or None,
        _count(details, "reasoning_tokens"),
    )


def _text_of(content: Any) -> str | None:
    """The text of a message: one text, its parts, or nothing at all; None where it is something else.

    Parts that are not text, such as thoughts, are left out.
    """
    if content is None:
        return ""  # nothing but thoughts
    if isinstance(content, list):
        said = [item for item in content if not isinstance(item, dict) or item.get("type", "text") in _TEXTS]
        found = [item.get("text") if isinstance(item, dict) else item for item in said]
        texts = [text for text in found if isinstance(text, str)]
        return "".join(texts) if len(texts) == len(found) else None
    return content if isinstance(content, str) else None


def judge(status: int, headers: Mapping[str, str], raw: bytes, shown: Callable[[str], str]) -> Exception:
    """What an answer with another status than 200 means: Refused, Again or Mistaken; `shown` as above."""
    why = shown(_message(raw))
    if status in _MISTAKES:
        return Mistaken(f"{status}, {_MISTAKES[status]}: {why}")
    if 300 <= status < 400:
        return Mistaken(f"{status}, it redirects to another address; give that one")
    if status in _BUSY or status >= 500:
        words = f"ServerError: {status}, {why}"
        return Again(words, retry_after(headers.get("retry-after")), busy=status in _BUSY)
    if status < 400:
        return Again(f"BadAnswer: status {status}", foreign=True)
    kind = "PromptTooLong" if status == 413 or _TOO_LONG.search(why) else "BadRequest"
    return Refused(f"{kind}: {status}, {why}")


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number of them, or a date; None when it is neither."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.A):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else 0


def _message(raw: bytes) -> str:
    """The error's own words where the body has them in one of the usual places, else the body."""
    try:
        found: Any = orjson.loads(raw)
        for name in ("error", "message", "detail"):
            if isinstance(found, dict) and name in found:
                found = found[name]
        if isinstance(found, str):
            return found
    except orjson.JSONDecodeError:
        pass
    return raw[:2000].decode(errors="replace")
