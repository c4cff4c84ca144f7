r"""The final answer of a solution: where it stands in the text, and what it says.

Three ways, tried in the order that an `Extractor` is given: "boxed", the last balanced `\boxed{...}` or
`\fbox{...}` (also `\boxed 5`); "hashes", the last line `#### N`; "pattern", the last match of a regular
expression of the user's. All of it is linear in the text, except the pattern, which only sees the last 500
characters (200 with three repeats).

A text that ends inside its answer (`so \boxed{12`, `so \boxed`, `####`) has none: what stands in an earlier
box is not what it was about to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from omi_core.answers.lexer import FORBIDDEN
from omi_core.answers.patterns import compile_pattern
from omi_core.text.delimiters import CLOSERS, open_at

MAX_ANSWER = 1000
MAX_DEPTH = 64
METHODS = ("boxed", "hashes", "pattern")

_BOX_SCAN = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s{0,4}(?P<open>\{)?|\\.|[{}]", re.DOTALL)
_PLAIN_BOX = re.compile(r"\\boxed\{([^{}\\]*+)\}")
_BARE_BOX = re.compile(
    r"-?[0-9][0-9,]{0,40}(?:\.[0-9]{1,40})?|[A-Za-z](?![A-Za-z])"
    r"|-?\\[a-zA-Z]{1,20}(?:\{[^{}]{0,100}\}|[0-9]){0,2}"
)
# A command with an argument too few: `\boxed\frac{1}`, cut off before the second.
_LACKS_ARGUMENT = re.compile(r"-?\\[dtc]?(?:frac|binom)(?:\{[^{}]*\}|[0-9])?")
_PART_OF_COMMAND = re.compile(r"(?<!\\)\\(?:box?|boxe|fbo?)\Z")
# What no box holds: after it, one that is still open was only never closed.
_OUT_OF_BOX = re.compile(r"\n[ \t]{0,80}\n|(?<!\\)\$|(?<!\\)\\[)\]]")
_PART_OF_NUMBER = re.compile(r"#{4}[ \t$\-0-9,./%]*")
_HASHES = re.compile(
    r"^[ \t]{0,8}#{4}[ \t]{0,8}"
    r"(\$?-?\$?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:/[0-9]+)?[ \t]?%?)[.]?[ \t]*$",
    re.MULTILINE,
)
# What may close an answer without being more text: math delimiters, emphasis, punctuation, \end{...}.
_CLOSING = re.compile(r"(?:[ \t]{0,4}(?:\$\$|\$|\\\)|\\\]|\*\*|[.!,;:)]|\n?\\end\{[a-z]{1,12}\*?\})){1,8}")
_DISPLAY_REST = re.compile(r"(?:[^\\\n]|\\(?![\])])|\n(?!\n)){0,200}\\[\])]")
_MATH_REST = re.compile(r"[^$\n]{0,200}\$\$?[ \t]?[.!]?")


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found. `text[start:end]` is the answer with its mark-up and what closes it (`$`, a stop).

    `answer` is None if nothing was found or if it was refused (`refused` says why; `start` and `end` then say
    where it stood).
    """

    answer: str | None
    start: int
    end: int
    refused: str | None = None


class _Box(NamedTuple):
    start: int  # of the command
    inner: int  # of the content
    inner_end: int
    end: int


class _Boxes(NamedTuple):
    """Balanced boxes in no other one, each as its innermost content; bare ones; one that the text ends in."""

    done: list[_Box]
    bare: list[_Box]
    open_at: int | None = None


_Found = tuple[str | None, int, int]  # answer (None: the text ends inside it), start, end


class Extractor:
    """Finds final answers by `methods` in order; `pattern` is a regular expression for the method "pattern".

    The answer is the group named `answer`, else the first group, else the whole match. Raises ValueError,
    with one line that says what to change, for an unknown method or a pattern that does not compile or is
    refused.
    """

    def __init__(
        self, methods: Sequence[str] = METHODS, pattern: str | None = None, *, max_answer: int = MAX_ANSWER
    ) -> None:
        unknown = [method for method in methods if method not in METHODS]
        if unknown or not methods:
            raise ValueError(f"extraction methods {list(methods)!r}: use some of {', '.join(METHODS)}")
        if max_answer < 1:
            raise ValueError(f"max_answer={max_answer}: must be at least 1")
        self.methods = tuple(methods)
        self.pattern, self._tail = (None, 0) if pattern is None else compile_pattern(pattern)
        self.max_answer = max_answer

    def __call__(self, text: str) -> Extraction:
        """The final answer of `text`. Never raises on any string."""
        found = self._find(text)
        if found is None:
            return Extraction(None, len(text), len(text))
        answer, start, end = found
        if answer is None:
            return Extraction(None, start, end, "the text ends inside it")
        refused = _refusal(answer, self.max_answer)
        return Extraction(None if refused else answer.strip(), start, _closed(text, start, end), refused)

    def answer(self, text: str) -> str | None:
        """The `answer` of the extraction alone, in less time."""
        found = self._find(text)
        if found is None or found[0] is None or _refusal(found[0], self.max_answer):
            return None
        return found[0].strip()

    def _find(self, text: str) -> _Found | None:
        """What the first method finds that finds anything."""
        for method in self.methods:
            if method == "boxed":
                found = _last_box(text)
            elif method == "hashes":
                found = _last_hashes(text)
            else:
                found = self._last_match(text)
            if found is not None:
                return found
        return None

    def _last_match(self, text: str) -> _Found | None:
        if self.pattern is None:
            return None
        offset = max(0, len(text) - self._tail)
        matches = list(self.pattern.finditer(text[offset:]))
        if not matches:
            return None
        last = matches[-1]
        group: int | str = "answer" if "answer" in self.pattern.groupindex else min(1, self.pattern.groups)
        answer = last.group(group)
        if answer is None:
            return None
        return answer, offset + last.start(), offset + max(last.end(group), last.end())


def _refusal(answer: str, max_answer: int) -> str | None:
    stripped = answer.strip()
    if not stripped:
        return "empty"
    if len(stripped) > max_answer:
        return f"longer than {max_answer} characters"
    if FORBIDDEN.search(stripped):
        return "control characters"
    if stripped.count("{") <= MAX_DEPTH:
        return None
    depth = 0
    for match in re.finditer(r"\\.|[{}]", stripped, re.DOTALL):
        depth += (match.group() == "{") - (match.group() == "}")
        if depth > MAX_DEPTH:
            return f"braces deeper than {MAX_DEPTH}"
    return None


def _boxes(text: str) -> _Boxes:
    r"""All boxes, found in one pass with a stack."""
    start = _first_box(text)
    if start is None:
        return _Boxes([], [])
    plain = _PLAIN_BOX.match(text, start)
    if plain is not None and _first_box(text, plain.end()) is None:  # most solutions
        return _Boxes([_Box(start, *plain.span(1), plain.end())], [], _part_of_command(text))
    done: list[_Box] = []
    bare: list[_Box] = []
    open_at = None
    open_braces: list[tuple[int, int] | None] = []  # (start, inner) for a box, None for a plain brace
    for match in _BOX_SCAN.finditer(text, start):
        mark = match.group()
        if mark == "{":
            open_braces.append(None)
        elif mark == "}":
            opened = open_braces.pop() if open_braces else None
            if opened is not None:
                box = _Box(*opened, match.start(), match.end())
                while done and done[-1].start > box.start:
                    inner = done.pop()  # only the last box inside counts, and it keeps the outer extent
                    if box.inner == opened[1]:
                        box = _Box(box.start, inner.inner, inner.inner_end, box.end)
                done.append(box)
        elif match["open"]:
            open_braces.append((match.start(), match.end()))
        elif mark.startswith(("\\boxed", "\\fbox")):
            if match.end() == len(text):
                open_at = match.start()
            elif (box := _bare_box(text, match)) is not None:
                bare.append(box)
    if open_at is None:
        open_at = _still_open(text, open_braces, [*done, *bare])
    return _Boxes(done, bare, _part_of_command(text) if open_at is None else open_at)


def _bare_box(text: str, command: re.Match[str]) -> _Box | None:
    r"""The box without braces, as in `\boxed 5`; without content where an argument lacks or does not end."""
    content = _BARE_BOX.match(text, command.end())
    if content is None:
        return None
    start, end = content.span()
    if text[end : end + 1] == "{" or _LACKS_ARGUMENT.fullmatch(text, start, end):
        start = end
    return _Box(command.start(), start, end, end)


def _still_open(text: str, braces: list[tuple[int, int] | None], boxes: list[_Box]) -> int | None:
    """Where the box begins that the text ends in.

    One in front of a later box was only never closed, if a paragraph or formula ends between them.
    """
    last = next((brace for brace in reversed(braces) if brace is not None), None)
    if last is None:
        return None
    later = min((box.start for box in boxes if box.start > last[0]), default=None)
    left = later is not None and _OUT_OF_BOX.search(text, last[1], later) is not None
    return None if left else last[0]


def _part_of_command(text: str) -> int | None:
    r"""Where the command begins that the text breaks off in, if it may be that of a box: `\box`."""
    found = _PART_OF_COMMAND.search(text, max(0, len(text) - 8))
    return found.start() if found else None


def _first_box(text: str, begin: int = 0) -> int | None:
    """Where looking for boxes may begin: braces before the first command change nothing."""
    boxed, fbox = text.find("\\boxed", begin), text.find("\\fbox", begin)
    if boxed < 0 and fbox < 0:
        return None
    start = max(boxed, fbox) if boxed < 0 or fbox < 0 else min(boxed, fbox)
    while start and text[start - 1] == "\\":  # pairs of backslashes are told from their first
        start -= 1
    return start


def count_boxes(text: str) -> int:
    """Boxes in the text, not those inside others."""
    return len(boxed_answers(text))


def boxed_answers(text: str) -> list[str]:
    """What stands in the boxes of a text, those not inside others, without white space at the ends."""
    boxes = _boxes(text)
    return [text[box.inner : box.inner_end].strip() for box in (*boxes.done, *boxes.bare)]


def box_spans(text: str) -> list[tuple[int, int]]:
    r"""Where the boxes with braces stand that are not inside others, from their command on."""
    return [(box.start, box.end) for box in _boxes(text).done]


def _last_box(text: str) -> _Found | None:
    boxes = _boxes(text)
    if boxes.open_at is not None:
        return None, boxes.open_at, len(text)
    last = max([*boxes.done[-1:], *boxes.bare[-1:]], key=lambda box: box.end, default=None)
    return None if last is None else (text[last.inner : last.inner_end], last.start, last.end)


def _last_hashes(text: str) -> _Found | None:
    at = text.rfind("####")
    while at >= 0:
        line = max(text.rfind("\n", 0, at) + 1, at - 8)
        match = _HASHES.match(text, line)
        if match is not None:
            return match[1], match.start(), match.end(1)
        if _PART_OF_NUMBER.fullmatch(text, at):  # `####` at the end, or `#### $`
            return None, at, len(text)
        at = text.rfind("####", 0, text.rfind("\n", 0, at) + 1)
    return None


def _closed(text: str, start: int, end: int) -> int:
    """Where the answer's sentence or formula ends: delimiters, punctuation, the rest of an open `$...$`."""
    paragraph = max(text.rfind("\n\n", 0, start) + 1, start - 2000, 0)
    opened = open_at(text, start, paragraph)
    rest = None
    if CLOSERS["$"] in opened:
        rest = _MATH_REST.match(text, end)
    elif CLOSERS["\\["] in opened or CLOSERS["\\("] in opened:
        rest = _DISPLAY_REST.match(text, end)
    if rest is not None:
        end = rest.end()
    closers = _CLOSING.match(text, end)
    return closers.end() if closers else end


def math_ground_truth(solution: str) -> str | None:
    r"""Ground truth of a MATH problem: the last boxed answer of its solution, or None."""
    return _GROUND_TRUTH(solution).answer


def gsm8k_ground_truth(answer: str) -> str | None:
    """Ground truth of a GSM8K problem: what follows the last `####`, commas removed, or None."""
    _, mark, rest = answer.rpartition("####")
    value = rest.split("\n")[0].strip().replace(",", "")
    return value if mark and value and not _refusal(value, MAX_ANSWER) else None


_GROUND_TRUTH = Extractor(("boxed",), max_answer=4 * MAX_ANSWER)
