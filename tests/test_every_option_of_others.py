"""Every option of the other commands counts, as tests/test_every_option.py has it of the two large ones.

Commands that look at a run are typed here with the option and without it; of the others a test elsewhere is
named.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.commands import waiting
from omi_core.store import ledger
from omi_core.training.train_options import Training
from tests.conftest import Here
from tests.option_entries import GENERATE
from tests.pausing import replace_pauses

ROOT = Path(__file__).parents[1]
COMMANDS = {path.stem for path in (ROOT / "jobs").glob("*.py") if not path.stem.startswith("_")}
VIEWS = {
    "status": ["runs/solved"],
    "compare": ["runs/solved"],
    "report": ["runs/solved"],
    "logs": ["runs/solved"],
    "resume": ["nowhere"],
    "cancel": ["nowhere"],
}
# The words beside the command's own, and the option that they set.
TYPED: dict[str, list[str]] = {
    "status.json": ["json=true"],
    "compare.csv": ["csv=true"],
    "compare.json": ["json=true"],
    "report.out": ["out=other.html"],
    "report.rows": ["rows=1"],
    "logs.lines": ["lines=1"],
    "logs.stage": ["stage=reduce"],
    "logs.task": ["task=17"],
    "resume.root": ["root=elsewhere"],
    "cancel.root": ["root=elsewhere"],
}
_WORDS, _DECONTAMINATE = "composing/test_words.py", "jobs/test_decontaminate.py"
_COMBINE, _MIX = "combine/test_combining.py", "combine/test_mixing.py"
_PREFERENCES = "preferences/test_preferring.py"
_GOLDEN, _PIPELINE = "test_golden.py", "pipeline/test_local.py"
_EVALUATE, _BESIDES = "jobs/test_evaluate.py", "jobs/test_evaluate_besides.py"
_GATHER = ("name", "cells", "findings", "benchmark", "metric", "level", "min_seeds", "out")
SHOWN: dict[str, str] = {
    # It makes a run of jobs.generate.
    **{
        f"evaluate.{key}": "option_entries.py"
        for key in GENERATE
        if key.startswith(("teacher.", "prompt.", "sampling.", "answers.", "engine.", "cluster.", "run."))
        or key in ("samples", "seed", "tasks", "reduce_tasks", "canary", "plan")
    },
    "tune.draft": "jobs/test_tune.py",
    "evaluate.wait": "cluster/test_chain.py",
    "evaluate.notify": "jobs/test_notify.py",
    "resume.wait": "cluster/test_chain.py",
    "logs.failed": "commands/test_logs.py",
    "logs.follow": "commands/test_logs.py",
    "status.wait": "commands/test_exit_codes.py",
    "status.exit_code": "commands/test_exit_codes.py",
    "status.idle_minutes": "commands/test_exit_codes.py",
    "pipeline.wait": "cluster/test_pipeline.py",
    "pipeline.notify": "jobs/test_notify.py",
    **{f"show.{key}": "jobs/test_show.py" for key in ("sample", "json")},
    **{f"evaluate.{key}": _EVALUATE for key in ("model", "benchmarks", "limit", "temperature", "min")},
    **{f"evaluate.{key}": _BESIDES for key in ("training_data", "judge", "judge_wrong", "scores")},
    **{
        f"score.{key}": "option_entries.py"
        for key in GENERATE
        if key.startswith(("teacher.", "prompt.", "engine.", "cluster.", "run.", "data."))
        or key in ("seed", "tasks", "reduce_tasks", "canary", "plan", "wait", "notify")
    },
    **{
        f"score.{key}": "jobs/test_score.py"
        for key in ("input", "model", "solution", "finish_reason", "reasoning", "reasoning_tags")
    },
    **{
        f"{command}.root": "jobs/test_compare.py"
        for command in ("status", "compare", "report", "logs", "explore", "show")
    },
    "resume.tasks": "cluster/test_resume.py",
    **{f"resume.{key}": _WORDS for key in ("cluster", "engine", "run", "reduce_tasks", "notify")},
    # As jobs.generate has them; what is done with them stands in a report.
    **{
        f"check.{key}": "option_entries.py"
        for key in GENERATE
        if key.startswith(("teacher.", "data.", "prompt.", "sampling.", "engine.", "cluster."))
    },
    **{f"check.{key}": "checks/test_login_node.py" for key in ("tasks", "reduce_tasks")},
    **{f"check.{key}": "checks/test_check_options.py" for key in ("run.dir", "run.root")},
    **{f"check.{key}": "cluster/test_check.py" for key in ("sample", "patience_minutes", "json")},
    **{f"explore.{key}": "jobs/test_explore.py" for key in ("input", "nearest", "out", "limit")},
    **{
        f"explore.{key}": "jobs/test_explore_run.py"
        for key in ("search", "reason", "pass_rate", "disagreement", "order", "port", "index")
    },
    **{
        f"combine.{key}": _COMBINE
        for key in ("inputs", "keep_problems_of", "unique", "on_bad_row", "task", "name")
    },
    **{
        f"combine.{key}": "combine/test_drawn_rows.py"
        for key in (
            "min_votes",
            "match",
            "problems",
            "rows",
            "seed",
            "noise.share",
            "noise.kind",
            "noise.wrong",
        )
    },
    **{f"combine.publish.{key}": _COMBINE for key in ("splits", "chat", "provenance", "seed")},
    "combine.publish.reasoning": "jobs/test_thinking.py",
    "combine.publish.reasoning_key": "jobs/test_thinking.py",
    "combine.publish.pass_rate": "stages/test_pass_rate.py",
    **{
        f"{command}.run.{key}": "combine"
        for command in ("combine", "mix")
        for key in ("dir", "root", "fresh")
    },
    **{f"mix.{key}": _MIX for key in ("inputs", "name", "rows", "seed", "rows_per_file")},
    **{
        f"decontaminate.{key}": "decontaminate"
        for key in ("column", "test_column", "methods", "share", "length", "model", "on_bad_row")
    },
    **{
        f"decontaminate.{key}": _DECONTAMINATE
        for key in ("input", "test", "pairs", "top", "clean", "nearest", "nearest_of", "verdicts")
    },
    "combine.publish.rows_per_file": "publish",
    **{
        f"preferences.{key}": _PREFERENCES
        for key in ("inputs", "scores", "name", "form", "rows_per_file", "seed", "max_chars", "workers")
    },
    **{f"preferences.{key}": "preferences/test_drawing.py" for key in ("size", "top", "balance", "pairs")},
    **{f"preferences.run.{key}": _PREFERENCES for key in ("dir", "root", "fresh")},
    **{f"gather.{key}": "study" for key in _GATHER},
    "pipeline.recipe": _PIPELINE,
    "pipeline.plan": _PIPELINE,
    **{f"pipeline.run.{key}": "pipeline" for key in ("dir", "root", "fresh", "at_once")},
}
# Of a training, what names are tests of tests/training and of the words that its cluster shares.
SHOWN |= {
    **{f"train.{key}": "option_entries.py" for key in GENERATE if key.startswith(("cluster.", "prompt."))},
    **{f"train.{key}": "training" for key in ("training_data", "on_bad_row", "nodes", "plan")},
    **{f"train.run.{key}": "combine" for key in ("dir", "root", "fresh")},
    **{
        f"train.student.{key}": "training"
        for key in ("name", "model", "revision", "scratch", "init_std", "dtype", "chat_template")
    },
    **{f"train.training.{field.name}": "training" for field in dataclasses.fields(Training)},
}
BELOW = ("status.watch", "status.interval", "mix.on_bad_row")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run as a cluster would leave it, with logs."""
    place = tmp_path_factory.mktemp("made")
    words = ["teacher=rehearsal", "data.size=12", "samples=4", "cluster.workers=1", "run.dir=runs/solved"]
    subprocess.run(
        [sys.executable, "-m", "jobs.generate", *words], cwd=place, check=True, capture_output=True
    )
    logs = place / "runs/solved/logs"
    logs.mkdir()
    for job, stage in (("7", "generate"), ("8", "reduce")):
        entry = {"stage": stage, "attempt": 1, "job": job, "array": [0, 31, 0], "after": None}
        ledger.append(place / "runs/solved/ledger.jsonl", entry)
        (logs / f"{job}_17_0.log").write_text("\n".join(f"{stage} {number}" for number in range(9)) + "\n")
    return place


@pytest.fixture
def copied(here: Here, made: Path, tmp_path: Path) -> Here:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return here


def outcome(here: Here, place: Path, command: str, words: list[str]) -> Any:
    """What a command prints, and the pages it leaves, which are taken away."""
    code, out, err = here(command, *words)
    pages = {path.name: path.read_text() for path in place.glob("*.html")}
    for path in place.glob("*.html"):
        path.unlink()
    return code, out, err, pages


def options_of(here: Here, command: str) -> set[str]:
    code, page, _ = here(command, "--help=all")
    if code != 0:
        _, page, _ = here(command, "--help")
    found = set(re.findall(r"^  ([a-z][a-z_.]*)=", page, flags=re.M))
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}  # no groups


@pytest.mark.parametrize("command", sorted(COMMANDS - {"generate", "reduce"}))
def test_every_option_has_an_entry(here: Here, command: str) -> None:
    known = {key.partition(".")[2] for key in [*TYPED, *SHOWN, *BELOW] if key.startswith(f"{command}.")}
    known |= set(GENERATE) if command == "tune" else set()  # its trials are runs of jobs.generate
    assert known == options_of(here, command)


@pytest.mark.parametrize("key", TYPED)
def test_the_option_changes_what_is_shown(key: str, copied: Here, tmp_path: Path) -> None:
    command = key.partition(".")[0]
    plain = outcome(copied, tmp_path, command, VIEWS[command])
    assert plain[0] == (2 if "nowhere" in VIEWS[command] else 0), plain
    changed = outcome(copied, tmp_path, command, [*VIEWS[command], *TYPED[key]])
    assert changed != plain


def test_a_run_that_is_watched_is_looked_at_again_after_the_interval(
    copied: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        raise KeyboardInterrupt

    replace_pauses(monkeypatch, waiting, wait)
    monkeypatch.setattr("omi_core.slurm.run_status.ALIVE", ("published", "done", "finished"))
    assert copied("status", "runs/solved", "interval=11")[0] == 0 and waited == []
    assert copied("status", "runs/solved", "watch=true", "interval=11")[0] == 130 and waited == [11]
    assert copied("status", "runs/solved", "watch=true")[0] == 130 and waited == [11, 30]


@pytest.mark.parametrize("key", SHOWN)
def test_the_tests_that_are_named_set_the_option(key: str) -> None:
    place = ROOT / "tests" / SHOWN[key]
    texts = [
        path.read_text(encoding="utf-8") for path in ([place] if place.is_file() else place.glob("*.py"))
    ]
    assert any(re.search(rf"\b{key.rpartition('.')[2]}\b", text) for text in texts)


def test_a_bad_row_of_a_mixture_stops_it_or_is_skipped(here: Here, tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    lines = [orjson.dumps({"messages": said}), b"{broken", orjson.dumps({"messages": said[::-1]})]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    words = ("mix", "inputs={a: {path: a.jsonl}}", "run.dir=mixed")
    code, _, err = here(*words)
    assert code == 2 and "a.jsonl" in err
    assert here(*words, "on_bad_row=skip")[0] == 0
