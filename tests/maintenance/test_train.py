"""Training: lessons are packed so that each sees itself alone, and what is saved is an ordinary Llama."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from maintenance.lessons import Mix
from maintenance.tokenizer import END, MAX_LENGTH, VOCABULARY, rendered, tokenizer_path
from omi_core.teachers.tiny import path

torch = pytest.importorskip("torch")
from maintenance.model import Llama, Shape, load_weights, save_checkpoint  # noqa: E402
from maintenance.train import PLANS, Batch, Plan, Stage, batches, encoded, rate_at, train  # noqa: E402

SHAPE = Shape(VOCABULARY, hidden=64, layers=2, inner=96, max_length=MAX_LENGTH)
MIX = Mix(2, 1, 1)
PLAN = Plan(SHAPE, (Stage(2, 1e-2, MIX), Stage(2, 1e-2, MIX)), rows=2, length=448, warmup=1)
TOKENIZER = Tokenizer.from_file(str(tokenizer_path()))


def first_batch() -> Batch:
    return next(batches(TOKENIZER, PLAN, MIX, seed=3))


def test_a_batch_holds_the_lessons_end_to_end_and_targets_are_the_replies() -> None:
    batch = first_batch()
    stream = encoded(TOKENIZER, MIX, 3, PLAN.length)
    targets: list[int] = []
    for row in range(PLAN.rows):
        positions = batch.positions[row].tolist()
        positions = batch.positions[row].tolist()
        positions = batch.positions[row].tolist()
        positions = batch.positions[row].tolist()
        starts = [i for i in range(PLAN.length - 1) if positions[i : i + 2] == [0, 1]]
        for start in starts:
            ids, prompt = next(stream)
            assert batch.tokens[row, start : start + len(ids)].tolist() == ids
            assert ids[-1] == TOKENIZER.token_to_id(END)
            targets += ids[prompt:]
    assert batch.targets.tolist() == targets
    assert int(batch.where.sum()) == len(targets)


def test_packing_changes_no_logits() -> None:
    torch.manual_seed(0)
    model, batch = Llama(SHAPE), first_batch()
    ids, prompt = next(encoded(TOKENIZER, MIX, 3, PLAN.length))
    packed = model(batch.tokens, batch.positions, batch.mask, batch.where)
    n = len(ids)
    mask = torch.full((n, n), -1e9).triu(1)[None, None]
    where = (torch.arange(n) >= prompt - 1) & (torch.arange(n) < n - 1)
    alone = model(torch.tensor([ids]), torch.arange(n)[None], mask, where[None])
    torch.testing.assert_close(packed[: len(alone)], alone, atol=1e-4, rtol=1e-4)


def test_a_saved_model_is_the_same_llama_in_transformers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    model = Llama(SHAPE)
    save_checkpoint(model, tmp_path, end_token=2)
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ours = Llama(SHAPE)
    ours.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in model.state_dict().items()})
    ids = torch.tensor([TOKENIZER.encode(rendered("Solve: 12 + 3")).ids])
    n = ids.shape[1]
    everywhere = torch.ones(1, n, dtype=torch.bool)
    logits = ours(ids, torch.arange(n)[None], torch.full((n, n), -1e9).triu(1)[None, None], everywhere)
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits[0], logits, atol=1e-4, rtol=1e-4)


def test_training_leaves_a_complete_checkpoint_and_is_the_same_again_also_after_a_break(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        train(PLAN, tmp_path / name, seed=0)
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert files == sorted(file.name for file in path("tiny").iterdir())
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    train(replace(PLAN, stages=PLAN.stages[:1]), tmp_path / "c", seed=0)
    assert (tmp_path / "c" / "model.safetensors").read_bytes() != weights[0]
    train(PLAN, tmp_path / "c", seed=0, first_stage=2)
    assert (tmp_path / "c" / "model.safetensors").read_bytes() == weights[0]


def test_the_rate_warms_up_and_falls() -> None:
    rates = [rate_at(step, steps=100, warmup=10) for step in range(100)]
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == pytest.approx(1) and 0 < rates[0] < 0.2 and 0 < rates[-1] < 0.05


def test_a_thinking_teacher_starts_from_the_strong_one_and_learns_its_tags(tmp_path: Path) -> None:
    plan = replace(PLANS["thinking"], stages=(Stage(2, 1e-3, MIX, tuning=True),), rows=2)
    train(plan, tmp_path, seed=0)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == sorted(file.name for file in path("tiny_thinking").iterdir())
    tuned, strong, fresh = (Llama(shape) for shape in (plan.shape, PLANS["strong"].shape, plan.shape))
    load_weights(tuned, tmp_path)
    load_weights(strong, path("tiny"))
    load_weights(fresh, path("tiny"))
    pairs = list(zip(tuned.parameters(), strong.parameters(), strict=True))
    for ours, theirs in pairs:
        torch.testing.assert_close(ours[: len(theirs)], theirs, atol=2e-2, rtol=0)
    assert any(not torch.equal(ours[: len(theirs)], theirs) for ours, theirs in pairs)
    assert fresh.model.embed_tokens.weight.shape[0] == VOCABULARY + 2
    assert not torch.equal(fresh.model.embed_tokens.weight[-1], fresh.model.embed_tokens.weight[-2])


@pytest.mark.parametrize(
    ("name", "size", "limit"),
    [
        ("tiny", "strong", 3),
        ("tiny_weak", "weak", 1),
        ("tiny_thinking", "thinking", 3),
        ("tiny_muddled", "muddled", 1),
        ("tiny_verbose", "verbose", 1),
        ("tiny_base", "base", 1),
    ],
)
def test_shipped_checkpoints_have_the_shape_of_their_plan_and_stay_small(
    name: str, size: str, limit: int
) -> None:
    config = json.loads((path(name) / "config.json").read_text())
    shape = PLANS[size].shape
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert (config["hidden_size"], config["num_hidden_layers"]) == (shape.hidden, shape.layers)
    assert (config["vocab_size"], config["max_position_embeddings"]) == (shape.vocabulary, MAX_LENGTH)
    assert (path(name) / "model.safetensors").stat().st_size <= limit * 2**20


def test_an_unknown_teacher_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="tiny, tiny_weak, tiny_thinking"):
        path("huge")
