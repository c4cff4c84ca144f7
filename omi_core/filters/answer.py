"""Filters on the final answer's place in the text: none, several, or something said before or after it."""

from __future__ import annotations

import re

from omi_core.answers.extract import Extractor, boxed_answers, count_boxes
from omi_core.filters.filter import Example, Option, RowFilter, dropped, kept
from omi_core.records import Candidate, Sample
from omi_core.text.delimiters import open_at


class NoBoxed(RowFilter):
    r"""Drops solutions without a balanced `\boxed{}` or `\fbox{}`."""

    name = "no_boxed"
    option = Option("bool", True, "drop solutions without a \\boxed{} answer", late=False)
    position = 20
    reason = "the answer of a model trained on them must be found, too"
    examples = (
        *dropped("2 + 3 = 5", "2 + 3 = \\boxed{5"),
        Example("2 + 3 = \\boxed{5}", "2 + 3 = \\boxed{5}"),
    )

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if count_boxes(row.solution) else None


class SeveralBoxed(RowFilter):
    """Drops solutions with more than one box; a box inside a box is one."""

    name = "several_boxed"
    option = Option("bool", True, "drop solutions with more than one \\boxed{}", late=False)
    position = 30
    before_answers = True
    reason = "which of them is the answer is a guess"
    examples = (
        *dropped("Either \\boxed{2} or \\boxed{3}.", "It is \\boxed{5}. So: \\boxed{5}"),
        *kept("2 + 3 = \\boxed{5}", "no box at all"),
    )

    def may_vote(self, sample: Sample) -> bool:
        return len(set(boxed_answers(sample.text))) <= 1

    def solution_after(self, row: Candidate) -> str | None:
        return row.solution if count_boxes(row.solution) <= 1 else None


class StripPrefix(RowFilter):
    """Removes a leading `My solution:` or `Solution:`, in any case, also bold."""

    name = "strip_prefix"
    option = Option("bool", True, "remove a leading 'My solution:' and the like", late=False)
    position = 40
    reason = "a habit of the teacher, not part of the solution"
    examples = (
        Example("My solution:\nWe add.", "We add."),
        Example("  my SOLUTION : We add.", "We add."),
        Example("**Solution:** We add.", "We add."),
        Example("### Solution\nWe add.", "### Solution\nWe add."),
        Example("My solution: My solution: 5", "My solution: 5"),
        Example("Solutions exist.", "Solutions exist."),
    )

    _PREFIX = re.compile(
        r"\s{0,80}+(?:\*\*)?(?:My\s{1,80}+)?Solution[ \t]{0,80}+:(?:\*\*)?\s{0,80}+", re.IGNORECASE
    )

    def solution_after(self, row: Candidate) -> str | None:
        match = self._PREFIX.match(row.solution)
        return row.solution[match.end() :] if match else row.solution


class TrimAfterAnswer(RowFilter):
    """Cuts what follows the sentence or line of the final answer; a formula or environment open there is kept
    to its end.

    The answer is found as `extract` finds it: a box, a line `#### N`, or the configured pattern.
    """

    name = "trim_after_answer"
    option = Option("bool", True, "cut the text after the line with the final answer", late=False)
    position = 50
    reason = "checks and farewells come after the answer"
    examples = (
        Example("It is \\boxed{5}.\n\nNote that 5 is prime.", "It is \\boxed{5}."),
        Example("It is \\boxed{5}. Check: 2 + 3 = 5.", "It is \\boxed{5}."),
        Example(
            "It is $x = \\boxed{5}$ dollars in all. Good luck!", "It is $x = \\boxed{5}$ dollars in all."
        ),
        Example("\\[\nx = \\boxed{5}\n\\]\nI hope this helps.", "\\[\nx = \\boxed{5}\n\\]"),
        Example(
            "\\begin{align*}\nx &= \\boxed{5}.\n\\end{align*}\nDone.",
            "\\begin{align*}\nx &= \\boxed{5}.\n\\end{align*}",
        ),
        Example("$$\\boxed{5}.$$ We are done.", "$$\\boxed{5}.$$"),
        Example("**It is \\boxed{5}.** Thanks.", "**It is \\boxed{5}.**"),
        Example("It costs \\boxed{5} dollars", "It costs \\boxed{5} dollars"),
        Example("\\text{It is \\boxed{5}. Thanks.} Bye.", "\\text{It is \\boxed{5}. Thanks.}"),
        Example("It is \\boxed{3}. Or \\boxed{4", "It is \\boxed{3}. Or \\boxed{4"),
        Example("2+3 = 5\n#### 5\n\nProblem: another one", "2+3 = 5\n#### 5"),
        Example("\\boxed{13} divides $11! + 12!$ well. Good.", "\\boxed{13} divides $11! + 12!$ well."),
        *kept("It is \\boxed{5}.\n", "No answer. None at all."),
    )

    # A formula on the way is stepped over: `$11! + 12!$` ends no sentence.
    _SENTENCE_END = re.compile(r"\$[^$\n]*\$|\n|[.!?](?=[\s\"'*)_]|$)")
    _AFTER_SENTENCE = re.compile(r"[\"'*)_]{0,4}")
    _NOTHING_AFTER = re.compile(r"\\boxed\{[^{}\\]*+\}\$?\.?\s*\Z")
    _BRACE = re.compile(r"\\.|[{}]|\n[ \t]{0,80}\n", re.DOTALL)

    def __init__(self, extract: Extractor | None = None) -> None:
        self._extract = extract or Extractor()
        self._boxed_first = self._extract.methods[0] == "boxed"

    def solution_after(self, row: Candidate) -> str | None:
        text = row.solution
        box = text.rfind("\\boxed{") if self._boxed_first else -1
        if box >= 0 and text[box - 1 : box] != "\\" and self._NOTHING_AFTER.match(text, box):
            return text  # as most solutions end
        found = self._extract(text)
        if found.answer is None:
            return text
        group = self._group_end(text, found.start)
        end = self._after_closers(text, max(found.end, group))
        if end != group or text[group - 2] not in ".!?":
            end = self._sentence_end(text, end)
        return text[:end].rstrip() if text[end:].strip() else text

    def _group_end(self, text: str, at: int) -> int:
        r"""Where the `{...}` ends that holds the answer, such as that of `\text{}`; 0 without one.

        It begins and ends in the paragraph of the answer.
        """
        opened: list[int] = []
        for brace in self._BRACE.finditer(text, text.rfind("\n\n", 0, at) + 1):
            mark = brace.group()
            if mark.isspace() and brace.start() >= at:
                break
            if mark == "{":
                opened.append(brace.start())
            elif mark == "}" and opened and opened.pop() < at and not (opened and opened[0] < at):
                if brace.start() >= at:
                    return brace.end()
        return 0

    def _after_closers(self, text: str, end: int) -> int:
        """`end`, moved behind the delimiters and environment ends that are open there."""
        for closer in reversed(open_at(text, end)):
            # A single dollar is often money: it closes a formula on its own line or not at all.
            line_end = text.find("\n", end) if closer == "$" else -1
            at = text.find(closer, end, line_end if line_end >= 0 else len(text))
            if at >= 0:
                end = at + len(closer)
        return end

    def _sentence_end(self, text: str, end: int) -> int:
        before = text[:end].rstrip("*$)_\"' ]\\")[-1:]
        if before and before in ".!?":
            return self._AFTER_SENTENCE.match(text, end).end()  # type: ignore[union-attr]
        ends = self._SENTENCE_END.finditer(text, end)
        match = next((found for found in ends if not found.group().startswith("$")), None)
        if match is None or match.group() == "\n":
            return match.start() if match else len(text)
        return self._AFTER_SENTENCE.match(text, match.end()).end()  # type: ignore[union-attr]
