"""From a teacher to a reward model: vLLM's scores are those of transformers, and rm@k stands beside maj@k."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core import open_run
from omi_core.teachers.tiny.world import draw
from tests.conftest import Here
from tests.installed import needs
from tests.tasks.test_problems import rows
from tests.training.conftest import small_model, write_rows

needs("trl", "vllm")
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


def by_transformers(model: Path, texts: list[tuple[str, str]]) -> list[float]:
    """As anybody computes it who loads the model: all texts in one batch, padded by its own tokenizer."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
    told = [
        [{"role": "user", "content": problem}, {"role": "assistant", "content": solution}]
        for problem, solution in texts
    ]
    shown = tokenizer.apply_chat_template(told, tokenize=False)
    batch = tokenizer(shown, add_special_tokens=False, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return network(**batch).logits[:, 0].tolist()


def test_a_reward_model_scores_by_vllm_as_by_transformers_and_ranks_the_samples_of_an_evaluation(
    here: Here, tmp_path: Path, one_thread: None
) -> None:
    def done(*words: str) -> str:
        code, out, err = here(*words)
        assert code == 0, out + err
        return out

    teacher = ("teacher=rehearsal", "cluster.workers=1")
    done("generate", *teacher, "data=demo", "data.size=24", "samples=6", "run.dir=solved")
    done("preferences", "inputs=[solved]", "size=4", "workers=1", "run.dir=preferences")
    quick = ("training.steps=6", "training.batch=8", "training.report_to=[]")
    small_model(tmp_path / "small")
    small = ("student.model=small", "student.scratch=true")
    told = done("train", "data=preferences", "training=demo_rm", *quick, *small, "run.dir=rm")
    assert "score: python -m jobs.score" in told

    world = [{"problem": each.text, "answer": each.answer} for each in draw(7, 12)]
    write_rows(tmp_path / "test.jsonl", world)
    (tmp_path / "bench.yaml").write_text("data: {path: test.jsonl, answer: answer}\n")
    evaluate = ("evaluate", *teacher, "benchmarks=[bench.yaml]", "samples=8", "run.dir=evaluated")
    done(*evaluate)
    score = ("score", "input=evaluated", "model=rm/model", "teacher.dtype=float32", "engine.kv_cache_gb=0.25")
    done(*score, "run.dir=scores")
    # vLLM's scores are those of transformers, of every sample.
    found = {(row["record_id"], row["sample"]): row["score"] for row in rows(tmp_path / "scores")}
    run = open_run(tmp_path / "evaluated")
    problems = {record.ordinal: record for record in run.records()}
    samples = [sample for sample in run.samples() if sample.finish_reason == "stop"]
    assert len(found) == len(samples) > 60
    expected = by_transformers(
        tmp_path / "rm/model", [(problems[each.ordinal].text, each.text) for each in samples]
    )
    got = [found[problems[each.ordinal].id, each.index] for each in samples]
    assert got == pytest.approx(expected, abs=1e-4)
    assert len({round(score, 4) for score in got}) > 12  # it tells texts apart
    told = done(*evaluate, "scores=scores")
    assert all(f"{figure}@8 %" in told for figure in ("rm", "maj", "pass"))
