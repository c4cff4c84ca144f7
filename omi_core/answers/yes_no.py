"""A judge's yes or no, read out of whatever a model wrote.

It is looked for in two places: at the beginning of the first line, and, since many models explain
themselves before they decide, in the last line of a finished text. When the two differ it counts as yes: a
judge is asked whether something must go, and what goes by mistake costs less than what stays by mistake.
"""

from __future__ import annotations

import re

YES, NO = "yes", "no"
_READ = 300  # characters of a line that are looked at
_WORDS = {"yes": YES, "true": YES, "no": NO, "false": NO}

_COMMANDS = re.compile(r"\\(?:boxed|fbox|text|textbf|textit|mathrm|mathbf|mathit)\s?\{")
_MARKS = r"[^\w\\/]{0,20}"
_LABEL = (
    r"(?:(?:so|thus|hence|therefore|the|my|our|final|short|overall)\W{1,3}){0,4}"
    r"(?:answer|verdict|decision|conclusion|response|result|judge?ment|output)\W{0,10}(?:is\b)?"
)
# "No" alone begins "No doubt they are the same", too, so that something must end it.
_WORD = r"(yes|true|(?:no|false)(?=\s*(?:[^\w\s/]|$)))\b(?!\s?(?:/|or\b|and\b)\s?(?:yes|no|true|false)\b)"
_FIRST = re.compile(rf"{_MARKS}(?:{_LABEL}{_MARKS})?{_WORD}", re.I)
_LAST = re.compile(rf"\b{_LABEL}{_MARKS}{_WORD}{_MARKS}$", re.I)


def read_yes_no(text: str, finished: bool = True) -> str | None:
    """YES, NO, or None: it says neither. `true` and `false` are read as well; `<think>` is passed over.

    With `finished=False` (the text was cut off by a token limit) its last line is not looked at.
    """
    _, closed, told = text.rpartition("</think>")
    if not closed and "<think>" in text:
        return None
    lines = [line for line in map(str.strip, told.splitlines()) if line]
    if not lines:
        return None
    first, last = _plain(lines[0][:_READ]), _plain(lines[-1][-_READ:])
    found = [_FIRST.match(first)]
    if finished:
        found += [_FIRST.match(last) if len(lines[-1]) <= _READ else None, _LAST.search(last)]
    said = {_WORDS[match[1].lower()] for match in found if match}
    return YES if YES in said else NO if NO in said else None


def _plain(line: str) -> str:
    return _COMMANDS.sub(" ", line)
