"""Studies on a real Slurm: cells at the same time, killed and cancelled, and the same table in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.cluster.chain import SITE, Chain
from tests.jobs.evaluating import benchmark, sums
from tests.pipeline.test_studies import STUDY

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]

Table = dict[str, bytes]
WORDS = ("recipe=r.yaml", "run.dir=all")


def prepare(place: Path) -> None:
    (place / "r.yaml").write_text(STUDY)
    benchmark(place, "mine", sums(12))


def table(place: Path) -> Table:
    folder = place / "all/04-study/study"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "config.json"}


def alone(place: Path, *words: str) -> Table:
    """The table that one machine makes of the study."""
    prepare(place)
    command = [sys.executable, "-m", "jobs.pipeline", *WORDS, *words, "run.at_once=2"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return table(place)


class Cells:
    """The study `all` on a cluster, as its user sees it."""

    def __init__(self, chain: Chain, *words: str) -> None:
        self.chain, self.cluster, self.place, self.words = chain, chain.cluster, chain.place, words
        self.whole = Chain(chain.cluster, chain.place, "all")
        prepare(chain.place)

    def submit(self, *options: str) -> str:
        done = self.chain.type("pipeline", *WORDS, *self.words, *SITE, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def cell(self, name: str) -> Chain:
        return Chain(self.cluster, self.place / "all", f"03-graded-{name}")

    def done(self) -> set[str]:
        return {entry["step"] for entry in self.whole.ledger("done")}

    def finished(self, seconds: float) -> Table:
        try:
            self.cluster.wait_for(lambda: "study" in self.done(), seconds, "the study is gathered")
        except AssertionError as error:
            logs = [f"== {path}\n{path.read_text()}" for path in sorted(self.whole.run.rglob("logs/*.log"))]
            raise AssertionError("\n".join([*logs, str(error)])) from None
        self.chain.idle()
        return table(self.place)


def test_a_cell_and_the_gathering_are_killed_and_the_table_is_the_same(
    chain: Chain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = alone(tmp_path_factory.mktemp("alone"))
    cells = Cells(chain)
    with chain.cluster.closed():  # nothing of it is over before it can be killed
        cells.submit("steps.graded.teacher.rehearsal.latency=2")
    cells.cell("wrong0.1-seed1").kill("generate", seconds=120)
    cells.cluster.wait_for(lambda: bool(gatherers(cells)), 200, "the table is made")
    for pid in gatherers(cells):
        os.kill(pid, signal.SIGKILL)
    assert cells.finished(120) == undisturbed
    sent = [entry["step"] for entry in cells.whole.ledger("sent")]
    assert sorted(sent) == sorted([*set(sent), "study"]) and len(set(sent)) == 8  # it was sent again
    shown = orjson.loads(chain.type("status", "all", "json=true").stdout)[0]
    assert shown["state"] == "finished" and {step["state"] for step in shown["steps"]} == {"done"}


def gatherers(cells: Cells) -> list[int]:
    """The processes that gather; the one of the step `noisy` has another name."""
    return [
        pid
        for pid in cells.whole.processes("step")
        if b"\0study" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twelve_cells_in_a_queue_of_twenty_jobs_with_a_cell_that_is_cancelled(
    chain: Chain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """There is never room for all; a cell that a person cancels leaves the others, and is made on resume."""
    many = ("wrong=[0.1,0.3,0.6]", "seeds=4")
    undisturbed = alone(tmp_path_factory.mktemp("alone"), *many)
    cells = Cells(chain, *many)
    said = cells.submit("cluster.qos=few", "steps.graded.teacher.rehearsal.latency=2")
    assert "it is sent when another step ends" in said
    cancelled = cells.cell("wrong0.6-seed3")  # the last one is long from being sent
    chain.cluster.wait_for(lambda: bool(cancelled.ledger("generate")), 600, "the cell is sent")
    chain.cluster.run("scancel", cancelled.job("generate"))
    others = {f"graded-wrong{wrong}-seed{seed}" for wrong in (0.1, 0.3, 0.6) for seed in range(4)}
    others.remove("graded-wrong0.6-seed3")
    chain.cluster.wait_for(lambda: others <= cells.done(), 400, "the other cells are evaluated")
    chain.idle(60)
    assert "study" not in {entry["step"] for entry in cells.whole.ledger("sent")}
    shown = chain.type("status", "all").stdout
    assert "###!" in shown and "graded-wrong0.6-seed3: " in shown
    done = chain.type("resume", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cells.finished(200) == undisturbed
