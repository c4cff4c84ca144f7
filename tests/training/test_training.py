"""jobs.train from the command line: what is made, continued, planned and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omi_core.teachers.tiny.world import draw
from omi_core.training.checkpoints import checkpoints
from omi_core.training.curves import read_curve
from tests.conftest import Here
from tests.installed import needs
from tests.training.conftest import Train, chat, write_rows

needs("trl")
QUICKEST = ("training.steps=2", "training.save_every=1")


def test_a_model_is_made_that_transformers_loads_and_says_what_it_was_made_of(
    train: Train, place: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    code, out, _ = train("training.average=3")
    assert code == 0 and f"model: {place / 'out/model'}" in out
    assert "40 rows, 40 taken" in out
    model = AutoModelForCausalLM.from_pretrained(place / "out/model")
    tokenizer = AutoTokenizer.from_pretrained(place / "out/model")
    assert model.dtype == torch.float32 and tokenizer.chat_template
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 2
    names = {path.name for path in (place / "out/model").iterdir()}
    assert {"README.md", "prompt.yaml", "trained.json", "tokenizer.json"} <= names
    assert not names & {"training_args.bin", "optimizer.pt", "sealed.json"}
    assert (place / "out/model/prompt.yaml").read_text() == "solutions: tiny\n"
    card = (place / "out/model/README.md").read_text()
    for words in ("| updates | 12 |", "rows.jsonl", "| average | 3 |", "trl 1.", "| step | tokens | loss |"):
        assert words in card
    # The mean of the checkpoints that are there still, each whole in its weights.
    kept = checkpoints(place / "out/stage-1")
    assert [each.step for each in kept] == [4, 8, 12]
    from safetensors.torch import load_file

    states = [load_file(one.path / "model.safetensors") for one in kept]
    for name, value in load_file(place / "out/model/model.safetensors").items():
        naive = torch.stack([state[name].double() for state in states]).mean(0).float()
        assert torch.equal(value, naive), name


def test_the_same_command_has_nothing_to_do_and_another_is_refused(train: Train, place: Path) -> None:
    assert train(*QUICKEST)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (place / "out/model").iterdir()}
    code, out, _ = train(*QUICKEST)
    assert (code, out) == (0, f"complete, nothing to do: {place / 'out/model'}\n")
    # How it is carried out may change; what comes of it may not.
    assert train(*QUICKEST, "training.micro_batch=1", "training.packing=true")[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (place / "out/model").iterdir()}
    code, _, err = train(*QUICKEST, "training.learning_rate=1e-4")
    assert code == 2 and "was made with another config" in err and "learning_rate" in err
    write_rows(place / "rows.jsonl", [chat("Why?", "So.")] * 3)
    code, _, err = train(*QUICKEST)
    assert code == 2 and "digest" in err
    code, out, _ = train(*QUICKEST, "run.fresh=true")
    assert code == 0 and "3 rows, 3 taken" in out and (place / "out.old-1/model").is_dir()


def test_each_stage_begins_with_the_model_of_the_one_before(train: Train, place: Path) -> None:
    from safetensors.torch import load_file

    rows = [chat(each.text, each.solution) for each in draw(9, 12)]
    write_rows(place / "more.jsonl", rows)
    stages = "training.stages={first: {learning_rate: 0.01, as_is: true}, second: {learning_rate: 1e-9}}"
    code, out, err = train(*QUICKEST, "data=[rows.jsonl,more.jsonl]", stages)
    assert code == 0, err
    assert "first: reading rows.jsonl" in out and "second: reading more.jsonl" in out
    first = load_file(place / "out/stage-1/model/model.safetensors")
    last = load_file(place / "out/model/model.safetensors")
    assert all((first[name] - last[name]).abs().max() < 1e-6 for name in last)
    assert len(read_curve(place / "out/stage-2")) == 2
    card = (place / "out/model/README.md").read_text()
    assert "## first" in card and "## second" in card


def test_the_plan_shows_rows_steps_and_disk_and_makes_nothing(train: Train, place: Path) -> None:
    rows = [chat(each.text, each.solution) for each in draw(9, 12)]
    rows += [{"messages": rows[0]["messages"][:1]}, chat("Why?", "So it is. " * 300)]
    write_rows(place / "rows.jsonl", rows)
    words = ("training.steps=null", "training.epochs=2", "training.max_length=300", "plan=true")
    code, out, _ = train(*words)
    assert code == 0 and not (place / "out").exists()
    told = " ".join(out.split())
    for part in (
        "14 rows, 12 taken; left out: 1 no reply, 1 too long",
        "6 steps of 4 rows, 2.00 epochs",
        "GiB for checkpoints and model",
        "parameters, from random weights",
    ):
        assert part in told
    code, out, _ = train(*words, "training.too_long=cut")
    assert code == 0 and "13 taken, 1 cut off" in out and "the longest row has 300" in out
    site = ("+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=2", "nodes=2")
    code, out, _ = train(*words, *site)
    assert code == 0 and "4 on 2 nodes" in out
    assert "#SBATCH --nodes=2" in out and "#SBATCH --ntasks-per-node=1" in out
    assert "#SBATCH --gpus-per-node=2" in out and "#SBATCH --signal=USR2@300" in out
    assert out.count("srun ") == 1 and f"jobs._task {place / 'out'} train" in out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data=nowhere.jsonl"], "nowhere.jsonl"),
        (["data=[]"], "data: missing"),
        (["data=[rows.jsonl,rows.jsonl]"], "2 given for 1 stages"),
        (["data=bad.jsonl"], "has neither messages nor problem"),
        (["data=short.jsonl"], "no row can be trained on: 1 rows, 0 taken; left out: 1 no reply"),
        (["student.model=./nowhere"], "student.model=./nowhere: no such directory"),
        (["student.chat_template=nowhere.jinja"], "cannot be read"),
        (["training.max_length=4096"], "the context of small has 2048 tokens"),
        (["training.learning_rate=null"], "training=demo has none for student=tiny"),
        (["training.stages={a: {epoch: 1}}"], "training.stages.a.epoch: no such option"),
        (["training.stages={a: 3}"], "training.stages.a=3: not a mapping"),
        (["prompt.format=completion"], "prompt.format=completion"),
        (["prompt.name=nowhere"], "prompt.name=nowhere"),
        (["nodes=2"], "nodes=2: only a cluster has several"),
        (["nodes=3", "+cluster=slurm", "cluster.partition=x"], "does not divide over 3 processes"),
        (["training.schedule=cubic"], "training.schedule=cubic"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_a_line_and_leaves_nothing_behind(
    words: list[str], line: str, train: Train, place: Path
) -> None:
    write_rows(place / "bad.jsonl", [{"question": "Why?"}])
    write_rows(place / "short.jsonl", [{"messages": chat("Why?", "So.")["messages"][:1]}])
    before = {path.name for path in place.iterdir()}
    code, _, err = train(*words)
    assert code == 2 and line in err and err.count("\n") == 1, err
    left = {path.name for path in place.iterdir()} - before
    assert left <= {"out"} and not [path for path in place.glob("out/*") if path.name != ".lock"]


def test_without_the_extra_one_line_says_how_to_install_it(
    here: Here, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omi_core.training import teaching

    monkeypatch.setattr(teaching, "find_spec", lambda name: None if name == "trl" else object())
    code, _, err = here("train", "data=rows.jsonl")
    assert code == 2 and "the package trl is missing" in err and "[train]" in err and err.count("\n") == 1


def test_status_tells_how_a_training_stands(train: Train, here: Here, place: Path) -> None:
    assert train(*QUICKEST)[0] == 0
    code, out, _ = here("status", "out")
    assert code == 0 and "out: finished" in out and "2 of 2, loss" in out and "training.html" in out
    code, out, _ = here("status", "out", "json=true")
    (told,) = json.loads(out)
    assert told["state"] == "finished" and told["step"] == told["steps"] == 2
    assert told["result"] == "out/model"
    (place / "out/model/trained.json").unlink()
    code, out, _ = here("status", "out", "exit_code=true")
    assert code == 4 and "out: stopped" in out and "jobs.resume out" in out
    code, out, _ = here("status", "root=.")
    assert code == 0 and "2 of 2 steps" in out
    code, out, _ = here("resume", "out")
    assert code == 0 and f"model: {place / 'out/model'}" in out
    assert here("resume", "out", "tasks=3")[0] == 2
    (place / "out/train.json").write_text("{")
    code, out, _ = here("status", "out")
    assert code == 1 and "unreadable" in out
    page = (place / "out/training.html").read_text()
    assert page.count("<svg ") == 3 and "step 2: " in page and "<script" not in page


def test_the_page_is_there_while_it_trains(
    train: Train, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omi_core.training import teaching

    pages: list[str] = []

    def printed(*words: object, **_: object) -> None:  # after each step, on the terminal
        if page.is_file():
            pages.append(page.read_text())

    page = place / "out/training.html"
    monkeypatch.setattr(teaching, "_DRAW_S", 0.0)
    monkeypatch.setattr(teaching, "_LOOK_S", 0.0)
    monkeypatch.setattr(teaching, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(teaching, "print", printed, raising=False)
    assert train("training.steps=3", "training.save_every=9")[0] == 0
    assert "sft: step 1 of 3, loss " in pages[0] and " GiB" in pages[0] and pages[0].count("<svg ") == 0
    assert "sft: step 2 of 3, loss " in pages[1] and pages[1].count("<svg ") == 3
    assert " tokens/s, " in pages[1] and " left, " in pages[1]
    assert "sft: step 3 of 3, loss " in page.read_text() and " left, " not in page.read_text()


def test_an_evaluation_asks_with_the_prompt_of_the_training(train: Train, here: Here, place: Path) -> None:
    (place / "own.yaml").write_text("solutions: {user: 'Work out: {{text}}'}\n")
    write_rows(place / "bench.jsonl", [{"problem": "What is 1 + 1?", "answer": "2"}])
    (place / "bench.yaml").write_text("data: {path: bench.jsonl, answer: answer}\n")
    assert train(*QUICKEST, "prompt.path=own.yaml")[0] == 0
    ask = ("evaluate", "model=out/model", "benchmarks=[bench.yaml]", "plan=true", "sampling.max_tokens=64")
    code, out, err = here(*ask)
    assert code == 0 and "Work out: {{text}}" in out, err
    code, out, _ = here(*ask, "prompt=step_by_step")
    assert code == 0 and "Work out" not in out


def test_a_broken_line_stops_it_or_is_left_out(train: Train, place: Path) -> None:
    path = write_rows(place / "broken.jsonl", [chat("Why?", "So.")] * 3)
    path.write_bytes(path.read_bytes() + b"{broken\n")
    code, _, err = train("data=broken.jsonl", "plan=true")
    assert code == 2 and "broken.jsonl" in err
    code, out, _ = train("data=broken.jsonl", "plan=true", "on_bad_row=skip")
    assert code == 0 and "4 rows, 3 taken; left out: 1 " in out
