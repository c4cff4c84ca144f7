"""The list of test sets agrees with the training data of the same sets, real files and the docs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from omi_core.benchmarks import BENCHMARKS
from omi_core.inputs import Skipped, read_records
from omi_core.options import check

ROOT = Path(__file__).parents[1]
# Fields by which the files that are at hand differ from the hub's, and how many problems they hold.
FILES = {"gsm8k": ({}, 1319), "math": ({}, 5000), "amc23": ({"problem": "problem"}, 40), "aime24": ({}, 30)}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_is_read_of_a_benchmark_is_a_valid_input_with_answers(name: str) -> None:
    data = BENCHMARKS[name].data
    check(data)
    assert data.hub and data.answer and BENCHMARKS[name].source


@pytest.mark.parametrize("name", ["gsm8k", "math"])
def test_training_data_of_the_same_set_is_another_split_of_the_same(name: str) -> None:
    given = yaml.safe_load((ROOT / f"hydra_conf/data/{name}.yaml").read_text())
    data = vars(BENCHMARKS[name].data)
    same = ("hub", "hub_config", "problem", "answer", "answer_format")
    assert {key: given[key] for key in same} == {key: data[key] for key in same}
    assert (given["split"], data["split"]) == ("train", "test")


@pytest.mark.parametrize("name", FILES)
def test_every_question_of_a_real_file_has_its_answer(name: str, shared_data: Path) -> None:
    changed, count = FILES[name]
    path = str(shared_data / name / "test.jsonl")
    skipped = Skipped()
    data = replace(BENCHMARKS[name].data, origin="file", path=path, **changed)
    assert sum(record.expected_answer is not None for record in read_records(data, None, skipped)) == count
    assert skipped.counts == {}


def test_the_docs_list_what_there_is() -> None:
    """A row for each: name, dataset and split, source, licence."""
    text = (ROOT / "docs/decontaminate.md").read_text()
    for name, found in BENCHMARKS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"`{found.data.hub}`, {found.data.split}" in row
        assert row.endswith(f"| {found.source} | {found.licence or 'not known'} |")
