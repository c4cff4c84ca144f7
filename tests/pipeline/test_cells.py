"""Recipes with cells: what is made once for which cells, and every mistake told in one line."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.composing.compose import compose_values
from omi_core.composing.grammar import word
from omi_core.options import ConfigError
from omi_core.pipeline import composing, similar_steps
from omi_core.pipeline.recipe import Draft, Recipe, read_recipe
from omi_core.pipeline.recipe_cells import cells_of, expand
from omi_core.pipeline.similar_steps import SimilarSteps
from tests.conftest import Here

POOL = "pool: {command: generate, options: {teacher: rehearsal, data.size: 4}}"
NOISY = 'noisy: {command: combine, options: {inputs: ["${step:pool}"], rows: "${cell:rows}"}}'
GRADED = (
    "graded: {command: evaluate, options: {teacher: rehearsal, benchmarks: [demo], limit: 4, "
    'seed: "${cell:seed}", sampling.max_tokens: "${cell:rows}"}}'
)


def recipe(text: str, place: Path) -> Recipe:
    (place / "r.yaml").write_text(text, encoding="utf-8")
    return read_recipe(place / "r.yaml")


def steps(**options: dict[str, Any]) -> tuple[Draft, ...]:
    return tuple(
        Draft(name, "train" if name == "student" else "generate", of, number, name)
        for number, (name, of) in enumerate(options.items(), 1)
    )


STUDY = Recipe(
    "study",
    Path("study.yaml"),
    {"noise": [0, 0.2], "seeds": 2},
    steps(
        pool={"samples": 4},
        data={"inputs": ["${step:pool}"], "noise": "${cell:noise}"},
        small={"inputs": ["${step:data}"], "rows": "${cell:size}"},
        student={"data": "${step:small}", "seed": "${cell:seed}", "note": "n=${cell:noise}"},
        graded={"model": "${step:student}", "prompt.path": "${step:student.prompt}"},
        study={"cells": "${cells:graded}"},
        page={"data.path": "${step:study}"},
    ),
    {"noise": "${noise}", "size": [10, 20]},
    "${seeds}",
)


def test_a_step_is_made_once_for_each_combination_of_what_it_uses() -> None:
    made = expand(STUDY, {}).steps
    by_step = {of: [d.name for d in made if d.of == of] for of in dict.fromkeys(d.of for d in made)}
    assert {of: len(names) for of, names in by_step.items()} == {
        "pool": 1,
        "data": 2,
        "small": 4,
        "student": 8,
        "graded": 8,
        "study": 1,
        "page": 1,
    }
    assert by_step["pool"] == ["pool"] and by_step["data"] == ["data-noise0", "data-noise0.2"]
    assert by_step["student"][:3] == [
        "student-noise0-size10-seed0",
        "student-noise0-size10-seed1",
        "student-noise0-size20-seed0",
    ]
    student = next(d for d in made if d.name == "student-noise0.2-size10-seed1")
    assert student.options == {"data": "${step:small-noise0.2-size10}", "seed": 1, "note": "n=0.2"}
    assert student.number == 4 and student.cell == {"noise": 0.2, "size": 10, "seed": 1}


def test_what_is_gathered_names_every_cell_with_its_training() -> None:
    study = next(d for d in expand(STUDY, {}).steps if d.of == "study")
    assert len(study.options["cells"]) == 8
    assert study.options["cells"]["noise0.2-size10-seed1"] == {
        "run": "${step:graded-noise0.2-size10-seed1}",
        "parameters": {"noise": 0.2, "size": 10},
        "seed": 1,
        "training": "${step:student-noise0.2-size10-seed1.training}",
    }


def test_what_the_cells_are_is_changed_by_parameters() -> None:
    assert len(cells_of(STUDY, {})) == 8
    assert len(cells_of(STUDY, {"noise": [0.5], "seeds": 5})) == 10
    listed = replace(STUDY, parameters={"sets": []}, cells="${sets}", seeds=None)
    assert cells_of(listed, {"sets": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]}) == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_a_parameter_of_the_cells_may_choose_the_step_that_is_read() -> None:
    chosen = Recipe(
        "r",
        Path("r.yaml"),
        {},
        steps(plain={"a": 1}, noisy={"a": "${cell:noise}"}, data={"inputs": ["${step:${cell:kind}}"]}),
        {"kind": ["plain", "noisy"], "noise": [1, 2]},
    )
    data = {d.name: d.options["inputs"] for d in expand(chosen, {}).steps if d.of == "data"}
    assert data == {
        "data-kindplain": ["${step:plain}"],  # the noise is nothing to it
        "data-kindnoisy-noise1": ["${step:noisy-noise1}"],
        "data-kindnoisy-noise2": ["${step:noisy-noise2}"],
    }


def test_what_no_cell_chooses_is_not_made() -> None:
    recipe = Recipe(
        "r",
        Path("r.yaml"),
        {},
        steps(
            source={"noise": "${cell:noise}"},
            wrong={"inputs": ["${step:source}"]},
            other={"noise": "${cell:noise}"},
            graded={"model": "${step:${cell:kind}}"},
            study={"cells": "${cells:graded}"},
        ),
        [{"kind": "wrong", "noise": 0}, {"kind": "wrong", "noise": 1}, {"kind": "other", "noise": 2}],
    )
    assert [draft.name for draft in expand(recipe, {}).steps] == [
        *("source-noise0", "source-noise1"),  # that of noise 2 only a step reads that nobody chooses
        *("wrong-noise0", "wrong-noise1"),
        "other-noise2",
        *("graded-kindwrong-noise0", "graded-kindwrong-noise1", "graded-kindother-noise2"),
        "study",
    ]


def test_a_recipe_without_cells_is_left_as_it_is() -> None:
    for name, path in composing.recipe_files(None).items():
        plain = read_recipe(path)
        if plain.cells is None:
            assert expand(plain, {}) == plain, name


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.integers(-2, 3) | st.sampled_from(["x", "y/z", "y z", "1.5", ""]) | st.sampled_from([0.25, 1e-05])
GRIDS = st.dictionaries(
    NAMES, st.lists(VALUES, min_size=1, max_size=3, unique_by=str), min_size=1, max_size=3
)


@settings(max_examples=60)
@given(GRIDS, st.none() | st.integers(1, 3), st.data())
def test_the_steps_are_those_that_naive_code_finds(
    grid: dict[str, list[Any]], seeds: int | None, data: st.DataObject
) -> None:
    names = [*grid, *(["seed"] if seeds else [])]
    drafts: list[Draft] = []
    for number in range(data.draw(st.integers(1, 5))):
        own = data.draw(st.lists(st.sampled_from(names), max_size=2))
        read = data.draw(st.lists(st.sampled_from(drafts), max_size=2)) if drafts else []
        words = [f"${{cell:{name}}}" for name in own] + [f"${{step:{draft.name}}}" for draft in read]
        drafts.append(Draft(f"s{number}", "generate", {"words": words}, number + 1, f"s{number}"))
    every = [f"${{cell:{name}}}" for name in names]
    drafts.append(Draft("every", "generate", {"words": every}, len(drafts) + 1, "every"))
    made = expand(Recipe("r", Path("r.yaml"), {}, tuple(drafts), grid, seeds), {}).steps

    def uses(draft: Draft) -> set[str]:
        found = re.findall(r"\$\{(\w+):(\w+)\}", " ".join(draft.options["words"]))
        below = [uses(next(d for d in drafts if d.name == name)) for kind, name in found if kind == "step"]
        return {name for kind, name in found if kind == "cell"}.union(*below)

    every_cell = [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*grid.values(), *([range(seeds)] if seeds else []))
    ]
    for draft in drafts:
        parts = [{n: v for n, v in cell.items() if n in uses(draft)} for cell in every_cell]
        wanted = [part for at, part in enumerate(parts) if part not in parts[:at]]
        found = [d for d in made if d.of == draft.name]
        assert [dict(d.cell) for d in found] == wanted
        for one in found:
            for before, filled in zip(draft.options["words"], one.options["words"], strict=True):
                kind, _, name = before[2:-1].partition(":")
                if kind == "cell":
                    assert filled == one.cell[name]
                else:  # the one of this cell
                    (named,) = [d for d in made if filled == f"${{step:{d.name}}}"]
                    assert named.of == name and named.cell.items() <= one.cell.items()
    assert len({d.name for d in made}) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", d.name) for d in made)
    order = [d.name for d in made]
    assert order == [d.name for draft in drafts for d in made if d.of == draft.name]  # as in the recipe


BROKEN = {
    "cells: 3": "cells: a grid NAME: [VALUE, ...] is expected, or a list of sets",
    "cells: {}": "cells: has none",
    "cells: {rows: []}": "cells: has none",
    "cells: [{}]": "cells: has none",
    "cells: {rows: 3}": "cells.rows=3: a list of values is expected",
    "cells: {rows: [1, [2]]}": "cells.rows=[2]: neither a text nor a number",
    "cells: {rows: [1, null]}": "cells.rows=None: neither a text nor a number",
    "cells: {rows: [1, .inf]}": "cells.rows=inf: neither a text nor a number",
    "cells: {seed: [1, 2]}": "cells.seed: not a name for a parameter of cells",
    "cells: {Rows-1: [1, 2]}": "cells.Rows-1: not a name",
    "cells: {rows: [1, 1.0]}": "cells: rows=1.0 is there twice",
    "cells: [{rows: 1}, {rows: 2}, {rows: 1}]": "cells: rows=1 is there twice; give each setting once",
    "cells: [{rows: 1, k: 2}, {rows: 2}]": "cells: set 2 lacks k, which set 1 has; give all sets the same",
    "cells: [{rows: 1}, {rows: 2, k: 2}]": "cells: set 1 lacks k, which set 2 has",
    "cells: {rows: [1, 2], k: [1]}": "cells.k: no step uses ${cell:k}; omit it",
    "cells: {rows: '${rws}'}": "cells: ${rws}: no such parameter",
    "cells: {row: [1, 2]}": "rows: ${cell:rows}: no such parameter of the cells (did you mean row?)",
    "{}": "step noisy: rows: ${cell:rows}: no such parameter of the cells; the recipe has no cells",
    "seeds: 2": "${cell:rows}: no such parameter of the cells; there are seed",
    "seeds: 0": "seeds=0: give how many there are, a number of 1 or more",
    "seeds: [1, 2]": "seeds=[1, 2]: give how many",
    "seeds: '${n}'": "seeds: ${n}: no such parameter",
    "{cells: {rows: [1, 2]}, seeds: 2}": "seeds: no step uses ${cell:seed}; omit it",
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_mistake_in_the_cells_is_one_line_and_makes_nothing(here: Here, tmp_path: Path, words: str) -> None:
    told = yaml.safe_load(words)
    text = f"steps: {{{POOL}, {NOISY}}}\n"
    (tmp_path / "r.yaml").write_text(text + (yaml.safe_dump(told) if told else ""))
    code, out, err = here("pipeline", "recipe=r.yaml")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert err.startswith("error: recipe=r: ") and BROKEN[words] in err
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


STEPS = {
    "${step:nosy}": "${step:nosy}: no such step before this one (did you mean noisy?)",
    "${step:late}": "${step:late}: no such step before this one",
    "${cells:nosy}": "${cells:nosy}: no such step before this one (did you mean noisy?)",
    "x/${cells:noisy}": "which has no place inside a text",
}


@pytest.mark.parametrize("word", STEPS)
def test_a_step_that_is_not_there_is_told_by_its_name_in_the_recipe(word: str, tmp_path: Path) -> None:
    late = f'late: {{command: gather, options: {{cells: "{word}"}}}}'
    with pytest.raises(ConfigError) as told:
        expand(recipe(f"cells: {{rows: [1, 2]}}\nsteps: {{{POOL}, {NOISY}, {late}}}\n", tmp_path), {})
    assert STEPS[word] in str(told.value) and "step late: cells" in str(told.value)


def test_cells_whose_steps_would_have_one_name_are_refused() -> None:
    of = steps(data={"data.path": "${cell:path}"})
    alike = Recipe("r", Path("r.yaml"), {}, of, {"path": ["a/b"]})
    (name,) = [draft.name for draft in expand(alike, {}).steps]
    assert re.fullmatch(r"data-patha_b_[0-9a-f]{6}", name)
    with pytest.raises(ConfigError, match=f"would have the same name, {name}; name the values otherwise"):
        expand(replace(alike, cells={"path": ["a/b", name.removeprefix("data-path")]}), {})


def test_words_of_the_command_line_go_to_a_step_in_all_cells(tmp_path: Path) -> None:
    recipe(
        "parameters: {rows: [1, 2], seeds: 2}\ncells: {rows: '${rows}'}\nseeds: ${seeds}\n"
        f"steps: {{{POOL}, {NOISY}, {GRADED}}}\n",
        tmp_path,
    )
    words = [f"recipe={tmp_path / 'r.yaml'}", "seeds=1", "rows=[1,2,3]", "steps.graded.limit=2"]
    pipeline = composing.compose(*composing.read_words(words))
    graded = [step for step in pipeline.steps if step.of == "graded"]
    assert [step.cell for step in graded] == [{"rows": rows, "seed": 0} for rows in (1, 2, 3)]
    assert {step.config["limit"] for step in graded} == {2}
    assert [step.folder for step in pipeline.steps][:2] == ["01-pool", "02-noisy-rows1"]
    with pytest.raises(ConfigError, match="steps.graded-rows1.limit: no such option of a pipeline"):
        composing.read_words([words[0], "steps.graded-rows1.limit=2"])


# A command, what its steps are given, and how many of them Hydra composes.
SIMILAR: dict[str, tuple[str, list[dict[str, Any]], int]] = {
    "plain options": (
        "combine",
        [
            {"inputs": [f"a{rows}"], "rows": rows, "noise.share": share}
            for rows in (1, 2)
            for share in (0, 0.5)
        ],
        4,  # a number without a point stands for another type
    ),
    "a text for a list": (
        "train",
        [{"data": f"/p/{n}", "training.seed": n, "run.dir": f"r{n}"} for n in range(4)],
        2,
    ),
    "words that are a list": ("train", [{"data": text} for text in ("a", "b", "c,d", "[e]")], 4),
    "a choice of a group": ("generate", [{"teacher": name} for name in ("tiny", "rehearsal", "tiny")], 2),
    "a word overrides it": ("generate", [{"samples": n, "seed": n} for n in (1, 2, 3)], 3),
}


@pytest.mark.parametrize("case", SIMILAR)
def test_steps_that_are_alike_are_composed_as_hydra_composes_each(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, all_given, by_hydra = SIMILAR[case]
    words = ["seed=7"] if "override" in case else []
    wanted = [compose_values(command, [*map(word, given, given.values()), *words]) for given in all_given]
    calls: list[str] = []

    def counted(*arguments: Any) -> Any:
        calls.append(arguments[0])
        return compose_values(*arguments)

    monkeypatch.setattr(similar_steps, "compose_values", counted)
    similar = SimilarSteps(command, words, None)
    found = [similar.compose(given) for given in all_given]
    assert repr(found) == repr(wanted)  # also whether a number is whole
    assert len(calls) == by_hydra
