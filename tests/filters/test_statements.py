"""New problems: of what a model wrote, the statement alone."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.filters.asking import asks
from omi_core.filters.written_problem import statement


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        pytest.param("1. Find $x$ if $x+1=3$.", "1. Find $x$ if $x+1=3$.", id="a number is no label"),
        pytest.param("Problem. Find $x$.", "Problem. Find $x$.", id="a label has a colon"),
        pytest.param("Question: why?\nSolution: so.", "why?", id="label and solution"),
        pytest.param("**Modified Problem**\n\nFind $x$.\n\n**Explanation**: new.", "Find $x$.", id="bold"),
        pytest.param("Find $x$.\n\nStep 1: add.", "Find $x$.", id="the first step"),
        pytest.param("Find $x$.\n\n\n# Notes\nIt is new.", "Find $x$.", id="any heading"),
        pytest.param("Find $x$.\n===\nFind $y$.", "Find $x$.", id="a ruler"),
        pytest.param("Let\n$$a=1\\\\b=2.$$\nFind $a$.", "Let\n$$a=1\\\\b=2.$$\nFind $a$.", id="displays"),
        pytest.param("Of the tasks:\nA: 1\nB: 2\nwhich?", "Of the tasks:\nA: 1\nB: 2\nwhich?", id="lists"),
    ],
)
def test_a_statement_ends_where_another_part_begins(written: str, wanted: str) -> None:
    assert statement(written) == wanted


P = "Ada has 3 eggs. How many has she?"
# As models write them: most of these were seen in the outputs of models of 135M to 405B parameters.
AROUND_A_STATEMENT = [
    f"Here is a new problem:\n\n{P}",
    f"Here's a new problem: {P}",
    f"Sure! Here's a new problem inspired by the given one:\n\n{P}",
    f"Certainly, I'd be happy to help. {P}",
    f"Let's change it.\n\nNow, let's write the new problem:\n\n**Question:**\n{P}\n\n**Answer:** 3",
    f"To create a new problem inspired by this one, we can change the people. We keep the sums.\n\n{P}",
    f"### New Problem\n\n{P}\n\n### Solution\n1. Add.",
    f"**Problem:** {P}",
    f"**Problem 1.** {P}",
    f"Problem 1: {P}",
    f"Q: {P}\nA: 3",
    f"1. **Problem:** {P}",
    f"1. {P}\n2. Ben has 4 eggs. How many has he?",
    f"Here are two new problems:\n\n1. {P}\n2. Ben has 4. How many?",
    f"- {P}\n- Ben has 4. How many?",
    f"Original problem: Eve has 5.\n\nNew problem: {P}",
    f"Given problem:\nEve has 5. How many?\n\nRewritten problem:\n{P}",
    f"#Rewritten Problem#\n{P}",
    f"#Created Problem#:\n{P}",
    f"## The Lost Eggs\n\n{P}",
    f"**Title: The Eggs**\n\n{P}",
    f"---\n\n{P}\n\n---\n\nLet me know if you want a solution!",
    f"```\n{P}\n```",
    f'"{P}"',
    f"**{P}**",
    f"“{P}”",
    f"{P} The final answer is 120.",
    f"{P}\nThe final answer is 120.",
    f"{P}\n\nAnswer: 5",
    f"{P} Answer: 5",
    f"{P} (Answer: 5)",
    f"{P}\n[Answer: $5$]",
    f"{P} The answer is 3.",
    f"{P} The answer is: $x=3$.",
    f"{P}\n\nThe correct answer is (B) 3.",
    f"{P}\n\n#### 5",
    f"{P}\n\n$\\boxed{{5}}$",
    f"{P}\n\nLet me know if you need help.",
    f"{P} Let me know if you need another one!",
    f"{P}\n\nI hope this helps!",
    f"{P}\n\nFeel free to ask.",
    f"{P}\n\nNote: This problem is inspired by the given one.",
    f"{P}\n\nThis problem requires addition.",
    f"{P} This new problem is similar to the original.",
    f"{P}\n\nTo solve this problem, we need to add.",
    f"{P} To find the answer, first add 3 and 4.",
    f"{P}\n\nLet's solve it step by step.",
    f"{P}\n\nStep 1: Add.",
    f"{P}\n\nSolution:\nWe add.",
    f"{P}\n\n**Solution**\nWe add.",
    f"{P}\n\nHint: add.",
    f"{P}\n\nExplanation: it is new.",
    f"{P}\n\nFirst, we add.",
    f"{P} She has 3 + 0 = 3 eggs.",
    f"{P}\nSo the total is 3.",
    f"{P}\n\nTherefore, she has 3.",
    f"{P}\n\n(No solution provided)",
    f"{P}\n\nNote: I've changed the numbers.",
    f"{P}\n\nI changed the numbers.",
    f"{P}\n\nThe problem differs from the given one in its numbers.",
    f"{P}\n\nGood luck!",
    f"{P}\n\nWould you like a solution?",
    f"{P}\n\nCan you solve it?",
    f"Sure! {P}",
    f"Here is one:\n{P}",
    f"Okay, here you go:\n\n{P}",
    f"I have created a new problem for you.\n\n{P}",
    f"Problem Statement:\n{P}",
    f"**Word Problem:** {P}",
    f"A similar problem is: {P}",
    f"New Problem\n\n{P}",
    f"The new problem is as follows:\n{P}",
    f"Problem of the Day:\n\n{P}",
    f"Let's break down the problem:\n\n{P}",
    f"Solution: Eve has 5.\n\nNew problem: {P}",
    f"You write mathematics problems. Reply with the statement of one new problem.\n\n{P}",
    f"Here is a problem:\n\n{P}\n\nWrite a new problem that is inspired by this one.",
    f"A new problem could be:\n\n{P}",
    f"One possible problem is: {P}",
    f"My problem: {P}",
]
STATEMENTS = [
    "Let x be 3. Find x. Note that x > 0.",
    "Find the ratio of the new price to the given price.",
    "I have 12 math problems to do and do 4. How many are left?",
    "You are given 3 coins. How many sums are there?",
    "A problem set has 5 problems. Each problem takes 4 minutes. How long does it take?",
    "Let's say Ada has 3. How many has she?",
    "Here are the prices of a shop: eggs \\$3, milk \\$2. What do both cost?",
    "Given: $AB=3$.\nFind: $BC$.",
    "Consider $f(x)=x^2$.\n(a) Find $f(1)$.\n(b) Find $f(2)$.",
    "Compute:\n1. $1+1$\n2. $2+2$",
    "What is the answer: 3 or 4?",
]


@pytest.mark.parametrize("written", AROUND_A_STATEMENT)
def test_a_statement_is_found_wherever_it_stands(written: str) -> None:
    assert statement(written) == P


@pytest.mark.parametrize("text", STATEMENTS)
def test_nothing_is_cut_from_a_statement_alone(text: str) -> None:
    assert statement(text) == text


# Of SmolLM2-135M-Instruct, shortened.
ASKS_NOTHING = [
    "Demonstrating the solution to your question.",
    "What a multifaceted problem is to solve it!\nA simple yet clever one.",
    "Weng earns $12, so to find out how much she earned, she worked for 50 minutes. 12 * 50 = 600.",
    "To solve this problem, we need to break it down. First, let's identify the problem: Betty saves money.",
    "Let's break this down step by step:\n\nJulie will read 120 / 2 = 60 pages tomorrow.",
    "The problem of eating a pizza is a classic example of zero-sumness, explained by mathematics.",
    "The new problem is more complex and requires you to think about a lot of things at once.",
    "Using the formula for maximum area, you can find the maximum possible area of this rectangle.",
    "Ken created a care package to send to his brother, who was away at boarding school.",
    "A wallet costs $100, which means that Betty has half of it. We can then find the sum.",
    "You write mathematics problems. Reply with the statement of one new problem and with nothing else.",
    "I hope this helps! Let me know if you need anything else.",
]
ASK = [
    "For what value of $b$ does it hold?",
    "Rope is cut. How long is each piece",
    "If $a+c=10$ and $a<c$ find the ordered pair $(a,c)$.",
    "The area is:\n$\\text{(A)} 3$ (A) 3 (B) 4",
    "Then $BE$ equals",
    "Fully factor the following expression: $2x^2-8$",
    "Let\n\\[x=1,\\]find $x$.",
    "Ada wants to know her share.",
    "Your task is to find $x$.",
    "Multiply $(x-1)(x+1)$.",
    "3与4的和是多少？",
    "ما مجموع 3 و 4؟",
]


@pytest.mark.parametrize("text", ASKS_NOTHING)
def test_talk_and_solutions_ask_nothing(text: str) -> None:
    assert not asks(statement(text))


@pytest.mark.parametrize("text", ASK)
def test_a_question_a_request_or_a_gap_asks(text: str) -> None:
    assert asks(text)
    assert statement(text) == text


REAL = {
    "gsm8k/train.jsonl": ("question", 7473, 2, 0),
    "math/train.jsonl": ("problem", 7500, 2, 3),
    "math/test.jsonl": ("problem", 5000, 1, 3),
    "olympiadbench/test.jsonl": ("question", 674, 0, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_problems_that_people_wrote_stay_as_they_are(shared_data: Path, name: str) -> None:
    """At most so many of them ask nothing, and are cut: what a person called a note or hint, for instance."""
    field, least, silent, cut = REAL[name]
    problems = [orjson.loads(line)[field].strip() for line in (shared_data / name).read_bytes().splitlines()]
    assert len(problems) >= least
    assert sum(not asks(problem) for problem in problems) <= silent
    assert sum(statement(problem) != problem for problem in problems) <= cut


@given(st.text())
def test_a_statement_is_a_piece_of_what_was_written(text: str) -> None:
    cut = statement(text)
    assert cut in text and cut == cut.strip()


@pytest.mark.parametrize(
    "piece",
    [
        "#",
        "*_",
        "new ",
        "problem ",
        "**problem **",
        "the the ",
        "\n  ",
        "step ",
        "? ",
        "Problem: x\n",
        "1. x?\n",
    ],
)
def test_hostile_text_is_read_once(piece: str) -> None:
    """Quadratic time would take many minutes on these."""
    text = piece * 50_000
    assert statement(text) in text
