"""Whether a text asks something: a question, a request such as `Find $x$.`, or a gap to fill."""

from __future__ import annotations

import re

_MARK = re.compile(r"[?？؟]")
# A request begins a sentence or a clause.
_CLAUSE = r"(?:^|(?:[.!:;,][$)\]}*\"]{0,4}|\$\$|[\n\]}*—])[\s*_]{0,8}|\bplease\s)"
_VERBS = (
    "find|compute|determine|evaluate|calculate|simplify|simply|factor(?:ize)?|prove|show that|expand|convert"
    "|graph|sketch|plot|estimate|round|rationali[sz]e|identify|enter|derive|describe|explain|verify"
    "|minimi[sz]e|maximi[sz]e|approximate|figure out|work out|help|predict|integrate|differentiate"
)
# `Write a new problem` asks for another thing.
_VERBS_OF_TALK = "write|rewrite|give|state|list|name|solve|express|choose|select|complete|show"
# In the middle of a text these are a story's or a solution's.
_VERBS_AT_THE_BEGINNING = (
    "multiply|divide|subtract|sum|add|arrange|order|draw|construct|count|fill|compare|decide|rank|tell|remove"
)
_REQUEST = re.compile(
    rf"{_CLAUSE}(?:(?:\w{{3,12}}ly )?(?:{_VERBS})\b"
    rf"|(?:{_VERBS_OF_TALK})\b(?![^.?!\n]{{0,60}}\b(?:problem|question|exercise|statement)s?\b)"
    r"|(?:(?:for|in|at|by|to|on|with|from|of|into|about|after) )?(?:how (?:many|much|long|far|old|often"
    r"|fast|big|tall|high|deep|wide|large|heavy|late|soon|likely)|what (?:ordered|day|time|year|integer|point"
    r"|base|order|rate|speed|price|age|distance|angle|ratio))\b"
    r"|what(?:['’]s| (?:is|are|was|were|will|would|should|does|do|did|can|fraction|percent|number|value))\b"
    r")|(?:^|[.!\n]\$?\s{0,8})(?:which\b|who (?:is|has|was|gets|wins)\b)"
    r"|\bhow (?:many|much) (?:do|does|did|will|is|are|was|would)\b"
    r"|(?:\$|(?<!can )(?<!we )\bthen) (?:find|compute|determine|evaluate|calculate|enter)\b"
    rf"|\byour (?:task|goal|job|challenge|mission) is to\b|\A\W{{0,8}}(?:{_VERBS_AT_THE_BEGINNING})\b"
    r"|(?<!we )\b(?:wants?|wanted|wish(?:es)?|needs?) to (?:know|find|determine|figure)\b",
    re.IGNORECASE,
)
# What a solution says before a step: `First, find the sum.`
_STEP = re.compile(
    r"[.!?:\n*][\s*]{0,4}(?:first|second|third|next|then|now|finally|lastly|step \d{1,2})[\s,:.*]{0,8}\Z",
    re.IGNORECASE,
)
_STEP_LENGTH = 24
_CHOICES = re.compile(r"\([AB]\)")
_GAP = re.compile(r"(?:[:=_]|\b(?:is|are|was|be|equals?|to))[\s$*]{0,8}\Z", re.IGNORECASE)
_GAP_LENGTH = 16


def asks(text: str) -> bool:
    """Whether the text asks something. Its words are expected to be English, its marks of any language."""
    return first_asked(text) is not None


def first_asked(text: str) -> int | None:
    """Where the text first has asked something: behind a question mark or the verb of a request."""
    mark = _MARK.search(text)
    request = next((found for found in _REQUEST.finditer(text) if not _is_step(text, found)), None)
    ends = [found.end() for found in (mark, request) if found is not None]
    if ends:
        return min(ends)
    gap = len({found[0] for found in _CHOICES.finditer(text)}) == 2 or _GAP.search(text[-_GAP_LENGTH:])
    return len(text) if gap else None


def _is_step(text: str, request: re.Match[str]) -> bool:
    end = request.start() + 2
    before = text[end - _STEP_LENGTH : end] if end > _STEP_LENGTH else "\n" + text[:end]
    return _STEP.search(before) is not None
