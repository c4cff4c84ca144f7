"""The closed world: problems are drawn by seed, answered exactly, and held out by content."""

from __future__ import annotations

import re
from fractions import Fraction
from math import floor
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.evaluate import passages
from omi_core.teachers.tiny.kinds import KINDS
from omi_core.teachers.tiny.world import answer, draw, parse, split_of

# Each kind once more, from the numbers in the order of the text: written apart from the package's workings.
FORMULAS = {
    "gain": lambda a, b: a + b,
    "loss": lambda a, b: a - b,
    "groups": lambda a, b: a * b,
    "share": lambda a, b: a / b,
    "groups_loss": lambda a, b, c: a * b - c,
    "compare": lambda a, b: 2 * a + b,
    "shopping": lambda a, b, c, d: a * b + c * d,
    "change": lambda a, b, c: c - a * b,
    "unit_price": lambda a, b, c: b * c / a,
    "percent_of": lambda a, b: a * b / 100,
    "discount": lambda a, b: a * (100 - b) / 100,
    "fraction_left": lambda a, b, c: a - a * b / c,
    "trip": lambda a, b, c: a * b + c,
    "average": lambda a, b, c: (a + b + c) / 3,
    "fraction_sum": lambda a, b, c, d: a / b + c / d,
    "fraction_rest": lambda a, b, c, d: 1 - a / b - c / d,
    "chance": lambda a, b: a / (a + b),
    "age": lambda a, b, c: a * b + c,
    "perimeter": lambda a, b: 2 * a + 2 * b,
    "left_over": lambda a, b: a - b * floor(a / b),
}
PROBLEMS = draw(seed=11, count=2000) + draw(seed=11, count=200, split="test")


def numbers(text: str) -> list[Fraction]:
    return [Fraction(int(n)) for n in re.findall("[0-9]+", text)]


def value(boxed: str) -> Fraction:
    fraction = re.fullmatch(r"\\frac\{(-?\d+)\}\{(\d+)\}", boxed)
    return Fraction(int(fraction[1]), int(fraction[2])) if fraction else Fraction(int(boxed))


def test_every_kind_has_a_formula_here_and_is_drawn() -> None:
    assert len(KINDS) == 20
    assert {p.kind for p in PROBLEMS} == {k.name for k in KINDS} == set(FORMULAS)


def test_a_drawn_problem_is_answered_with_its_answer() -> None:
    for p in PROBLEMS:
        assert answer(p.text) == p.answer
        assert value(p.answer) == FORMULAS[p.kind](*numbers(p.text)), p.text


def test_a_text_belongs_to_its_own_kind() -> None:
    for p in PROBLEMS:
        read = parse(p.text)
        assert read is not None and read[0].name == p.kind


def test_a_solution_ends_in_the_boxed_answer_and_its_arithmetic_is_right() -> None:
    for p in PROBLEMS:
        assert p.solution.endswith(rf"\boxed{{{p.answer}}}") and p.solution.count(r"\boxed") == 1
        lines = re.findall(r"(?:is|,) ([0-9 +*/-]+) = ([0-9/]+)\.", p.solution)
        assert lines
        for left, right in lines:
            assert calculate(left) == calculate(right), p.solution


def calculate(expression: str) -> Fraction:
    """Left-hand sides are `x`, `x o y`, with x and y whole or p/q."""
    parts = expression.split(" ")
    if len(parts) == 1:
        return Fraction(parts[0])
    x, y = Fraction(parts[0]), Fraction(parts[2])
    return {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y}[parts[1]]()


def test_the_answers_hold_both_whole_numbers_and_fractions() -> None:
    fractions = [p for p in PROBLEMS if "frac" in p.answer]
    assert 0.1 < len(fractions) / len(PROBLEMS) < 0.4


def test_the_same_seed_draws_the_same_and_a_larger_count_only_adds() -> None:
    assert draw(3, 50) == draw(3, 80)[:50]
    assert draw(3, 50) != draw(4, 50)
    assert draw(3, 50) != draw(3, 50, "test")


def test_texts_are_distinct() -> None:
    texts = [p.text for p in draw(5, 3000)]
    assert len(set(texts)) == len(texts)


@given(st.integers(0, 2**31), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_no_held_out_problem_is_in_training_whatever_the_seeds(a: int, b: int) -> None:
    train = {p.text for p in draw(a, 40, "train")}
    held_out = {p.text for p in draw(b, 40, "test")}
    assert not train & held_out
    assert {split_of(t) for t in train} == {"train"} and {split_of(t) for t in held_out} == {"test"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada has 12 keys. She buys 30 more. How many keys does Ada have now?", "42"),
        ("  Ada has 12 keys. She buys 30 more. How many keys does Ada have now?\n", "42"),
        ("Ada has 120000 keys. She buys 999999 more. How many keys does Ada have now?", "1119999"),
        ("3 books cost 10 dollars. How many dollars do 6 books cost?", "20"),
        ("Of 6 eggs in a shop, 2/4 are sold. How many eggs are not sold?", "3"),
        ("Three bags weigh 1, 2 and 5 kg. What is their average weight in kg?", r"\frac{8}{3}"),
        ("Ada walks 3/2 of a mile and then 1/2 of a mile. How many miles does she walk?", "2"),
        ("A coat costs 80 dollars. It is sold at 100% off. What is the new price in dollars?", "0"),
    ],
)
def test_answers(text: str, expected: str) -> None:
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("empty", ""),
        ("another world", "What is the meaning of life?"),
        ("pronoun", "Ada has 12 keys. He buys 30 more. How many keys does Ada have now?"),
        ("name changes", "Ada has 12 keys. She buys 30 more. How many keys does Nina have now?"),
        ("things change", "Ada has 12 keys. She buys 30 more. How many cups does Ada have now?"),
        ("unknown thing", "Ada has 12 cats. She buys 30 more. How many cats does Ada have now?"),
        ("same person twice", "Ada has 12 keys and gives 3 of them to Ada. How many keys are left?"),
        ("leading zero", "Ada has 012 keys. She buys 30 more. How many keys does Ada have now?"),
        ("zero", "Ada has 12 keys. She buys 0 more. How many keys does Ada have now?"),
        ("seven digits", "Ada has 1234567 keys. She buys 3 more. How many keys does Ada have now?"),
        ("other digits", "Ada has ١٢ keys. She buys 30 more. How many keys does Ada have now?"),
        ("text after", "Ada has 12 keys. She buys 30 more. How many keys does Ada have now? Say it."),
        ("two lines", "Ada has 12 keys.\nShe buys 30 more. How many keys does Ada have now?"),
        ("below zero", "Ada has 12 keys and gives 30 of them to Ben. How many keys are left?"),
        ("part of a thing", "13 keys are put into 4 equal rows. How many keys are in each row?"),
        ("part of a dollar", "3 books cost 10 dollars. How many dollars do 4 books cost?"),
        ("over 100 %", "A coat costs 80 dollars. It is sold at 120% off. What is the new price in dollars?"),
        ("more than all", "Of 6 eggs in a shop, 5/4 are sold. How many eggs are not sold?"),
        ("part of 1 %", "There are 7 hats in a box, and 50% of them are red. How many hats are red?"),
        ("book read twice", "Ada reads 3/4 of a book on Monday and 3/4 of it on Friday. "
         "What fraction of the book is left?"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_world_has_no_answer(why: str, text: str) -> None:
    assert answer(text) is None


def edit(text: str, rng: Random) -> str:
    """One random change: a character replaced, dropped or doubled, two words swapped, or a number changed."""
    i = rng.randrange(len(text))
    words = text.split(" ")
    j, k = rng.randrange(len(words)), rng.randrange(len(words))
    swapped = words.copy()
    swapped[j], swapped[k] = words[k], words[j]
    spans = [m.span() for m in re.finditer("[0-9]+", text)]
    start, end = rng.choice(spans)
    return rng.choice(
        [
            text[:i] + rng.choice("0123456789abe .,%/") + text[i + 1 :],
            text[:i] + text[i + 1 :],
            text[:i] + text[i] + text[i:],
            " ".join(swapped),
            text[:start] + str(rng.randint(0, 300)) + text[end:],
        ]
    )


@given(st.sampled_from(PROBLEMS), st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=600, deadline=None)
def test_an_edited_problem_is_answered_rightly_or_not_at_all(problem, rng: Random, edits: int) -> None:
    text = problem.text
    for _ in range(edits):
        text = edit(text, rng) if re.search("[0-9]", text) else text
    found = answer(text)
    if found is not None:
        assert value(found) == FORMULAS[problem.kind](*numbers(text)), text


def test_edited_numbers_are_often_still_answered() -> None:
    rng = Random(0)
    edited = [re.sub("[0-9]+", lambda m: str(int(m[0]) * rng.randint(1, 3)), p.text) for p in PROBLEMS]
    answered = [(p, t) for p, t in zip(PROBLEMS, edited, strict=True) if answer(t) is not None]
    assert len(answered) > len(PROBLEMS) / 2
    for p, t in answered:
        assert value(answer(t) or "") == FORMULAS[p.kind](*numbers(t))


@given(st.text(max_size=500))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert answer(text) is None


def test_a_very_long_text_is_refused() -> None:
    assert answer(PROBLEMS[0].text + " " * 1_000_000) is None


@pytest.mark.parametrize(("count", "split"), [(-1, "train"), (1, "dev"), (1, "")])
def test_wrong_arguments_are_refused(count: int, split) -> None:
    with pytest.raises(ValueError):
        draw(0, count, split)


def test_passages_hold_a_problem_of_the_split_and_its_answer() -> None:
    for passage in passages(seed=2, count=50, split="test"):
        text = passage[: passage.index("? ") + 1]
        found = answer(text)
        assert found is not None and split_of(text) == "test"
        assert value(found) == Fraction(passage.removesuffix(".").split(" ")[-1])
