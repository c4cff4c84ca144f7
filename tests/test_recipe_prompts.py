"""docs/recipe-prompts.md shows what the recipes ask, as `plan=true` shows it.

python -m pytest tests/test_recipe_prompts.py --write-tables      # writes the page anew
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omi_core.config import load_generate
from omi_core.pipeline import composing
from omi_core.tasks.prompting import Prompting
from tests.conftest import Here

PAGE = Path(__file__).parents[1] / "docs/recipe-prompts.md"
HEAD = """# Prompts of the recipes

One prompt of each recipe, as `plan=true` shows it: `{{text}}` is where a record goes. How it reaches the
model is on [Write prompts](prompts.md). This page is written by `tests/test_recipe_prompts.py`.
"""
WORDS = {
    "openmathinstruct2": ["tokenizer=tokenizer.json"],
    "acemath": [],
    "nemotron_mind": ["tokenizer=tokenizer.json", "corpus=web.parquet"],
}
# acemath begins with new problems; its solutions are the prompt that it is known for.
STEPS = {"openmathinstruct2": "solve_math", "acemath": "answers", "nemotron_mind": "dialogues"}


def sections() -> Iterator[str]:
    for recipe, words in WORDS.items():
        pipeline = composing.compose(*composing.read_words([f"recipe={recipe}", *words]))
        step = pipeline.step(STEPS[recipe])
        config = load_generate(step.config)
        style = f", style `{config.style[0]}`" if config.style and config.style != ["all"] else ""
        yield (
            f"## {recipe}\n\nStep `{step.name}`, teacher `{config.teacher.name}`, "
            f"format `{config.prompt.format}`{style}:\n\n"
            f"````text\n{Prompting(config).shown().rstrip()}\n````\n"
        )


def test_the_page_shows_what_the_recipes_ask(
    here: Here, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tokenizer = PAGE.parents[1] / "omi_core/teachers/tiny/strong/tokenizer.json"
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    page = "\n".join([HEAD, *sections()])
    if request.config.getoption("write_tables"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "pytest tests/test_recipe_prompts.py --write-tables"


def test_the_recipe_of_openmathinstruct2_plans_completion_prompts(here: Here, tmp_path: Path) -> None:
    tokenizer = PAGE.parents[1] / "omi_core/teachers/tiny/strong/tokenizer.json"
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    words = ["recipe=openmathinstruct2", "tokenizer=tokenizer.json"]
    pipeline = composing.compose(*composing.read_words(words))
    for name in ("solve_math", "solve_gsm8k", "solve_new"):
        config = load_generate(pipeline.step(name).config)
        assert Prompting(config).plain
        assert "\n" * 6 in config.sampling.stop
        assert config.filters.split_arithmetic
    assert pipeline.step("near").config["model"] == "sentence-transformers/multi-qa-MiniLM-L6-cos-v1"


def test_the_plan_of_a_run_shows_its_prompt(here: Here) -> None:
    words = ("generate", "teacher=rehearsal", "data.size=3", "prompt=math", "plan=true")
    shown = here(*words, "prompt.format=completion", "prompt.examples=0", "prompt.system=false")[1]
    assert shown.endswith("== prompt, completion\nProblem: {{text}}\n\nSolve it.\n\nSolution:\n\n")
    shown = here(*words, "prompt.examples=1")[1].partition("== prompt, chat\n")[2]
    assert [line for line in shown.splitlines() if line.startswith("[")] == [
        "[system]", "[user]", "[assistant]", "[user]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["teacher=qwen25_math_72b"], "qwen_math"),
        (["teacher=qwen25_math_72b", "prompt=acemath"], "acemath"),
        (["teacher=llama31_70b"], None),
        (["teacher=model"], None),
    ],
    ids=str,
)
def test_the_prompt_is_that_of_the_models_family_unless_another_is_named(
    words: list[str], prompt: str | None
) -> None:
    from omi_core.composing.compose import compose_values

    assert compose_values("generate", words)["prompt"]["name"] == prompt
