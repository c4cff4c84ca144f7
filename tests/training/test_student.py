"""From a teacher to a student: it answers problems that it has not seen, and an untrained one does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.evaluate.outcome import read_outcome
from omi_core.teachers.models import model_path
from omi_core.teachers.tiny.vocabulary import ITEMS
from omi_core.teachers.tiny.world import answer, split_of
from tests.conftest import Here
from tests.installed import needs
from tests.teachers.chat_server import Ask, ChatServer, Fault, completion
from tests.training.conftest import write_rows

needs("trl")
TEACHER, BASE = model_path("embedded:strong"), model_path("embedded:base")
Score = tuple[float, float, float]


def problems(place: Path, texts: list[str]) -> tuple[list[str], list[str]]:
    """Problems to learn from and problems held out, also as files, and a benchmark of the latter."""
    parts = [[text for text in texts if split_of(text) == split] for split in ("train", "test")]
    for part, name in zip(parts, ("train", "test"), strict=True):
        write_rows(place / f"{name}.jsonl", [{"problem": text, "answer": answer(text)} for text in part])
    (place / "bench.yaml").write_text("data: {path: test.jsonl, answer: answer}\n")
    return parts[0], parts[1]


def score(evaluation: Path) -> Score:
    """pass@1 of a model and its interval."""
    figures = read_outcome(evaluation).figures
    (found,) = (each for each in figures if each.metric == "pass" and each.k == 1 and each.group is None)
    return found.value, found.low, found.high


def rows_of_items() -> list[str]:
    """A corner of the world that is learnt in seconds: one kind of problem, few numbers, many things."""
    return [
        f"{rows * each} {items} are put into {rows} equal rows. How many {items} are in each row?"
        for rows in range(2, 6)
        for each in range(2, 6)
        for items in ITEMS
    ]


def bags() -> list[str]:
    """A corner that is learnt in a minute or two, with fractions."""
    return [
        f"A bag holds {a} red and {b} blue {items}. One is taken. What is the probability that it is red?"
        for a in (1, 2, 3)
        for b in (1, 2, 3)
        for items in ITEMS
    ]


def likeliest(model: str, asked: Sequence[str]) -> dict[str, str]:
    """What a model replies to each message, always with its likeliest next token."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    llama: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    chats = [[{"role": "user", "content": text}] for text in asked]
    shape = {"add_generation_prompt": True, "return_dict": True, "return_tensors": "pt", "padding": True}
    batch: Any = tokenizer.apply_chat_template(chats, **shape)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    made = llama.generate(input_ids=ids, attention_mask=mask, max_new_tokens=50, do_sample=False)
    said = tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
    return dict(zip(asked, said, strict=True))


def served(model: str, texts: Sequence[str]) -> ChatServer:
    """A server of a model: the start of vLLM would cost more than all the rest of a fast test."""
    said = likeliest(model, [f"Solve: {text}" for text in texts])

    def reply(ask: Ask, before: int) -> Fault:
        message = {"role": "assistant", "content": said[ask["messages"][-1]["content"]]}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return Fault(body=orjson.dumps(completion(ask, choices=choices)))

    return ChatServer(reply)


def test_a_student_answers_what_neither_it_nor_its_base_has_seen(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    to_learn, held_out = problems(tmp_path, rows_of_items())

    def ask(command: str, model: str, texts: list[str], *words: str) -> None:
        with served(model, texts) as server:
            server_words = ("teacher=endpoint", f"teacher.endpoint.url={server.url}", "prompt=tiny")
            code, _, err = here(command, *server_words, *words, "cluster.workers=1")
        assert code == 0, err

    def evaluate(model: str, out: str) -> Score:
        ask("evaluate", model, held_out, f"model={model}", "benchmarks=[bench.yaml]", f"run.dir={out}")
        return score(tmp_path / out / "evaluation")

    data = ("data=file", "data.path=train.jsonl", "samples=1", "run.dir=lessons")
    ask("generate", TEACHER, to_learn, f"teacher.model={TEACHER}", *data)
    words = ("student=tiny", "training.steps=50", "training.report_to=[]")
    code, _, err = here("train", "data=lessons", *words, "run.dir=student")
    assert code == 0, err
    trained, untrained = evaluate(str(tmp_path / "student/model"), "after"), evaluate(BASE, "before")
    print(f"trained {trained}, untrained {untrained}, of {len(held_out)}")
    assert trained[1] > untrained[2]


def run(place: Path, command: str, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{command}", *words],
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(1800)
def test_the_same_of_fractions_with_vllm(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    problems(tmp_path, bags())

    def evaluate(model: str, out: str) -> Score:
        words = ("teacher.dtype=float32", "teacher.max_model_len=256", "sampling.max_tokens=100")
        run(tmp_path, "evaluate", f"model={model}", "benchmarks=[bench.yaml]", *words, f"run.dir={out}")
        return score(tmp_path / out / "evaluation")

    run(tmp_path, "generate", "data=file", "data.path=train.jsonl", "samples=2", "run.dir=lessons")
    run(tmp_path, "train", "data=lessons", "training.steps=200", "training.report_to=[]", "run.dir=student")
    trained, untrained = evaluate("student/model", "after"), evaluate("embedded:base", "before")
    print(f"trained {trained}, untrained {untrained}")
    assert trained[1] > untrained[2] + 0.2
