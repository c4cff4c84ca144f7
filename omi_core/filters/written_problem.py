"""Finds the statement in what a model wrote when it was asked for a new problem.

The text is cut at its labels, headings and rulers; the best stretch that asks something is chosen; and what a
model says before and after a statement is cut from it. Nothing is cut behind a text that has asked nothing
yet, so a statement whose question comes last stays whole. Time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omi_core.filters.asking import asks, first_asked

# White space is bounded everywhere: what a model repeats without end must not cost more than its length.
_SPACE = r"[ \t]{1,8}+"
_MARKS = r"[ \t#>*_\[(\"“-]{0,16}+(?:\d{1,2}[.)][ \t*_]{0,8}+)?"
_ENDS = r"[ \t#*_\])\"”]{0,16}+"
_THING = r"(?:problem|question|exercise|task|puzzle)"
_NEW = (
    "(?:new|modified|rewritten|revised|similar|inspired|created|generated|evolved|harder|final|another|updated"
    "|different|related|alternative|adapted|challenging|more)"
)
_GIVEN = r"(?:original|given|initial|seed|old|previous|existing)"
_PLAIN = r"(?:the|an?|my|your|our|one|this|next|math|mathematical|mathematics|word|story|practice|sample)"
_WORDS = rf"(?P<words>(?>(?:(?:{_NEW}|{_GIVEN}|{_PLAIN})\b[ \t-]{{1,8}}+){{0,5}}))"
# "**New Problem 2:** Find $x$.", "## Problem"
_LABEL = re.compile(
    rf"{_MARKS}{_WORDS}(?:{_THING}s?(?:{_SPACE}(?:statement|description|version|of the day))?|Q(?=[.:]))"
    rf"[ \t]{{0,8}}+(?:[#(]?\d{{1,3}}\)?)?(?:{_ENDS}:{_ENDS}|\.[*_]{{1,3}}+|{_ENDS}[.\s]{{0,8}}+\Z)",
    re.IGNORECASE,
)
# A line that ends in a colon: "Sure! Here it is:", "Now, let's write the new problem:".
_REPLY = re.compile(
    rf"{_MARKS}(?:(?:sure|certainly|of course|absolutely|okay|ok|alright|great)\b"
    rf"|here(?:{_SPACE}(?:it is|you go|is one|is mine)|['’]s{_SPACE}(?:one|mine))\b)",
    re.IGNORECASE,
)
_HERE = re.compile(rf"{_MARKS}(?:here|below|this is|the following)\b", re.IGNORECASE)
_NAMED = re.compile(rf"\b{_WORDS}{_THING}s?\b", re.IGNORECASE)
_IS_NEW = re.compile(rf"\b{_NEW}\b", re.IGNORECASE)
_IS_GIVEN = re.compile(rf"\b{_GIVEN}\b", re.IGNORECASE)
_LONGEST_LABEL = 240
# The name of another part, alone on a line or before a colon.
_PART = re.compile(
    rf"{_MARKS}(?>(?:(?:detailed|full|complete|final|sample|step-by-step|the|correct|my|worked|expected|brief)"
    rf"{_SPACE}){{0,3}})(?:solution|answer|explanation|reasoning|rationale|working|approach|difficulty"
    rf"|inspiration|change|hint|modification|discussion|proof|justification|analysis|output)s?(?:{_SPACE}key)?"
    rf"(?:(?:{_SPACE}(?:to|for){_SPACE}[^:\n]{{0,40}}+)?{_ENDS}:|{_ENDS}[.\s]{{0,8}}+\Z)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    rf"[ \t]{{0,3}}#{{1,6}}[ \t]|[ \t]{{0,8}}(?:[-*_=]{{3,}}+|```\w{{0,12}})\s*+\Z|{_MARKS}Title{_ENDS}:"
)
_ITEMS = re.compile(r"(?:1[.)]|[-*])[ \t]{1,4}")
_NEXT_ITEM = re.compile(r"\n[ \t]{0,4}(?:2[.)]|[-*])[ \t]{1,4}")

# Talk about the problem instead of a problem, one sentence of it: openings that say it by themselves, those
# that need a word such as "problem" after them, and words that say it anywhere.
_FIRST_SENTENCE = re.compile(
    r"[^.!?:\n]{1,400}+(?:[.!?:]{1,4}[*_\"”)]{0,4}|\Z)\s{0,80}|[^\n]{1,400}+\n\s{0,80}"
)
_TALK = re.compile(
    rf"{_MARKS}(?:sure|certainly|of course|absolutely|okay|ok|alright|great|thanks|thank you|yes|understood)"
    r"(?:[!,.:]| (?:thing|i|here|let)\b)|i['’](?:d be|m) (?:happy|glad)\b",
    re.IGNORECASE,
)
_TALK_OF = re.compile(
    rf"{_MARKS}(?:here(?:['’]s| is| are)?|i['’](?:ll|d|ve|m)|i (?:will|would|can|have created|have written)"
    r"|let['’]?s|let us|let me|we (?:can|will|need|could|should|have to)|would you|can you|could you|do you"
    r"|to (?:create|write|make|generate|come|modify|form|rewrite|construct)|do not|don['’]t|below|based on"
    r"|(?:please |you )?(?:write|create|generate|reply|provide|come up|compose|rewrite|make up)|inspired by"
    r"|how about|you are (?:a|an|given)"
    r"|your (?:task|goal|job) is to (?:create|write|make|generate|come|modify|rewrite))\b",
    re.IGNORECASE,
)
_A_THING = re.compile(rf"\b(?:{_THING}s?|versions?|statement|this one)\b", re.IGNORECASE)
_TALK_ABOUT = re.compile(
    r"\b(?:new|similar|inspired|modified|rewritten|revised|original|given|above|following|possible)\b"
    rf"{_SPACE}(?:\w{{1,16}}{_SPACE}){{0,2}}(?:problem|question|exercise)s?\b"
    rf"|\b(?:this|the){_SPACE}(?:\w{{1,16}}{_SPACE})?problem{_SPACE}"
    r"(?:is|has|must|should|needs|requires|asks|involves|will|can|uses|tests|combines)\b",
    re.IGNORECASE,
)
_MOST_TALK = 40  # sentences

# What a model says once it has asked; it begins a line or follows a sentence.
_BREAK = r"(?:(?P<end>[.?!:][)\]}\"”*$]{0,4})[ \t]{1,8}|\n\s{0,80})[*_(\[\"“>#\- \t]{0,8}+"
_THIS = rf"(?:this|that|the|my|our){_SPACE}(?:\w{{1,16}}{_SPACE}){{0,2}}"
_REMARK = re.compile(
    rf"{_BREAK}(?:(?:(?:so|therefore|thus|hence),?{_SPACE})?"
    rf"(?:(?:the|my|our|your|its|final|correct|right){_SPACE}){{0,3}}(?:answer|solution|result)s?"
    rf"(?:{_SPACE}to{_SPACE}(?:this|the){_SPACE}(?:\w{{1,12}}{_SPACE})?{_THING})?"
    rf"(?:{_SPACE}(?:is|are|would be|will be)(?=:?[\s:=$\\()*{{a-z]{{0,24}}?-?\d)|[*_]{{0,3}}[:=])"
    r"|(?:hint|explanation|reasoning|rationale|ans)[*_]{0,3}:|a:(?![^\n]{0,80}\n\s{0,4}b)|####|\$?\\boxed"
    r"|no (?:solution|answer)\b|step (?:1|one)\b|</?(?:answer|solution|think|end)"
    rf"|note[*_]{{0,3}}(?::|{_SPACE}that)[*_]{{0,3}}{_SPACE}(?:i\b|{_THIS}{_THING}\b)"
    r"|good luck|happy (?:solving|problem|learning)|(?:please )?(?:let me know|feel free)|i hope|i['’]ve "
    r"|i (?:have )?(?:changed|modified|kept|written|created|made|used)\b|would you like|do you (?:want|need)"
    r"|if you (?:need|have|want|would|['’]d)|can you (?:solve|find) (?:it|this)"
    rf"|{_THIS}(?:{_THING}|scenario|version|equation){_SPACE}"
    r"(?:is|requires?|involves?|asks?|uses?|tests?|has|can|will|differs?|combines?|maintains?|keeps?|was"
    r"|introduces?|adds?|builds?|still|also|now|presents?|challenges?|encourages?|focuses|explores?|extends?"
    r"|takes?)\b"
    rf"|[^.?!\n]{{0,160}}\b(?:original|given|previous|new){_SPACE}(?:{_PLAIN}{_SPACE})?(?:problem|question)\b)",
    re.IGNORECASE,
)
# How a solution begins, and a sum that is worked out: nothing is asked behind them.
_SOLVING = re.compile(
    rf"{_BREAK}(?:to (?:solve|answer|find|determine|calculate|approach|tackle|figure out|work out)\b"
    r"[^.?!\n]{0,120}(?:\b(?:we|you|let|i|one|start|first|use)\b|[:.])"
    r"|(?:let['’]?s|let us|start by|begin by)\b"
    r"|(?:i|we) (?:can(?! assume| ignore)|need to|will|must|have to|first|start|know that|are given|should)\b"
    r"|you (?:can(?! assume| ignore)|need to|will need)\b|first(?:ly)?,? (?:we|let|you|find|calculate|i)\b"
    r"|(?:so|therefore|thus|hence),? (?:the|there|we|he|she|it|they|in)\b)",
    re.IGNORECASE,
)
_WORKED = re.compile(r"\d[ $]{0,2}[-+*/×÷x][ $]{0,2}\d[\d.,]{0,12}[ $]{0,2}=[ $]{0,2}\d")
_WRAPPERS = (("**", "**"), ('"', '"'), ("“", "”"), ("*", "*"))

# Of a stretch, the best first.
_NEW_RANK, _LEAD_RANK, _PLAIN_RANK, _REST_RANK, _GIVEN_RANK, _PART_RANK = range(6)


@dataclass(slots=True)
class _Stretch:
    """`text[start:end]`, which stands below a label of some rank."""

    rank: int
    start: int
    end: int


def statement(text: str) -> str:
    """The statement of a new problem, without what stands before and after it; "" without one.

    It is a piece of the text, and may ask nothing (`asking.asks`). Where several stretches ask something, one
    that is called new comes first.
    """
    stretches = list(_stretches(text))
    best = ""
    for rank in range(_PART_RANK):
        for number, stretch in enumerate(stretches):
            if stretch.rank != rank:
                continue
            found = _cleaned(text[stretch.start : stretch.end])
            if found and not asks(found):
                found = _with_question(text, stretches, number) or found
            if asks(found):
                return found
            best = best or found
    return best


def _with_question(text: str, stretches: list[_Stretch], number: int) -> str:
    """The stretch with the next one, when that is what asks: `Problem: Ada has 3. Question: How many?`"""
    after = stretches[number + 1] if number + 1 < len(stretches) else None
    if after is None or after.rank not in (_NEW_RANK, _PLAIN_RANK):
        return ""
    found = _cleaned(text[stretches[number].start : after.end])
    return found if asks(found) else ""


def _stretches(text: str) -> Iterator[_Stretch]:
    """The text cut at its labels; a label without a text of its own goes with the next one."""
    now = _Stretch(_LEAD_RANK, 0, 0)
    for line in re.finditer(r"[^\n]*(?:\n|\Z)", text):
        found = _label(line[0]) if line[0].strip() else None
        if found is None:
            now.end = line.end()
            continue
        rank, begins = found
        if text[now.start : now.end].strip():
            yield now
        elif rank == _REST_RANK or (rank == _PLAIN_RANK and now.rank != _PART_RANK):
            rank = now.rank
        now = _Stretch(rank, line.start() + begins, line.end())
    if text[now.start : now.end].strip():
        yield now


def _label(line: str) -> tuple[int, int] | None:
    """The rank of what stands below or behind a label, and where in the line it begins; None: no label."""
    line = line.rstrip()
    if found := _LABEL.match(line):
        return _rank(found["words"]), found.end()
    if _PART.match(line):
        return _PART_RANK, len(line)
    if _HEADING.match(line):
        return _REST_RANK, len(line)
    if len(line) > _LONGEST_LABEL or not line.rstrip(" *_").endswith(":"):
        return None
    named = _NAMED.search(line)
    if _REPLY.match(line) or (named and (named["words"] and _IS_NEW.search(line) or _HERE.match(line))):
        return (_NEW_RANK if named is None else _rank(line)), len(line)
    return None


def _rank(words: str) -> int:
    if _IS_NEW.search(words):
        return _NEW_RANK
    return _GIVEN_RANK if _IS_GIVEN.search(words) else _PLAIN_RANK


def _cleaned(text: str) -> str:
    """A stretch without talk before its statement and remarks behind it, and out of its quotes."""
    text = _without_talk(text.strip())
    if _ITEMS.match(text) and (item := _NEXT_ITEM.search(text)) and asks(text[: item.start()]):
        text = text[text.index(" ") : item.start()].strip()
    asked = first_asked(text)
    if asked is not None and (remark := _REMARK.search(text, max(0, asked - 1))):
        text = text[: max(remark.start(), remark.end("end"))].rstrip()
    if asked is not None:
        text = _without_answer(text, asked)
    for opening, closing in _WRAPPERS:
        inner = text.removeprefix(opening).removesuffix(closing)
        if len(inner) == len(text) - len(opening) - len(closing) and opening.strip() not in inner:
            text = inner.strip()
    return text


def _without_talk(text: str) -> str:
    """The text without the sentences at its beginning that talk about it, or about what the model does."""
    at = 0
    for _ in range(_MOST_TALK):
        sentence = _FIRST_SENTENCE.match(text, at)
        if sentence is None or not _is_talk(sentence[0]):
            break
        at = sentence.end()
    # What is left of a paragraph of talk is more of it, unless it asks.
    rest, blank, below = text[at:].partition("\n\n")
    talk = at and "\n\n" not in text[:at] and blank and not asks(rest) and asks(below)
    return (below if talk else text[at:]).strip()


def _is_talk(sentence: str) -> bool:
    if _TALK.match(sentence) or (
        _TALK_ABOUT.search(sentence) and "$" not in sentence and not asks(sentence.rstrip(": \n") + ".")
    ):
        return True
    return _TALK_OF.match(sentence) is not None and _A_THING.search(sentence) is not None


def _without_answer(text: str, asked: int) -> str:
    """The text without what works its answer out, behind all that it asks."""
    asked = max(asked, *(text.rfind(mark) + 1 for mark in "?？؟"))
    if found := _SOLVING.search(text, asked - 1):
        text = text[: max(found.start(), found.end("end"))].rstrip()
    found = _WORKED.search(text, asked)
    if found is None or "?" not in text[:asked]:
        return text
    end = max(asked, *(text.rfind(mark, asked, found.start()) + 1 for mark in (". ", "! ", "\n")))
    return text if "example" in text[end : found.start()] else text[:end].rstrip()
