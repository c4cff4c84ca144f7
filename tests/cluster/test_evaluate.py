"""`jobs.evaluate` on a real Slurm: the chain of a run, cancelled and resumed, ends in one machine's bytes."""

from __future__ import annotations

import pytest

from tests.cluster.chain import SITE, Chain, files
from tests.cluster.cluster import Cluster
from tests.jobs.evaluating import benchmark, sums

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


def test_the_chain_scores_what_one_machine_would(cluster: Cluster, chain: Chain) -> None:
    chain.place.mkdir(exist_ok=True)
    names = [benchmark(chain.place, name, sums(20), "level: level") for name in ("first", "second")]
    words = ("teacher=rehearsal", f"benchmarks=[{','.join(names)}]", "samples=4", "run.flush_samples=4")
    alone = chain.type("evaluate", *words, "run.dir=alone")
    assert alone.returncode == 0, alone.stderr
    slow = ("teacher.rehearsal.latency=0.2", "engine.max_num_seqs=2")
    sent = chain.type(
        "evaluate", *words, *SITE, *slow, "run.dir=run", "tasks=2", "reduce_tasks=3", "min.first=0.1"
    )
    assert sent.returncode == 0 and "not known yet" in sent.stderr, sent.stderr
    journals = chain.run / "generate"
    cluster.wait_for(lambda: any(path.stat().st_size for path in journals.glob("*.zst")), 60, "samples")
    assert chain.type("cancel", "run").returncode == 0
    assert not (chain.run / "evaluation").exists()
    chain.resume()
    cluster.wait_for((chain.run / "evaluation/stats.json").exists, 120, f"the evaluation; {chain.logs()}")
    assert files(chain.run / "evaluation") == files(chain.place / "alone/evaluation")
    assert [entry["stage"] for entry in chain.ledger()][:2] == ["chain", "generate"]
    assert chain.status()["state"] == "evaluated"
    again = chain.type("evaluate", *words, *SITE, "run.dir=run", "min.first=0.99")
    assert again.returncode == 1 and "min.first=0.99: pass@1 is" in again.stderr
