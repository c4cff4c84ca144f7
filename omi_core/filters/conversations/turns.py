"""Who speaks in a conversation: its turns, and the filters on their number and on what stands before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.records import Candidate

# `Teacher:`, `**Student 1:**`, `### Dr. O'Neil (thinking):`, `Q:`. The words of a name begin with a capital
# (or have none, as Chinese), so that a line `We then have:` is not a speaker.
_LABEL = re.compile(
    r"^[ \t]{0,8}[*_#>\-]{0,4}[ \t]{0,2}\[?(?P<name>(?![a-z])[^\W\d_][\w.'’\-]{0,30}"
    r"(?: (?:(?![a-z])[\w&][\w.'’\-]{0,30}|of|and|the|de|van|von)){0,4})\]?"
    r"[*_]{0,3}(?: ?\([^()\n]{1,60}\))?[*_]{0,3}[ \t]?[:：][*_]{0,3}(?=\s|$|[^\x00-\x7f])[ \t]*",
    re.M,
)
# What may stand before a colon at the start of a line and is not a name: alone, numbered, or in any case.
_NOBODY = re.compile(
    r"(?:steps?|notes?|solutions?|answers?|questions?|examples?|hints?|theorem|lemma|proof|definition|corollary"
    r"|remarks?|title|topic|subject|setting|scene|background|context|text|source|conversation|dialogue"
    r"|discussion|debate|interview|transcript|summary|conclusion|participants|characters|speakers|problem|task"
    r"|assignment|claims?|counterclaims?|results?|formula|equation|case|part|first|second|third|next|finally"
    r"|warning|important|we|this|that|it|or|and|but)(?: [\w.]{1,3})?\Z"
    # The prompt's own word for a speaker; `Speaker A` is one.
    r"|(?:names?|speaker|(?:the )?speaker(?:['’]?s)? name|words)\Z"
    r"|(?:here is|here['’]s|sure|certainly|for example|then|now|so|thus|therefore|hence|recall|where|let"
    r"|given|find)\b",
    re.IGNORECASE,
)
_ANNOUNCEMENT = re.compile(
    r"[\s*_#>\-]{0,8}(?:sure|certainly|of course|absolutely|okay|ok|here(?: is|'s|’s| are)|below is"
    r"|the following is|this is a|title|topic|setting|scene|(?:the )?(?:conversation|dialogue|discussion"
    r"|debate|interview|transcript))\b",
    re.IGNORECASE,
)
_LONGEST_PREAMBLE = 600


@dataclass(frozen=True, slots=True)
class Turn:
    """One label, its speaker (lower case), and where it and the words behind it begin."""

    speaker: str
    start: int
    words: int


def turns(text: str) -> Iterator[Turn]:
    """The turns of a conversation, in order: lines that begin with a speaker's name and a colon."""
    for match in _LABEL.finditer(text):
        if not _NOBODY.match(match["name"]):
            yield Turn(" ".join(match["name"].casefold().split()), match.start(), match.end())


class StripPreamble(RowFilter):
    """Cuts a title or "Here is the conversation:" before the first turn."""

    name = "strip_preamble"
    section = "conversations"
    option = Option("bool", True, "cut an announcement before the first turn", late=False)
    position = 20
    reason = "our own"
    examples = (
        Example("Sure! Here it is:\n\nAnn: Hello.\nBob: Hi.", "Ann: Hello.\nBob: Hi."),
        Example("**Title: Sums**\n\n**Ann:** Hello.\n**Bob:** Hi.", "**Ann:** Hello.\n**Bob:** Hi."),
        Example("### Conversation\n\n---\n\nAnn: Hello.", "Ann: Hello."),
        *kept("Ann: Hello.\nBob: Hi.", "It rains.\n\nAnn: Hello.", "Here is no turn."),
    )

    def solution_after(self, row: Candidate) -> str | None:
        text = row.solution
        first = next(turns(text[: _LONGEST_PREAMBLE * 2]), None)
        if first is None or not 0 < first.start <= _LONGEST_PREAMBLE or not _ANNOUNCEMENT.match(text):
            return text
        return text[first.start :]


class MinTurns(RowFilter):
    """Drops texts with fewer lines that begin with a speaker's name and a colon."""

    name = "min_turns"
    section = "conversations"
    option = Option.limit(2, "fewest turns", late=False)
    position = 60
    reason = "the paper"
    examples = (
        Example("The sum of two and three is five.", None),
        Example("Step 1: we add.\nNote: it is five.", None),
        Example("We have:\n5.\nThis gives us:\n6.", None),
        Example("Ann: The sum is five.", None),
        Example("Ann: Five?\nBob: Yes.", "Ann: Five?\nBob: Yes."),
        Example("Ann: Five?\nBob: Yes.", None, options={"limit": 3}),
        Example("**Student 1:** Five?\n\n**Student 2:** Yes.", "**Student 1:** Five?\n\n**Student 2:** Yes."),
        Example("First Student: Five?\nProblem Solver: Yes.", "First Student: Five?\nProblem Solver: Yes."),
        Example("学生：五？\n老师：是。", "学生：五？\n老师：是。"),
        Example("Dr. O'Neil (smiling): Five?\nQ: Yes.", "Dr. O'Neil (smiling): Five?\nQ: Yes."),
    )

    def __init__(self, limit: int = 2) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if sum(1 for _ in turns(row.solution)) >= self.limit else None


class MinSpeakers(RowFilter):
    """Drops conversations of fewer speakers, whatever the case or boldness of their names."""

    name = "min_speakers"
    section = "conversations"
    option = Option.limit(2, "fewest speakers", late=False)
    position = 70
    reason = "the paper"
    examples = (
        *dropped("Ann: Five?\nAnn: Yes.", "Ann: Five?\n**ANN:** Yes.", "Ann: Five?\nNote: Ann adds."),
        Example("Ann: Five?\nBob: Yes.", "Ann: Five?\nBob: Yes."),
        Example("Ann: Five?\nBob: Yes.", None, options={"limit": 3}),
        *dropped("no turns at all", "Name: Five?\nSpeaker: Yes."),
        Example("Speaker A: Five?\nSpeaker B: Yes.", "Speaker A: Five?\nSpeaker B: Yes."),
    )

    def __init__(self, limit: int = 2) -> None:
        self.limit = limit

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if len({turn.speaker for turn in turns(row.solution)}) >= self.limit else None
