"""Gathering: cells that are evaluated become a table, verdicts, data and a page."""

from __future__ import annotations

import copy
import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from omi_core.evaluate.outcome import write_outcome
from omi_core.options import ConfigError
from omi_core.study.gathering import gather, study_of
from omi_core.study.study_options import load_gather
from tests.combine.conftest import contents
from tests.conftest import Here

PROBLEMS = 80


def evaluate(run: Path, share: float, seed: int, samples: int = 1, setting: int = 0) -> str:
    """An evaluation of which this share of the samples is right; problems differ in how hard they are."""
    rng = np.random.default_rng([seed, setting])
    hard = np.random.default_rng(0).uniform(-0.2, 0.2, PROBLEMS)
    rows = []
    for at in range(PROBLEMS):
        for sample in range(samples):
            right = bool(rng.uniform() < share + hard[at])
            told = {"verdict": "right" if right else "wrong", "vote": 0 if right else 1}
            of = {
                "benchmark": "sums",
                "benchmark_row": at,
                "record_id": f"r{at}",
                "level": None,
                "subject": None,
            }
            more = {"completion_tokens": 9, "finish": "stop", "given_answer": "1", "expected_answer": "2"}
            rows.append(of | told | more | {"sample": sample, "problem": "p"})
    about = {"teacher": "t", "rehearsal": False, "protocol": {}}
    run.mkdir(parents=True)
    out = run / "evaluation"
    write_outcome(
        out, rows, fingerprint="0" * 32, about=about, config={}, counts={}, table=lambda figures: ""
    )
    return str(run)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six seeds of three shares of noise, of which the largest hurts, and the first two differ in nothing."""
    place, made = tmp_path_factory.mktemp("cells"), {}
    for noise, share in ((0, 0.6), (0.1, 0.6), (0.8, 0.3)):
        for seed in range(6):
            run = evaluate(place / f"n{noise}-{seed}", share, seed, setting=int(noise * 10))
            made[f"n{noise}-{seed}"] = {"run": run, "parameters": {"noise": noise}, "seed": seed}
    return made


@pytest.fixture
def cells(evaluated: dict[str, Any]) -> dict[str, Any]:
    """A copy of them to change."""
    return copy.deepcopy(evaluated)


FINDINGS = {
    "hurts": {"first": {"noise": 0}, "against": {"noise": 0.8}},
    "helps": {"first": {"noise": 0.8}, "against": {"noise": 0}},
    "little": {"first": {"noise": 0.1}, "against": {"noise": 0}, "claim": "same", "margin": 20},
    "less": {"first": {"noise": 0.1}, "against": {"noise": 0}},
}


def gathered(place: Path, cells: dict[str, Any], **values: Any) -> Any:
    config = load_gather({"cells": cells, "findings": FINDINGS, "out": str(place / "study")} | values)
    assert gather(config) == 0
    return orjson.loads((place / "study/study.json").read_bytes())


def test_the_verdicts_the_table_and_the_page_say_the_same(
    cells: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells["n0-0"]["hours"], cells["n0-1"]["hours"] = 1, 2
    found = gathered(tmp_path, cells, name="Noise & all")
    verdicts = {name: finding["verdict"] for name, finding in found["findings"].items()}
    assert verdicts == {
        "hurts": "holds",
        "helps": "does not hold",
        "little": "holds",
        "less": "not resolved",
    }
    shown = capsys.readouterr().out
    page = (tmp_path / "study/study.html").read_text()
    for finding in found["findings"].values():
        assert finding["told"] in shown and finding["told"] in page
        assert finding["low"] <= finding["mean"] <= finding["high"] and finding["problems"] == PROBLEMS
    assert "<h1>Noise &amp; all</h1>" in page and "Over noise" in page and "<script" not in page
    with (tmp_path / "study/study.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["noise"] for row in rows] == ["0", "0.1", "0.8"]
    assert [float(row["mean"]) for row in rows] == [each["result"]["mean"] for each in found["settings"]]
    assert [row["hours"] for row in rows] == ["1.5", "", ""]
    assert found["settings"][0]["result"]["mean"] == pytest.approx(0.6, abs=0.06)
    assert found["findings"]["hurts"]["mean"] == pytest.approx(
        found["settings"][0]["result"]["mean"] - found["settings"][2]["result"]["mean"], abs=1e-6
    )


def test_the_same_cells_make_the_same_bytes_in_any_order_and_others_replace_them(
    cells: dict[str, Any], tmp_path: Path
) -> None:
    gathered(tmp_path, cells)
    first = contents(tmp_path / "study")
    gathered(tmp_path, dict(reversed(cells.items())))
    assert contents(tmp_path / "study") == first
    gathered(tmp_path, cells, level=0.01)
    assert contents(tmp_path / "study") != first
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a dataset of this suite; move it away"):
        gathered(tmp_path, cells, out=str(tmp_path / "other"))


def test_cells_that_are_not_evaluated_are_named_and_their_findings_not_resolved(
    cells: dict[str, Any], tmp_path: Path
) -> None:
    for seed in (1, 3):
        cells[f"n0.8-{seed}"]["run"] = str(tmp_path / "nowhere")
    found = gathered(tmp_path, cells)
    assert found["missing"] == ["n0.8-1", "n0.8-3"]
    assert found["findings"]["hurts"]["verdict"] == "not resolved"
    assert found["findings"]["hurts"]["seeds"] == 4
    assert found["findings"]["little"]["verdict"] == "holds"
    assert gathered(tmp_path, cells, min_seeds=4)["findings"]["hurts"]["verdict"] == "holds"


def test_rows_and_tokens_are_those_of_the_trainings(cells: dict[str, Any], tmp_path: Path) -> None:
    for seed, tokens in ((0, 500), (1, 700)):
        for stage in ("stage-1", "stage-2"):
            folder = tmp_path / f"t{seed}" / stage
            folder.mkdir(parents=True)
            (folder / "curve.jsonl").write_text(f'{{"step":1,"tokens":9}}\n{{"step":2,"tokens":{tokens}}}\n')
            (folder / "examples.arrow").write_bytes(b"arrow")
            (folder / "examples.json").write_text('{"size":5,"read":31,"rows":30,"tokens":1,"left_out":{}}')
        (tmp_path / f"t{seed}/train.json").write_text("{}")
        cells[f"n0-{seed}"]["training"] = str(tmp_path / f"t{seed}")
    settings = gathered(tmp_path, cells)["settings"]
    assert [(each["rows"], each["tokens"]) for each in settings] == [(60, 1200), (None, None), (None, None)]


def test_a_level_that_is_stricter_resolves_less(cells: dict[str, Any], tmp_path: Path) -> None:
    values = {"cells": cells, "findings": {"little": FINDINGS["little"] | {"margin": 10}}}
    verdicts = [study_of(load_gather(values | {"level": level})).judged[0].verdict for level in (0.4, 0.0001)]
    assert verdicts == ["holds", "not resolved"]


def test_the_vote_may_be_judged_and_one_of_several_benchmarks(tmp_path: Path) -> None:
    cells = {
        f"c{at}": {"run": evaluate(tmp_path / f"{at}", 0.6, at, samples=5), "seed": at} for at in range(3)
    }
    pass_1, voted = (
        study_of(load_gather({"cells": cells, "metric": metric})).arms[0].found
        for metric in ("pass", "majority")
    )
    assert pass_1 and voted and voted.mean > pass_1.mean + 0.03
    with pytest.raises(ConfigError, match="benchmark=other: cells.c0 has none of that name, but sums"):
        study_of(load_gather({"cells": cells, "benchmark": "other"}))
    two = (tmp_path / "0/evaluation/problems.jsonl").read_bytes()
    (tmp_path / "0/evaluation/problems.jsonl").write_bytes(two + two.replace(b'"sums"', b'"other"'))
    with pytest.raises(ConfigError, match="benchmark: missing; cells.c0 has several, sums, other: give one"):
        study_of(load_gather({"cells": cells}))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no cells": ({"cells": {}}, "cells: missing; give at least two"),
    "no run": ({"cells": {"a": {"seed": 1}}}, "cells.a.run: missing; give its run of jobs.evaluate"),
    "no mapping": ({"cells": {"a": "runs/a"}}, "cells.a=runs/a: not a mapping"),
    "no such option": ({"cells": {"a": {"runs": "x"}}}, "cells.a.runs: no such option (did you mean run?)"),
    "twice": (
        {"cells": {"a": {"run": "x"}, "b": {"run": "y"}}},
        "cells.b: has the parameters and the seed of",
    ),
    "a list": ({"cells": {"a": {"run": "x", "parameters": {"p": [1]}}}}, "parameters.p=[1]: neither a text"),
    "no first": (
        {"findings": {"f": {"against": {"noise": 0}}}},
        "findings.f.first: missing; give parameters",
    ),
    "no margin": (
        {"findings": {"f": {"first": {"noise": 0}, "against": {"noise": 1}, "claim": "same"}}},
        "findings.f.margin: claim=same needs one above 0",
    ),
    "nothing": (
        {"findings": {"f": {"first": {"noise": 7}, "against": {"noise": 0}}}},
        "findings.f.first: no cell has noise=7; there are noise=0, noise=0.1, noise=0.8",
    ),
    "itself": (
        {"findings": {"f": {"first": {"noise": 0}, "against": {"noise": 0}}}},
        "findings.f: compares noise=0 to itself; name two settings",
    ),
    "no training": (
        {"cells": {"a": {"run": "x", "training": "nowhere"}}, "findings": {}},
        "cells.a.training=nowhere: no directory of jobs.train; mend it, or omit it",
    ),
    "not evaluated": ({"cells": {"a": {"run": "x"}}, "findings": {}}, "cells: none is evaluated yet"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_gathered_is_told_in_a_line(case: str, cells: dict[str, Any], tmp_path: Path) -> None:
    values, message = REFUSED[case]
    with pytest.raises(ConfigError) as told:
        gathered(tmp_path, **({"cells": cells} | values))
    assert message in str(told.value) and not (tmp_path / "study").exists()


def test_the_command_reads_a_file_of_cells(here: Here, cells: dict[str, Any], tmp_path: Path) -> None:
    cells["n0-0"]["run"] = str(shutil.copytree(cells["n0-0"]["run"], tmp_path / "n0-0"))
    (tmp_path / "omi/study").mkdir(parents=True)
    study = {"cells": cells, "findings": FINDINGS}
    text = "# @package _global_\n" + orjson.dumps(study).decode()
    (tmp_path / "omi/study/noise.yaml").write_text(text)
    code, out, err = here("gather", "--config-dir", "omi", "+study=noise", "out=gathered")
    assert code == 0, err
    assert "noise=0 is better than noise=0.8: holds (+" in out and (tmp_path / "gathered/README.md").exists()
    (tmp_path / "n0-0/evaluation/problems.jsonl").write_bytes(b"{}\n")
    code, _, err = here("gather", "--config-dir", "omi", "+study=noise", "out=gathered")
    assert code == 1 and "damaged; score the run again" in err
