"""Checkpoints on disk: written beside and renamed, found again after a kill, thinned out, and averaged.

STAGE/
  .saving/checkpoint-N/    one that is being written; what is left of a killed process is removed
  checkpoint-N/            after N steps: weights, optimizer, schedule, random states, and sealed.json

sealed.json lists every file with its size and is written last, before the rename: a directory without it, or
with another size, is no checkpoint.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omi_core.store.files import fsync_path, fsync_tree, read_json, write_json

SAVING = ".saving"
_SEAL = "sealed.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_INDEX = "model.safetensors.index.json"
# What a model is loaded from; the rest of a checkpoint only continues the training.
_OF_THE_MODEL = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map)\.json|.*\.jinja"
)


@dataclass(frozen=True)
class SavedCheckpoint:
    """A whole checkpoint; `weights_only` is one that is kept for the average alone."""

    path: Path
    step: int
    weights_only: bool


def average_steps(steps: int, count: int) -> list[int]:
    """The steps whose checkpoints are averaged: `count` equally spaced ones, the last step included."""
    return sorted({max(1, round(steps * number / count)) for number in range(1, count + 1)})


def seal_checkpoint(stage: Path, step: int, keep: Collection[int]) -> None:
    """Makes what was saved for `step` a checkpoint, durably; others are thinned out.

    Of those before it only the weights stay of the steps to `keep`, and of others nothing.
    """
    saved = stage / SAVING / f"checkpoint-{step}"
    files = {str(path.relative_to(saved)): path.stat().st_size for path in saved.rglob("*") if path.is_file()}
    write_json(saved / _SEAL, {"step": step, "weights_only": False, "files": files})
    fsync_tree(saved)
    target = stage / saved.name
    if target.exists():  # torn, else it would have been gone on from
        shutil.rmtree(target)
    saved.rename(target)
    fsync_path(stage)
    for other in checkpoints(stage):
        if other.step in keep and other.step < step:
            _thin(other)
        elif other.step < step:
            shutil.rmtree(other.path)


def checkpoints(stage: Path) -> list[SavedCheckpoint]:
    """The whole checkpoints of a stage, the first one first."""
    found = []
    for path in stage.iterdir() if stage.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        seal = _whole(path) if name else None
        if seal is not None:
            found.append(SavedCheckpoint(path, int(seal["step"]), bool(seal["weights_only"])))
    return sorted(found, key=lambda each: each.step)


def last_checkpoint(stage: Path) -> SavedCheckpoint | None:
    """The one to go on from."""
    return next((each for each in reversed(checkpoints(stage)) if not each.weights_only), None)


def write_model(taken: Sequence[SavedCheckpoint], target: Path, dtype: str) -> None:
    """Writes the mean of the weights of these checkpoints to the directory `target`, and what loads them.

    Sums are in float64; weights are written as `dtype`. Memory: one file of weights, and one tensor more.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    last = taken[-1].path
    target.mkdir(parents=True)
    for path in sorted(last.iterdir()):
        if _OF_THE_MODEL.fullmatch(path.name) or path.name == _INDEX:
            shutil.copyfile(path, target / path.name)
    for path in sorted(last.glob("*.safetensors")):
        tensors: dict[str, Any] = {}
        with safe_open(path, "pt") as file:
            for name in file.keys():
                total = file.get_tensor(name).double()
                for other in taken[:-1]:
                    total += _tensor(other.path, name).double()
                tensors[name] = (total / len(taken)).to(getattr(torch, dtype))
        save_file(tensors, target / path.name, metadata={"format": "pt"})
    config = read_json(target / "config.json")
    write_json(
        target / "config.json",
        {key: config[key] for key in config if key != "torch_dtype"} | {"dtype": dtype},
    )


def _tensor(checkpoint: Path, name: str) -> Any:
    from safetensors import safe_open

    index = checkpoint / _INDEX
    file = read_json(index)["weight_map"][name] if index.is_file() else "model.safetensors"
    with safe_open(checkpoint / file, "pt") as weights:
        return weights.get_tensor(name)


def _whole(path: Path) -> dict[str, Any] | None:
    try:
        seal = read_json(path / _SEAL)
        if all((path / name).stat().st_size == size for name, size in seal["files"].items()):
            return seal
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _thin(checkpoint: SavedCheckpoint) -> None:
    """Leaves of a checkpoint what the average needs."""
    if checkpoint.weights_only:
        return
    kept = {path.name: path.stat().st_size for path in _weights(checkpoint.path)}
    write_json(checkpoint.path / _SEAL, {"step": checkpoint.step, "weights_only": True, "files": kept})
    for path in checkpoint.path.iterdir():
        if path.name not in kept and path.name != _SEAL:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _weights(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.iterdir() if path.suffix == ".safetensors" or path.name == _INDEX)
