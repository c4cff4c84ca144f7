"""The loss and the steps of a reward model against naive code on small tensors and a small model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.teachers.tiny.world import draw
from omi_core.training.example_order import example_order
from omi_core.training.preference_rendering import PreferenceRendering, open_scoring_tokenizer
from omi_core.training.rendering import NO_LOSS, Example
from omi_core.training.train_options import Student, Training
from tests.installed import needs
from tests.training.conftest import preference, write_arrow

torch = pytest.importorskip("torch", reason="torch is not installed")
needs("trl")
RATE, BATCH = 0.1, 4
Judged = list[tuple[float, bool]]


def naive_list_loss(judged: Judged) -> float:
    """Word by word: -1/(k(n-k)) times the sum over all pairs of log sigmoid(r_right - r_wrong)."""
    right = [score for score, is_right in judged if is_right]
    wrong = [score for score, is_right in judged if not is_right]
    total = sum(math.log(1 / (1 + math.exp(-(r - w)))) for r in right for w in wrong)
    return -total / (len(right) * len(wrong))


LISTS = st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=2, max_size=8).filter(
    lambda judged: len({is_right for _, is_right in judged}) == 2
)


@given(judged=LISTS)
@settings(max_examples=40)
def test_the_loss_of_a_list_is_the_mean_over_its_pairs(judged: Judged) -> None:
    from omi_core.training.reward_trainer import list_loss

    scores = torch.tensor([score for score, _ in judged], dtype=torch.float64)
    found = list_loss(scores, torch.tensor([is_right for _, is_right in judged]))
    assert float(found) == pytest.approx(naive_list_loss(judged), rel=1e-6, abs=1e-9)


@given(right=st.floats(-8, 8), wrong=st.floats(-8, 8))
@settings(max_examples=20)
def test_a_pair_is_a_list_of_two(right: float, wrong: float) -> None:
    from omi_core.training.reward_trainer import list_loss

    found = list_loss(torch.tensor([right, wrong]), torch.tensor([True, False]))
    assert float(found) == pytest.approx(math.log1p(math.exp(wrong - right)), rel=1e-4, abs=1e-6)


TEXTS = st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.booleans())
ROWS = st.lists(st.lists(TEXTS, min_size=1), min_size=1)


@given(rows=ROWS)
@settings(max_examples=30)
def test_a_batch_has_a_line_for_each_response_padded_on_the_right(rows: list[Any]) -> None:
    from omi_core.training.reward_trainer import ResponseCollator

    given = [
        {
            "input_ids": [token for text, _ in row for token in text],
            "labels": [label for text, right in row for label in [NO_LOSS] * (len(text) - 1) + [int(right)]],
        }
        for row in rows
    ]
    made = ResponseCollator(0)(given)
    every = [each for row in rows for each in row]
    longest = max(len(text) for text, _ in every)
    assert made["input_ids"].tolist() == [text + [0] * (longest - len(text)) for text, _ in every]
    assert made["attention_mask"].tolist() == [[1] * len(t) + [0] * (longest - len(t)) for t, _ in every]
    assert made["right"].tolist() == [right for _, right in every]
    assert made["sizes"].tolist() == [len(row) for row in rows]


@pytest.fixture(scope="module")
def examples(student: Student) -> list[Example]:
    """Problems with two to six responses, of quite different lengths."""
    rendering = PreferenceRendering(open_scoring_tokenizer(student), None, Training(max_length=512))
    rows = [
        preference(each.text, [each.solution, "So.", *["Or " * at for at in range(1, 1 + at % 5)]])
        for at, each in enumerate(draw(5, 7))
    ]
    made = [rendering.example(row) for row in rows]
    assert all(isinstance(each, Example) for each in made)
    return made  # type: ignore[return-value]


def texts_of(example: Example) -> list[tuple[list[int], bool]]:
    found, begin = [], 0
    for at, label in enumerate(example.labels):
        if label != NO_LOSS:
            found.append((example.tokens[begin : at + 1], label == 1))
            begin = at + 1
    return found


def naive_step(model: Any, batch: list[Example]) -> tuple[Any, float]:
    """The mean loss of the problems, and the share of pairs in order; each response alone, unpadded."""
    total, in_order, pairs = 0.0, 0, 0
    for each in batch:
        scored = [
            (model(input_ids=torch.tensor([tokens])).logits[0, 0].double(), right)
            for tokens, right in texts_of(each)
        ]
        of_pairs = [
            (high, low) for high, is_right in scored if is_right for low, other in scored if not other
        ]
        total = total - sum(torch.log(torch.sigmoid(high - low)) for high, low in of_pairs) / len(of_pairs)
        in_order += sum(bool(high > low) for high, low in of_pairs)
        pairs += len(of_pairs)
    return total / len(batch), in_order / pairs


def settings_of(**options: Any) -> Training:
    common = {"objective": "reward", "batch": BATCH, "learning_rate": RATE, "max_length": 512}
    quiet = {"weight_decay": 0.0, "max_grad_norm": 0.0, "report_to": [], "packing": False}
    return Training(**common | quiet | options)


def opened(student: Student) -> Any:
    from omi_core.training.students import open_student

    return open_student(student, settings_of(), None, open_scoring_tokenizer(student))


def one_step(student: Student, examples: list[Example], folder: Path, **options: Any) -> tuple[Any, Any]:
    """The model after one step without momentum to speak of, and the point of its curve."""
    from omi_core.training.curves import read_curve
    from omi_core.training.stage_trainer import StageWork
    from omi_core.training.stage_training import run_stage

    folder.mkdir()
    write_arrow(folder / "examples.arrow", examples)
    work = StageWork(
        folder,
        settings_of(**options),
        folder / "examples.arrow",
        len(examples),
        1,
        student.dtype,
        lambda: False,
        lambda step: None,
    )
    model = opened(student)
    assert run_stage(work, model, open_scoring_tokenizer(student))
    return model, read_curve(folder)[0]


@pytest.mark.parametrize(
    ("micro", "checkpointing"),
    [
        (BATCH, False),
        (2, True),
        *(pytest.param(micro, also, marks=pytest.mark.slow) for micro, also in [(BATCH, True), (2, False)]),
        *(pytest.param(1, also, marks=pytest.mark.slow) for also in (True, False)),
    ],
)
def test_a_step_is_that_of_the_naive_loss(
    micro: int,
    checkpointing: bool,
    student: Student,
    examples: list[Example],
    tmp_path: Path,
    one_thread: None,
) -> None:
    """However the batch is cut up: each problem counts the same, however many responses it has."""
    options = {"micro_batch": micro, "gradient_checkpointing": checkpointing}
    model, point = one_step(student, examples, tmp_path / "stage", **options)
    naive = opened(student)
    batch = [examples[at] for at in example_order(len(examples), BATCH, 0)]
    expected, in_order = naive_step(naive, batch)
    assert point["loss"] == pytest.approx(float(expected), rel=1e-4)
    assert point["accuracy"] == pytest.approx(in_order)
    assert point["tokens"] == sum(len(each.tokens) for each in batch)
    expected.backward()
    for (name, trained), parameter in zip(model.named_parameters(), naive.parameters(), strict=True):
        # AdamW's first step is the rate times the sign of the gradient, where that is not tiny.
        large = parameter.grad.abs() > 1e-4
        step = (trained - parameter)[large]
        assert torch.equal(step.sign(), -parameter.grad[large].sign()), name
        assert torch.allclose(step.abs(), torch.tensor(RATE), atol=RATE * 2e-3), name


def test_the_head_computes_in_float32_below_sixteen_bits(student: Student) -> None:
    """As vLLM's does: scores that differ by less than sixteen bits tell apart stay in order."""
    model = opened(student)
    tokens = torch.tensor([[5, 6, 7, 2], [5, 6, 8, 2]])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=tokens, use_cache=False).logits
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


def test_the_head_is_random_and_the_same_each_time_and_the_rest_is_the_model_s() -> None:
    from safetensors.torch import load_file

    from omi_core.teachers.models import model_path

    student = Student(model="embedded:weak", dtype="float32")
    first, again = opened(student), opened(student)
    own = load_file(Path(model_path("embedded:weak")) / "model.safetensors")
    assert torch.equal(first.score.weight, again.score.weight) and first.score.weight.std() > 0
    for name, value in first.named_parameters():
        assert name == "score.weight" or torch.equal(value, own[name].float()), name
