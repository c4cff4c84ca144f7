"""The demo recipes with the embedded teachers: here with a kill in every step, and on a real Slurm.

Both end in the bytes of an undisturbed pipeline. Each takes minutes, so they are no part of the other suites.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.publish.verify import verify
from tests.cluster.chain import SITE, Chain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

SMALL = {
    "openmathinstruct2_demo": ("size=12", "test_size=8"),
    "nemotron_mind_demo": ("size=6",),
    "acemath_demo": ("size=12", "test_size=8"),
}
# What an engine needs on a cluster whose default is little; engines of several steps run at once.
ROOM = ("cluster.throttle=1", "cluster.mem=8G", "engine.kv_cache_gb=0.1")
# In steps where a model is at work, so long after its process began; the others end sooner.
KILL_AFTER_SECONDS = 18.0
QUICK = {"test_set", "judged", "clean", "new", "answered", "math_sft", "math_sft_high_quality", "all"}


def command(recipe: str, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "jobs.pipeline",
        f"recipe={recipe}",
        *SMALL[recipe],
        "run.dir=all",
        *options,
    ]


def datasets(root: Path) -> dict[str, str]:
    """The content hash of every step's dataset, each checked, and the rows of the other steps."""
    found = {}
    for step in sorted(path for path in root.iterdir() if path.is_dir()):
        if (step / "dataset").is_dir():
            verify(step / "dataset")
            found[step.name] = stats(root, step.name)["content_hash"]
        elif (step / "clean.jsonl").is_file():
            found[step.name] = (step / "clean.jsonl").read_text()
    return found


def stats(root: Path, step: str) -> dict[str, Any]:
    return orjson.loads((root / step / "dataset/stats.json").read_bytes())


def steps(root: Path, stage: str) -> list[str]:
    """The steps of which the pipeline's ledger says this, in order."""
    path = root / "ledger.jsonl"
    entries = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return [entry["step"] for entry in entries if entry["stage"] == stage]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pipeline of a recipe as one machine makes it, made once."""
    made: dict[str, Path] = {}

    def root(recipe: str) -> Path:
        if recipe not in made:
            place = tmp_path_factory.mktemp(recipe)
            subprocess.run(command(recipe), cwd=place, check=True, capture_output=True)
            made[recipe] = place / "all"
        return made[recipe]

    return root


@pytest.mark.parametrize("recipe", SMALL)
def test_killed_in_every_step_it_continues_to_the_same_bytes(
    recipe: str, tmp_path: Path, undisturbed: Any
) -> None:
    wanted = datasets(undisturbed(recipe))
    root, killed = tmp_path / "all", set[str]()
    while True:
        # Behind this one in the queue for a core, so that no step can begin and end unseen.
        process = subprocess.Popen(
            ["nice", "-n", "10", *command(recipe)],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = len(steps(root, "begun"))
        while process.poll() is None:
            begun = steps(root, "begun")
            if len(begun) > before and begun[-1] not in killed:
                killed.add(begun[-1])
                time.sleep(0.3 if begun[-1] in QUICK else KILL_AFTER_SECONDS)
                process.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
    assert killed == {name.partition("-")[2] for name in wanted} | killed
    assert len(killed) >= len(wanted)
    assert datasets(root) == wanted


@pytest.mark.slurm
@pytest.mark.parametrize("recipe", SMALL)
def test_on_a_cluster_one_command_makes_the_same_bytes(recipe: str, chain: Chain, undisturbed: Any) -> None:
    wanted = datasets(undisturbed(recipe))
    done = chain.type("pipeline", *command(recipe)[3:], *SITE, *ROOM)
    assert done.returncode == 0, done.stdout + done.stderr
    root = chain.place / "all"

    last = max(wanted).partition("-")[2]
    chain.cluster.wait_for(lambda: last in steps(root, "done"), 1500, "the pipeline is done")
    chain.idle()
    assert orjson.loads(chain.type("status", "all", "json=true").stdout)[0]["state"] == "finished"
    assert datasets(root) == wanted


def test_the_strong_teachers_dataset_beats_the_weak_ones(tmp_path: Path) -> None:
    """The oracle of the demo's world judges both: new problems, single answers, majorities.

    At the recipe's own size: over the few problems of the tests above a majority tells nothing.
    """
    figures = []
    for teacher in ("tiny", "tiny_weak"):
        root = tmp_path / teacher
        words = ["recipe=openmathinstruct2_demo", f"teacher={teacher}", f"run.dir={root}"]
        subprocess.run([sys.executable, "-m", "jobs.pipeline", *words], check=True, capture_output=True)
        oracle = [stats(root, step)["counts"]["oracle"] for step in ("04-new_math", "05-new_gsm8k")]
        posed = sum(one["well_posed"] for one in oracle) / sum(one["problems"] for one in oracle)
        truth = stats(root, "10-solve_new")["counts"]["truth"]
        single = truth["equal"] / truth["samples"]
        figures.append((posed, single, truth["majority_equal"] / truth["records"]))
    (posed, single, majority), (weak_posed, weak_single, weak_majority) = figures
    print(f"\nwell-posed, single samples, majority: strong {figures[0]}, weak {figures[1]}")
    assert single > weak_single and majority > weak_majority
    assert majority >= single and weak_majority >= weak_single
    assert posed > 0.4 and weak_posed > 0.4
