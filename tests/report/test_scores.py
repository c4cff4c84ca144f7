"""The chart of scores: how well they part right from wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omi_core.report.score_bins import area_under_curve, score_bins
from tests.conftest import Here
from tests.jobs.test_score import REHEARSED, SCORE
from tests.jobs.test_selections import SOLVED, done
from tests.tasks.test_problems import rows

SOME = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(SOME, SOME)
def test_the_area_is_that_of_all_pairs(right: list[float], wrong: list[float]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
    assert area_under_curve(np.array(right), np.array(wrong)) == pytest.approx(sum(pairs) / len(pairs))
    assert area_under_curve(np.array(right), np.array([])) is None


@pytest.mark.parametrize(("misjudged", "low", "high"), [(0, 0.85, 1.0), (0.5, 0.3, 0.7)])
def test_the_page_counts_right_and_wrong_samples_by_score(
    here: Here, tmp_path: Path, misjudged: float, low: float, high: float
) -> None:
    done(here, *SOLVED, "teacher.rehearsal.wrong=0.4")
    drawn = (f"teacher.rehearsal.{key}=0" for key in ("malformed", "overlong", "hostile"))
    done(here, *SCORE, f"teacher.rehearsal.wrong={misjudged}", *drawn, "run.dir=scores")
    found = score_bins(tmp_path / "scores/dataset")
    assert found is not None and found.auc is not None and low < found.auc < high
    of_kinds = [
        sum(row["right"] is kind for row in rows(tmp_path / "scores")) for kind in (True, False, None)
    ]
    assert found.counts.sum(axis=0).tolist() == of_kinds
    assert len(found.counts) == len(found.edges) - 1 <= 60
    done(here, "report", "scores", "out=page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"AUC {found.auc:.3f}" in page and "not judged" in page


def test_scores_of_files_are_drawn_without_an_area(here: Here, tmp_path: Path) -> None:
    (tmp_path / "said.jsonl").write_text('{"problem": "1 + 1?", "generated_solution": "It is 2."}\n')
    done(here, "score", *REHEARSED, "input=said.jsonl", "teacher.rehearsal.malformed=0", "run.dir=scores")
    done(here, "report", "scores", "out=page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Samples by their score." in page and "AUC" not in page
