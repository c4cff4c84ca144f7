"""Recipes: what they may say, how the command line changes them, and every mistake told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omi_core.composing.grammar import word
from omi_core.options import ConfigError
from omi_core.pipeline import composing
from omi_core.pipeline.recipe import PLACE, fill, placed, read_recipe
from tests.conftest import Here

SOLVE = "solve: {command: generate, options: {teacher: rehearsal, data.size: 4}}"


def write(path: Path, steps: str, parameters: str = "{}") -> Path:
    path.write_text(f"parameters: {parameters}\nsteps: {{{steps}}}\n", encoding="utf-8")
    return path


# Text of the file, and what the line says of it.
BROKEN = [
    ("steps: [", "cannot be read"),
    ("- a\n", "names with values are expected"),
    ("parameters: {a: 1}\n", "steps: names with values are expected"),
    ("steps: {}\n", "has no steps"),
    ("stps: {a: 1}\n", "stps: no such key (did you mean steps?)"),
    ("parameters: {plan: 1}\nsteps: {a: {command: generate}}\n", "parameters.plan: not a name"),
    ("steps: {Solve: {command: generate}}\n", "step Solve: not a name for a step"),
    ("steps: {../a: {command: generate}}\n", "step ../a: not a name for a step"),
    ("steps: {a: {options: {samples: 1}}}\n", "step a: names no command"),
    ("steps: {a: {command: generat}}\n", "generat: not one that can be a step (did you mean generate?)"),
    ("steps: {a: {command: status}}\n", "one of generate, "),
    ("steps: {a: {command: generate, option: {}}}\n", "step a: option: no such key (did you mean options?)"),
    ("steps: {a: {command: generate, options: [x]}}\n", "step a: options: names with values"),
    ('steps: {a: {command: generate, options: {samples: "${n}"}}}\n', "${n}: no such parameter"),
    (
        'steps: {a: {command: generate, options: {data.path: "${step:b}"}}, b: {command: generate}}\n',
        "${step:b}: no such step before this one",
    ),
    (
        'steps: {a: {command: generate, options: {data.path: "${step:a}"}}}\n',
        "${step:a}: no such step before this one",
    ),
    (
        f'steps: {{{SOLVE}, b: {{command: generate, options: {{data.path: "${{step:solve.clean}}"}}}}}}\n',
        "step solve makes no clean; it makes rows",
    ),
    (
        'parameters: {f: null}\nsteps: {a: {command: generate, options: {data.path: "x/${f}"}}}\n',
        "${f} is None, which has no place inside a text",
    ),
    ("steps: {a: {command: generate, options: {sampels: 4}}}\n", "step a: sampels: no such option"),
    ("steps: {a: {command: generate, options: {samples: many}}}\n", "step a: samples=many: Value 'many'"),
    ("steps: {a: {command: generate, options: {teacher: tinny}}}\n", "step a: teacher=tinny: no such choice"),
    ("steps: {a: {command: generate, options: {run.dir: x}}}\n", "run.dir: is set by the pipeline"),
    ("steps: {a: {command: decontaminate, options: {clean: x}}}\n", "clean: is set by the pipeline"),
    ("steps: {a: {command: generate, options: {plan: true}}}\n", "plan: is set by the pipeline"),
    ("steps: {a: {command: decontaminate, options: {imput: x}}}\n", "step a: imput: no such option"),
    ("steps: {a: {command: decontaminate, options: {test: [gsm8k]}}}\n", "step a: input: missing"),
    ("steps: {a: {command: generate, options: {cluster.kind: slurm}}}\n", "give it for the whole pipeline"),
    (
        "steps: {a: {command: generate, options: {data: file, data.path: no.jsonl, teacher: rehearsal}}}\n",
        "step a: data.path=no.jsonl: no such file",
    ),
    (
        "steps: {a: {command: generate, options: {teacher: rehearsal, prompt.path: no.yaml}}}\n",
        "no.yaml",
    ),
    ("steps: {a: {command: generate, options: {prompt: null}}}\n", "step a: null: no choice of a group"),
    (
        "steps: {a: {command: generate, options: {teacher: rehearsal, filters.tokenizer: no.json}}}\n",
        "no.json",
    ),
    (
        f"steps: {{{SOLVE}, "
        'b: {command: decontaminate, options: {input: "${step:solve}", test: [x=no.jsonl]}}}\n',
        "step b: test=x=no.jsonl: no such file",
    ),
    (
        f"steps: {{{SOLVE}, "
        'b: {command: decontaminate, options: {input: "${step:solve}", test: [gsm]}}}\n',
        "step b: test=gsm: no known test set (did you mean gsm8k?)",
    ),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message[:40] for _, message in BROKEN])
def test_a_mistake_in_a_recipe_is_one_line_and_makes_nothing(
    here: Here, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    code, out, err = here("pipeline", "recipe=r.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and message in err
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


WORDS = [
    ([], "recipe: missing; give recipe=NAME, one of "),
    (["recipe=reharsal"], "recipe=reharsal: no such recipe (did you mean rehearsal?)"),
    (["recipe=no.yaml"], "no.yaml cannot be read"),
    (["recipe=r.yaml", "sze=3"], "step solve: sze: no such option"),
    (["recipe=r.yaml", "steps.sove.samples=3"], "steps.sove: no such step (did you mean solve?)"),
    (["recipe=r.yaml", "steps.solve.sample=3"], "step solve: sample: no such option (did you mean samples?)"),
    (["recipe=r.yaml", "steps.solve.run.dir=x"], "run.dir: is set by the pipeline"),
    (["recipe=r.yaml", "run.dri=x"], "run.dri: no such option of a pipeline (did you mean run.dir?)"),
    (["recipe=r.yaml", "size=many"], "size=many: not a value of the right type; the default is 4"),
    (["recipe=r.yaml", "names=a"], "names=a: a list is expected, names=[a]"),
    (["recipe=r.yaml", "cluster=slurm"], "cluster: choose it with a plus"),
    (["recipe=r.yaml", "+cluster=slurm"], "+cluster=slurm: this site needs partition"),
    (["recipe=r.yaml", "plan=perhaps"], "plan: Value 'perhaps'"),
    (["recipe=r.yaml", "rubbish"], "rubbish: not an option"),
    (["recipe=r.yaml", "--config-dir", "nowhere"], "--config-dir nowhere: no such directory"),
    (["recipe=r.yaml", "run.dir=r.yaml"], "run.dir="),
]


@pytest.mark.parametrize(("words", "message"), WORDS, ids=[message[:40] for _, message in WORDS])
def test_a_mistake_on_the_command_line_is_one_line(
    here: Here, tmp_path: Path, words: list[str], message: str
) -> None:
    write(tmp_path / "r.yaml", SOLVE, "{size: 4, names: []}")
    code, out, err = here("pipeline", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


def test_parameters_keep_their_type_alone_and_are_written_inside_a_text(tmp_path: Path) -> None:
    steps = 'a: {command: generate, options: {x: "${n}", y: "f/${n}.jsonl", z: ["${l}", {w: "${t}"}]}}'
    recipe = read_recipe(write(tmp_path / "r.yaml", steps, "{n: 3, l: [1, 2], t: true}"))
    ((draft, needs),) = fill(recipe, {"n": 5}, lambda draft: {})
    assert draft.options == {"x": 5, "y": "f/5.jsonl", "z": [[1, 2], {"w": True}]}
    assert needs == ()


def test_a_step_reads_what_earlier_ones_make_wherever_the_pipeline_lies(tmp_path: Path) -> None:
    steps = 'a: {command: x}, b: {command: x, options: {from: "${step:a}", also: ["n=${step:a.rows}"]}}'
    recipe = read_recipe(write(tmp_path / "r.yaml", steps))
    _, (draft, needs) = fill(recipe, {}, lambda draft: {"": "", "rows": "data/*.parquet"})
    assert needs == ("a",)
    assert placed(draft.options, Path("/p")) == {"from": "/p/01-a", "also": ["n=/p/01-a/data/*.parquet"]}
    assert placed("//pipelines/are", Path("/p")) == "//pipelines/are"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: "\0" not in text),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_any_value_of_a_recipe_is_read_by_hydra_as_it_is(value: Any) -> None:
    override = OverridesParser.create().parse_override(word("x", value))
    assert override.value() == value


TOKENIZER = Path(__file__).parents[2] / "omi_core/teachers/tiny/strong/tokenizer.json"
# What a recipe needs to be given, where there is no connection to the hub.
NEEDED = {
    "openmathinstruct2": [f"tokenizer={TOKENIZER}"],
    "nemotron_mind": [f"tokenizer={TOKENIZER}", "corpus=web.parquet"],
    "general_sft": [
        "stage1={a: {path: a.jsonl}}",
        "stage2={a: {path: a.jsonl, share: 0.5}, b: {path: b.jsonl}}",
    ],
}


# A demo is its recipe at another size; tests/test_golden.py composes it, too.
RECIPES = [
    pytest.param(name, marks=pytest.mark.slow) if name.endswith("_demo") else name
    for name in sorted(composing.recipe_files(None))
    if not name.startswith("study_")  # test_study_recipes
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes(recipe: str) -> None:
    words = [f"recipe={recipe}", *NEEDED.get(recipe, [])]
    pipeline = composing.compose(*composing.read_words(words))
    assert pipeline.steps
    again = composing.compose(*composing.read_words([*words, "run.dir=else", "tasks=3"]))
    assert again.fingerprint == pipeline.fingerprint


@pytest.fixture(scope="module")
def rehearsal() -> str:
    """The fingerprint of the recipe as it comes."""
    return composing.compose(*composing.read_words(["recipe=rehearsal"])).fingerprint


CHANGES = [
    (["steps.solve.samples=9"], False),
    (["size=9"], False),
    (["second_teacher=tiny"], False),
    (["steps.check.share=0.7"], False),
    (["tasks=5", "reduce_tasks=2", "engine.max_num_seqs=3"], True),
    (["run.dir=elsewhere"], True),
    (["teacher.rehearsal.latency=1"], True),
    (["+cluster=slurm", "cluster.partition=x"], True),
]


@pytest.mark.parametrize(("words", "same"), CHANGES, ids=[" ".join(words) for words, _ in CHANGES])
def test_the_fingerprint_covers_what_decides_the_result(rehearsal: str, words: list[str], same: bool) -> None:
    other = composing.compose(*composing.read_words(["recipe=rehearsal", *words]))
    assert (rehearsal == other.fingerprint) == same


def test_files_from_outside_count_by_their_bytes(tmp_path: Path) -> None:
    steps = "a: {command: generate, options: {data: file, data.path: FILE, teacher: rehearsal}}"

    def fingerprint(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        recipe = write(tmp_path / "r.yaml", steps.replace("FILE", str(tmp_path / name)))
        return composing.compose(*composing.read_words([f"recipe={recipe}"])).fingerprint

    assert fingerprint("a.jsonl", "x") == fingerprint("b.jsonl", "x") != fingerprint("c.jsonl", "y")


def test_a_recipe_of_ones_own_lies_in_a_config_dir(tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    write(tmp_path / "recipe/mine.yaml", SOLVE)
    recipe, _ = composing.read_words(["--config-dir", str(tmp_path), "recipe=mine"])
    assert [step.name for step in recipe.steps] == ["solve"]
    with pytest.raises(ConfigError):
        composing.read_words(["recipe=mine"])


def test_no_path_of_a_user_is_taken_for_one_of_the_pipeline() -> None:
    assert placed({"a": [f"{PLACE}/x", "/pipeline/x", "pipeline"]}, Path("/r")) == {
        "a": ["/r/x", "/pipeline/x", "pipeline"]
    }
