r"""Where a final answer stands: `\boxed{}`, `#### N`, a pattern of the user's; hostile text does no harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.answers import Extractor, boxed_answers, extract, gsm8k_ground_truth, math_ground_truth
from omi_core.answers.extract import MAX_ANSWER, count_boxes
from omi_core.filters.answer import TrimAfterAnswer
from omi_core.records import Candidate


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\boxed 5", "5"),
        (r"\boxed 12$.", "12"),
        (r"\boxed {7}", "7"),
        (r"\boxed\frac{1}{2}", r"\frac{1}{2}"),
        (r"\boxed\frac12.", r"\frac12"),
        (r"\fbox{A}", "A"),
        (r"\boxed{1} and then \boxed{2}", "2"),
        (r"\boxed{1} and then \boxed 2", "2"),
        (r"{ $\boxed{ { never closed$, \boxed{7}", "7"),
        ("It is \\boxed{6.\n\nNo, it is \\boxed{7}.", "7"),
        (r"\text{\boxed{5}}", "5"),
        (r"\boxed{\text{\boxed{5}}}", "5"),
        (r"$\text{It is $\boxed{5}$ apples.}$", "5"),
        (r"\boxed{5}\\", "5"),
        (r"\boxed{x=\boxed{5}}", "5"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\text{a } b}", r"\text{a } b"),
        (r"\boxedup{5}", None),
        ("nothing here", None),
        ("", None),
        ("work\n#### 1,234\n", "1,234"),
        ("#### $18.50", "$18.50"),
        ("#### -3", "-3"),
        ("#### 4\n#### 5\nbye", "5"),
        ("#### Step 2: add", None),  # a heading
        ("#### 2. Add the numbers", None),
        (r"#### 3" + "\n" + r"\boxed{4}", "4"),  # boxed comes first in the default order
    ],
)
def test_final_answer(text: str, answer: str | None) -> None:
    assert Extractor()(text).answer == answer


# What a text holds before it ends inside its answer.
EARLIER = ["", r"It is \boxed{3}. ", r"$\boxed{3}$ or $\boxed 4$. ", "\n#### 3\n"]
CUT_OFF = [
    *(
        r"\boxed{",
        r"\boxed{12",
        r"\boxed{\frac{1}{2}",
        r"\boxed{\text{a",
        r"\fbox{12",
        r"\boxed{{12}",
        r"\boxed{\{12\}",
    ),
    *(r"\boxed", r"\boxed ", r"\box", r"\bo", r"\fb", r"$\boxed{12", r"\[ \boxed{12", r"\text{\boxed{12"),
    *(r"\boxed{x = \boxed{5} + ", r"\boxed\frac{1}", r"\boxed\frac{1}{2", r"\boxed\sqrt{2"),
]


@pytest.mark.parametrize("earlier", EARLIER)
@pytest.mark.parametrize("cut_off", CUT_OFF)
def test_a_text_that_ends_inside_a_box_has_no_answer(earlier: str, cut_off: str) -> None:
    text = f"{earlier}So it is {cut_off}"
    extract = Extractor()
    if "####" in earlier and "boxed" not in cut_off and "fbox" not in cut_off:
        return  # half a command tells of no box
    assert extract.answer(text) is None
    assert extract(text).answer is None
    if "boxed" in cut_off or "fbox" in cut_off or "boxed" in earlier:
        assert extract(text).refused
    # Nor does trimming make it look finished.
    row = Candidate("", text, None, "", "", "stop", "", 0, 0)
    assert TrimAfterAnswer().solution_after(row) == text


@pytest.mark.parametrize("cut_off", ["####", "#### ", "#### $", "#### -", "#### 3/", "#### 1."])
def test_a_text_that_ends_inside_its_last_line_has_no_answer(cut_off: str) -> None:
    found = Extractor()("One way:\n#### 3\n\nAnother:\n" + cut_off)
    assert found.answer in (None, "1") and found.answer != "3"


@given(
    st.text(alphabet="ab5 .\n", max_size=40),
    st.text(alphabet="0123456789", min_size=1, max_size=9),
    st.data(),
)
def test_no_beginning_of_a_boxed_answer_votes_for_another(
    text: str, answer: str, data: st.DataObject
) -> None:
    whole = rf"{text}\boxed{{1}} {text}\boxed{{\frac{{{answer}}}{{7}}}}"
    begin = whole.index(r"\boxed{\frac") + len(r"\bo")
    cut = data.draw(st.integers(begin, len(whole) - 1))
    assert Extractor().answer(whole[:cut]) is None


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (r"\boxed{5}. So \boxed{ 5 }", {"5"}),
        (r"\boxed{5} or \boxed 6", {"5", "6"}),
        (r"\boxed{x=\boxed{5}}", {"5"}),
        ("none", set()),
    ],
)
def test_what_stands_in_the_boxes(text: str, answers: set[str]) -> None:
    assert set(boxed_answers(text)) == answers


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r"so $\boxed{5}$. Hope this helps!", r"so $\boxed{5}$."),
        (r"**\boxed{5}**. Bye", r"**\boxed{5}**."),
        (r"\[ x = \boxed{5} \text{ cm}^3 \]" + "\nBye", r"\[ x = \boxed{5} \text{ cm}^3 \]"),
        (r"$x = \boxed{5} \text{ cm}$. Next", r"$x = \boxed{5} \text{ cm}$."),
        (r"cost \$3, $\boxed{5}$. Bye", r"cost \$3, $\boxed{5}$."),
        ("\\begin{align*}\nx=\\boxed{5}\n\\end{align*}\nBye", "\\begin{align*}\nx=\\boxed{5}\n\\end{align*}"),
        ("a\n#### 5\nBye", "a\n#### 5"),
        (r"\boxed{5} apples", r"\boxed{5}"),
    ],
)
def test_end_closes_the_formula_that_holds_the_answer(text: str, kept: str) -> None:
    assert text[: Extractor()(text).end] == kept


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("none", 0),
        (r"\boxed{1}", 1),
        (r"\boxed{1} \fbox{2} \boxed 3", 3),
        (r"\boxed{\boxed{1}}", 1),
        (r"\boxed{", 0),
    ],
)
def test_boxes_are_counted_without_those_inside_others(text: str, count: int) -> None:
    assert count_boxes(text) == count


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("5\x00", "control"),
        ("5\u202e", "control"),
        ("5\ud800", "control"),
        ("x" * (MAX_ANSWER + 1), "longer"),
        ("{" * 65 + "1" + "}" * 65, "deeper"),
    ],
)
def test_refused_answers_say_why_and_where(content: str, reason: str) -> None:
    found = Extractor()(r"so \boxed{" + content + "}!")
    assert found.answer is None
    assert found.start == 3
    assert found.refused is not None and reason in found.refused


@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000,
        "}" * 1_000_000,
        r"\boxed{" * 100_000,
        r"\boxed{" * 10_000 + "}" * 10_000,
        r"\boxed 5" * 20_000,
        "\n####" * 50_000,
        "#" * 1_000_000,
        "\\" * 1_000_000,
        "$" * 1_000_000 + r"\boxed{5}" + "$" * 1_000_000,
        r"\boxed{" + "x" * 1_000_000 + "}",
        r"\boxed{5}" + " " * 1_000_000,
        r"\[\boxed{5}" + "\n" * 1_000_000,
    ],
    ids=range(12),
)
@pytest.mark.timeout(20)
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert Extractor(pattern=r"^A:\s*(.+?)\s*$")(text).start >= 0


PIECES = [*"\\{}$#\n 5x.", "\\boxed", "\\boxed{", "\\fbox{", "\n#### ", "\nA:"]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(deadline=None)
def test_extraction_never_raises_and_its_span_holds_the_answer(text: str) -> None:
    found = Extractor(pattern=r"A:(.+)$")(text)
    assert 0 <= found.start <= found.end <= len(text)
    if found.answer is not None:
        assert found.answer in text[found.start : found.end]
    else:
        assert found.start == len(text) or found.refused


@given(
    st.text(max_size=200), st.text(alphabet="0123456789abc+-", min_size=1, max_size=20), st.text(max_size=50)
)
def test_a_box_after_any_text_is_found(before: str, answer: str, after: str) -> None:
    text = before.replace("\\", "/") + r"\boxed{" + answer + "}" + after.replace("\\", "/")
    assert Extractor(("boxed",))(text).answer == answer


def test_pattern_is_configurable() -> None:
    text = "She makes 9 * 2 = $<<9*2=18>>18 every day.\nA: 18"
    assert Extractor(pattern=r"^A: (.+)$")(text).answer == "18"
    assert Extractor(pattern=r"A: (?P<answer>\d+)")(text).answer == "18"
    assert Extractor(pattern=r"\d+$")(text).answer == "18"
    assert Extractor(("boxed",), pattern=r"^A: (.+)$")(text).answer is None


def test_pattern_sees_the_end_of_the_text_only() -> None:
    assert Extractor(pattern=r"^A: (.+)$")("A: 1\n" + "x" * 600).answer is None
    assert Extractor(pattern=r"^A: (.+)$")("x" * 100_000 + "\nA: 1").answer == "1"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "unterminated"),
        ("(a+)+b", "repeat inside a repeat"),
        ("(?:a?b?)*c", "repeat inside a repeat"),
        ("(a|aa)+$", "choice inside a repeat"),
        (r"(.)x\1", "back-references"),
        (".*.*.*.*x", "at most 3"),
    ],
)
def test_patterns_that_could_run_away_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Extractor(pattern=pattern)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", [r"\s*(.+?)\s*x", r".*(.*)x", r"^A:\s*(.+?)\s*$"])
def test_the_worst_accepted_patterns_end(pattern: str) -> None:
    assert Extractor(("pattern",), pattern=pattern)("A:" + " " * 100_000).answer is None


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="use some of boxed, hashes, pattern"):
        Extractor(("box",))


def test_every_math_ground_truth_extracts(rows: Callable[[str], list[dict[str, Any]]]) -> None:
    empty = []
    for part, count in (("train", 7500), ("test", 5000)):
        problems = rows(f"math/{part}.jsonl")
        assert len(problems) == count
        empty += [p["solution"] for p in problems if math_ground_truth(p["solution"]) is None]
    # Two solutions of the set end in a box with nothing in it: there is no answer to extract.
    assert len(empty) == 2 and all(r"\boxed{}" in solution for solution in empty)


def test_every_gsm8k_ground_truth_extracts_as_a_number(rows: Callable[[str], list[dict[str, Any]]]) -> None:
    for part, count in (("train", 7473), ("test", 1319)):
        truths = [gsm8k_ground_truth(row["answer"]) for row in rows(f"gsm8k/{part}.jsonl")]
        assert len(truths) == count
        for truth in truths:
            assert truth and re.fullmatch(r"-?[0-9]*\.?[0-9]+", truth)


@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "\\\\", "\\boxed{", "\\boxed{5}", "\\fbox", "boxed", "5", " ", "x"]
            + ["\\bo", "\\boxed{ a\u200b}", "\\boxed{}", "words, "]
        ),
        max_size=16,
    )
)
def test_shortcuts_to_the_box_find_what_a_look_at_the_whole_text_does(pieces: list[str]) -> None:
    text = "".join(pieces)
    # Without a box nothing looks for half a command either.
    start = 0 if "\\boxed" in text or "\\fbox" in text else None
    with (
        patch.object(extract, "_first_box", lambda text, begin=0: start),
        patch.object(extract, "_only_box", lambda text: None),
    ):
        from_the_start, answers = Extractor()(text), boxed_answers(text)
    assert boxed_answers(text) == answers
    assert Extractor()(text) == from_the_start
    assert Extractor().answer(text) == from_the_start.answer
