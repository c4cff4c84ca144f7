"""Options: every mistake is one line that names the option; content leaves the transient ones out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core import options
from omi_core.config import Generate, Reduce, load_generate, load_reduce
from omi_core.options import ConfigError, option

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"sample": 3}, "sample: no such option (did you mean samples?)"),
    ({"teacher": {"nmae": "x"}}, "teacher.nmae: no such option (did you mean name?)"),
    ({"samples": "x"}, "samples: Value 'x' of type 'str' could not be converted to Integer"),
    ({"samples": 1.5}, "samples: Value '1.5' of type 'float' could not be converted to Integer"),
    ({"samples": 0}, "samples=0: must be at least 1"),
    ({"data": 3}, "data: a section, not a value"),
    ({"data": {"limit": 0}}, "data.limit=0: must be at least 1"),
    ({"sampling": {"temperature": -0.1}}, "sampling.temperature=-0.1: must be at least 0"),
    ({"sampling": {"temperature": float("nan")}}, "sampling.temperature=nan: must be a finite number"),
    ({"sampling": {"top_p": 0}}, "sampling.top_p=0.0: must be greater than 0"),
    ({"sampling": {"top_p": 1.1}}, "sampling.top_p=1.1: must be at most 1"),
    ({"sampling": {"stop": "x"}}, "sampling.stop"),
    ({"samples": 2, "sampling": {"temperature": 0}}, "samples=2: with sampling.temperature=0"),
    (
        {"task": {"name": "poems"}},
        "task.name=poems: not one of solutions, problems, dialogues, verdicts, audits, selections",
    ),
    ({"answers": {"methods": ["magic"]}}, "answers: extraction methods ['magic']"),
    ({"answers": {"pattern": "("}}, "answers: final-answer pattern '('"),
    ({"answers": {"policy": {"percent": "half"}}}, "answers.policy.percent=half: not one of"),
    ({"teacher": {"rehearsal": {"wrong": 0.9, "hostile": 0.2}}}, "teacher.rehearsal: wrong, malformed"),
]


@pytest.mark.parametrize(("values", "message"), MISTAKES, ids=[message[:30] for _, message in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_option(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_generate(values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


WRITTEN: list[dict[str, Any]] = [
    {},
    {"samples": 7, "style": ["inspired"], "task": {"name": "problems"}, "canary": False},
    {"sampling": {"temperature": 1, "stop": ["\n\n"]}, "publish": {"splits": {"small": 5}, "chat": None}},
    {"cluster": {"name": "x", "kind": "slurm", "options": {"hold": True, "nice": 3}, "gpus_per_node": 8}},
]


@pytest.mark.parametrize("values", WRITTEN, ids=[",".join(values) or "nothing" for values in WRITTEN])
def test_a_config_is_restored_from_what_it_was_written_as(values: dict[str, Any]) -> None:
    config = load_generate(values)
    written = orjson.loads(orjson.dumps(dataclasses.asdict(config)))
    assert options.restore(Generate, written) == config
    del written["sampling"]["top_k"], written["problems"]  # an option that came later
    assert options.restore(Generate, written) == config


DAMAGED: list[tuple[dict[str, Any], str]] = [
    ({"sample": 3}, "sample: no such option"),
    ({"samples": "4"}, "samples='4': not a value of type"),
    ({"samples": True}, "samples=True: not a value of type"),
    ({"samples": 0}, "samples=0: must be at least 1"),
    ({"data": [1]}, "data: a section, not a value"),
    ({"sampling": {"stop": [3]}}, "sampling.stop=[3]: not a value of type"),
    ({"sampling": {"top_p": None}}, "sampling.top_p=None: not a value of type"),
    ({"publish": {"splits": {"small": "5"}}}, "publish.splits={'small': '5'}: not a value of type"),
]


@pytest.mark.parametrize(("values", "message"), DAMAGED, ids=[message[:30] for _, message in DAMAGED])
def test_what_no_config_was_written_as_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options.restore(Generate, values)
    assert str(caught.value).startswith(message)


def test_greedy_decoding_is_fine_with_one_sample() -> None:
    assert load_generate({"samples": 1, "sampling": {"temperature": 0}}).sampling.temperature == 0


def test_reduce_needs_an_input() -> None:
    with pytest.raises(ConfigError, match="^input: missing"):
        load_reduce({})


@pytest.mark.parametrize("schema", [Generate, Reduce])
def test_every_option_has_help(schema: type) -> None:
    assert all(field.metadata["help"] for _, _, field in options.leaves(schema()))


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"tasks": 7}, True),
        ({"reduce_tasks": 3}, True),
        ({"run": {"dir": "elsewhere"}}, True),
        ({"engine": {"max_num_seqs": 3}}, True),
        ({"cluster": {"name": "selene"}}, True),
        ({"teacher": {"tensor_parallel": 4}}, True),
        ({"teacher": {"rehearsal": {"latency": 1.0}}}, True),
        ({"teacher": {"endpoint": {"url": "http://h/v1", "concurrency": 3, "key_variable": "K"}}}, True),
        ({"teacher": {"endpoint": {"extra": {"min_p": 0.1}}}}, False),
        ({"samples": 3}, False),
        ({"seed": 1}, False),
        ({"teacher": {"revision": "abc"}}, False),
        ({"sampling": {"top_p": 0.5}}, False),
        ({"filters": {"min_chars": 200}}, False),
        ({"answers": {"min_agreement": 0.5}}, False),
    ],
)
def test_content_holds_what_changes_the_dataset_and_nothing_else(changed: dict[str, Any], same: bool) -> None:
    before, after = options.content(load_generate({})), options.content(load_generate(changed))
    assert (before == after) is same


def late_options() -> list[tuple[str, Any]]:
    return [(key, value) for key, value, field in options.leaves(Generate()) if field.metadata["late"]]


def test_an_option_that_came_later_is_in_the_content_only_where_it_is_used() -> None:
    assert late_options()
    content = options.content(load_generate({}))
    for key, _ in late_options():
        *path, name = key.split(".")
        section = content
        for part in path:
            section = section.get(part, {})  # a whole section may have come later
        assert name not in section
    used = options.content(load_generate({"answers": {"min_votes": 2}, "filters": {"ends_boxed": True}}))
    assert used["answers"] == content["answers"] | {"min_votes": 2}
    assert used["filters"] == content["filters"] | {"ends_boxed": True}


def test_the_filters_and_answers_of_the_first_runs_keep_their_content() -> None:
    content = options.content(load_generate({}))
    assert set(content["answers"]) == {
        *("methods", "pattern", "policy", "deadline", "memory_gb", "expected", "min_agreement")
    }
    assert set(content["filters"]) == {
        *("max_tokens", "tokenizer", "min_chars", "unfinished", "no_boxed", "several_boxed"),
        *("trim_after_answer", "strip_prefix", "wrong_arithmetic"),
    }


@pytest.mark.parametrize(
    ("values", "least"),
    [
        ({}, "absent"),
        ({"answers": {"min_votes": 1}}, "absent"),
        ({"answers": {"min_votes": 0}}, "absent"),
        ({"answers": {"min_votes": 2}}, 2),
        ({"data": {"answer": None}}, None),
        ({"data": {"answer": None}, "answers": {"min_votes": 1}}, "absent"),
        ({"answers": {"expected": "majority"}}, None),
    ],
)
def test_only_where_a_vote_decides_has_the_default_of_min_votes_another_meaning(
    values: dict[str, Any], least: Any
) -> None:
    from omi_core.config import content

    values = {**values, "data": {"answer": "answer", **values.get("data", {})}}
    assert content(load_generate(values))["answers"].get("min_votes", "absent") == least


@pytest.mark.parametrize(
    "values",
    [
        {"filters": {"tokenizer": "t.json", "max_tokens": None}},
        {"conversations": {"tokenizer": "t.json", "min_tokens": None}},
        {"answers": {"pattern": "A: (.+)", "methods": ["boxed"]}},
    ],
)
def test_an_option_without_effect_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="omit it"):
        load_generate(values)


@dataclass
class Kinds:
    """An option of every type."""

    text: str = option("", "a text")
    maybe: str | None = option(None, "a text, or none")
    count: int = option(0, "a number")
    share: float = option(0.0, "a number")
    least: float | None = option(None, "a number, or none")
    flag: bool = option(False, "yes or no")
    words: list[str] = option([], "texts")
    any: dict[str, Any] = option({}, "anything")
    shares: dict[str, float] = option({}, "numbers")
    free: Any = option(None, "anything")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, "a", "1", "0.5", "true", "${x}"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from([field.name for field in fields(Kinds)]), ANYTHING, max_size=3))
def test_values_that_need_no_conversion_make_the_same_config(values: dict[str, Any]) -> None:
    """OmegaConf converts, and is slow; what is of the right type already does without it."""

    def loaded(taken: bool) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            if not taken:
                patch.setattr(options, "_as_given", lambda cls, values: None)
            try:
                return options.load(Kinds, values)
            except ConfigError as error:
                return str(error)

    fast, slow = loaded(True), loaded(False)
    assert repr(fast) == repr(slow)
    if isinstance(fast, Kinds):
        assert fast.any is not values.get("any") and fast.words is not values.get("words")
