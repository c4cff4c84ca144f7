"""Published datasets as the input of another command: where they lie, and which files hold their rows."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

from omi_core.inputs import local_files
from omi_core.options import ConfigError
from omi_core.publish.dataset import STATS, read_stats
from omi_core.publish.names import pattern_of
from omi_core.publish.splits import TRAIN
from omi_core.store.files import read_json


def dataset_directory(path: Path) -> Path | None:
    """The dataset that lies at `path`, or in the run there; None where neither is."""
    for directory in (path / "dataset", path):
        if (directory / STATS).is_file():
            return directory
    return None


def dataset_of(key: str, given: str, task: str, needed: str) -> tuple[Path, dict[str, Any]]:
    """The dataset of a run of `task` that the option `key` names, and its configuration.

    Raises:
        ConfigError: there is none; `needed` says what to give.
    """
    label = f"{key}={given}"
    dataset = dataset_directory(Path(given))
    if dataset is None:
        raise ConfigError(f"{label}: is not published; {needed}")
    try:
        made = read_json(dataset / "config.json")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{label}: {error}") from error
    if made.get("task", {"name": "solutions"}).get("name") != task:  # imported ones do not say so
        raise ConfigError(f"{label}: holds no {task}; {needed}")
    return dataset, made


def dataset_files(key: str, given: str) -> list[Path]:
    """The files with the rows of what the option `key` names: a file, a glob, a run, or a dataset.

    Of a dataset of this suite that is its split `train`, which holds all its rows.

    Raises:
        ConfigError: there are none.
    """
    path = Path(given)
    if not path.is_dir():
        return local_files(key, given)
    dataset = dataset_directory(path)
    if dataset is not None:
        files = [
            dataset / name for name in train_of(key, given, dataset)["files"] if name.startswith("data/")
        ]
    else:
        data = path / "data"
        files = sorted(data.glob(f"{TRAIN}-*.parquet")) or sorted(data.glob("*.parquet"))
    if not files:
        raise ConfigError(
            f"{key}={given}: has no dataset (no {path / 'data'}/*.parquet); give a run that is published, "
            "a dataset or a file"
        )
    return files


def dataset_glob(key: str, given: str, dataset: Path) -> str:
    """A glob of the parquet files of a dataset's split `train`, and of nothing that lies beside them.

    Raises:
        ConfigError: as `train_of`.
    """
    name = min(name for name in train_of(key, given, dataset)["files"] if name.startswith("data/"))
    return f"{glob.escape(str(dataset))}/{pattern_of(name)}"


def train_of(key: str, given: str, dataset: Path) -> dict[str, Any]:
    """What `stats.json` says of the split `train`.

    Raises:
        ConfigError: it is damaged, or the dataset lies in a folder for each style and has no such split.
    """
    try:
        stats = read_stats(dataset) or {}
    except ValueError as error:
        raise ConfigError(f"{key}={given}: {error}") from error
    if "splits" not in stats:
        raise ConfigError(
            f"{key}={given}: has a folder for each style; give the files of one, {dataset}/STYLE/data/*"
        )
    return stats["splits"][TRAIN]
