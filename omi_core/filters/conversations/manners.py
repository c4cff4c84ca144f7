"""Filters on what a teacher says in its own voice: refusals, and talk about the prompt it was given."""

from __future__ import annotations

import re

from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.records import Candidate

_SERVICE = r"(?:assist|help|comply|fulfil+|provide|create|generate|convert|write|complete|produce|process)"
# The object keeps apart a teacher who refuses a request and a speaker who cannot help but wonder.
_REQUEST = (
    r"(?: you)?(?: with)? (?:th(?:is|at|e)(?: \w+)? (?:request|task|prompt|conversation|dialogue|content"
    r"|text)|your (?:request|task|prompt)|a (?:conversation|dialogue)|(?:that|this|it)(?=[.,!]))"
)
_REFUSAL = re.compile(
    rf"\b(?:can(?:'|’)?t|can ?not|could not|couldn(?:'|’)t|won(?:'|’)t|will not|unable to|not able to"
    rf"|must decline to|have to decline to) {_SERVICE}{_REQUEST}"
    r"|\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\bi(?:'|’| a)m (?:just |only )?an? (?:ai|(?:large )?language model)\b"
    r"|\bi must (?:respectfully )?decline\b|\bagainst my (?:guidelines|programming)\b"
)
_GIVEN = "text|context|passage|document|excerpt|article|snippet|source text|reference text"
_SAYS = (
    "says?|said|states?|stated|mentions?|mentioned|explains?|explained|describes?"
    "|described|tells|told|notes?|noted"
    "|points out|discusses|suggests?|indicates?|defines?|shows?|talks about|gives"
    "|provides|refers to|reads|claims?"
    "|is about|goes on|continues|begins|covers|introduces|outlines|asks"
)
_SAID = (
    "mentioned|stated|described|given|explained|noted|said|written|discussed|defined|shown|presented|found"
)
_PROMPT_TALK = re.compile(
    rf"\b(?:provided|supplied) (?:{_GIVEN}|information)\b"
    # What the text says is what the speakers were to say; a problem or a theorem may say what it likes.
    rf"|\b(?:the|this|our|that|your) (?:{_GIVEN})(?:['’]s)? (?:also |just |only |then "
    rf"|even |first |simply |never "
    rf"|clearly |explicitly )?(?:{_SAYS})\b"
    rf"|\b(?:according to|based on|as per|in line with) (?:the|this|our|that|your) (?:\w+ )?(?:{_GIVEN})\b"
    rf"|\b(?:as|is|are|was|were|it|they) (?:also )?(?:{_SAID}) (?:in|by) (?:the|this"
    rf"|our|that|your) (?:{_GIVEN})\b"
    rf"|\b(?:{_SAID}) in (?:the|this|our|that) (?:{_GIVEN})\b"
    r"|\b(?:from|in|of) (?:the|this|our) (?:text|passage|excerpt|snippet)(?=[,.!?;:]"
    r"|$| (?:we|you|it|that|is|about|i)\b)"
    r"|\bthe author of (?:the|this) (?:text|passage|document|excerpt|article)\b"
    r"|\b(?:text|passage|context|document|excerpt) (?:above|below|provided|you (?:gave|provided|sent))\b"
    r"|\b(?:given|above) (?:text|passage|excerpt|document)\b"
    r"|\b(?:context|passage|excerpt|text|document) does(?: not|n['’]t) (?:mention|provide|contain|say"
    r"|specify|include|give)\b"
    r"|\byour (?:prompt|instructions?|guidelines)\b|\bthe prompt (?:asks|says|above|given)\b"
    r"|\b(?:this|the above) (?:conversation|dialogue|discussion) (?:covers|is based on|is between|aims"
    r"|demonstrates|follows|adheres|captures|stays)\b"
    r"|\bi hope this (?:conversation|dialogue|helps|meets|response)\b"
    r"|\blet me know if you(?:['’]d| would| need| want)[^.!?\n]{0,80}\b(?:conversation|dialogue|changes"
    r"|adjust|revisions?|modify|modifications)\b"
    r"|\bi(?:['’]ve| have)(?: tried to)? (?:kept|keep|stayed|stay|ensured|written|converted|maintained)\b"
    r"[^.!?\n]{0,80}\b(?:text|conversation|dialogue|faithful)\b"
    # The prompt's own picture of a turn, copied.
    r"|^[*_\[\"'#> ]{0,8}(?:speaker(?:['’]?s)?(?: name)?"
    r"|name)[*_\]\"']{0,4}:[*_ ]{0,4}[\[<(\"']?(?:words?|text|utterance"
    r"|their words|what they say|line|dialogue|message|content)[\])>.\"'*_]{0,4}$",
    re.MULTILINE,
)
# Most conversations hold none of these words; to look for them first is ten times as fast.
_HINTS = (
    *("provided", "supplied", "text", "passage", "document", "excerpt", "prompt", "instruction", "guideline"),
    *(
        "conversation",
        "dialogue",
        "discussion",
        "i hope this",
        "let me know",
        "context",
        "article",
        "snippet",
    ),
    *("name:", "speaker:"),
)


class Refusal(RowFilter):
    """Drops conversations with "I can't assist with that request" or "as an AI language model"."""

    name = "refusal"
    section = "conversations"
    option = Option("bool", True, "drop conversations in which the teacher refuses", late=False)
    position = 30
    reason = "the paper; wordings our own"
    examples = (
        Example("I'm sorry, but I can't assist with that request.", None),
        Example("I cannot create a conversation from this.", None),
        Example("Ann: As an AI language model, I have no sums.", None),
        Example("Bob: I am unable to help you with this.", None),
        Example("I must respectfully decline.", None),
        Example(
            "Ann: I'm sorry, but I can't see why it is 5.", "Ann: I'm sorry, but I can't see why it is 5."
        ),
        Example("Bob: We can't write this as a sum.", "Bob: We can't write this as a sum."),
        Example("Ann: I can't help but wonder.", "Ann: I can't help but wonder."),
        Example("Bob: As an aim, take 5.", "Bob: As an aim, take 5."),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return None if _REFUSAL.search(row.solution.lower()) else row.solution


class PromptTalk(RowFilter):
    """Drops conversations with "the provided text", "the text says that", "according to the passage", "this
    conversation is based on" or "I hope this helps", or with a placeholder of the prompt as a turn, such as
    "Name: words".
    """

    name = "prompt_talk"
    section = "conversations"
    option = Option("bool", True, "drop conversations about the prompt or the given text as such", late=False)
    position = 40
    reason = "the paper; wordings our own"
    examples = (
        Example("Ann: What does the provided text say?", None),
        Example("Bob: The passage doesn't mention how.", None),
        Example("Ann: So five.\n\nI hope this conversation helps!", None),
        Example("Ann: So five.\n\nThis conversation is based on a page about sums.", None),
        Example("Ann: So five.\n\nLet me know if you'd like any changes.", None),
        Example("Note: I have kept the dialogue faithful.", None),
        Example("Bob: Read the given passage.", None),
        *dropped(
            "Ann: The text says that five is odd.",
            "Ann: According to the passage, it is five.",
            "Ann: The context mentions five.",
            "Ann: As stated in the text, five is odd.",
            "Ann: What else is mentioned in the article?",
            "Ann: The document describes a sum.",
            "Ann: From the passage, we see that it is five.",
            "Ann: Based on the excerpt, five.",
            "Ann: That's what the text explicitly states.",
        ),
        *dropped("Name: words\nAnn: Five.", "**Speaker:** text\nAnn: Five."),
        *kept(
            "Ann: The problem says that x is 5.",
            "Ann: In this context, five is a digit.",
            "Ann: The theorem states that it is.",
            "Ann: In the context of rings, it is one.",
            "Ann: The text of a message has 5 letters.",
            "Ann: Send a text, then a document.",
        ),
        Example("Ann: Take the given triangle.", "Ann: Take the given triangle."),
        Example("Bob: Provided that x is 5, yes.", "Bob: Provided that x is 5, yes."),
        Example("Ann: Let me know if you need help.", "Ann: Let me know if you need help."),
        Example("Bob: I have kept the signs.", "Bob: I have kept the signs."),
    )

    def solution_after(self, row: Candidate) -> str | None:
        text = row.solution.lower()
        hinted = any(hint in text for hint in _HINTS)
        return None if hinted and _PROMPT_TALK.search(text) else row.solution
