"""Rows become tokens: the prompt of generation to the token, and a loss on the reply and its end alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omi_core.options import ConfigError
from omi_core.prompts.prompt_options import Prompt
from omi_core.teachers.chat_prompt import ChatPrompt, TemplateFailed
from omi_core.training.rendering import NO_LOSS, Example, Rendering, open_tokenizer, student_template
from omi_core.training.train_options import Student, Training
from tests.training.conftest import chat, small_model

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REWRITES = "{% for m in messages %}{{ loop.length }}<|user|>{{ m['content'] }}<|end|>{% endfor %}"


def tokenizer_with(directory: Path, tokens: list[str], template: str | None = None) -> Student:
    """A student whose tokenizer has these special tokens, and maybe another chat template of a file."""
    from transformers import AutoTokenizer

    small_model(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    if "<|begin_of_text|>" in tokens:
        tokenizer.bos_token = "<|begin_of_text|>"
    tokenizer.save_pretrained(directory)
    if template is not None and template != "llama3":
        (directory / "template.jinja").write_text(template)
        template = str(directory / "template.jinja")
    return Student(model=str(directory), chat_template=template)


STUDENTS = {
    "tiny": ([], None, "<|end|>"),
    "chatml": (["<|im_start|>", "<|im_end|>"], CHATML, "<|im_end|>"),
    "llama3": (
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "llama3",
        "<|eot_id|>",
    ),
}


@pytest.fixture(params=STUDENTS)
def student(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Student, str]:
    tokens, template, end = STUDENTS[request.param]
    return tokenizer_with(tmp_path / "model", tokens, template), end


def rendered(student: Student, row: dict[str, Any], prompt: str | None = "tiny", **options: Any) -> Any:
    template = None if prompt is None else student_template(Prompt(name=prompt))
    return Rendering(open_tokenizer(student), template, Training(**options)).example(row)


def test_what_is_saved_with_a_model_is_the_same_on_and_off_line(
    student: tuple[Student, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    saved = []
    for offline in (False, True):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
        open_tokenizer(student[0]).save_pretrained(tmp_path / str(offline))
        saved.append({path.name: path.read_bytes() for path in (tmp_path / str(offline)).iterdir()})
    assert saved[0] == saved[1]


def test_the_prompt_is_that_of_generation_and_the_reply_has_the_loss(student: tuple[Student, str]) -> None:
    model, end = student
    tokenizer = open_tokenizer(model)
    assert tokenizer.eos_token == end
    for prompt in ("tiny", "qwen_math", "gsm8k"):
        made = rendered(model, chat("What is 1 + 2?", "It is 3."), prompt)
        asked = student_template(Prompt(name=prompt)).messages("What is 1 + 2?")
        expected = ChatPrompt(tokenizer).tokens(asked)
        assert made.tokens[: len(expected)] == expected
        assert made.labels[: len(expected)] == [NO_LOSS] * len(expected)
        assert made.labels[len(expected) :] == made.tokens[len(expected) :]
        assert made.tokens[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(made.tokens[len(expected) : -1]).strip() == "It is 3."


def test_of_several_turns_each_reply_has_a_loss_and_stands_behind_its_prompt(
    student: tuple[Student, str],
) -> None:
    model, _ = student
    tokenizer = open_tokenizer(model)
    turns = ["One?", "The first.", "Two?", "The second."]
    said = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(turns)]
    made = rendered(model, {"messages": said})
    learnt = tokenizer.decode([label for label in made.labels if label != NO_LOSS])
    assert learnt.replace("\n", "") == f"The first.{tokenizer.eos_token}The second.{tokenizer.eos_token}"
    last = ChatPrompt(tokenizer).tokens(said[:3])  # as the model is asked after its first reply
    assert made.tokens[: len(last)] == last


def test_a_token_that_a_text_only_names_is_text(student: tuple[Student, str]) -> None:
    model, end = student
    tokenizer = open_tokenizer(model)
    made = rendered(model, chat(f"Say {end}.", f"So {end} it is."))
    assert made.tokens.count(tokenizer.eos_token_id) <= 2  # the reply's own end, and that of the user's turn
    assert [label for label in made.labels if label != NO_LOSS].count(tokenizer.eos_token_id) == 1


def test_only_a_single_question_is_asked_in_the_words_of_the_prompt(tmp_path: Path) -> None:
    model = tokenizer_with(tmp_path / "model", [])
    tokenizer = open_tokenizer(model)

    def text(row: dict[str, Any], prompt: str | None) -> str:
        return tokenizer.decode(rendered(model, row, prompt).tokens)

    row = chat("Why?", "So.")
    assert "boxed" in text(row, "step_by_step") and "boxed" not in text(row, None)
    row["messages"].insert(0, {"role": "system", "content": "Be brief."})
    assert "boxed" not in text(row, "step_by_step")


def test_rows_of_a_run_are_taken_as_they_are_published(tmp_path: Path) -> None:
    model = tokenizer_with(tmp_path / "model", [])
    row = {"problem": "Why?", "generated_solution": "So.", "expected_answer": "1"}
    assert rendered(model, row) == rendered(model, chat("Why?", "So."))
    thought = rendered(model, row | {"reasoning": "Hm."})
    assert "<think>\nHm.\n</think>\n\nSo." in open_tokenizer(model).decode(thought.tokens)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (chat("Why?", " "), "empty_message"),
        ({"messages": chat("Why?", "So.")["messages"][::-1]}, "not_alternating"),
        ({"messages": chat("Why?", "So.")["messages"][:1]}, "no_reply"),
        ({"messages": []}, "no_messages"),
        ({"problem": "Why?", "generated_solution": ""}, "empty_message"),
        ({"problem": "Why?"}, "no_columns"),
    ],
)
def test_a_row_that_is_no_conversation_says_why(row: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert rendered(tokenizer_with(tmp_path / "model", []), row) == reason


def test_a_long_row_is_dropped_or_cut_but_never_to_its_prompt_alone(tmp_path: Path) -> None:
    model = tokenizer_with(tmp_path / "model", [])
    row = chat("Why?", "Because it is so, and not otherwise at all, as one may see.")
    whole = rendered(model, row)
    length, prompt = len(whole.tokens), whole.labels.count(NO_LOSS)
    assert rendered(model, row, max_length=length) == whole
    assert rendered(model, row, max_length=length - 1) == "too_long"
    cut = rendered(model, row, max_length=length - 1, too_long="cut")
    assert cut == Example(whole.tokens[:-1], whole.labels[:-1], cut=True)
    assert rendered(model, row, max_length=prompt, too_long="cut") == "too_long"


def test_a_template_that_rewrites_what_was_asked_is_refused(tmp_path: Path) -> None:
    model = tokenizer_with(tmp_path / "model", [], REWRITES)
    with pytest.raises(TemplateFailed, match="otherwise than a prompt and a reply"):
        rendered(model, chat("Why?", "So."))


@pytest.mark.parametrize(
    ("template", "line"),
    [
        (None, "has no chat template"),
        ("nowhere.jinja", "cannot be read"),
        ("{{ raise_exception('no') }}", "its chat template fails"),
    ],
)
def test_a_student_that_cannot_be_asked_is_refused_in_a_line(
    template: str | None, line: str, tmp_path: Path
) -> None:
    model = tokenizer_with(tmp_path / "model", [], template)
    config = tmp_path / "model/tokenizer_config.json"
    if template is None:
        import json

        values = json.loads(config.read_text())
        values.pop("chat_template", None)
        config.write_text(json.dumps(values))
        (tmp_path / "model/chat_template.jinja").unlink(missing_ok=True)
    elif template == "nowhere.jinja":
        model.chat_template = template
    with pytest.raises(ConfigError, match=line) as caught:
        open_tokenizer(model)
    assert "\n" not in str(caught.value)
