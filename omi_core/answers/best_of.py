"""Which of several numbered solutions a model picks, read out of whatever it wrote.

Only the end of a finished text counts: its last line, together with the one before where that announces it.
A number counts when the line says that it is the best one, or, failing that, when it is the only solution
that the last sentence names. Where two are named, or none that was shown, nothing is picked: a pick that was
guessed would vote for a wrong answer.
"""

from __future__ import annotations

import re

_READ = 300  # characters of a line that are looked at
_NOUN = r"(?:solution|candidate|option|choice)"
_GAP = r"(?:[^\w.,!?;]|_){0,6}"
_COUNTED = rf"(?:(?:no\.|nr\.?|number|index|id)(?![a-z]){_GAP})?"
# "3 or 4", "3 and solution 4", "3, 4", "3/4", "3-4", "3.4"
_MORE = rf"\W{{0,4}}(?:(?:or|and|to|both)\b\W{{0,4}})?(?:{_NOUN}s?\W{{0,4}})?[0-9]"
_PLAIN = r"(?<![0-9])([0-9]{1,3})(?![\w%])"
_NUMBER = rf"{_PLAIN}(?!{_MORE}|\W{{0,3}}(?:of\b|others?\b|{_NOUN}s))"
_PRAISE = (
    r"(?:best|better|chosen|selected|preferred|strongest|winner|winning|final\s(?:choice|pick|selection))"
)
_LABEL = (
    rf"\b(?:{_PRAISE}(?:\s(?:one|{_NOUN}|answer|response|attempt|pick|choice)){{0,2}}"
    r"|pick|choose|select|choice|selection|verdict|judge?ment|decision)\b"
)
_LABELLED = re.compile(
    rf"{_LABEL}{_GAP}(?:(?:is|was)\b{_GAP})?(?:the\s)?(?:{_NOUN}{_GAP})?{_COUNTED}{_NUMBER}", re.I
)
_ANNOUNCED = re.compile(rf"(?::|\bis|{_LABEL})[\W_]{{0,9}}$", re.I)
_NAMED = re.compile(rf"\b{_NOUN}{_GAP}{_COUNTED}{_PLAIN}", re.I)
_SEVERAL = re.compile(rf"\b{_NOUN}(?:s{_GAP}[0-9]|{_GAP}{_COUNTED}{_PLAIN}{_MORE})", re.I)
_ALONE = re.compile(rf"\W{{0,20}}{_NUMBER}\W{{0,20}}", re.I)
_DENIED = re.compile(
    r"\b(?:not|no|none|neither|nor|never|in(?:correct|valid)|wrong|false|worst|flawed|fails?)\b|n't", re.I
)
_COMMANDS = re.compile(r"\\(?:boxed|fbox|text|textbf|textit|mathrm|mathbf|mathit)\s?\{")
_SENTENCE = re.compile(r"(?<=[.!?;])\s")


def read_choice(text: str, count: int, finished: bool = True) -> int | None:
    """The number of the solution that is picked, from 1 to `count`; None: it cannot be told.

    With `finished=False` (the text was cut off by a token limit) nothing is picked. `<think>` is passed over.
    """
    _, closed, told = text.rpartition("</think>")
    if not finished or (not closed and "<think>" in text):
        return None
    lines = [line for line in told.splitlines() if any(map(str.isalnum, line[-_READ:]))][-2:]
    if not lines:
        return None
    last = _plain(lines[-1])
    if _ALONE.fullmatch(last) and len(lines) == 2 and _ANNOUNCED.search(lines[0][-_READ:]):
        last = f"{_plain(lines[0])} {last}"
    numbers = _picked(last)
    return numbers.pop() if len(numbers) == 1 and min(numbers) in range(1, count + 1) else None


def _picked(line: str) -> set[int]:
    """The numbers that a line may mean."""
    if labelled := _LABELLED.findall(line):
        return set(map(int, labelled))
    if alone := _ALONE.fullmatch(line):
        return {int(alone[1])}
    sentence = next((each for each in reversed(_SENTENCE.split(line)) if _NAMED.search(each)), "")
    if _SEVERAL.search(sentence) or _DENIED.search(sentence):
        return set()
    return set(map(int, _NAMED.findall(sentence)))


def _plain(line: str) -> str:
    return _COMMANDS.sub(" ", line.strip()[-_READ:])
