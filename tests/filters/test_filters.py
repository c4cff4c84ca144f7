"""Every registered filter does what its own examples say, and the chain counts it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from omi_core.answers.extract import Extractor
from omi_core.filters import Example, FilterChain, build, known
from omi_core.filters.answer import TrimAfterAnswer
from omi_core.filters.filter import RowFilter
from omi_core.filters.length import MaxTokens
from omi_core.filters.registry import SECTIONS
from omi_core.records import Candidate


def candidate(
    solution: str,
    problem: str = "p",
    finish_reason: str = "stop",
    reasoning: str | None = None,
    score: float | None = None,
) -> Candidate:
    return Candidate(
        problem=problem,
        solution=solution,
        answer=None,
        expected_answer="5",
        source="s",
        finish_reason=finish_reason,
        record_id="r",
        index=0,
        completion_tokens=9,
        reasoning=reasoning,
        score=score,
    )


FILTERS = known("filters")
ALL = {f"{section}.{name}": cls for section in SECTIONS for name, cls in known(section).items()}
EXAMPLES = [(name, number) for name, cls in ALL.items() for number in range(len(cls.examples))]


@pytest.mark.parametrize(("name", "number"), EXAMPLES)
def test_example(name: str, number: int) -> None:
    example: Example = ALL[name].examples[number]
    row = candidate(
        example.solution, example.problem, example.finish_reason, example.reasoning, example.score
    )
    before = dataclasses.replace(row)
    (after,) = ALL[name](**example.options).apply([row])
    assert (after and after.solution) == example.becomes
    assert row == before, "a filter changes no row in place"
    if example.becomes == example.solution:
        assert after is row


@pytest.mark.parametrize("name", ALL)
def test_the_examples_show_both_what_changes_and_what_does_not(name: str) -> None:
    outcomes = {example.becomes == example.solution for example in ALL[name].examples}
    assert outcomes == {True, False}


@pytest.mark.parametrize("name", ALL)
def test_what_becomes_of_a_row_does_not_depend_on_its_batch(name: str) -> None:
    for example in ALL[name].examples:
        item = ALL[name](**example.options)
        rows = [
            candidate(e.solution, e.problem, e.finish_reason, e.reasoning, e.score)
            for e in ALL[name].examples
        ]
        assert item.apply(rows) == [item.apply([row])[0] for row in rows]
        assert item.apply([]) == []


HOSTILE = {
    "open braces": "{" * 50_000,
    "open fractions": "\\frac{" * 20_000 + "= 1",
    "power tower": "9^9^9^9^9^9 = 1, 9^{9^{9^{9}}} = 1, 2**99999999999 = 1, 9**9**9**9 = 5",
    "long number": "1" * 200_000 + " + 1 = 2",
    "long dotted number": "1.1" * 70_000 + " = 2",
    "grouped number": "1" + ",111" * 50_000 + " + 1 = 2",
    "many equals": "1 + 1 = " * 20_000,
    "only equals": "=" * 200_000,
    "nested brackets": "(" * 50_000 + "1+1" + ")" * 50_000 + " = 3",
    "brackets and equals": "(=" * 50_000 + ")" * 50_000,
    "long sum": "1 + " * 50_000 + "1 = 3",
    "long product": "9 * " * 50_000 + "9 = 3",
    "minus signs": "-" * 200_000 + "1 = 3",
    "line ends": "1 + 1" + "\n" * 200_000 + "= 3",
    "backslashes": "\\" * 200_001,
    "dollars": "$" * 200_001,
    "boxes": "\\boxed{" * 20_000,
    "open environments": "\\begin{a}" * 20_000 + "\\boxed{5}" + " \\end{a}" * 20_000,
    "full stops": "\\boxed{5}" + "." * 200_000,
    "NUL and surrogates": "\x00\ud83d 1 + 1 = 2 \ude00 \\boxed{5}\ud800",
    "x and spaces": "1 x " * 50_000 + "= 2",
    "division by zero": "1/0 = 2, \\frac{1}{0} = 2, 0^{-1} = 3, 1/(1-1) = 4",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_survived_in_bounded_time(case: str, tokenizer_file: str) -> None:
    text = HOSTILE[case]
    for cls in FILTERS.values():
        options = {"tokenizer": tokenizer_file, "limit": 10} if cls.takes("tokenizer") else {}
        (after,) = cls(**options).apply([candidate(text, problem=text)])
        assert after is None or after.solution in text


@given(st.text(alphabet="0123456789+-*/^(){}=., \n$%x\\frac", max_size=60))
def test_any_text_gets_through_every_filter(text: str) -> None:
    chain = build(
        {name: {"tokenizer": "bytes"} if cls.takes("tokenizer") else {} for name, cls in FILTERS.items()}
    )
    kept = chain.apply([candidate(text), candidate(text + "\\boxed{5}")])
    dropped = sum(count["dropped"] for count in chain.counts()["filters"].values())
    assert len(kept) + dropped == 2


# --- token counts


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: Any) -> str:
    """A byte-level tokenizer with one merge, "ab", saved with truncation and padding on."""
    alphabet = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocab = alphabet | {"ab": len(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)


TOKENS = [
    ("at the limit", "a" * 8, True),
    ("one over", "a" * 9, False),
    ("merged, twice the bytes", "ab" * 8, True),
    ("merged, one over", "ab" * 9, False),
    ("two bytes a letter", "é" * 4, True),
    ("two bytes a letter, over", "é" * 5, False),
    ("a lone surrogate counts as one byte", "\ud800" + "a" * 7, True),
    ("a lone surrogate, over", "\ud800" + "a" * 8, False),
    ("far over, never tokenized", "ab" * 300, False),
]


@pytest.mark.parametrize(("case", "text", "kept"), TOKENS)
@pytest.mark.parametrize("where", ["problem", "solution"])
def test_tokens_are_counted(tokenizer_file: str, case: str, text: str, kept: bool, where: str) -> None:
    texts = {"solution": "s", "problem": "p", where: text}
    rows = [candidate(texts["solution"], texts["problem"]), candidate("short")]
    after = MaxTokens(tokenizer_file, limit=8).apply(rows)
    assert after == [rows[0] if kept else None, rows[1]]


def test_a_large_batch_is_counted_in_pieces(tokenizer_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omi_core.filters.length._BATCH", 7)
    rows = [candidate("ab" * (i % 12)) for i in range(60)]
    after = MaxTokens(tokenizer_file, limit=8).apply(rows)
    assert after == [row if i % 12 <= 8 else None for i, row in enumerate(rows)]


# --- what the answer's place is, by another extractor


def test_trimming_follows_the_configured_pattern() -> None:
    item = TrimAfterAnswer(extract=Extractor(("pattern",), r"final answer is (\d+)"))
    (after,) = item.apply([candidate("\\boxed{3}. The final answer is 5. Anything else?")])
    assert after is not None and after.solution == "\\boxed{3}. The final answer is 5."


BEFORE = [
    "$",
    "$$",
    r"\$",
    r"\\",
    r"\[",
    r"\(",
    r"\begin{a}",
    r"\boxed{3}",
    r"\boxed{",
    "#### 7\n",
    "x ",
    "\n\n",
]
BOXES = [r"\boxed{5}", r"\boxed{5}.", r"\boxed{5}$.", r"\boxed{}", r"\boxed{{5}}", r"\fbox{5}"]
BEHIND = ["$", ".", "!", " ", "\n", "\n\n", "}", r"\]", r"\end{a}", "So. ", "x", "**"]


@settings(max_examples=500)
@given(
    st.tuples(
        st.lists(st.sampled_from(BEFORE), max_size=3).map("".join),
        st.sampled_from(BOXES),
        st.lists(st.sampled_from(BEHIND), max_size=3).map("".join),
    ).map("".join),
    st.sampled_from([("boxed", "hashes"), ("hashes", "boxed")]),
)
def test_the_glance_at_a_box_that_ends_the_text_changes_nothing(text: str, methods: tuple[str, str]) -> None:
    item = TrimAfterAnswer(extract=Extractor(methods))
    after = item.solution_after(candidate(text))
    with patch.object(item, "_NOTHING_AFTER", re.compile("(?!)")):
        assert item.solution_after(candidate(text)) == after


# --- the chain


class _Drop(RowFilter):
    """Drops rows that begin with a letter, rewrites those that end in a bang."""

    examples = ()

    def __init__(self, letter: str) -> None:
        self.name = letter  # type: ignore[misc]

    def solution_after(self, row: Candidate) -> str | None:
        return None if row.solution.startswith(self.name) else row.solution.removesuffix("!")


@given(st.lists(st.lists(st.text("abc!", max_size=3), max_size=6), max_size=5))
def test_in_is_out_plus_dropped_over_all_batches(batches: list[list[str]]) -> None:
    chain = FilterChain([_Drop("a"), _Drop("b")])
    out = [row for batch in batches for row in chain.apply([candidate(text) for text in batch])]
    texts = [text for batch in batches for text in batch]
    counts = chain.counts()
    assert counts["rows_in"] == len(texts) and counts["rows_out"] == len(out)
    assert counts["filters"]["a"]["dropped"] == sum(text.startswith("a") for text in texts)
    assert len(texts) == len(out) + sum(item["dropped"] for item in counts["filters"].values())
    assert counts["filters"]["a"]["rewritten"] == sum(
        t.endswith("!") and not t.startswith("a") for t in texts
    )
    assert [row.solution for row in out] == [
        text.removesuffix("!").removesuffix("!") for text in texts if not text.startswith(("a", "b"))
    ]


def test_a_filter_that_loses_count_is_found_out() -> None:
    class Loses(_Drop):
        def apply(self, rows: Any) -> Any:
            return super().apply(rows)[1:]

    with pytest.raises(RuntimeError, match="given 2 rows and returned 1"):
        FilterChain([Loses("z")]).apply([candidate("x"), candidate("y")])


def test_filters_run_in_their_fixed_order_and_none_switches_one_off() -> None:
    chain = build({"min_chars": {"limit": 3}, "no_boxed": None, "unfinished": {}})
    assert [item.name for item in chain.filters] == ["unfinished", "min_chars"]
    assert list(chain.counts()["filters"]) == ["unfinished", "min_chars"]


BAD_CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"max_token": {}}, "unknown filter 'max_token'; known are unfinished, no_boxed"),
    ({"unfinished": {"limit": 3}}, "filter unfinished: got an unexpected keyword argument 'limit'"),
    ({"min_chars": {"limits": 3}}, "filter min_chars: got an unexpected keyword argument 'limits'"),
    ({"min_chars": {"limit": -1}}, "min_chars.limit=-1: must be at least 0"),
    ({"restates": {"share": float("nan")}}, "restates.share=nan: must be a finite number"),
    ({"max_tokens": {"limit": 9}}, "filter max_tokens: missing a required argument: 'tokenizer'"),
    ({"max_tokens": {"tokenizer": "bytes", "limit": 0}}, "max_tokens.limit=0: must be at least 1"),
    ({"max_tokens": {"tokenizer": "/nowhere/tokenizer.json"}}, "no file /nowhere/tokenizer.json"),
    ({"max_tokens": {"tokenizer": __file__}}, "is not a tokenizer.json"),
]


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS)
def test_a_wrong_config_is_refused_in_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        build(config)
    assert "\n" not in str(error.value)


def test_a_chain_takes_each_filter_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        FilterChain([_Drop("a"), _Drop("a")])
