"""The loss and the steps of the trainer against naive code on a small model."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from omi_core.teachers.tiny.world import draw
from omi_core.training.example_order import example_order
from omi_core.training.rendering import NO_LOSS, Example, Rendering, open_tokenizer
from omi_core.training.train_options import Student, Training
from tests.installed import needs
from tests.training.conftest import chat, write_arrow

torch = pytest.importorskip("torch", reason="torch is not installed")
needs("trl")
RATE, BATCH = 0.1, 6
# (micro batch, packing, checkpointing): in these each has each of its values; the other ways are slow.
WAYS = [(2, True, True), (BATCH, False, False), (2, False, True)]
MORE_WAYS = [way for way in product((BATCH, 2, 1), (True, False), (True, False)) if way not in WAYS]


@pytest.fixture(scope="module")
def examples(student: Student) -> list[Example]:
    """Of quite different lengths, one with an answered example in its prompt."""
    tokenizer = open_tokenizer(student)
    rendering = Rendering(tokenizer, None, Training(max_length=1024))
    rows = [chat(each.text, each.solution * (1 + at % 3)) for at, each in enumerate(draw(5, 11))]
    turns = rows[0]["messages"] + rows[1]["messages"]
    made = [rendering.example(row) for row in [*rows, {"messages": turns}]]
    assert all(isinstance(each, Example) for each in made)
    return made  # type: ignore[return-value]


def naive_loss(model: Any, batch: list[Example]) -> Any:
    """The mean over all tokens with a loss of the batch; each row alone, no padding, no packing."""
    total, count = 0.0, 0
    for each in batch:
        logits = model(input_ids=torch.tensor([each.tokens])).logits[0].double()
        odds = torch.log_softmax(logits, dim=-1)
        for at in range(1, len(each.tokens)):
            if each.labels[at] != NO_LOSS:
                total = total - odds[at - 1, each.labels[at]]
                count += 1
    return total / count


def opened(student: Student, settings: Training) -> Any:
    from omi_core.training.students import open_student

    return open_student(student, settings, None, open_tokenizer(student))


def one_step(student: Student, examples: list[Example], folder: Path, **options: Any) -> tuple[Any, float]:
    """The model after one step without momentum to speak of, and the loss that was told."""
    from omi_core.training.curves import read_curve
    from omi_core.training.stage_trainer import StageWork
    from omi_core.training.stage_training import run_stage

    settings = Training(
        batch=BATCH,
        learning_rate=RATE,
        max_length=1024,
        weight_decay=0.0,
        max_grad_norm=0.0,
        report_to=[],
        **options,
    )
    folder.mkdir()
    write_arrow(folder / "examples.arrow", examples)
    told: list[dict[str, float]] = []
    work = StageWork(
        folder, settings, folder / "examples.arrow", len(examples), 1, "float32", lambda: False, told.append
    )
    model = opened(student, settings)
    assert run_stage(work, model, open_tokenizer(student))
    assert [step["step"] for step in told] == [1]
    return model, read_curve(folder)[0]["loss"]


@pytest.mark.parametrize(
    ("micro", "packing", "checkpointing"),
    [*WAYS, *(pytest.param(*way, marks=pytest.mark.slow) for way in MORE_WAYS)],
)
def test_a_step_is_that_of_the_naive_loss(
    micro: int,
    packing: bool,
    checkpointing: bool,
    student: Student,
    examples: list[Example],
    tmp_path: Path,
    one_thread: None,
) -> None:
    """However the batch is cut up and packed: rows attend to themselves alone, replies alone have a loss."""
    options = {"micro_batch": micro, "packing": packing, "gradient_checkpointing": checkpointing}
    model, loss = one_step(student, examples, tmp_path / "stage", **options)
    naive = opened(student, Training(max_length=1024))
    batch = [examples[at] for at in example_order(len(examples), BATCH, 0)]
    expected = naive_loss(naive, batch)
    assert loss == pytest.approx(float(expected), rel=1e-4)
    expected.backward()
    for (name, trained), parameter in zip(model.named_parameters(), naive.parameters(), strict=True):
        # AdamW's first step is the rate times the sign of the gradient, where that is not tiny.
        large = parameter.grad.abs() > 1e-4
        step = (trained - parameter)[large]
        assert torch.equal(step.sign(), -parameter.grad[large].sign()), name
        assert torch.allclose(step.abs(), torch.tensor(RATE), atol=RATE * 2e-3), name


def test_in_a_pack_a_row_does_not_see_the_others(student: Student, examples: list[Example]) -> None:
    """The collator's positions alone keep rows apart, with the attention that the settings name."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    model = opened(student, Training(max_length=1024))
    rows = [{"input_ids": each.tokens, "labels": each.labels} for each in examples[:3]]
    packed = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(rows)
    with torch.no_grad():
        together = model(
            input_ids=packed["input_ids"], position_ids=packed["position_ids"], use_cache=False
        ).logits[0]
        alone = [model(input_ids=torch.tensor([each.tokens])).logits[0] for each in examples[:3]]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
