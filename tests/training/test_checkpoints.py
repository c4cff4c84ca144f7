"""A checkpoint is whole or is none; older ones are thinned out; the model is the mean of those that count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omi_core.training.checkpoints import (
    SAVING,
    checkpoints,
    last_checkpoint,
    seal_checkpoint,
    write_model,
)

torch = pytest.importorskip("torch", reason="torch is not installed")


def save(stage: Path, step: int, keep: tuple[int, ...] = (), shards: int = 1) -> dict[str, object]:
    """A checkpoint of random weights, in one file or several; the weights."""
    from safetensors.torch import save_file

    torch.manual_seed(step)
    weights = {name: torch.randn(3, 5) for name in ("a", "b", "c")}
    folder = stage / SAVING / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        index = {}
        for number, (name, value) in enumerate(weights.items()):
            file = f"model-{number:05}-of-{shards:05}.safetensors"
            save_file({name: value}, folder / file, metadata={"format": "pt"})
            index[name] = file
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "dtype": "float32"}))
    (folder / "tokenizer.json").write_text("{}")
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth"):
        (folder / name).write_bytes(b"x" * 10)
    seal_checkpoint(stage, step, keep)
    return weights


def test_the_last_one_is_gone_on_from_and_of_others_only_weights_stay(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        save(tmp_path, step, keep=(4, 8))
    assert [(each.step, each.weights_only) for each in checkpoints(tmp_path)] == [(4, True), (8, False)]
    kept = {path.name for path in (tmp_path / "checkpoint-4").iterdir()}
    assert kept == {"model.safetensors", "sealed.json"}
    last = last_checkpoint(tmp_path)
    assert last is not None and last.step == 8


@pytest.mark.parametrize("damage", ["cut", "gone", "seal", "unsealed"])
def test_a_torn_checkpoint_is_not_taken(damage: str, tmp_path: Path) -> None:
    save(tmp_path, 2, keep=(2,))
    before = tmp_path / "checkpoint-2/optimizer.pt"
    assert before.exists()
    whole = {path.name: path.read_bytes() for path in (tmp_path / "checkpoint-2").iterdir()}
    save(tmp_path, 4, keep=(2,))
    torn = tmp_path / "checkpoint-4"
    if damage == "cut":
        (torn / "optimizer.pt").write_bytes(b"x")
    elif damage == "gone":
        (torn / "model.safetensors").unlink()
    elif damage == "seal":
        (torn / "sealed.json").write_bytes((torn / "sealed.json").read_bytes()[:-9])
    else:
        (torn / "sealed.json").unlink()
    for name, data in whole.items():  # as if it had not been thinned out yet
        (tmp_path / "checkpoint-2" / name).write_bytes(data)
    last = last_checkpoint(tmp_path)
    assert last is not None and last.step == 2
    save(tmp_path, 4, keep=(2,))  # the same step again takes the place of the torn one
    last = last_checkpoint(tmp_path)
    assert last is not None and last.step == 4


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_model_is_the_mean_of_the_weights(shards: int, dtype: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    steps = (1, 2, 3, 4, 5, 6)
    taken = {step: save(tmp_path, step, keep=steps, shards=shards) for step in steps}
    write_model(checkpoints(tmp_path), tmp_path / "model", dtype)
    found = {}
    for path in sorted((tmp_path / "model").glob("*.safetensors")):
        found |= load_file(path)
    for name in ("a", "b", "c"):
        naive = torch.stack([torch.as_tensor(weights[name]).double() for weights in taken.values()]).mean(0)
        assert torch.equal(found[name], naive.to(getattr(torch, dtype)))
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert not names & {"optimizer.pt", "training_args.bin", "sealed.json"} and "tokenizer.json" in names
    assert json.loads((tmp_path / "model/config.json").read_text())["dtype"] == dtype
