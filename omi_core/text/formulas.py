r"""Where a text must not be cut: formulas, environments and code fences.

Found are `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, `\begin{x}…\end{x}` and fences of three backquotes or tildes. A
delimiter without its partner protects nothing: raw web text is full of them. Each kind is paired by itself,
and spans that overlap become one, so the outcome errs towards protecting. The work is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from omi_core.text.delimiters import CLOSERS, MARK

Span = tuple[int, int]

_FENCE = re.compile(r"^[ \t]{0,3}(`{3,100}|~{3,100})([^\n]*)$", re.M)
_MARK = re.compile(rf"{MARK}|(?P<blank>\n[^\S\n]*\n)")
# What a dollar followed by a blank is when money was meant: `$ 5 and`.
_MONEY = re.compile(r"\s\d[\d.,]*\s+[a-z]{2,}")

Mark = tuple[str, int, int]


def formulas(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The protected spans of `text[start:end]`, sorted, apart from each other, positions those of `text`."""
    end = len(text) if end is None else end
    fences = list(_fences(text, start, end))
    spans = list(fences)
    for a, b in _between(fences, start, end):
        marks = [
            ("blank" if match["blank"] else match.group(), *match.span())
            for match in _MARK.finditer(text, a, b)
        ]
        for opener in ("\\[", "\\("):
            spans += _brackets(marks, opener, CLOSERS[opener])
        spans += _environments(marks)
        displays = list(_displays(text, marks))
        spans += displays
        spans += _inline(text, marks, displays)
    return merged(spans)


def merged(spans: Sequence[Span]) -> list[Span]:
    """The union of spans, sorted; those that touch stay two."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def _between(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    for a, b in spans:
        yield start, a
        start = b
    yield start, end


def _fences(text: str, start: int, end: int) -> Iterator[Span]:
    """From a line of backquotes or tildes to the next line of as many, with nothing behind them."""
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text, start, end):
        if opened is None:
            # An opening fence names a language; with backquotes in it, it is code within a line.
            opened = match if "`" not in match[2] else None
        elif match[1].startswith(opened[1]) and not match[2].strip():
            yield opened.start(1), match.end()
            opened = None


def _brackets(marks: Sequence[Mark], opener: str, closer: str) -> Iterator[Span]:
    opened: int | None = None
    for mark, start, end in marks:
        if mark == opener:
            opened = start
        elif mark == closer and opened is not None:
            yield opened, end
            opened = None


def _environments(marks: Sequence[Mark]) -> Iterator[Span]:
    r"""Environments. An `\end` closes the nearest `\begin` of its name, and all that opened since."""
    opened: list[tuple[str, int]] = []
    count: dict[str, int] = {}
    for mark, start, end in marks:
        if mark.startswith("\\begin"):
            name = mark[6:]
            opened.append((name, start))
            count[name] = count.get(name, 0) + 1
        elif mark.startswith("\\end") and count.get(name := mark[4:]):
            while True:
                last, at = opened.pop()
                count[last] -= 1
                if last == name:
                    break
            yield at, end


def _displays(text: str, marks: Sequence[Mark]) -> Iterator[Span]:
    """Pairs of `$$`. A blank line between them is believed only where they begin and end their lines.

    Otherwise one stray `$$` would turn formulas and prose about in the rest of the document.
    """
    opened: Mark | None = None
    blank = False
    for mark in marks:
        if mark[0] == "blank":
            blank = True
        elif mark[0] == "$$":
            if opened is not None and (not blank or _on_own_lines(text, opened[1], mark[2])):
                yield opened[1], mark[2]
                opened = None
            else:
                opened = mark
            blank = False


def _on_own_lines(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 40) : start].rpartition("\n")[2]
    after = text[end : end + 40].partition("\n")[0]
    return not before.strip() and not after.strip()


def _inline(text: str, marks: Sequence[Mark], displays: Sequence[Span]) -> Iterator[Span]:
    """Pairs of `$` in one paragraph, outside displays, that look like a formula rather than money."""
    opened: int | None = None
    number = 0
    for mark, start, end in marks:
        while number < len(displays) and displays[number][1] <= start:
            number += 1
        if number < len(displays) and displays[number][0] <= start:
            opened = None
        elif mark == "blank":
            opened = None
        elif mark == "$":
            if opened is not None and _is_formula(text, opened, end):
                yield opened, end
                opened = None
            else:
                opened = start


def _is_formula(text: str, start: int, end: int) -> bool:
    """Pandoc's rule: no blank inside the dollars, no digit behind; or blanks inside both, unlike money."""
    first, last = text[start + 1], text[end - 2]
    if not first.isspace() and not last.isspace():
        return not text[end : end + 1].isdigit()
    return first.isspace() and last.isspace() and not _MONEY.match(text, start + 1)
