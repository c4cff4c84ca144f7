"""Whether the files of a model are where a job looks for them, whole; told from their headers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from omi_core.options import ConfigError
from omi_core.store.files import read_json
from omi_core.teachers.checkpoint import check_checkpoint
from omi_core.teachers.models import local_directory
from omi_core.teachers.teacher_options import LOADED, Engine, TeacherOptions

_HUB_S = 20
_INDEX = "model.safetensors.index.json"
_LONGEST_HEADER = 100_000_000


def look_at_model(teacher: TeacherOptions, engine: Engine) -> dict[str, Any]:
    """Where the model lies and what of it is wrong. `hub` says whether it has to come from there yet.

    A teacher that loads no model has nothing.
    """
    if teacher.kind not in LOADED:
        return {}
    try:
        check_checkpoint(teacher, engine)
    except ConfigError as error:
        return {"wrong": [str(error)]}
    directory = local_directory(teacher.model) or _cached(teacher)
    if directory is None:
        return {"hub": True, "wrong": hub_refuses("model", teacher.model, teacher.revision)}
    found = weights(directory)
    wrong = (
        [f"{directory}: holds no weights"] if not found else [each for each in map(_damage, found) if each]
    )
    size = sum(os.stat(path).st_size for path in found if path.exists())
    return {"directory": str(directory), "files": len(found), "bytes": size, "wrong": wrong}


def weights(directory: Path) -> list[Path]:
    """The files of a model's weights: those that its index names, else those that lie there."""
    if (directory / _INDEX).is_file():
        named = read_json(directory / _INDEX)["weight_map"].values()
        return [directory / name for name in sorted(set(named))]
    return sorted(directory.glob("*.safetensors")) or sorted(directory.glob("*.bin"))


def _damage(path: Path) -> str | None:
    """What is wrong with a file of weights; None where its size is what its header says."""
    try:
        size = os.stat(path).st_size
        if path.suffix != ".safetensors":
            return None if size else f"{path}: empty"
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size, _LONGEST_HEADER):
                return f"{path}: damaged, or not a safetensors file"
            header = orjson.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except FileNotFoundError:
        return f"{path}: missing"
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        return f"{path}: cannot be read: {' '.join(str(error).split())[:100]}"
    return None if size >= whole else f"{path}: {size:,} bytes of {whole:,}"


def _cached(teacher: TeacherOptions) -> Path | None:
    """The model's directory in the hub's local cache, None where it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(teacher.model, revision=teacher.revision, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None


def hub_refuses(kind: str, name: str, revision: str | None) -> list[str]:
    """Why a model or a dataset cannot be had from the hub here; nothing where it can."""
    from huggingface_hub import HfApi

    try:
        ask = HfApi().model_info if kind == "model" else HfApi().dataset_info
        ask(name, revision=revision, timeout=_HUB_S)
    except Exception as error:  # the hub's client raises many kinds; all mean "not from here"
        return [f"{name} cannot be had from the hub: {' '.join(str(error).split())[:200]}"]
    return []
