"""`steps.NAME=DIRECTORY`: a step whose result is there already is not made again."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.conftest import Here

RECIPE = """
cells: {kind: [wrong, other]}
steps:
  pool: {command: generate, options: {teacher: rehearsal, data.size: 12, samples: 6, cluster.workers: 1}}
  noisy:
    command: combine
    options: {inputs: ["${step:pool}"], rows: 6, noise.share: 0.5, noise.kind: "${cell:kind}"}
"""


def finished_pool(here: Here, place: Path) -> Path:
    (place / "r.yaml").write_text(RECIPE)
    words = ("teacher=rehearsal", "data.size=12", "samples=6", "cluster.workers=1", "run.dir=pool")
    assert here("generate", *words)[0] == 0
    return place / "pool"


def hashes(root: Path) -> dict[str, str]:
    return {
        path.parents[1].name: orjson.loads(path.read_bytes())["content_hash"]
        for path in root.glob("*/dataset/stats.json")
    }


def test_the_others_read_it_where_it_lies_and_make_the_same(here: Here, tmp_path: Path) -> None:
    pool = finished_pool(here, tmp_path)
    assert here("pipeline", "recipe=r.yaml", "run.dir=whole", "run.at_once=2")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in pool.rglob("*")}
    given = ("pipeline", "recipe=r.yaml", "steps.pool=pool", "run.dir=given")
    code, out, err = here(*given, "run.at_once=2")
    assert code == 0, err
    whole, made = hashes(tmp_path / "whole"), hashes(tmp_path / "given")
    assert whole.pop("01-pool") and made == whole and len(made) == 2
    assert {path: path.stat().st_mtime_ns for path in pool.rglob("*")} == before
    assert "complete, nothing to do" in here(*given)[2]
    # What was given is part of the pipeline, by its content: elsewhere it is the same.
    pool.rename(tmp_path / "moved")
    code, _, err = here(*given[:2], "steps.pool=moved", "run.dir=given")
    assert code == 0 and "complete, nothing to do" in err, err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["steps.pol=pool"], "steps.pol: no such step (did you mean pool?)"),
        (["steps.pool=nowhere"], "has no dataset of jobs.generate; give the directory of a finished one"),
        (["steps.noisy=pool"], "the step is made for each cell; only one that all share can be given"),
        (["steps.pool=pool", "steps.pool.samples=3"], "its result is given, so it takes no options"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], line: str, here: Here, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    code, out, err = here("pipeline", "recipe=r.yaml", "run.dir=all", *words)
    assert (code, out) == (2, "") and line in err and err.count("\n") == 1, err
    assert not (tmp_path / "all").exists()
