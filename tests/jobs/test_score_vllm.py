"""Reward models on a real vLLM engine: the scores are those that transformers and plain arithmetic give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Engine, Sampling, TeacherOptions
from omi_core.options import ConfigError
from omi_core.records import Record, Sample
from omi_core.teachers.reward import RewardTeacher
from omi_core.teachers.teacher import Request
from omi_core.teachers.teacher_options import Reward
from tests.conftest import Here
from tests.installed import needs
from tests.jobs.test_selections import SOLVED, done, files_of
from tests.own_models import STEP_END, make_classifier, make_process_model
from tests.tasks.test_problems import rows

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]
needs("vllm")

PROBLEM = "Tom has 3 apples and buys 4 more. How many apples has Tom now?"
# One that says a control token, one of several steps, an empty one, and one that is too long.
SOLUTIONS = [
    "3 + 4 = 7. The answer is \\boxed{7}.",
    f"He has <|end|> of them.\n\nSo {STEP_END} 7.\n\n\n\nThe answer is \\boxed{{7}}.",
    "",
    "and so on " * 2000,
]
SHORT = range(len(SOLUTIONS) - 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the models of this module."""
    import torch

    torch.set_num_threads(1)  # a second one would mostly wait, as for the embedded teachers
    place = tmp_path_factory.mktemp("models")
    make_classifier(place / "one")
    make_classifier(place / "three", labels=3)
    make_process_model(place / "steps")
    make_process_model(place / "tokens", "Qwen2ForRewardModel")
    return place


def requests() -> Iterator[Request]:
    record = Record.make(0, PROBLEM, None, "s")
    for index, solution in enumerate(SOLUTIONS):
        messages = [{"role": "user", "content": PROBLEM}, {"role": "assistant", "content": solution}]
        yield Request(record, index, messages, seed=index)


def scored(model: Path, seats: int | None = None, **reward: Any) -> list[Sample]:
    teacher = TeacherOptions(
        name="own",
        kind="reward",
        model=str(model),
        dtype="float32",
        max_model_len=None,
        reward=Reward(**reward),
    )
    with RewardTeacher(teacher, Engine(kv_cache_gb=0.25, max_num_seqs=seats), Sampling()) as opened:
        found = [sample for sample in opened.generate(requests()) if sample is not None]
        assert opened.describe()["engine"] == "vllm"
    return sorted(found, key=lambda sample: sample.index)


def numbers(samples: list[Sample]) -> list[float]:
    assert [sample.finish_reason for sample in samples] == ["stop"] * len(SHORT) + ["length"]
    assert samples[-1].text == "" and samples[-1].error is None and samples[-1].prompt_tokens > 2048
    return [float(samples[at].text) for at in SHORT]


def literal(tokenizer: Any, text: str) -> list[int]:
    """Text as letters, also where it spells control tokens."""
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def by_transformers(model: Path, label: int) -> list[float]:
    """As who trained the model computes it: its tokens to the end, pooled where transformers does."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
    begin = [0, *literal(tokenizer, PROBLEM), 1]
    with torch.inference_mode():
        return [
            float(network(torch.tensor([[*begin, *literal(tokenizer, SOLUTIONS[at]), 2]])).logits[0, label])
            for at in SHORT
        ]


@pytest.mark.parametrize(
    ("name", "label", "chosen"), [("one", None, 0), pytest.param("three", 1, 1, marks=pytest.mark.slow)]
)
def test_a_classifier_gives_the_raw_outputs_of_transformers_though_its_padding_is_its_end(
    place: Path, name: str, label: int | None, chosen: int
) -> None:
    found = numbers(scored(place / name, label=label))
    assert found == pytest.approx(by_transformers(place / name, chosen), abs=1e-4)
    assert max(map(abs, found)) > 1  # no activation
    assert found == numbers(scored(place / name, label=label, checked=0))


def outputs(model: Path, tokens: list[int]) -> Any:
    """What the head says of each token, (tokens, outputs)."""
    import torch
    from safetensors.torch import load_file
    from transformers import Qwen2Model

    weights = load_file(model / "model.safetensors")
    body = Qwen2Model.from_pretrained(model, dtype=torch.float32).eval()
    with torch.inference_mode():
        hidden = body(torch.tensor([tokens])).last_hidden_state[0]
        hidden = (hidden @ weights["score.0.weight"].T + weights["score.0.bias"]).relu()
        return hidden @ weights["score.2.weight"].T + weights["score.2.bias"]


STEPS = [[SOLUTIONS[0]], ["He has <|end|> of them.", f"So {STEP_END} 7.", "The answer is \\boxed{7}."], [""]]


@pytest.mark.slow
def test_a_process_model_is_read_at_the_end_of_each_step(place: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place / "steps")
    end = tokenizer.convert_tokens_to_ids(STEP_END)
    expected: dict[str, list[float]] = {"product": [], "min": [], "last": []}
    for steps in STEPS:
        tokens = [0, *literal(tokenizer, PROBLEM), 1]
        ends = []
        for step in steps:
            tokens += [*literal(tokenizer, step), end]
            ends.append(len(tokens) - 1)
        right = outputs(place / "steps", [*tokens, 2])[ends].double().softmax(-1)[:, 1].tolist()
        expected["product"].append(math.prod(right))
        expected["min"].append(min(right))
        expected["last"].append(right[-1])
    for steps, values in expected.items():
        assert numbers(scored(place / "steps", steps=steps)) == pytest.approx(values, rel=1e-4)
    with pytest.raises(ConfigError, match="teacher.reward.step_end=<step>: no token of "):
        scored(place / "steps", step_end="<step>")


@pytest.mark.slow
def test_a_reward_model_of_tokens_is_read_at_the_last_one(place: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place / "tokens")
    expected = [
        float(
            outputs(place / "tokens", [0, *literal(tokenizer, PROBLEM), 1, *literal(tokenizer, text), 2])[
                -1, 0
            ]
        )
        for text in (SOLUTIONS[at].replace(STEP_END, STEP_END) for at in SHORT)
    ]
    assert numbers(scored(place / "tokens")) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_score_that_transformers_denies_ends_the_task(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = RewardTeacher._score
    monkeypatch.setattr(RewardTeacher, "_score", lambda self, found: score(self, found) + 0.5)
    with pytest.raises(ConfigError, match="vLLM scores sample 0 of record .*, transformers ") as caught:
        scored(place / "one")
    assert "\n" not in str(caught.value)
    numbers(scored(place / "one", checked=0))


# Without vLLM it is tested in test_score.py.
@pytest.mark.slow
def test_a_run_is_scored_the_same_for_any_number_of_tasks(here: Here, place: Path, tmp_path: Path) -> None:
    done(here, *SOLVED, "data.size=6")
    words = (
        "score",
        "input=solved",
        f"model={place / 'one'}",
        "teacher.dtype=float32",
        "engine.kv_cache_gb=0.25",
    )
    done(here, *words, "run.dir=one")
    done(here, *words, "run.dir=many", "tasks=3", "reduce_tasks=2")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")
    found = list(rows(tmp_path / "one"))
    assert found and all(row["score"] is not None or row["tokens"] > 2048 for row in found)
    content = orjson.loads((tmp_path / "one/plan.json").read_bytes())["content"]
    assert content["teacher"]["model"] == "local" and content["teacher"]["weights"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model=three",), "three: has 3 outputs; say which is the score, teacher.reward.label=N"),
        (("model=writer",), "writer: LlamaForCausalLM gives no scores; give a model …ForSequenceClass"),
        (("model=steps", "teacher.reward.step_end='<s>'"), "teacher.reward.step_end=<s>: no token of "),
        (("model=/nowhere",), "/nowhere: no such directory"),
    ],
)  # fmt: skip
def test_what_is_no_reward_model_is_refused_before_anything_starts(
    here: Here, place: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    from omi_core.teachers.models import model_path

    done(here, *SOLVED, "data.size=6")
    for name, target in (
        ("three", place / "three"),
        ("steps", place / "steps"),
        ("writer", model_path("embedded:weak")),
    ):
        (tmp_path / name).symlink_to(target)
    code, _, err = here("score", "input=solved", *words, "run.dir=run")
    assert code == 2 and message in err and len(err.splitlines()) == 1, err
    assert not (tmp_path / "run").exists()
