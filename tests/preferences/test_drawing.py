"""Which responses are drawn: how many of either kind, from which end of the ranks, never one kind only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.inputs import Row
from omi_core.preferences.drawing import OF_EACH, drawn_row, formed, merged
from omi_core.preferences.preference_options import Preferences, load_preferences


def options(**values: Any) -> Preferences:
    return load_preferences({"inputs": ["a"], **values})


def row(right: list[bool], scores: list[float] | None = None, texts: list[str] | None = None) -> Row:
    """A problem with these responses; each has its number in its text, answer and teacher."""
    numbers = range(len(right))
    found: Row = {
        "problem": "What is 2 + 3?",
        "responses": texts or [f"text {at}" for at in numbers],
        "right": right,
        "answers": [f"answer {at}" for at in numbers],
        "teachers": [f"teacher {at}" for at in numbers],
        "expected_answer": "5",
        "problem_source": "s",
    }
    return found if scores is None else found | {"scores": scores}


@st.composite
def problems(draw: st.DrawFn) -> Row:
    right = draw(st.lists(st.booleans(), max_size=40))
    scores = draw(st.none() | st.tuples(*[st.floats(-3, 3) for _ in right]).map(list))
    some = st.sampled_from([f"t{at}" for at in range(12)])
    texts = draw(st.none() | st.tuples(*[some for _ in right]).map(list))
    return row(right, scores, texts)


@given(
    problems(), st.integers(2, 9), st.integers(1, 14), st.sampled_from(["near", "exact"]), st.integers(0, 9)
)
def test_what_is_drawn_is_balanced_and_comes_from_the_ends_of_the_ranks(
    problem: Row, size: int, top: int, balance: str, seed: int
) -> None:
    if 2 * top < size or (balance == "exact" and size % 2):
        return
    config = options(size=size, top=top, balance=balance, seed=seed)
    drawn = drawn_row(problem, config)
    assert drawn == drawn_row(problem, config)
    # By hand: of equal texts the first, then the best right ones and the worst wrong ones.
    first = {text: at for at, text in reversed(list(enumerate(problem["responses"])))}
    sides = [[at for at in first.values() if problem["right"][at] is side] for side in (True, False)]
    usable = [len(side) if "scores" not in problem else min(len(side), top) for side in sides]
    if isinstance(drawn, str):
        reasons = {
            "all_right": not sides[1] and bool(sides[0]),
            "all_wrong": not sides[0] and bool(sides[1]),
            "few_responses": sum(usable) < size,
            "unbalanced": balance == "exact" and min(usable) < size / 2,
        }
        assert reasons[drawn]
        return
    assert {len(drawn[name]) for name in OF_EACH if name in drawn} == {size}
    chosen = [int(answer.split()[1]) for answer in drawn["answers"]]
    assert len(set(drawn["responses"])) == size
    for name in OF_EACH:
        if name in drawn:
            assert drawn[name] == [problem[name][at] for at in chosen]
    number = sum(drawn["right"])
    assert drawn["right"] == [True] * number + [False] * (size - number) and 0 < number < size
    halves = {size // 2, (size + 1) // 2}
    if number not in halves:
        assert balance == "near"
        short = usable[0] if number < size / 2 else usable[1]
        assert short == min(number, size - number)  # all of the kind that there is little of
    if "scores" in problem:
        for side, sign, here in zip(sides, (-1, 1), (chosen[:number], chosen[number:]), strict=True):
            ends = sorted(sign * problem["scores"][at] for at in side)[:top]
            assert all(sign * problem["scores"][at] <= ends[-1] for at in here)
            assert [problem["scores"][at] for at in here] == sorted(
                (problem["scores"][at] for at in here), reverse=sign < 0
            )


def test_over_many_problems_every_response_of_the_pool_is_drawn_and_none_below_it() -> None:
    right = [at % 2 == 0 for at in range(40)]
    scores = [float(at) for at in range(40)]
    config, seen = options(size=6, top=5), set[str]()
    for number in range(200):
        drawn = drawn_row(row(right, scores) | {"problem": f"p{number}"}, config)
        assert isinstance(drawn, dict) and sum(drawn["right"]) == 3
        seen.update(drawn["responses"])
    assert seen == {f"text {at}" for at in (30, 32, 34, 36, 38, 1, 3, 5, 7, 9)}


def test_an_odd_number_has_either_half_as_often() -> None:
    right = [True] * 20 + [False] * 20
    config = options(size=5)
    halves = [sum(drawn_row(row(right) | {"problem": f"p{n}"}, config)["right"]) for n in range(200)]  # type: ignore[index]
    assert {2, 3} == set(halves) and 60 < halves.count(2) < 140


@given(st.integers(1, 5), st.none() | st.integers(1, 9), st.booleans())
def test_pairs_are_right_and_wrong_ones_each_once(right: int, most: int | None, scored: bool) -> None:
    sides = [True] * right + [False] * (6 - right)
    problem = row(sides, [float(at) for at in range(6)] if scored else None)
    pairs = list(formed(problem, options(form="pairs", pairs=most)))
    assert len(pairs) == min(right * (6 - right), most or 99)
    said = [(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in pairs]
    assert len(set(said)) == len(said)
    for pair, texts in zip(pairs, said, strict=True):
        at, other = (int(text.split()[1]) for text in texts)
        assert sides[at] and not sides[other]
        assert pair["prompt"] == [{"role": "user", "content": "What is 2 + 3?"}]
        assert pair["chosen"][0]["role"] == pair["rejected"][0]["role"] == "assistant"
        assert pair["teacher_chosen"] == f"teacher {at}" and pair["teacher_rejected"] == f"teacher {other}"
        assert pair.get("score_chosen") == (float(at) if scored else None)


def test_messages_are_a_conversation_for_each_response() -> None:
    (found,) = formed(row([True, False]), options(form="messages"))
    assert "responses" not in found
    assert found["messages"] == [
        [{"role": "user", "content": "What is 2 + 3?"}, {"role": "assistant", "content": f"text {at}"}]
        for at in range(2)
    ]


def test_rows_of_one_problem_become_one_with_the_answer_of_the_first() -> None:
    found = merged([row([True], [1.0]), row([False, True], [2.0, 3.0]) | {"expected_answer": "5.0"}])
    assert found["right"] == [True, False, True] and found["scores"] == [1.0, 2.0, 3.0]
    assert found["expected_answer"] == "5"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inputs": []}, "^inputs: missing"),
        ({"inputs": ["a", "b", "a"]}, "^inputs=a: is given twice"),
        ({"scores": ["x", "y"]}, "^scores: 2 for 1 inputs"),
        ({"top": 2}, "^top=2: too few to draw size=6"),
        ({"balance": "exact", "size": 5}, "^balance=exact: size=5 has no half"),
        ({"pairs": 3}, "^pairs=3: not read with form=responses"),
        ({"size": 1}, "^size=1"),
        ({"form": "lists"}, "^form=lists"),
    ],
)
def test_options_that_do_not_go_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        options(**values)
    assert "\n" not in str(caught.value)
