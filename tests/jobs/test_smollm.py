"""Every task on a real instruct model with its own chat template: shapes, not skill, for it has little."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import polars
import pytest

from omi_core import prompts
from omi_core.publish.verify import verify
from omi_core.records import Sample
from omi_core.store.journal import read_samples
from omi_core.store.plan import Records
from omi_core.tasks import known
from tests.conftest import Job
from tests.installed import needs

# Warnings are errors in our own code; those of transformers are not ours to mend.
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("default"),
]
needs("vllm")

TOKENS = 64


@pytest.fixture
def options(smollm_model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a command needs to run a few samples of the model on a CPU that others use, too."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    teacher = ["teacher=model", f"teacher.model={smollm_model}", "teacher.dtype=float32"]
    engine = ["engine.max_num_seqs=8", "engine.queue=2", "engine.kv_cache_gb=0.5"]
    run = ["cluster.workers=1", "run.flush_samples=2", "run.dir=run"]
    return [*teacher, *engine, *run, f"sampling.max_tokens={TOKENS}", "sampling.top_p=1"]


def carried_out(job: Job, *arguments: str) -> None:
    """Runs the command to its end: a dataset, or the word that nothing was good enough for one."""
    done = job("generate", *arguments, timeout=1200)
    assert done.returncode == 0 or "no row is left to publish" in done.stderr, done.stderr


def samples_of(run: Path) -> list[Sample]:
    journals = sorted((run / "generate").glob("*.jsonl.zst"))
    return [sample for group in read_samples(journals, 0, 1000) for sample in group]


def accounted(run: Path, samples: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The published rows and the counts, when all samples are there, as the journal has them, and counted."""
    counts = orjson.loads((run / "reduce/of-00001/part-00000.json").read_bytes())["counts"]
    made = samples_of(run)
    assert (counts["samples"], len(made), counts["missing_samples"]) == (samples, samples, 0)
    assert counts["finish"] == Counter(sample.finish_reason for sample in made)
    assert set(counts["finish"]) <= {"stop", "length"}
    assert counts["tokens"]["completion"] == sum(sample.completion_tokens for sample in made)
    assert all(0 < sample.completion_tokens <= TOKENS for sample in made)
    assert not any("<|im_" in sample.text for sample in made)
    dropped = sum(filtered["dropped"] for filtered in counts["filters"].values())
    dropped += sum(counts.get("selection", {}).values())
    assert counts.get("used", counts.get("rows", 0)) + dropped == samples
    if not counts.get("rows"):
        return [], counts
    verify(run / "dataset")
    stats = orjson.loads((run / "dataset/stats.json").read_bytes())
    assert stats["counts"] == counts | {"skipped_input_rows": {}}
    files = sorted((run / "dataset").rglob("*.parquet"))
    rows = [row for file in files for row in polars.read_parquet(file).to_dicts()]
    assert len(rows) == stats["rows"] == counts["rows"] - stats.get("duplicates_dropped", 0)
    assert {row["teacher"] for row in rows} == {"smollm2"}
    return rows, counts


def test_solutions_are_made_by_its_own_template_and_a_killed_run_goes_on(
    job: Job, options: list[str], smollm_model: Path, tmp_path: Path
) -> None:
    # It hardly ever writes a box and is hardly ever right: any number is an answer, and one vote is enough.
    lenient = ["answers.pattern=([0-9]+)", "answers.expected=majority", "answers.min_votes=1"]
    lenient += ["filters.no_boxed=false", "filters.unfinished=false"]
    command = ["data.size=4", "samples=3", *lenient, *options]
    journals = tmp_path / "run/generate"
    with subprocess.Popen(
        [sys.executable, "-m", "jobs.generate", *command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while process.poll() is None and not any(f.stat().st_size for f in journals.glob("*.zst")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    before = {(sample.ordinal, sample.index): sample for sample in samples_of(tmp_path / "run")}
    assert 0 < len(before) < 12
    carried_out(job, *command)
    made = {(sample.ordinal, sample.index): sample for sample in samples_of(tmp_path / "run")}
    assert before.items() <= made.items()
    rows, counts = accounted(tmp_path / "run", 12)
    assert counts["records"] == 4
    assert rows and all(row["expected_answer"] in row["generated_solution"] for row in rows)

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm_model)
    (template,) = prompts.load(known()["solutions"].form, "concise")
    records = Records(tmp_path / "run/records.jsonl.zst")
    for sample in made.values():
        messages = template.messages(records[sample.ordinal].text)
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        assert text.startswith("<|im_start|>system\n") and text.endswith("<|im_start|>assistant\n")
        assert sample.prompt_tokens == len(tokenizer.encode(text))


def test_new_problems_are_parsed_and_counted(job: Job, options: list[str], tmp_path: Path) -> None:
    carried_out(job, "task=problems", "data.size=4", "samples=2", *options)
    rows, counts = accounted(tmp_path / "run", 8)
    assert counts["records"] == 4
    assert all(row["problem"].strip() and row["seed_problem"] for row in rows)


def test_dialogues_are_counted_by_style(job: Job, options: list[str], tmp_path: Path) -> None:
    carried_out(job, "task=dialogues", "data.size=3", "samples=1", "style=[two_students,interview]", *options)
    rows, _ = accounted(tmp_path / "run", 6)
    assert {row["style"] for row in rows} <= {"two_students", "interview"}
    assert all(row["text"].strip() for row in rows)


def test_verdicts_have_a_row_for_each_pair(job: Job, options: list[str], tmp_path: Path) -> None:
    near = [
        {
            "test_set": "math",
            "test_index": at,
            "test_text": text,
            "method": "embedding",
            "score": 0.9 - at / 10,
        }
        for at, text in enumerate(["What is 12 + 30?", "How many primes are below 50?"])
    ]
    lines = [
        {"where": f"p.jsonl:{at}", "problem": text, "nearest": near}
        for at, text in enumerate(["Find 12 + 30.", "A train takes 3 hours for 240 km. How fast is it?"])
    ]
    (tmp_path / "nearest.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    asked = ["task=verdicts", "data=file", "data.path=nearest.jsonl", "verdicts.questions=2"]
    carried_out(job, *asked, *options)
    rows, counts = accounted(tmp_path / "run", 8)
    assert len(rows) == counts["judged"]["pairs"] == 4
    assert {row["forward"] for row in rows} | {row["backward"] for row in rows} <= {"yes", "no", None}
    assert sum(counts["replies"].values()) == 8


def test_selections_pick_among_its_own_solutions(job: Job, options: list[str], tmp_path: Path) -> None:
    lenient = ["answers.pattern=([0-9]+)", "answers.expected=majority", "answers.min_votes=1"]
    lenient += ["filters.no_boxed=false", "filters.unfinished=false", "sampling.stop=['.']"]
    options = [word for word in options if word != "run.dir=run"]
    carried_out(job, "data.size=6", "samples=6", *lenient, *options, "run.dir=solved")
    assert (tmp_path / "solved/dataset").is_dir()
    asked = ["task=selections", "data=file", "data.path=solved", "selections.keep=all", "selections.most=3"]
    carried_out(job, *asked, "selections.groups=2", *options, "run.dir=run")
    records = orjson.loads((tmp_path / "run/plan.json").read_bytes())["records"]
    rows, counts = accounted(tmp_path / "run", 2 * records)
    assert counts["picks"]["replies"] == counts["samples"]
    assert all(1 <= row["selected"] <= row["candidates"] <= 3 for row in rows)
    assert all(row["selected_solution"] in row["prompt"] for row in rows)


def test_it_is_evaluated_on_real_problems_with_an_interval(
    job: Job, tmp_path: Path, smollm_model: Path, shared_data: Path, options: list[str]
) -> None:
    """Near nothing is right: the interval says how near."""
    sets = ",".join(f"{name}={shared_data / name / 'test.jsonl'}" for name in ("gsm8k", "amc23"))
    engine = [word for word in options if word.startswith(("engine.", "cluster.", "run."))]
    words = [f"model={smollm_model}", "teacher.dtype=float32", "teacher.max_model_len=2048", *engine]
    done = job("evaluate", *words, f"benchmarks=[{sets}]", "limit=6", "sampling.max_tokens=128", timeout=1200)
    assert done.returncode == 0, done.stderr
    rows = orjson.loads((tmp_path / "run/evaluation/evaluation.json").read_bytes())["rows"]
    found = {row["benchmark"]: row for row in rows if row["metric"] == "pass"}
    assert found.keys() == {"gsm8k", "amc23"}
    for row in found.values():
        assert row["low"] <= row["value"] < row["high"] and row["problems"] == 6
