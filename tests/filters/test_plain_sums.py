r"""The quick look at arithmetic: what it says to hold does hold, and it says so of usual equations."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.filters import arithmetic, plain_sums
from omi_core.filters.arithmetic import statements
from omi_core.filters.formula_units import without_units
from omi_core.filters.wrong_arithmetic import WrongArithmetic, _hedged, _holds

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"

HOLD = [
    "48/2 = 24",
    " $5 * 3$ = $15. ",
    "1,200 / 4 = 300, 2 + 3 = 5",
    r"\[ 3 \cdot 4 - 2 = 10, \quad \frac{12}{4} = 3. \]",
    "0.2 x 50 = 10",
    "2 * 3 = 6 = 12 / 2",
    "10 - 2 - 3 = 5 (",
    "3 * 4 &= 12 \\\\\n",
]
NOT_TOLD = [
    "48/2 = 25",  # false
    "10 / 3 = 3.33",  # rounded: read with care
    "8 / 1/4 = 2",  # read in two ways
    ".5 * 4 = 20",
    "3 * 4 = 12\n= 13",  # goes on
    "3 * 4 = 12\n+ 5 = 18",
    "2^3 = 8",
    "15/60 = 25%",
    "(2 + 3)(4) = 20",
    "1/0 = 2",
    "1.2.3 = 1.2.3",
    "5$3 = 53",
    r"1\,000 = 1",
    "= 3",
    "9 * " * 300 + "1 = 3",
]


@pytest.mark.parametrize("run", HOLD)
def test_plain_sums_that_are_true_hold(run: str) -> None:
    assert plain_sums.hold(run)


@pytest.mark.parametrize("run", NOT_TOLD)
def test_nothing_is_claimed_of_what_is_false_or_not_plain(run: str) -> None:
    assert not plain_sums.hold(run)


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("So 3 * 4 = 12 in all, and $2 + $3 = $5.", 2),
        ("It is: 1,200 / 4 - 1 = 299. 2 + 2 = 4", 2),
        ("we get 3 * 4 = 13 in all", 0),
        ("and 2 + 3 * 4 = 14 of them", 1),
        ("2 + 3 * 4 = 14 of them", 0),  # nothing before it: something may stand there on the line above
        (r"2 \cdot 3 * 4 = 12 of them", 0),
        ("so 3 * 4 = 12 = 13 in all", 0),
        ("so 3 * 4 = 12 + 1", 0),
        ("so 3 * 4 = 12x", 0),
        ("the max x 3 * 4 = 12 there", 0),  # a letter that may be a sign
        ("so " + "9" * 5000 + " + 1 = 2 or", 0),
    ],
)
def test_sums_between_words_are_settled(text: str, signs: int) -> None:
    found = [at for at, sign in enumerate(text) if sign == "=" and plain_sums.true_at(text, at)]
    assert len(found) == signs


def with_care(text: str) -> tuple[int, int] | None:
    """The first wrong statement by reading every statement, the true ones too, and passing over no sign."""
    with patch.object(arithmetic, "_beside_an_end", lambda text, equals: False):
        wrong = (one for one in statements(without_units(text)) if not _holds(one) and not _hedged(text, one))
        return next(((one.start, one.end) for one in wrong), None)


def quick(text: str) -> tuple[int, int] | None:
    found = WrongArithmetic().first_wrong(text)
    return None if found is None else (found.start, found.end)


PIECES = st.sampled_from(
    [
        *(
            "1",
            "2",
            "3",
            "6",
            "12",
            "1,000",
            "0.5",
            ".5",
            "05",
            " ",
            " ",
            "  ",
            "\n",
            "=",
            " = ",
            " = ",
            " + ",
        ),
        *("-", "*", " x ", "/", " / ", r"\times ", r"\cdot", r"\frac{1}{2}", r"\frac12", "(", ")", "{", "}"),
        *("$", r"\$", "&", r"\\", r"\[", r"\]", r"\quad", r"\,", "%", "^", ".", ", ", ". ", ":", ";", "x"),
        *("So ", "and ", "a", "km", "so 3 * 4 = 12 ", "so 3 * 4 = 13 ", "we 2 x 3 = $6. ", "is 5 / 2 = 2.5"),
    ]
)


@given(st.lists(PIECES, max_size=24).map("".join))
def test_the_quick_look_changes_no_verdict(text: str) -> None:
    assert quick(text) == with_care(text)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not at hand")
@pytest.mark.parametrize(
    ("name", "column"), [("gsm8k/train.jsonl", "answer"), ("math/train.jsonl", "solution")]
)
def test_real_solutions_have_the_same_verdicts(name: str, column: str) -> None:
    for number, line in enumerate((SHARED / name).read_bytes().splitlines()[:1000]):
        text = orjson.loads(line)[column]
        assert quick(text) == with_care(text)
        slip = text.replace(str(number % 10), str((number + 1) % 10))
        assert quick(slip) == with_care(slip)
