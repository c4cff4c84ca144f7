"""The few-shot banks are right: every answer is computed here, from the numbers in the problem's text.

A bank teaches by example, so its solutions must also pass the filters, and none may repeat a test question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb, isqrt, sqrt
from pathlib import Path
from statistics import mean
from typing import Any

import orjson
import pytest
import sympy

from omi_core import filters, prompts
from omi_core.answers import Extractor, Grader, Verdict
from omi_core.answers.extract import count_boxes
from omi_core.benchmarks.reading import CHOICES
from omi_core.decontaminate import NgramSearch, Questions
from omi_core.filters.arithmetic import statements
from omi_core.records import Candidate
from omi_core.tasks import known

Answer = Callable[..., Any]
SETTINGS = ("concise", "math", "gsm8k", "verbose", "acemath")
MANNERS = ("inspired", "similar")


def numbers(text: str) -> list[int]:
    """The whole numbers of a text, in order; `3,000` is one, `1, 2` are two."""
    return [int(match.replace(",", "")) for match in re.findall(r"\d{1,3}(?:,\d{3})+|\d+", text)]


def sole(values: Iterable[Any]) -> Any:
    """The one value that all of `values` are; a problem with another number of answers is ill-posed."""
    (value,) = set(values)
    return value


def pairs(task: str, name: str, style: str = "") -> list[tuple[str, str]]:
    """(user message without the instruction, reply) of the examples of a template."""
    (template,) = prompts.load(known()[task].form, name, styles=(style,))
    before, after = template.user.split("{{text}}")
    turns = [content for role, content in template.turns if role != "system"]
    asked = [content.removeprefix(before).removesuffix(after) for content in turns[::2]]
    return list(zip(asked, turns[1::2], strict=True))


def hexagon(side: int) -> Any:
    """Area of the triangle of the midpoints of every second side."""
    turn = sympy.pi / 3
    corners = [sympy.Point(side * sympy.cos(k * turn), side * sympy.sin(k * turn)) for k in range(6)]
    p, q, r = (corners[k].midpoint(corners[k + 1]) for k in (0, 2, 4))
    u: Any = q - p
    v: Any = r - p
    return sympy.simplify((u.x * v.y - u.y * v.x) / 2)


def roots(a: int, b: int, c: Fraction | int) -> list[float]:
    """Real solutions of sqrt(a x + c) = x + b, from (x + b)^2 = a x + c and x + b >= 0."""
    half, rest = a / 2 - b, c - b * b
    inside = half * half + rest
    found = {half + sign * sqrt(inside) for sign in (1, -1)} if inside >= 0 else set()
    return [x for x in found if x + b >= 0]


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


MATH: list[Answer] = [
    lambda k, c, e, x: Fraction(k * (c - x) ** e - x**e, k * k - 1),
    lambda a, e, b, f, m: (pow(a, e, m) + pow(b, f, m)) % m,
    lambda first, _, last, m: Fraction(
        sum(a * b % m == 0 for a, b in combinations(range(first, last + 1), 2)), comb(last, 2)
    ),
    hexagon,
]
SOLUTIONS: dict[str, list[Answer]] = {
    "concise": [
        lambda size, box, one, n: min(
            box * b + one * s for b, s in product(range(9), range(n + 1)) if size * b + s >= n
        ),
        lambda e, b, c, _: sum(sympy.roots(sympy.Poly([1, -b, c], sympy.Symbol("x")))),
        lambda way, v, w: way / (Fraction(way, 2) / v + Fraction(way, 2) / w),
        lambda m: sum(n % m == 0 and len(set(str(n))) == 3 for n in range(100, 1000)),
    ],
    "math": MATH,
    "verbose": MATH,
    "gsm8k": [
        lambda size, price, n, note: note - Fraction(n, size) * price,
        lambda n, share: n - Fraction(n * share, 100) * Fraction(3, 2),
        lambda before, weekend, n: Fraction(n, 5 * 3 * before + 2 * weekend),
        lambda n, rain: n * Fraction(3, 5) * Fraction(2, 3) + rain,
        lambda older, n: sole(3 * c for c in range(n) if c + (c + older) + 3 * c == n),
    ],
    "acemath": [
        lambda gift, fewer: sole(2 * b for b in range(100) if 2 * b - gift == b + gift - fewer),
        lambda a, b, area, _: sole(x for x in range(1, a // 2) if (a - 2 * x) * (b - 2 * x) == area),
    ],
}

# For each example the answer of the seed and that of the new problem.
PROBLEMS: dict[str, list[tuple[Answer, Answer]]] = {
    "inspired": [
        (
            lambda n, m: sum(d % m == 0 for d in divisors(n)),
            lambda n, even: next(
                m
                for m in range(1, 1000)
                if len(divisors(m)) == n and sum(d % 2 == 0 for d in divisors(m)) == even
            ),
        ),
        (
            lambda p, q: 4 * isqrt((p * p + q * q) // 4),
            lambda edge, area: sole(
                p + q
                for p, q in product(range(1, edge), repeat=2)
                if p * q == 2 * area and p * p + q * q == edge * edge // 4
            ),
        ),
        (
            lambda a, c, b: sole(roots(a, b, c)),
            lambda a, b: max(
                k for k in (Fraction(n, 8) for n in range(-200, 200)) if len(roots(a, b, k)) == 2
            ),
        ),
        (
            lambda red, blue: Fraction(comb(red, 2) + comb(blue, 2), comb(red + blue, 2)),
            lambda red, blue: mean(Fraction(max(at)) for at in combinations(range(1, red + blue + 1), red)),
        ),
    ],
    "similar": [
        (lambda n, each, kept, price: (n * each - kept) * price, lambda n, e, k, b, p: (n * e - k) // b * p),
        (lambda n, on, off: n * Fraction(3, 4) + on - off, lambda n, back: (n * Fraction(2, 3) + back) / 2),
        (lambda speed, n, each: Fraction(2 * n * each, speed), lambda v, n, full: Fraction(n - full, v)),
        (
            lambda pay, more, limit, n: pay * limit + more * (n - limit),
            lambda start, h, more, one, two: 2 * start + more * (one - h + two - h),
        ),
        (lambda n: Fraction(n, 4), lambda n, more: sole(x for x in range(n) if x + 2 * x + more == n)),
        (
            lambda n, price, free, bus: Fraction((n - n // free) * price + bus, n),
            lambda boat, n, price: Fraction(boat + n * price, 12 - 3),
        ),
        (
            lambda price, share, less, n: (price * Fraction(100 - share, 100) - less) * n,
            lambda n, share, sold, sack: (n * Fraction(100 - share, 100) - sold) / sack,
        ),
        (
            lambda first, more: sum(first + Fraction(more * day, 1000) for day in range(5)),
            lambda first, more, n: sole(
                weeks for weeks in range(99) if sum(first + more * w for w in range(weeks)) == n
            ),
        ),
    ],
}

# For each example the answers of the first and of the second problem.
VERDICTS: list[tuple[Answer, Answer]] = [
    (lambda way, time, n: Fraction(way, time) * n, lambda: Fraction(36, 3) * 5),
    (pow, pow),
    (
        lambda red, green: Fraction(comb(red, 2), comb(red + green, 2)),
        lambda red, green: 1 - Fraction(comb(green, 2), comb(red + green, 2)),
    ),
    (
        lambda total, times, *_: sole(
            x * x + (total - x) ** 2 for x in range(total) if x * (total - x) == times
        ),
        lambda times, total: total**2 - 2 * times,
    ),
    (
        lambda *digits: len(list(product(digits, repeat=4))),
        lambda *digits: len(list(permutations(digits, 4))),
    ),
    (
        lambda more, edge: sole(w * (w + more) for w in range(edge) if 2 * (w + w + more) == edge),
        lambda edge, more: sole(w * (w + more) for w in range(edge) if 4 * w + 2 * more == edge),
    ),
]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_solution_ends_in_the_answer_computed_from_its_problem(name: str) -> None:
    extract, grader = Extractor(("boxed",)), Grader(workers=1)
    with grader:
        for (problem, solution), answer in zip(pairs("solutions", name), SOLUTIONS[name], strict=True):
            found = extract(solution)
            assert count_boxes(solution) == 1 and found.answer is not None
            expected = sympy.latex(sympy.sympify(answer(*numbers(problem))))
            assert grader.compare(found.answer, expected) is Verdict.EQUAL, (found.answer, expected)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_solution_passes_the_filters_unchanged(name: str) -> None:
    # In "concise", the default, two are shorter: they are as they were, so that old runs are continued.
    shortest = 0 if name == "concise" else 200
    chain = filters.build(
        dict.fromkeys(("unfinished", "no_boxed", "several_boxed", "strip_prefix", "trim_after_answer"), {})
        | {"wrong_arithmetic": {}, "min_chars": {"limit": shortest}}
        | {"max_tokens": {"tokenizer": "bytes", "limit": 2000}}
    )
    rows = [
        Candidate(problem, solution, None, "", "", "stop", "", 0, 0)
        for problem, solution in pairs("solutions", name)
    ]
    assert chain.apply(rows) == rows


# Of each example the value that the right choice has, from the numbers of the question.
CHOSEN: list[Answer] = [
    lambda a, b, c, m: (a * b + c) % m,
    lambda mass, force: Fraction(force, mass),
    lambda levels: sum(2**level for level in range(levels)),
    lambda moles, _, litres: Fraction(moles, litres),
    lambda seedlings: sum((pair == ("s", "s")) for pair in product("Ts", repeat=2)) * seedlings // 4,
]


def test_every_choice_is_right_and_shown_as_a_benchmark_shows_it() -> None:
    extract = Extractor(("boxed",))
    letters = []
    for (text, solution), answer in zip(pairs("solutions", "choices"), CHOSEN, strict=True):
        question, _, listed = text.partition(CHOICES)
        choices = dict(re.findall(r"^\(([A-D])\) (.+)$", listed, flags=re.M))
        assert "".join(choices) == "ABCD" and len(set(choices.values())) == 4
        expected = Fraction(answer(*numbers(question)))
        right = [letter for letter, value in choices.items() if Fraction(value) == expected]
        assert right == [extract(solution).answer] and count_boxes(solution) == 1
        letters += right
    assert set(letters) == set("ABCD")


def test_the_filter_on_arithmetic_reads_the_sums_of_every_word_problem() -> None:
    for _, solution in pairs("solutions", "gsm8k"):
        assert len(list(statements(solution))) >= 2


def test_the_two_sides_of_the_ablation_differ_in_the_format_alone() -> None:
    concise, verbose = pairs("solutions", "math"), pairs("solutions", "verbose")
    assert [problem for problem, _ in concise] == [problem for problem, _ in verbose]
    for (_, short), (_, long) in zip(concise, verbose, strict=True):
        assert "#" not in short and long.count("## ") >= 4 and len(long) > 3 * len(short)
    (one,), (other,) = (
        prompts.load(known()["solutions"].form, "math"),
        prompts.load(known()["solutions"].form, "verbose"),
    )
    assert one.user == other.user


@pytest.mark.parametrize("name", ["acemath"])
def test_a_solution_of_one_form_restates_the_numbers_first_and_ends_in_the_box(name: str) -> None:
    for problem, solution in pairs("solutions", name):
        restated, *_, last = solution.split("\n\n")
        given = numbers(problem.replace("cm$^2$", "square centimetres"))
        assert given and set(given) <= set(numbers(restated)) and restated != problem
        assert "\\boxed" in last and "\n" not in last


@pytest.mark.parametrize("style", MANNERS)
def test_every_new_problem_and_its_seed_has_one_answer(style: str) -> None:
    bank = pairs("problems", "new_problems", style)
    for (seed, problem), (answer_of_seed, answer) in zip(bank, PROBLEMS[style], strict=True):
        values = [answer_of_seed(*numbers(seed)), answer(*numbers(problem))]
        for value in values:
            assert value > 0 and (style == "inspired" or Fraction(value).denominator == 1), (problem, values)


@pytest.mark.parametrize("style", MANNERS)
def test_every_new_problem_is_a_statement_and_nothing_else(style: str) -> None:
    chain = filters.build(dict.fromkeys(filters.known("problems"), {}), section="problems")
    rows = [
        Candidate(seed, problem, None, "", "", "stop", "", 0, 0)
        for seed, problem in pairs("problems", "new_problems", style)
    ]
    assert chain.apply(rows) == rows


def test_an_inspired_problem_is_not_its_seed_with_other_numbers() -> None:
    for seed, problem in pairs("problems", "new_problems", "inspired"):
        words, others = (set(re.findall(r"[a-z]{3,}", text.lower())) for text in (seed, problem))
        assert len(words & others) < 0.8 * len(others)


def test_the_banks_hold_as_many_examples_as_were_shown_for_the_published_data() -> None:
    assert [len(pairs("solutions", name)) for name in ("math", "gsm8k")] == [4, 5]
    assert [len(pairs("problems", "new_problems", style)) for style in MANNERS] == [4, 8]


def judged() -> list[tuple[list[str], str]]:
    """([first problem, second problem], verdict) of the judge's examples."""
    (template,) = prompts.load(known()["verdicts"].form, "judge")
    before, between, after = re.split(r"\{\{text\}\}|\{\{other\}\}", template.user)
    turns = [content for role, content in template.turns if role != "system"]
    texts = [asked.removeprefix(before).removesuffix(after).split(between) for asked in turns[::2]]
    return list(zip(texts, turns[1::2], strict=True))


def test_the_judge_is_shown_as_many_yes_as_no_and_says_yes_only_to_equal_answers() -> None:
    for ((first, second), verdict), answers in zip(judged(), VERDICTS, strict=True):
        one, other = (answer(*numbers(text)) for text, answer in zip((first, second), answers, strict=True))
        assert verdict == ("Yes" if one == other else "No"), (first, one, other)
    assert sorted(verdict for _, verdict in judged()) == ["No"] * 3 + ["Yes"] * 3


def problems_of_all_banks() -> Sequence[str]:
    solved = [problem for name in (*SETTINGS, "choices") for problem, _ in pairs("solutions", name)]
    written = [
        text for style in MANNERS for pair in pairs("problems", "new_problems", style) for text in pair
    ]
    return [*solved, *written, *(text for texts, _ in judged() for text in texts)]


def test_no_example_repeats_a_test_question(shared_data: Path) -> None:
    def questions(name: str, column: str) -> Questions:
        lines = (shared_data / name / "test.jsonl").read_bytes().splitlines()
        return Questions(name, [orjson.loads(line)[column] for line in lines])

    sets = [questions(name, column) for name, column in (("gsm8k", "question"), ("math", "problem"))]
    sets += [questions(name, "problem") for name in ("amc23", "aime24")]
    found = NgramSearch(sets).search(list(problems_of_all_banks()), k=1)
    assert [hits for hits in found if hits] == []
