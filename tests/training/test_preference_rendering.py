"""Preference data becomes tokens: each response as jobs.score shows it, with its label at its last token."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from omi_core.composing.compose import command_root, compose_values
from omi_core.options import ConfigError
from omi_core.prompts.prompt_options import Prompt
from omi_core.records import Record
from omi_core.tasks.prompting import Prompting
from omi_core.teachers.chat_prompt import ChatPrompt
from omi_core.training.preference_rendering import (
    PreferenceRendering,
    holds_preferences,
    open_scoring_tokenizer,
    scoring_template,
    template_file,
)
from omi_core.training.rendering import NO_LOSS, Example
from omi_core.training.train_options import Student, Training
from tests.training.conftest import chat, preference
from tests.training.test_rendering import STUDENTS, tokenizer_with

PROBLEM, RESPONSES = "What is 1 + 2?", ["It is 3. ", "It is 4,\n\nI <|end|> think.", "  5"]
ROW = preference(PROBLEM, RESPONSES)


@pytest.fixture(params=STUDENTS)
def student(request: pytest.FixtureRequest, tmp_path: Path) -> Student:
    tokens, template, _ = STUDENTS[request.param]
    return tokenizer_with(tmp_path / "model", tokens, template)


def rendered(student: Student, row: dict[str, Any], prompt: str | None = None, **options: Any) -> Any:
    template = None if options.pop("as_is", False) else scoring_template(Prompt(name=prompt))
    return PreferenceRendering(open_scoring_tokenizer(student), template, Training(**options)).example(row)


def texts(example: Example) -> list[list[int]]:
    ends = [at + 1 for at, label in enumerate(example.labels) if label != NO_LOSS]
    return [example.tokens[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@cache
def scoring(*words: str) -> Any:
    """The run that jobs.score makes of these words."""
    return command_root("score").checked(compose_values("score", ["input=x.jsonl", "model=org/rm", *words]))


def as_scored(student: Student, response: str, *words: str) -> list[int]:
    """The tokens of a response as jobs.score gives them to the reward teacher."""
    config = scoring(*words)
    record = Record.make(0, PROBLEM, None, "s", {"solution": response})
    return ChatPrompt(open_scoring_tokenizer(student)).tokens(Prompting(config).messages(record, 0))


OWN = "scores: {system: Judge., user: 'Is it right? {{text}}'}\n"


@pytest.mark.parametrize("prompt", [None, "qwen_math", "step_by_step"])
def test_a_response_is_shown_as_it_is_scored_to_its_last_token(student: Student, prompt: str | None) -> None:
    """Also where it names a control token, or begins and ends with white space: nothing is stripped."""
    made = rendered(student, ROW, prompt)
    words = ["prompt=qwen_math"] if prompt == "qwen_math" else []  # step_by_step has nothing of scores
    assert texts(made) == [as_scored(student, each, *words) for each in RESPONSES]
    ends = [label for label in made.labels if label != NO_LOSS]
    assert ends == [1, 0, 0] and len(made.labels) == len(made.tokens)


def test_the_model_s_template_file_says_the_same_to_jobs_score(tmp_path: Path) -> None:
    student = tokenizer_with(tmp_path / "model", [])
    (tmp_path / "own.yaml").write_text(OWN)
    for prompt in (Prompt(path=str(tmp_path / "own.yaml")), Prompt(name="qwen_math"), Prompt()):
        for system in (True, False):
            prompt.system = system
            template = scoring_template(prompt)
            (tmp_path / "prompt.yaml").write_text(template_file(template))
            made = PreferenceRendering(open_scoring_tokenizer(student), template, Training()).example(ROW)
            assert isinstance(made, Example)
            words = [f"prompt.path={tmp_path / 'prompt.yaml'}"]
            assert texts(made) == [as_scored(student, each, *words) for each in RESPONSES]


def test_texts_messages_and_pairs_are_the_same_responses(student: Student) -> None:
    told = [chat(PROBLEM, each)["messages"] for each in RESPONSES]
    whole = rendered(student, ROW, "qwen_math")
    assert rendered(student, {"messages": told, "right": ROW["right"]}, "qwen_math") == whole
    for wrong in (1, 2):
        chosen, rejected = told[0], told[wrong]
        expected = [texts(whole)[0], texts(whole)[wrong]]
        apart = {"prompt": chosen[:1], "chosen": chosen[1:], "rejected": rejected[1:]}
        plain = {"prompt": PROBLEM, "chosen": RESPONSES[0], "rejected": RESPONSES[wrong]}
        for row in (apart, plain, {"chosen": chosen, "rejected": rejected}):
            made = rendered(student, row, "qwen_math")
            assert texts(made) == expected and made.labels[-1] == 0


def test_only_a_single_question_is_shown_in_the_words_of_the_prompt(tmp_path: Path) -> None:
    student = tokenizer_with(tmp_path / "model", [])
    row = {"messages": [chat(PROBLEM, each)["messages"] for each in RESPONSES], "right": ROW["right"]}
    plain = rendered(student, row)
    assert rendered(student, row, "qwen_math", as_is=True) == plain != rendered(student, row, "qwen_math")
    for messages in row["messages"]:
        messages.insert(0, {"role": "system", "content": "Be brief."})
    assert rendered(student, row, "qwen_math") == rendered(student, row, as_is=True)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (preference(PROBLEM, RESPONSES, right=3), "one_kind"),
        (preference(PROBLEM, RESPONSES, right=0), "one_kind"),
        (preference(PROBLEM, []), "one_kind"),
        (ROW | {"right": [True, False]}, "unequal_lists"),
        (ROW | {"right": [True, False, None]}, "unequal_lists"),
        (ROW | {"right": None}, "no_columns"),
        (preference(PROBLEM, ["So.", " "]), "empty_message"),
        (preference(" ", ["So.", "No."]), "empty_message"),
        ({"messages": [chat(PROBLEM, "So.")["messages"]] * 2 + [[]], "right": [True] * 3}, "no_messages"),
        ({"prompt": PROBLEM, "chosen": "So.", "rejected": None}, "no_columns"),
        ({"chosen": "So.", "rejected": "No."}, "not_alternating"),
        (preference(PROBLEM, ["So.", "Or " * 200]), "too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_without_both_kinds_of_response_says_why(
    row: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    assert rendered(tokenizer_with(tmp_path / "model", []), row, max_length=64) == reason


def test_the_longest_response_decides_not_the_sum(tmp_path: Path) -> None:
    student = tokenizer_with(tmp_path / "model", [])
    whole = rendered(student, ROW)
    longest = max(map(len, texts(whole)))
    assert len(whole.tokens) > longest and rendered(student, ROW, max_length=longest) == whole
    assert rendered(student, ROW, max_length=longest - 1) == "too_long"


@pytest.mark.parametrize(
    ("tokens", "own", "padding"),
    [
        ([], None, "<|user|>"),  # the embedded one has three control tokens, and pads with the last
        (["<|image|>"], None, "<|image|>"),
        (["<|image|>", "<|finetune_right_pad_id|>"], None, "<|finetune_right_pad_id|>"),
        (["<|pad|>", "<|own|>"], "<|own|>", "<|own|>"),
    ],
)
def test_padding_is_a_token_that_ends_no_response(
    tokens: list[str], own: str | None, padding: str, tmp_path: Path
) -> None:
    """Else transformers would read a score before the end, and vLLM at it."""
    from transformers import AutoTokenizer

    student = tokenizer_with(tmp_path / "model", tokens)
    if own is not None:
        tokenizer = AutoTokenizer.from_pretrained(student.model)
        tokenizer.pad_token = own
        tokenizer.save_pretrained(student.model)
    found = open_scoring_tokenizer(student)
    assert found.pad_token == padding
    assert all(text[-1] != found.pad_token_id for text in texts(rendered(student, ROW)))


def test_without_another_special_token_there_is_no_padding(tmp_path: Path) -> None:
    student = tokenizer_with(tmp_path / "model", [])
    path = tmp_path / "model/tokenizer.json"
    path.write_text(path.read_text().replace('"special": true', '"special": false', 2))
    with pytest.raises(ConfigError, match="has no special token for padding") as caught:
        open_scoring_tokenizer(student)
    assert "\n" not in str(caught.value)


def test_examples_of_scores_are_refused_or_left_out(tmp_path: Path) -> None:
    path = str(tmp_path / "own.yaml")
    section = {"user": "{{text}}", "examples": [{"text": "1 + 1", "score": "1"}]}
    Path(path).write_text(yaml.safe_dump({"scores": section}))
    with pytest.raises(ConfigError, match="its section scores has examples, .*prompt.examples=0"):
        scoring_template(Prompt(path=path))
    assert scoring_template(Prompt(path=path, examples=0)).turns == ()
    with pytest.raises(ConfigError, match="prompt.examples=2"):
        scoring_template(Prompt(name="qwen_math", examples=2))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("problem", "responses", "right"), True),
        (("messages", "right"), True),
        (("chosen", "rejected"), True),
        (("problem", "responses"), False),
        (("problem", "right"), False),
        (("messages",), False),
        (("chosen",), False),
    ],
)
def test_columns_tell_preference_data(columns: tuple[str, ...], expected: bool) -> None:
    assert holds_preferences(columns) is expected
