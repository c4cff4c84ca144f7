"""The filter on the last sentence: a conversation that stops in the middle of one."""

from __future__ import annotations

import re
import unicodedata

from omi_core.filters.filter import Example, Option, RowFilter
from omi_core.records import Candidate
from omi_core.text.formulas import formulas

_ENDS = ".!?…。！？"
_CLOSERS = "\"'’”)]}*_`~»」』 \t\n"
# `(End of conversation)`, `[End]`, `---`
_FAREWELL = re.compile(r"\n[ \t]*(?:[*_]{0,3}[(\[][^()\[\]\n]{0,80}[)\]][*_]{0,3}|[-*_]{3,80})[ \t]*\Z")
_TAIL = 4000
# Emoji and what modifies them.
_ORNAMENTS = ("So", "Sk", "Cf", "Mn")


class MidSentence(RowFilter):
    """Drops conversations that do not end in a full stop, question mark, exclamation mark or formula.

    Closing marks, emoji and a last line in brackets may follow.
    """

    name = "mid_sentence"
    section = "conversations"
    option = Option("bool", True, "drop conversations whose last sentence has no end", late=False)
    position = 80
    reason = "the paper"
    examples = (
        Example("Ann: It is five and", None),
        Example("Ann: It is five.\nBob:", None),
        Example("Ann: It is five,", None),
        Example("Ann: It is $5 +", None),
        Example("Ann: See (above)", None),
        Example("", None),
        Example("Ann: It is five.", "Ann: It is five."),
        Example('Ann: He said "five!"**\n', 'Ann: He said "five!"**\n'),
        Example("Ann: It is $5$", "Ann: It is $5$"),
        Example("Ann: It is\n\\[ 5 \\]", "Ann: It is\n\\[ 5 \\]"),
        Example("Ann: Thanks! 😊", "Ann: Thanks! 😊"),
        Example("Ann: Bye.\n\n(End of conversation)", "Ann: Bye.\n\n(End of conversation)"),
        Example("Ann: Bye.\n---", "Ann: Bye.\n---"),
        Example("Ann: 就是五。", "Ann: 就是五。"),
    )

    def solution_after(self, row: Candidate) -> str | None:
        tail = row.solution.rstrip()[-_TAIL:]
        if farewell := _FAREWELL.search(tail):
            tail = tail[: farewell.start()].rstrip()
        end = len(tail)
        while end and (tail[end - 1] in _CLOSERS or unicodedata.category(tail[end - 1]) in _ORNAMENTS):
            end -= 1
        if end and tail[end - 1] in _ENDS:
            return row.solution
        spans = formulas(tail)
        return row.solution if spans and not tail[spans[-1][1] :].strip(_CLOSERS) else None
