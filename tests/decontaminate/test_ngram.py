"""The search without a model: each rule by examples, and all of it against a naive search."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.decontaminate import NgramSearch, Questions
from omi_core.decontaminate.normal import exact_form, strict_form, words

LONG = "Krista put 1 cent into her new bank on a Sunday morning. On Monday she put 2 cents into her bank."
SHORT = "What is $2 + 3$?"
SETS = [Questions("long", ["", LONG]), Questions("short", [SHORT, "What is $2 - 3$?"])]

# (problem, what it hits as (set, index, method))
RULES = [
    (LONG, [("long", 1, "exact")]),
    (LONG.upper() + "\n", [("long", 1, "exact")]),
    (LONG.replace("1 cent", "$1$ cent"), [("long", 1, "ngram")]),
    (LONG.replace("Monday", "Friday"), [("long", 1, "ngram")]),
    ("Tell me. " + LONG + " How much is it in the end?", [("long", 1, "ngram")]),
    (" ".join(reversed(LONG.split())), []),
    # Twelve words in a row, then another one, and so on: no 13-gram.
    (LONG.replace("Sunday", "Friday").replace("Monday", "Tuesday"), []),
    # The question's first 12 words; then its 13th, too, and enough in common.
    ("Krista put 1 cent into her new bank on a Sunday morning and slept.", []),
    ("Krista put 1 cent into her new bank on a Sunday morning on and slept.", [("long", 1, "ngram")]),
    ("Krista put 1 cent into her new bank on a bench.", []),
    (SHORT, [("short", 0, "exact")]),
    ("what is 2+3", [("short", 0, "whole")]),
    ("What is 2+3, please?", []),
    ("What is 2*3?", []),
    ("", []),
    ("?", []),
]


@pytest.mark.parametrize(("problem", "expected"), RULES, ids=[problem[:60] for problem, _ in RULES])
def test_rules(problem: str, expected: list[tuple[str, int, str]]) -> None:
    (hits,) = NgramSearch(SETS).search([problem])
    assert [(hit.test_set, hit.test_index, hit.method) for hit in hits] == expected
    for hit in hits:
        assert hit.test_text == {"long": ["", LONG], "short": SETS[1].texts}[hit.test_set][hit.test_index]


# Table 1 of Qwen2.5-Math (arXiv 2409.12122): problems of MATH's training set that its filter took out.
PUBLISHED = [
    (
        r"What is the remainder when $1 + 2 + 3 + 4 + \dots + 9 + 10$ is divided by 8?",
        r"What is the remainder when $1 + 2 + 3 + 4 + \dots + 9 + 10$ is divided by 9?",
    ),
    (
        r"For how many integer values of $n$ between 1 and 1000 inclusive does the decimal representation of "
        r"$\frac{n}{1400}$ terminate?",
        r"For how many integer values of $n$ between 1 and 1000 inclusive does the decimal representation of "
        r"$\frac{n}{1375}$ terminate?",
    ),
]


@pytest.mark.parametrize("length", ["shorter", "problem"])
@pytest.mark.parametrize(("problem", "question"), PUBLISHED)
def test_the_published_examples_are_found(problem: str, question: str, length: str) -> None:
    assert NgramSearch([Questions("math", [question])], length=length).hits(problem)


def test_the_share_is_of_the_shorter_text_or_of_the_problem() -> None:
    problem = LONG + " Meanwhile" * 30
    shorter, strict = NgramSearch(SETS), NgramSearch(SETS, length="problem")
    assert [hit.score for hit in shorter.hits(problem)] == [1.0]
    assert strict.hits(problem) == []
    # A problem that is a part of the question is as bad by either measure.
    assert strict.hits(LONG[:75])[0].score == shorter.hits(LONG[:75])[0].score == 1.0


@pytest.mark.parametrize(("common", "found"), [(15, False), (16, True)])
def test_the_share_must_be_exceeded(common: int, found: bool) -> None:
    question = " ".join(f"a{chr(97 + number)}" for number in range(25))  # 60 % of 25 is 15
    problem = " ".join(question.split()[:common] + ["other"] * (25 - common))
    assert bool(NgramSearch([Questions("q", [question])]).hits(problem)) is found


def test_the_best_hits_come_first() -> None:
    near = LONG.replace("Monday", "Friday")
    search = NgramSearch([Questions("a", [near, LONG]), Questions("b", [LONG])])
    every = search.search([LONG])[0]
    assert [(hit.test_set, hit.test_index, hit.method) for hit in every] == [
        ("a", 1, "exact"),
        ("b", 0, "exact"),
        ("a", 0, "ngram"),
    ]
    assert search.search([LONG], k=2)[0] == every[:2]


TEXTS = st.lists(st.sampled_from("ab+"), max_size=30).map(" ".join)


def naive(problem: str, question: str, n: int, share: str, length: str) -> str | None:
    if exact_form(problem) == exact_form(question):
        return "exact" if exact_form(question) else None
    one, other = words(problem), words(question)
    if len(other) < n:
        return "whole" if strict_form(problem) == strict_form(question) != "" else None
    grams = [{tuple(text[at : at + n]) for at in range(len(text) - n + 1)} for text in (one, other)]
    if not grams[0] & grams[1]:
        return None
    rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            rows[i + 1][j + 1] = rows[i][j] + 1 if x == y else max(rows[i][j + 1], rows[i + 1][j])
    whole = len(one) if length == "problem" else min(len(one), len(other))
    return "ngram" if rows[-1][-1] > Fraction(share) * whole else None


@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    TEXTS,
    st.integers(1, 6),
    st.sampled_from(["0", "0.6", "0.8", "1"]),
    st.sampled_from(["shorter", "problem"]),
)
def test_it_finds_what_a_naive_search_finds(
    questions: list[str], problem: str, n: int, share: str, length: str
) -> None:
    search = NgramSearch([Questions("q", questions)], n=n, share=float(share), length=length)
    found = {hit.test_index: hit.method for hit in search.hits(problem)}
    expected = {at: naive(problem, text, n, share, length) for at, text in enumerate(questions)}
    assert found == {at: method for at, method in expected.items() if method}


@pytest.mark.timeout(60)
def test_a_problem_made_of_all_questions_is_searched_in_bounded_time() -> None:
    questions = [
        " ".join(f"w{chr(97 + (number * place) % 23)}x" for place in range(60)) for number in range(400)
    ]
    search = NgramSearch([Questions("q", questions)])
    assert search.hits(" ".join(questions * 1000))
