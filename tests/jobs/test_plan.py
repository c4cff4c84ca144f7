"""`plan=true`: what would be done, read like any user would read it; nothing is submitted or made."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from tests.conftest import Here

WORK = ("teacher=rehearsal", "data.size=20", "samples=4", "cluster.workers=1", "run.dir=runs/mine")
SITE = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=8", "tasks=2", "plan=true")


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """This machine is no login node, whatever is installed on it."""
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("bin")))  # a missing slurm.conf is waited for


def tree(root: Path) -> dict[str, bytes | None]:
    """Every file and directory below `root`, with its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def head(shown: str) -> dict[str, str]:
    """The lines before the first job, by name."""
    rows = {}
    for line in shown.partition("\n==")[0].splitlines():
        name, words = line[:10].strip(), line[11:]
        rows[name or f"{list(rows)[-1]} 2"] = words
    return rows


def test_a_new_run_is_shown_with_every_job_and_leaves_nothing(here: Here, tmp_path: Path) -> None:
    code, out, err = here("generate", *WORK, *SITE)
    assert (code, err) == (0, "")
    assert list(tmp_path.iterdir()) == []
    assert head(out) == {
        "run": "runs/mine (new)",
        "records": "20",
        "samples": "80 (4 per record), 80 missing",
        "tokens": "at most 163,840 new ones: sampling.max_tokens=2048 per sample; nothing is measured yet",
        "generate": "2 jobs of 8 GPUs, 16 replicas in all; about 5 samples per replica",
        "GPU hours": "not known: nothing is measured yet; cluster.tokens_per_second=… assumes a speed",
        "GPU hours 2": "at most 64.0 until jobs requeue themselves (2 x 8 GPUs for 4 h 00 min)",
        "limits": "not known (no Slurm here); Slurm's defaults: arrays of 1,001 at most",
    }
    stages = re.findall(r"^== (.*)$", out, flags=re.M)
    assert stages == [
        *("canary", "generate, 2 tasks", "gate", "reduce, 1 task", "publish", "rescue"),
        "prompt, chat",
    ]
    assert out.count("#!/bin/bash") == 6


def test_an_assumed_speed_makes_it_an_estimate(here: Here) -> None:
    _, out, _ = here("generate", *WORK, *SITE, "cluster.tokens_per_second=10", "cluster.time=10")
    rows = head(out)
    # 163,840 tokens over 16 replicas at 10 per second: 1,024 s, of which 300 fit before each signal
    assert rows["GPU hours"] == (
        "at most 4.6 at 10 new tokens/s per replica (assumed: cluster.tokens_per_second)"
    )
    assert (
        rows["duration"] == "at most 17 min 04 s per job; its time limit is 10 min 00 s: requeues itself 3 x"
    )


def test_what_starting_engines_costs_is_shown_and_how_short_shards_lose_less(here: Here) -> None:
    asked = ("data.size=2000", "samples=1", "sampling.max_tokens=100", "run.dir=runs/mine", *SITE)
    code, out, _ = here("generate", *asked, "cluster.tokens_per_second=100")
    assert code == 0
    # 125 samples of 100 tokens for each of 16 replicas
    assert head(out)["start-up"] == (
        "about 1 min 00 s for each engine (assumed), 32% of the time; "
        "shards are short: tasks=1 would lose 10% or little more"
    )
    _, out, _ = here("generate", *asked)
    assert head(out)["start-up"] == "about 1 min 00 s for each engine (assumed)"


def test_a_run_that_has_begun_is_measured_and_numbered_on_and_left_as_it_is(
    here: Here, tmp_path: Path
) -> None:
    assert here("generate", *WORK)[0] == 0
    lost = tmp_path / "runs/mine/generate/0001-00000.jsonl.zst"
    damaged = bytearray(lost.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    lost.write_bytes(damaged)
    (tmp_path / "runs/mine/dataset/stats.json").unlink()
    before = tree(tmp_path)
    code, out, _ = here("generate", *WORK, *SITE)
    assert code == 0
    assert tree(tmp_path) == before
    rows = head(out)
    assert rows["run"] == "runs/mine (continued)"
    assert rows["samples"] == "80 (4 per record), 80 missing"
    assert re.search(r"about [\d,]+ new ones: \d+ per sample, as the 80 samples so far$", rows["tokens"])
    assert re.search(r"measured: 1 shard, too short to fill the engine", rows["GPU hours"])
    assert " canary 2 0" in out and " generate 3 0" in out  # attempt 1 was the one on this machine


@pytest.mark.parametrize("size", [20, 30])
def test_a_fresh_start_is_shown_as_one_and_moves_nothing(here: Here, tmp_path: Path, size: int) -> None:
    assert here("generate", *WORK)[0] == 0
    before = tree(tmp_path)
    code, out, err = here("generate", *WORK, *SITE, f"data.size={size}", "run.fresh=true")
    assert (code, err) == (0, "")
    assert tree(tmp_path) == before
    assert head(out)["samples"] == f"{size * 4} (4 per record), {size * 4} missing"
    assert head(out)["tokens"].startswith("at most")
    assert " canary 1 0" in out


def test_a_published_run_has_nothing_to_do(here: Here) -> None:
    assert here("generate", *WORK)[0] == 0
    _, out, _ = here("generate", *WORK, *SITE)
    assert head(out)["to do"] == "nothing: the dataset is published"
    assert "==" not in out


def test_a_run_with_all_samples_goes_on_with_reduce(here: Here, tmp_path: Path) -> None:
    assert here("generate", *WORK)[0] == 0
    (tmp_path / "runs/mine/dataset/stats.json").unlink()
    _, out, _ = here("generate", *WORK, *SITE)
    assert re.findall(r"^== (\w+)", out, flags=re.M) == ["reduce", "publish", "rescue", "prompt"]
    assert "tokens" not in head(out)


def test_on_this_machine_there_are_no_jobs_to_show(here: Here, tmp_path: Path) -> None:
    code, out, _ = here("generate", *WORK, "plan=true", "tasks=3")
    assert code == 0
    assert head(out)["tasks"] == "3 generate, 1 reduce, one after another here"
    assert list(tmp_path.iterdir()) == []


def test_a_teacher_of_the_hub_without_the_hub_is_one_line_that_says_how_to_go_on(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("An error happened while trying to locate the file on the Hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    code, out, err = here("generate", *SITE, "teacher=llama31_8b", "run.dir=run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: teacher.model=meta-llama/Llama-3.1-8B-Instruct: its tokenizer.json is not")
    for way in (
        "filters.tokenizer=FILE",
        "filters.max_tokens=null",
        "teacher.model=DIRECTORY",
        "HF_ENDPOINT",
    ):
        assert way in err
    assert here("generate", *SITE, "teacher=llama31_8b", "run.dir=run", "filters.max_tokens=null")[0] == 0
    assert list(tmp_path.iterdir()) == []
