"""The command `jobs.generate`: what a user types, sees and finds on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omi_core.store.files import read_json
from tests.conftest import Here, Job

REHEARSAL = ("teacher=rehearsal", "data.size=20", "samples=2", "cluster.workers=1")

MISTAKES = [
    (["samplez=3"], "samplez: no such option (did you mean samples?)"),
    (["samples=x"], "samples=x: Value 'x' of type 'str' could not be converted to Integer"),
    (["samples=0"], "samples=0: must be at least 1"),
    (["samples"], "samples: not an option; options are NAME=VALUE"),
    (["samples=(3"], "samples=(3: not of the form NAME=VALUE"),
    (["style=debate"], "style: solutions have none; omit it"),
    (
        ["task=dialogues", "style=debat"],
        "style=debat: not in prompt.name=tiny: dialogues (did you mean debate?)",
    ),
    (["task=dialogues", "style=debate,all"], "style=debate,all: all stands alone, and no style twice"),
    (["task=dialogues", "variants.mix=1"], "variants.mix=1.0: must be less than 1"),
    (
        ["task=dialogues", "publish.chat=answer"],
        "publish.chat: only of solutions; not read by task=dialogues",
    ),
    (
        ["task=dialogues", "documents.text=body"],
        "documents.text=body: demo:1 has no such column; it has problem,",
    ),
    (["task=dialogues", "documents.tokenizer=nowhere"], "documents.tokenizer=nowhere: no such file"),
    (["task=dialogues", "conversations.tokenizer=nowhere"], "conversations.tokenizer=nowhere: no such file"),
    (["data=openwebmath", "data.path=no.parquet"], "data.path=no.parquet: no such file"),
    (["data=openwebmath", "task=solutions"], "documents.source: not read by task=solutions"),
    (
        ["teacher.reasoning=none", "sampling.thinking_tokens=5"],
        "sampling.thinking_tokens: not with teacher.reasoning=none; omit one of them",
    ),
    (["samples=2", "sampling.temperature=0"], "samples=2: with sampling.temperature=0"),
    (["sampling.temperature=-1"], "sampling.temperature=-1.0: must be at least 0"),
    (["publish.splits.train=5"], "publish.splits.train: not a name for a split"),
    (["publish.splits.a-b=5"], "publish.splits.a-b: not a name for a split"),
    (["publish.splits.small=0"], "publish.splits.small=0: must be at least 1"),
    (["publish.splits.small=1M"], "publish.splits.small=1M: Value '1M' of type 'str' could not be converted"),
    (["publish.chat=question"], "publish.chat=question: not one of expected_answer, answer"),
    (
        ["task=poems"],
        "task=poems: no such choice; one of audits, dialogues, problems, rulings, selections, solutions, ",
    ),
    (["teacher=gpt9"], "teacher=gpt9: no such choice; one of endpoint, llama31_405b"),
    (["cluster=local"], "cluster: choose it with a plus, +cluster=NAME"),
    (["+cluster=atlantis"], "cluster=atlantis: no such choice; one of juwels_booster, local, perlmutter"),
    (["+colour=blue"], "colour: no such option"),
    (["data=gsm8k", "data.path=nowhere.jsonl"], "data.path=nowhere.jsonl: no such file"),
    (["data.path=nowhere.jsonl"], "data.path=nowhere.jsonl: data=demo makes its own problems"),
    (["data=file"], "data.path: missing"),
    (["prompt.path=nowhere.yaml"], "prompt.path=nowhere.yaml: no such file"),
    (["filters.tokenizer=nowhere"], "filters.tokenizer=nowhere: no such file"),
    (["teacher.model=embedded:huge"], "teacher.model=embedded:huge: no such embedded model"),
    (["run.dir=/proc/nowhere/run"], "run.dir: cannot write in /proc/nowhere"),
    (["-m", "teacher=rehearsal", "samples=2,0"], "samples=0: must be at least 1"),
    (["teacher=rehearsal", "samples=2,0", "-m", "tasks=2"], "samples=0: must be at least 1"),
    (["teacher=rehearsal", "--cfg"], "--cfg: takes one of job, hydra, all"),
    (["--info", "teacher=rehearsal"], "--info: takes one of all, config,"),
    (["teacher=rehearsal", "--config-dir"], "--config-dir: names no directory"),
    (["--multi", "teacher=rehearsal"], "--multi: no such flag; options are NAME=VALUE"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_one_line_with_exit_code_2_and_leaves_nothing(
    here: Here, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = here("generate", *arguments)
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert out == ""
    assert code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_prints_its_summary_and_a_second_one_does_nothing(here: Here, tmp_path: Path) -> None:
    code, out, err = here("generate", *REHEARSAL)
    assert code == 0, err
    (directory,) = (tmp_path / "runs").iterdir()
    assert directory.name.startswith("solutions-demo-rehearsal-")
    for word in ("records", "content hash", "samples equal to the ground truth", "new tokens/s", "a row:"):
        assert word in out
    code, out, err = here("generate", *REHEARSAL)
    assert "complete, nothing to do" in err
    assert "generate:" not in err
    assert [path.name for path in directory.glob("generate/*-*.zst")] == ["0001-00000.jsonl.zst"]


def test_hydras_own_views_of_a_config_run_nothing(here: Here, tmp_path: Path) -> None:
    code, out, err = here("generate", *REHEARSAL, "--cfg", "job")
    assert (code, err) == (0, "")
    assert "kind: rehearsal" in out
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_makes_a_run_per_cell(here: Here, tmp_path: Path) -> None:
    code, _, err = here("generate", "-m", *REHEARSAL, "seed=1,2")
    assert code == 0, err
    assert len(list((tmp_path / "runs").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize("words", ["debate,interview", "[debate,interview]", "[debate, interview]"])
def test_a_list_of_words_needs_no_brackets(here: Here, words: str) -> None:
    dialogues = ("task=dialogues", "teacher=rehearsal", "data.size=3", "run.dir=r")
    assert here("generate", *dialogues, "style=[debate,interview]")[0] == 0
    code, _, err = here("generate", *dialogues, f"style={words}")
    assert (code, "complete, nothing to do" in err) == (0, True), err


def test_in_a_sweep_every_word_is_a_cell(here: Here, tmp_path: Path) -> None:
    dialogues = ("task=dialogues", "teacher=rehearsal", "data.size=3")
    code, _, err = here("generate", "-m", *dialogues, "style=debate,interview")
    assert code == 0, err
    styles = [read_json(path / "config.json")["style"] for path in (tmp_path / "runs").iterdir()]
    assert sorted(styles) == [["debate"], ["interview"]]


def test_another_config_for_the_same_directory_is_refused(here: Here) -> None:
    assert here("generate", *REHEARSAL, "run.dir=r")[0] == 0
    code, _, err = here("generate", *REHEARSAL, "run.dir=r", "seed=5")
    assert code == 2
    assert "error: run.dir=r: was made with another config (seed 0 → 5)" in err
    assert here("generate", *REHEARSAL, "run.dir=r", "seed=5", "run.fresh=true")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_flushes_and_leaves_a_run_that_goes_on(
    job: Job, tmp_path: Path, number: signal.Signals
) -> None:
    slow = [*REHEARSAL, "run.dir=r", "engine.max_num_seqs=1", "teacher.rehearsal.latency=0.1"]
    command = [sys.executable, "-m", "jobs.generate", *slow, "run.flush_seconds=100"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "r/generate/0001-00000.jsonl.zst"
    deadline = time.monotonic() + 60
    while not journal.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(1)
    process.send_signal(number)
    _, shown = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "no new samples" in shown
    assert "the same command continues" in shown
    assert journal.stat().st_size > 0
    assert job("generate", *slow, "teacher.rehearsal.latency=0").returncode == 0


def test_the_whole_help_names_every_option_and_choice(here: Here) -> None:
    _, shown, _ = here("generate", "--help=all")
    for word in ("samples=8", "run.fresh=false", "llama31_405b_fp8", "+cluster=", "python -m jobs.generate"):
        assert word in shown


def test_help_into_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m jobs.generate --help | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""


def test_importing_the_library_loads_nothing_heavy() -> None:
    heavy = {"vllm", "torch", "datasets", "sympy", "math_verify", "pandas", "polars", "hydra"}
    code = "import sys, omi_core.config, omi_core.store.plan, omi_core.answers, omi_core.filters; "
    code += f"print(sorted({heavy!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert shown.stdout.strip() == "[]"
