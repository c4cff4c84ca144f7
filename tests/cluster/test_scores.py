"""A run of scores on a real Slurm: whatever befalls it, it ends in the bytes of one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core.publish.verify import verify
from tests.cluster.chain import SITE, Chain, files
from tests.jobs.evaluating import REHEARSED, benchmark, sums
from tests.own_models import make_classifier

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

SOLVED = ("teacher=rehearsal", "data.size=60", "samples=8", "cluster.workers=1", "run.dir=solved")
# Frames to be killed between.
OFTEN = ("tasks=2", "reduce_tasks=2", "run.flush_samples=2")


def solved(chain: Chain) -> None:
    chain.place.mkdir(exist_ok=True)
    made = chain.type("generate", *SOLVED)
    assert made.returncode == 0, made.stderr


def begun(chain: Chain) -> bool:
    """Whether every task has written samples; an engine takes a minute to start on a busy machine."""
    journals = (chain.run / "generate").glob("*.jsonl.zst")
    return sum(path.stat().st_size > 0 for path in journals) >= 2


def killed_and_resumed(chain: Chain, words: tuple[str, ...], slow: tuple[str, ...]) -> None:
    """Scores on the cluster, and on this machine: both datasets are the same."""
    sent = chain.type("score", *words, *OFTEN, *slow, *SITE, "run.dir=run")
    assert sent.returncode == 0, sent.stderr
    chain.cluster.wait_for(lambda: begun(chain), 400, f"samples of every task; logs:\n{chain.logs()}")
    chain.kill("generate")
    assert chain.type("cancel", "run").returncode == 0
    chain.idle()
    assert not (chain.run / "dataset").exists()
    chain.resume("tasks=3")
    made = chain.dataset(400)
    alone = chain.type("score", *words, "run.dir=alone")
    assert alone.returncode == 0, alone.stderr
    assert made == files(chain.place / "alone/dataset")
    verify(chain.run / "dataset")
    assert chain.status()["state"] == "published"
    best = ("input=solved", "answers.scores=run", "answers.select=best", "run.dir=best")
    chosen = chain.type("reduce", *best)
    assert chosen.returncode == 0, chosen.stderr


@pytest.mark.slow
def test_a_rehearsal_of_scores_goes_the_way_of_any_run(chain: Chain) -> None:
    solved(chain)
    slow = ("teacher.rehearsal.latency=0.3", "engine.max_num_seqs=4")
    killed_and_resumed(chain, ("input=solved", "teacher=rehearsal"), slow)


@pytest.mark.slow
def test_a_reward_model_on_vllm_gives_the_same_scores_whatever_befalls_it(
    chain: Chain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    solved(chain)
    model: Path = make_classifier(tmp_path_factory.mktemp("reward") / "model")
    words = ("input=solved", f"model={model}", "teacher.dtype=float32", "engine.kv_cache_gb=0.1")
    killed_and_resumed(chain, words, ("cluster.mem=8G",))


@pytest.mark.slow
def test_the_publish_job_tells_what_the_scores_of_an_evaluation_choose(chain: Chain) -> None:
    chain.place.mkdir(exist_ok=True)
    benchmark(chain.place, "mine", sums(6))
    asked = chain.type("evaluate", *REHEARSED, "benchmarks=[mine.yaml]", "samples=4", "run.dir=evaluated")
    assert asked.returncode == 0, asked.stderr
    words = ("input=evaluated", "teacher=rehearsal")
    sent = chain.type("score", *words, *SITE, "run.dir=run")
    assert sent.returncode == 0, sent.stderr
    chain.dataset(400)
    chain.idle()
    assert chain.type("score", *words, "run.dir=alone").returncode == 0
    assert files(chain.run / "scored") == files(chain.place / "alone/scored")
    assert "rm@4 %" in chain.logs()
