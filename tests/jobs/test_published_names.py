"""Runs as `datasets.load_dataset` and other commands find them, by the names of their files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.publish import verify
from tests.conftest import Here

RUN = ("teacher=rehearsal", "data.size=20", "samples=2", "cluster.workers=1", "publish.chat=answer")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_runs_and_one_made_anew_are_loaded_with_their_own_rows(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    made = [("a", "seed=1"), ("b", "seed=2"), ("a", "seed=3", "run.fresh=true")]
    hashes = set()
    for name, *options in made:
        assert here("generate", *RUN, f"run.dir=runs/{name}", *options)[0] == 0
        dataset = tmp_path / "runs" / name / "dataset"
        stats = orjson.loads((dataset / "stats.json").read_bytes())
        loaded: Any = load_dataset(str(dataset), split="train", cache_dir=str(tmp_path / "cache"))
        lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in loaded)
        hashes.add(stats["content_hash"])
        assert hashlib.sha256(lines).hexdigest() == stats["content_hash"]
    assert len(hashes) == len(made)


def name_as_before(dataset: Path) -> None:
    """Gives the files the names they had in datasets published when no hash stood in them."""
    stats = orjson.loads((dataset / "stats.json").read_bytes())
    card = (dataset / "README.md").read_text()
    for folder, form in ((dataset, stats), (dataset / "chat", stats["chat"])):
        for split in form["splits"].values():
            tag = f"-{split['content_hash'][:16]}"
            for name in [*split["files"]]:
                (folder / name).rename(folder / name.replace(tag, ""))
                split["files"][name.replace(tag, "")] = split["files"].pop(name)
            card = card.replace(tag, "")
    (dataset / "stats.json").write_bytes(orjson.dumps(stats))
    (dataset / "README.md").write_text(card)


def test_a_dataset_published_without_hashes_in_its_names_is_read_as_ever(here: Here, tmp_path: Path) -> None:
    def results() -> list[bytes]:
        """What is made of the run `a`, by every command that takes one."""
        here(
            "generate", *RUN, "data=file", "data.path=runs/a", "data.answer=expected_answer", "run.dir=runs/g"
        )
        here("combine", "inputs=[runs/a]", "run.dir=runs/c")
        here("mix", "inputs.a.path=runs/a", "run.dir=runs/m")
        here("decontaminate", "input=runs/a", "test=[t=t.jsonl]", "clean=clean.jsonl")
        stats = [(tmp_path / f"runs/{name}/dataset/stats.json").read_bytes() for name in "gcm"]
        return [*stats, (tmp_path / "clean.jsonl").read_bytes()]

    (tmp_path / "t.jsonl").write_text('{"question": "How far is it to the moon, by train?"}\n')
    assert here("generate", *RUN, "run.dir=runs/a")[0] == 0
    new = results()
    for name in "gcm":
        (tmp_path / f"runs/{name}").rename(tmp_path / f"runs/{name}-new")
    name_as_before(tmp_path / "runs/a/dataset")
    assert list(tmp_path.glob("runs/a/dataset/*/train-00000.*"))
    assert results() == new
    verify(tmp_path / "runs/a/dataset")
    code, _, err = here("generate", *RUN, "run.dir=runs/a")
    assert code == 0 and "complete, nothing to do" in err
