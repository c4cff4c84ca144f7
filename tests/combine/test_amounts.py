"""Limits, repeats and shares become numbers of rows that add up, to the row."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omi_core.combine.amounts import Amount, amounts
from omi_core.combine.combine_options import MixInput, load_mix
from omi_core.options import ConfigError


def rows(available: dict[str, int], given: dict[str, Any], size: int | None = None) -> dict[str, int]:
    """Rows of each input, from options as a user writes them."""
    inputs = {name: {"path": "x.jsonl"} | options for name, options in given.items()}
    config = load_mix({"inputs": inputs, "rows": size})
    taken = amounts(available, config.inputs, config.rows)
    return {name: amount.rows(available[name]) for name, amount in taken.items()}


CASES: list[tuple[str, dict[str, Any], int | None, dict[str, int]]] = [
    ("all rows", {"a": {}, "b": {}}, None, {"a": 100, "b": 40}),
    ("a limit", {"a": {"limit": 30}, "b": {}}, None, {"a": 30, "b": 40}),
    ("a limit above what there is", {"a": {"limit": 300}, "b": {}}, None, {"a": 100, "b": 40}),
    ("repeated", {"a": {"repeat": 3}, "b": {"limit": 10, "repeat": 2}}, None, {"a": 300, "b": 20}),
    ("a share fills up", {"a": {}, "b": {"share": 0.2}}, None, {"a": 100, "b": 25}),
    ("two shares", {"a": {"share": 0.25}, "b": {}, "c": {"share": 0.25}}, None, {"a": 20, "b": 40, "c": 20}),
    (
        "shares alone, as many as there can be",
        {"a": {"share": 0.5}, "b": {"share": 0.5}},
        None,
        {"a": 40, "b": 40},
    ),
    ("with repeats", {"a": {"share": 0.5}, "b": {"share": 0.5, "repeat": 2}}, None, {"a": 80, "b": 80}),
    ("of a size", {"a": {"share": 0.75}, "b": {"share": 0.25}}, 10, {"a": 8, "b": 2}),
    ("thirds", {n: {"share": 0.333333} for n in "abc"}, 10, {"a": 4, "b": 3, "c": 3}),
]


@pytest.mark.parametrize(("case", "given", "size", "expected"), CASES, ids=[case[0] for case in CASES])
def test_rows_of_each_input(
    case: str, given: dict[str, Any], size: int | None, expected: dict[str, int]
) -> None:
    available = {"a": 100, "b": 40, "c": 1000}
    assert rows({name: available[name] for name in given}, given, size) == expected


MISTAKES: list[tuple[dict[str, Any], int | None, str]] = [
    ({}, None, "inputs: missing"),
    ({"a": {"share": 0.5}, "b": {"share": 0.4}}, None, "inputs: the shares add up to 0.9, not to 1"),
    ({"a": {"share": 1.0}, "b": {}}, None, "inputs: the shares add up to 1; "),
    ({"a": {}}, 5, "rows=5: is for inputs that all have shares"),
    ({"a": {"share": 0.5}, "b": {}}, 5, "rows=5: is for inputs that all have shares"),
    ({"a": {"share": 0.5, "limit": 3}, "b": {}}, None, "inputs.a: has both a limit and a share"),
    ({"a": {"limit": 0}}, None, "inputs.a.limit=0: must be at least 1"),
    ({"a": {"shares": 0.1}}, None, "inputs.a.shares: no such option (did you mean share?)"),
    ({"a b": {}}, None, "inputs.a b: not a name"),
    ({"a": {"path": None}}, None, "inputs.a.path: missing"),
    (
        {"a": {}, "b": {"share": 0.8}},
        None,
        "inputs.b: a share of 0.8 is 400 rows, and it has 40; allow inputs.b.repeat=10",
    ),
    (
        {"a": {"share": 0.5}, "b": {"share": 0.5}},
        1000,
        "inputs.a: a share of 0.5 is 500 rows, and it has 100",
    ),
    ({"none": {}}, None, "inputs.none: has no usable row"),
]


@pytest.mark.parametrize(("given", "size", "message"), MISTAKES, ids=[case[2][:40] for case in MISTAKES])
def test_what_does_not_go_together_is_refused_in_one_line(
    given: dict[str, Any], size: int | None, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        rows(
            {"a": 100, "b": 40, "none": 0} and {n: {"a": 100, "b": 40}.get(n, 0) for n in given}, given, size
        )
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_input_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"inputs\.a=f\.jsonl: not a mapping"):
        load_mix({"inputs": {"a": "f.jsonl"}})


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, MixInput], int | None]:
    names = [f"i{n}" for n in range(draw(st.integers(1, 6)))]
    available = {name: draw(st.integers(1, 5000)) for name in names}
    weights = {name: draw(st.integers(0, 20)) for name in names}  # 0: no share
    rest = 0 if all(weights.values()) else draw(st.integers(1, 20))
    whole = sum(weights.values()) + rest
    inputs = {}
    for name in names:
        item = MixInput(path="x", repeat=draw(st.integers(1, 3)))
        if weights[name]:
            item.share = float(Fraction(weights[name], whole))
            item.repeat = 10**9
        elif draw(st.booleans()):
            item.limit = draw(st.integers(1, 6000))
        inputs[name] = item
    size = draw(st.none() | st.integers(1, 20_000)) if all(weights.values()) else None
    if size is None and all(weights.values()):
        inputs[names[0]].repeat = 2  # or the mixture would be endless
    return available, inputs, size


@given(mixtures())
def test_shares_are_kept_to_the_row_and_what_is_fixed_is_taken_whole(
    mixture: tuple[dict[str, int], dict[str, MixInput], int | None],
) -> None:
    available, inputs, size = mixture
    try:
        taken = amounts(available, inputs, size)
    except ConfigError:
        assume(False)
        return
    counts = {name: amount.rows(available[name]) for name, amount in taken.items()}
    total = sum(counts.values())
    for name, item in inputs.items():
        if item.share is not None:
            assert abs(counts[name] - item.share * total) < 1 + 1e-6 * total
            assert counts[name] <= available[name] * item.repeat
            assert taken[name].more in (0, 1)
        else:
            assert counts[name] == min(available[name], item.limit or available[name]) * item.repeat
    if size is not None:
        assert total == size


def test_a_row_stands_there_once_more_than_another_at_most() -> None:
    taken = amounts(
        {"a": 10, "b": 100}, {"a": MixInput(path="x", share=0.2, repeat=3), "b": MixInput(path="y")}, None
    )
    assert taken["a"] == Amount(every=2, drawn=5, more=1)
