"""A model of one's own on a real vLLM engine: its context, an adapter, plain text, options of sampling."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from omi_core import prompts
from omi_core.config import Engine, Sampling, TeacherOptions
from omi_core.prompts.completion import completion
from omi_core.records import Record
from omi_core.tasks import known
from omi_core.teachers.models import model_path
from omi_core.teachers.teacher import Request
from omi_core.teachers.vllm import VllmTeacher
from tests.installed import needs
from tests.own_models import make_adapter

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]
needs("vllm")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmTeacher]:
    """The embedded model as anybody's own, in a directory, with an adapter."""
    import torch

    torch.set_num_threads(1)  # a second one would mostly wait, as for the embedded teachers
    place = tmp_path_factory.mktemp("own")
    model = shutil.copytree(model_path("embedded:strong"), place / "model")
    options = TeacherOptions(
        name="own",
        model=str(model),
        dtype="float32",
        max_model_len=None,
        lora=str(make_adapter(place / "adapter")),
    )
    with VllmTeacher(options, Engine(kv_cache_gb=0.25), Sampling(max_tokens=40)) as opened:
        yield opened


TEXT = "Tom has 3 apples and buys 4 more. How many apples has Tom now?"


def asked(count: int, plain: bool = False) -> Iterator[Request]:
    (template,) = prompts.load(known()["solutions"].form, "tiny")
    record = Record.make(0, TEXT, None, "s")
    messages = template.messages(TEXT)
    if plain:
        messages = [{"role": "user", "content": completion(template, "solution", TEXT)}]
    for index in range(count):
        yield Request(record, index, messages, seed=index, plain=plain)


def texts(teacher: VllmTeacher, count: int = 4, plain: bool = False, **sampling: Any) -> list[str]:
    before, teacher._sampling = teacher._sampling, replace(teacher._sampling, **sampling)
    kept = vars(teacher)
    made = kept.pop("_common_params", None)
    try:
        found = [sample for sample in teacher.generate(asked(count, plain)) if sample is not None]
    finally:
        teacher._sampling = before
        kept.pop("_common_params", None)
        if made is not None:
            kept["_common_params"] = made
    assert {sample.error for sample in found} == {None}
    return [sample.text for sample in sorted(found, key=lambda sample: sample.index)]


def test_the_context_is_the_models_own(teacher: VllmTeacher) -> None:
    assert teacher._context == 2048


def test_an_adapter_changes_what_the_model_says(
    teacher: VllmTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted = texts(teacher, temperature=0.0)
    monkeypatch.setattr(teacher, "_adapter", {})
    plain = texts(teacher, temperature=0.0)
    assert adapted != plain
    assert all("\\boxed" in text for text in plain)


def test_a_plain_text_is_what_the_model_sees(teacher: VllmTeacher, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(teacher, "_adapter", {})
    add = teacher._engine.add_request
    monkeypatch.setattr(
        teacher._engine,
        "add_request",
        lambda name, prompt, params: (seen.append(prompt), add(name, prompt, params)),
    )
    texts(teacher, 1, plain=True)
    tokenizer = teacher._engine.get_tokenizer()
    assert tokenizer.decode(seen[0]["prompt_token_ids"]) == f"Solve: {TEXT}\n\nSolution:\n"


@pytest.fixture(scope="module")
def usual(teacher: VllmTeacher) -> list[str]:
    """What it says without any of these options, every time."""
    said = texts(teacher, 2)
    assert said == texts(teacher, 2)
    return said


@pytest.mark.parametrize(
    "sampling",
    [
        {"min_p": 1.0},
        {"repetition_penalty": 5.0},
        {"presence_penalty": 2.0},
        {"frequency_penalty": 2.0},
        {"stop_token_ids": list(range(3, 512))},
        {"extra": {"min_tokens": 30}},
    ],
    ids=lambda sampling: next(iter(sampling)),
)
def test_every_option_of_sampling_reaches_the_engine(
    teacher: VllmTeacher, usual: list[str], sampling: dict[str, Any]
) -> None:
    assert texts(teacher, 2, **sampling) != usual
