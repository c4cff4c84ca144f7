"""jobs.train of a reward model, from the command line: what is made, continued, planned and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from omi_core.teachers.tiny.world import draw
from omi_core.training.curves import read_curve
from tests.conftest import Here
from tests.installed import needs
from tests.training.conftest import Train, chat, preference, write_rows

needs("trl")
# Right ones stand first, and are easily told.
SOME = [preference(each.text, [each.solution, "No.", "Or"]) for each in draw(3, 12)]
RM = ("data=preferences.jsonl", "training=demo_rm")
QUICKEST = ("training.steps=2", "training.save_every=1")


@pytest.fixture
def rm(train: Train, place: Path) -> Train:
    write_rows(place / "preferences.jsonl", SOME)
    return lambda *words: train(*RM, *words)


def test_a_reward_model_is_made_and_says_what_it_is(rm: Train, here: Here, place: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    code, out, err = rm("prompt=qwen_math", "training.average=2")
    assert code == 0, err
    assert "12 rows, 12 taken; " in out and " tokens in 36 responses, of which the longest has " in out
    model = place / "out/model"
    assert f"score: python -m jobs.score input=RUN model={model}" in out
    config = json.loads((model / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"] and len(config["id2label"]) == 1
    network = AutoModelForSequenceClassification.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert network.num_labels == 1 and network.dtype == torch.float32
    assert config["pad_token_id"] == tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.chat_template and not (model / "generation_config.json").exists()
    said = yaml.safe_load((model / "prompt.yaml").read_text())
    assert said["scores"]["system"].startswith("Please reason step by step") and list(said) == ["scores"]
    # What was learnt: right responses score higher.
    curve = read_curve(place / "out/stage-1")
    assert curve[-1]["loss"] < curve[0]["loss"] and curve[-1]["accuracy"] > 0.9
    card = (model / "README.md").read_text()
    for words in ("A reward model: one output", "| step | tokens | loss | pairs in order |", "| 12 |"):
        assert words in card
    assert "tags: [math, reward-model" in card and f"jobs.score input=RUN model={model}" in card
    code, out, _ = here("status", "out")
    assert code == 0 and f"12 of 12, loss {curve[-1]['loss']:.4f}, " in out and "% of pairs in order" in out
    (told,) = json.loads(here("status", "out", "json=true")[1])
    assert told["pair_accuracy"] == curve[-1]["accuracy"]
    page = (place / "out/training.html").read_text()
    assert page.count("<svg ") == 4 and "in order" in page
    code, out, _ = rm("prompt=qwen_math", "training.average=2", "training.micro_batch=1")
    assert (code, out) == (0, f"complete, nothing to do: {model}\n")


def test_pairs_are_lists_of_two_and_stages_go_on_from_one_another(rm: Train, place: Path) -> None:
    pairs = [
        {"prompt": row["problem"], "chosen": row["responses"][0], "rejected": row["responses"][1]}
        for row in SOME
    ]
    write_rows(place / "pairs.jsonl", pairs)
    stages = "training.stages={lists: {}, pairs: {learning_rate: 1e-9, as_is: true}}"
    code, out, err = rm("data=[preferences.jsonl,pairs.jsonl]", stages, *QUICKEST)
    assert code == 0, err
    assert "lists: 12 rows" in out and "pairs: 12 rows" in out and "in 24 responses" in out
    from safetensors.torch import load_file

    first = load_file(place / "out/stage-1/model/model.safetensors")
    last = load_file(place / "out/model/model.safetensors")
    assert "score.weight" in last
    assert all((first[name] - last[name]).abs().max() < 1e-6 for name in last)  # its head, too
    # The last stage showed the texts as they are, as jobs.score does without a prompt.
    assert (place / "out/stage-1/model/prompt.yaml").exists() and not (
        place / "out/model/prompt.yaml"
    ).exists()


def test_the_plan_counts_responses_and_says_what_is_left_out(rm: Train, place: Path) -> None:
    rows = [*SOME, preference("Why?", ["So.", "So, too."], right=2), preference("Why?", ["So.", "Or " * 300])]
    write_rows(place / "preferences.jsonl", rows)
    code, out, _ = rm("plan=true", "training.max_length=300", "training.steps=null", "training.epochs=1")
    assert code == 0 and not (place / "out").exists()
    told = " ".join(out.split())
    for words in (
        "reward preferences.jsonl: 14 rows, 12 taken; left out: 1 one kind, 1 too long; ",
        "3 steps of 4 rows, 1.00 epochs",
        "responses up to 300 tokens",
    ):
        assert words in told, told


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["data=rows.jsonl"],
            "data=rows.jsonl: is no preference data: problem, responses and right; messages",
        ),
        (["training=demo"], "is preference data, right and wrong responses; give training=acemath_rm"),
        (["training=demo", "data=told.jsonl"], "is preference data, right and wrong responses"),
        (["training.packing=true"], "training.packing=true: not with objective=reward"),
        (["training.too_long=cut"], "training.too_long=cut: not with objective=reward"),
        (["training.stages={a: {objective: sft}}"], "training.stages: objective=sft: all stages have one"),
        (["training.objective=scores"], "training.objective=scores"),
        (["prompt.examples=1"], "prompt.examples=1"),
        (["prompt.path=nowhere.yaml"], "prompt.path=nowhere.yaml: no such file"),
        (
            ["training=acemath_rm", "training.learning_rate=null"],
            "training=acemath_rm has none for student=tiny",
        ),
        (["data=one_kind.jsonl"], "no row can be trained on: 1 rows, 0 taken; left out: 1 one kind"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_a_line_and_leaves_nothing_behind(
    words: list[str], line: str, rm: Train, place: Path
) -> None:
    told = [chat("Why?", each)["messages"] for each in ("So.", "No.")]
    write_rows(place / "told.jsonl", [{"messages": told, "right": [True, False]}])
    write_rows(place / "one_kind.jsonl", [preference("Why?", ["So."])])
    before = {path.name for path in place.iterdir()}
    code, _, err = rm(*words)
    assert code == 2 and line in err and err.count("\n") == 1, err
    left = {path.name for path in place.iterdir()} - before
    assert left <= {"out"} and not [path for path in place.glob("out/*") if path.name != ".lock"]


def test_the_fingerprint_of_what_was_trained_before_there_were_reward_models_stands(place: Path) -> None:
    from omi_core import options
    from omi_core.training.train_options import Training

    assert "objective" not in options.content(Training())
    assert options.content(Training(objective="reward"))["objective"] == "reward"


def test_scoring_shows_texts_in_the_words_of_the_training(rm: Train, here: Here, place: Path) -> None:
    (place / "own.yaml").write_text("scores: {user: 'Judge this: {{text}}'}\n")
    rows: list[dict[str, Any]] = [{"problem": "Why?", "generated_solution": "So."}]
    write_rows(place / "solutions.jsonl", rows)
    code, _, err = rm(*QUICKEST, "prompt.path=own.yaml")
    assert code == 0, err
    ask = ("score", "input=solutions.jsonl", "model=out/model", "plan=true")
    code, out, err = here(*ask)
    assert code == 0 and "Judge this: {{text}}" in out, err
    code, out, _ = here(*ask, "prompt=qwen_math")
    assert code == 0 and "Judge this" not in out
    # A student's words are for those who solve; nothing is scored with them.
    (place / "out/model/prompt.yaml").write_text("solutions: tiny\n")
    code, out, err = here(*ask)
    assert code == 0 and "Judge this" not in out and "Solve:" not in out, err
    assert orjson.loads((place / "out/train.json").read_bytes())["content"]["stages"]["reward"]["prompt"]
