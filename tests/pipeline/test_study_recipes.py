"""The studies that come with the suite: what they ask for, and what they cost before anything is spent."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from omi_core.pipeline import composing
from omi_core.pipeline.definition import Pipeline, Step
from omi_core.pipeline.recipe_cells import cells_of
from tests.conftest import Here
from tests.installed import needs
from tests.training.conftest import small_model, write_rows

needs("trl")
ROOT = Path(__file__).parents[2]
TOKENIZER = ROOT / "omi_core/teachers/tiny/strong/tokenizer.json"
FILES = composing.recipe_files(None)
REAL = sorted(name for name in FILES if name.startswith("study_") and not name.endswith("_demo"))
SITE = ("+cluster=selene", "cluster.account=lab", "cluster.partition=batch", "cluster.cpu_partition=cpu")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stands for the hub: a small student, MATH in two lines, a tokenizer."""
    from transformers import AutoTokenizer

    monkeypatch.chdir(tmp_path)
    small_model(tmp_path / "llama")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "llama")
    marks = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.bos_token = marks[0]
    tokenizer.save_pretrained(tmp_path / "llama")
    row = {
        "problem": "What is 1 + 1?",
        "solution": r"It is \boxed{2}.",
        "level": "Level 1",
        "type": "Algebra",
    }
    for name, rows in (("train", 7), ("test", 5000)):
        write_rows(tmp_path / f"{name}.jsonl", [row | {"problem": f"What is 1 + {n}?"} for n in range(rows)])
    student = ("student.model=./llama", "training.max_length=2048")
    return [
        *("data_math=train.jsonl", "benchmarks=[math=test.jsonl]", f"filters.tokenizer={TOKENIZER}"),
        *(f"steps.student.{word}" for word in student),
    ]


def composed(name: str, *words: str) -> Pipeline:
    return composing.compose(*composing.read_words([f"recipe={name}", *words]))


@pytest.mark.parametrize("name", REAL)
def test_every_study_has_a_demo_with_the_same_steps_and_findings(name: str) -> None:
    real, demo = (composing.find_recipe(each, None) for each in (name, f"{name}_demo"))
    assert [(step.name, step.command) for step in real.steps] == [
        (step.name, step.command) for step in demo.steps
    ]
    assert real.steps[-1].options["findings"].keys() == demo.steps[-1].options["findings"].keys()
    for recipe in (real, demo):
        assert recipe.parameters["seeds"] >= 5  # with fewer no finding is resolved
        assert len(cells_of(recipe, {})) >= 10


QUICK = ("study_format", "study_noise")  # those whose cells choose among steps
DEMOS = [pytest.param(f"{name}_demo", marks=() if name in QUICK else pytest.mark.slow) for name in REAL]


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_composes_and_shares_what_its_cells_have_in_common(name: str) -> None:
    made = composed(name, "seeds=2")
    commands = [step.command for step in made.steps]
    assert commands.count("generate") <= 2 and commands.count("gather") == 1
    students = [step for step in made.steps if step.trains]
    assert len(students) == commands.count("evaluate") == 2 * len({*settings(students)})
    assert len({step.folder for step in made.steps}) == len(made.steps)


def test_make_studies_carries_out_every_demo_and_shares_what_is_the_same() -> None:
    text = subprocess.run(
        ["make", "-n", "studies"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    made = dict(re.findall(r"recipe=(study_\w+) run.dir=\S+ run.at_once=2(.*)", text))
    assert sorted(made) == [f"{name}_demo" for name in REAL]
    assert next(iter(made)) == "study_noise_demo"
    sharing = [name for name, more in made.items() if "steps.solutions=" in more]
    assert sharing == ["study_diversity_demo", "study_scale_demo"]
    assert {made[name] for name in sharing} == {" steps.solutions=runs/studies/noise/01-solutions"}
    first, *others = (solved(name) for name in ("study_noise_demo", *sharing))
    assert others == [first, first]


def solved(name: str) -> list[object]:
    """All that decides the solutions of a demo."""
    recipe = composing.find_recipe(name, None)
    step = recipe.steps[0]
    used = {key: recipe.parameters[key] for key in ("teacher", "size", "samples")}
    return [step.name, step.command, step.options, used]


def settings(students: list[Step]) -> list[str]:
    return [str({key: value for key, value in step.cell.items() if key != "seed"}) for step in students]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", REAL)
def test_a_real_study_is_planned_on_a_cluster(
    name: str, words: list[str], here: Here, tmp_path: Path
) -> None:
    rate = "cluster.tokens_per_second=3000"
    code, out, err = here("pipeline", f"recipe={name}", *SITE, rate, *words, "plan=true")
    assert (code, err) == (0, ""), err
    cells = len(cells_of(composing.find_recipe(name, None), {}))
    assert f"cells      {cells}: " in out
    pattern = r"^to do +([\d,]+) samples, ([\d,.]+) GPU hours for samples, ([\d,]+) training steps"
    found = re.search(pattern, out, flags=re.M)
    assert found and int(found[1].replace(",", "")) > cells * 5000
    assert int(found[3].replace(",", "")) > cells * 100
    assert not (tmp_path / "runs").exists()
