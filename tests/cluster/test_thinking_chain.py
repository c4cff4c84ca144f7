"""A model that thinks, with vLLM on a real Slurm: killed, cancelled, resumed, reduced again, read as chat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars
import pytest

from omi_core.publish.verify import verify
from tests.cluster.chain import SITE, Chain, files
from tests.installed import needs

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]
needs("vllm")

THINKING = (
    *("teacher=tiny_thinking", "data.size=12", "samples=4", "cluster.workers=1", "engine.kv_cache_gb=0.1"),
    *("publish.reasoning=column", "publish.chat=answer"),
)
# A few in flight, so that a kill finds some samples done and others not.
SLOWLY = ("tasks=2", "engine.max_num_seqs=2", "run.flush_samples=2", "cluster.mem=8G")


def rows(place: Path) -> list[dict[str, object]]:
    return [row for path in sorted(place.glob("*.parquet")) for row in polars.read_parquet(path).to_dicts()]


def test_killed_and_cancelled_it_is_resumed_to_the_bytes_of_an_undisturbed_run(
    chain: Chain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = chain.type("generate", *THINKING, *SLOWLY, *SITE, "run.dir=run")
    assert done.returncode == 0, done.stderr
    chain.begun()
    chain.kill("generate")
    chain.grown()
    assert chain.type("cancel", "run").returncode == 0
    chain.idle()
    assert not (chain.run / "dataset").exists()
    chain.resume()
    made = chain.dataset(300)
    place = tmp_path_factory.mktemp("here")
    command = [sys.executable, "-m", "jobs.generate", *THINKING, "run.dir=run"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    assert made == files(place / "run/dataset")

    dataset = chain.run / "dataset"
    verify(dataset)
    said = {str(row["generated_solution"]): str(row["reasoning"]) for row in rows(dataset / "data")}
    assert said and not any("think>" in text for pair in said.items() for text in pair)
    for row in rows(dataset / "chat/data"):
        assert isinstance(row["messages"], list)
        _, reply = row["messages"]
        assert reply["reasoning_content"] == said[reply["content"]]

    again = chain.type("reduce", "input=run", "publish.reasoning=inline", "run.dir=inline")
    assert again.returncode == 0, again.stderr
    inline = {str(row["generated_solution"]) for row in rows(chain.place / "inline/dataset/data")}
    assert inline == {f"<think>\n{thought}\n</think>\n\n{solution}" for solution, thought in said.items()}
