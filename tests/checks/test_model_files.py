"""The files of a model, told from their headers: whole, missing or cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from omi_core.checks.model_files import look_at_model
from omi_core.teachers import tiny
from omi_core.teachers.teacher_options import Engine, TeacherOptions


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.path("tiny"), tmp_path / "model"))


def wrong(model: str | Path, kind: str = "vllm") -> list[str]:
    return look_at_model(TeacherOptions(kind=kind, model=str(model), max_model_len=None), Engine())["wrong"]


def test_a_whole_model_has_nothing_wrong(model: Path) -> None:
    assert wrong(model) == [] and wrong("embedded:strong") == []
    assert look_at_model(TeacherOptions(kind="rehearsal"), Engine()) == {}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_file_that_is_cut_off_is_found(model: Path) -> None:
    (weights,) = model.glob("*.safetensors")
    size = weights.stat().st_size
    cut(weights)
    assert wrong(model) == [f"{weights}: {size - 100:,} bytes of {size:,}"]
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert wrong(model) == [f"{weights}: damaged, or not a safetensors file"]
    weights.write_bytes((20).to_bytes(8, "little") + b"no JSON, but long enough")
    assert "cannot be read" in wrong(model)[0]
    weights.unlink()
    assert wrong(model) == [f"{model}: holds no weights"]


def test_a_file_that_the_index_names_and_that_is_not_there_is_found(model: Path) -> None:
    (weights,) = model.glob("*.safetensors")
    index = {"weight_map": {"a": weights.name, "b": "model-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_bytes(orjson.dumps(index))
    assert wrong(model) == [f"{model}/model-00002.safetensors: missing"]


def test_a_directory_that_is_not_there_or_no_model_is_told(tmp_path: Path) -> None:
    assert "no such directory" in wrong(tmp_path / "nowhere")[0]
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in wrong(tmp_path / "empty")[0]


def test_a_model_on_the_hub_that_is_not_in_the_cache_is_asked_for_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = look_at_model(TeacherOptions(kind="vllm", model="lab/model"), Engine())
    assert found["hub"] and "lab/model cannot be had from the hub" in found["wrong"][0]
