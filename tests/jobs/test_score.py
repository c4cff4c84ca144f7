"""`jobs.score` by rehearsal: from a run, an evaluation or files to scores, and what they are used for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.publish.verify import verify
from omi_core.tasks.score_join import text_digest
from tests.conftest import Here, Job
from tests.jobs.evaluating import benchmark, figures, sums
from tests.jobs.test_selections import SOLVED, done, files_of, stats
from tests.tasks.test_problems import rows

REHEARSED = ("teacher=rehearsal", "cluster.workers=1")
SCORE = ("score", *REHEARSED, "input=solved")
ALL_SCORED = ("teacher.rehearsal.malformed=0", "teacher.rehearsal.overlong=0", "teacher.rehearsal.hostile=0")
BEST = ("reduce", "input=solved", "cluster.workers=1", "answers.scores=scores", "answers.select=best")


def test_every_finished_sample_has_a_row_the_same_for_any_number_of_tasks(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    shown = done(here, *SCORE, "run.dir=one")
    done(here, *SCORE, "run.dir=many", "tasks=5", "reduce_tasks=3", "engine.max_num_seqs=3")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")
    verify(tmp_path / "one/dataset")
    assert "samples with a score" in shown and "samples too long for the model" in shown
    found = {(row["record_id"], row["sample"]): row for row in rows(tmp_path / "one")}
    of_run = stats(tmp_path / "solved")["counts"]
    left_out = stats(tmp_path / "one")["counts"]["skipped_input_rows"]["unfinished"]
    assert left_out == of_run["finish"]["length"] > 0
    assert len(found) == 240 - left_out
    kept = rows(tmp_path / "solved")
    for row in kept:
        score = found[row["record_id"], row["sample"]]
        assert score["right"] and score["text_digest"] == text_digest(row["generated_solution"])
    right = [row["score"] for row in found.values() if row["right"] and row["score"] is not None]
    wrong = [row["score"] for row in found.values() if row["right"] is False and row["score"] is not None]
    assert sum(right) / len(right) > 0 > sum(wrong) / len(wrong)
    assert Counter(row["score"] is None for row in found.values())[True] > 0


def test_the_run_is_found_again_wherever_its_input_lies(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *SCORE, "run.dir=scores")
    (tmp_path / "solved").rename(tmp_path / "moved")
    code, _, err = here("score", *REHEARSED, "input=moved", "run.dir=scores")
    assert code == 0 and "nothing to do" in err
    code, out, _ = here("score", *REHEARSED, "input=moved", "plan=true")
    assert code == 0 and "runs/scores-moved-rehearsal-" in out


def test_killed_and_typed_again_it_ends_in_the_same_bytes(job: Job, tmp_path: Path) -> None:
    words = [*SCORE[1:], "run.flush_samples=4"]
    assert job("generate", *SOLVED[1:]).returncode == 0
    assert job("score", *words, "run.dir=whole").returncode == 0
    slow = ["teacher.rehearsal.latency=0.2", "engine.max_num_seqs=8", "run.dir=killed"]
    command = [sys.executable, "-m", "jobs.score", *words, *slow]
    for _ in range(2):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
        journals, before = tmp_path / "killed/generate", time.monotonic()
        size = sum(path.stat().st_size for path in journals.glob("*.zst"))
        while sum(path.stat().st_size for path in journals.glob("*.zst")) <= size:
            assert process.poll() is None and time.monotonic() - before < 120
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed/dataset").exists()
    assert job("score", *words, "run.dir=killed").returncode == 0
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_samples_of_an_evaluation_are_right_as_it_has_graded_them(here: Here, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "mine", sums(12))
    words = ("evaluate", *REHEARSED, f"benchmarks=[{name}]", "samples=6", "run.dir=evaluated")
    words += ("teacher.rehearsal.wrong=0.4",)
    done(here, *words)
    done(here, "score", *REHEARSED, "input=evaluated", "run.dir=scores", "teacher.rehearsal.wrong=0")
    lines = (tmp_path / "evaluated/evaluation/problems.jsonl").read_bytes().splitlines()
    verdicts = {line["record_id"]: line["verdicts"] for line in map(orjson.loads, lines)}
    told = {"right": True, "wrong": False, "none": False, "undecided": None}
    found = rows(tmp_path / "scores")
    assert {row["right"] for row in found} >= {True, False}
    for row in found:
        assert row["right"] is told[verdicts[row["record_id"]][row["sample"]]]
    assert "rm@6 %" in done(here, *words, "scores=scores")
    place = tmp_path / "evaluated/scored-scores"
    place.rename(tmp_path / "evaluated/evaluation.by-score")
    best = orjson.loads((tmp_path / "evaluated/evaluation.by-score/evaluation.json").read_bytes())["rows"]
    by_score = {(row["metric"], row["k"]): row["value"] for row in best}
    plain = figures(tmp_path / "evaluated")
    assert by_score["best", 6] > plain["mine", None, "pass", 1]["value"]
    (tmp_path / "evaluated/evaluation/problems.jsonl").write_bytes(b"\n".join(lines[1:]))
    code, _, err = here("score", *REHEARSED, "input=evaluated", "run.dir=again")
    assert code == 2 and "is not of these samples; make the evaluation again" in err


def test_files_are_scored_with_their_columns_and_their_thinking_left_out(here: Here, tmp_path: Path) -> None:
    lines = [
        {
            "q": "1 + 1?",
            "said": ["It is \\boxed{2}.", "<a>so</a>It is \\boxed{3}."],
            "ended": ["stop", "stop"],
            "thought": None,
        },
        {"q": "2 + 2?", "said": ["<a>never"], "ended": ["stop"], "thought": None},
        {"q": "1 + 1?", "said": ["It is \\boxed{4}."], "ended": ["length"], "thought": None},
        {"q": "1 + 1?", "said": ["It is \\boxed{5}."], "ended": ["stop"], "thought": "mere thought"},
    ]
    (tmp_path / "said.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    words = ("input=said.jsonl", "data.problem=q", "solution=[said]", "finish_reason=ended")
    words += ("reasoning_tags=['<a>','</a>']", "reasoning=[thought]")
    code, _, err = here("score", *REHEARSED, *ALL_SCORED, *words, "run.dir=scores")
    assert code == 2 and "reasonings" not in err and "said.jsonl:1 has 1 for 2 solutions" in err
    lines[0]["thought"] = [None, None]
    (tmp_path / "said.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    done(here, "score", *REHEARSED, *ALL_SCORED, *words, "run.dir=scores")
    found = rows(tmp_path / "scores")
    assert [row["sample"] for row in found] == [0, 1, 3]
    texts = ["It is \\boxed{2}.", "It is \\boxed{3}.", "It is \\boxed{5}."]
    assert [row["text_digest"] for row in found] == [text_digest(text) for text in texts]
    assert {row["right"] for row in found} == {None}
    # They go with a run that reads the same files.
    done(here, "reduce", *words, "run.dir=read", "cluster.workers=1", "answers.min_votes=0")
    again = ("reduce", "input=read", "answers.scores=scores", "answers.select=best", "cluster.workers=1")
    done(here, *again, "run.dir=best", "answers.min_votes=0")
    assert [row["score"] for row in rows(tmp_path / "best")] == [found[0]["score"]]


@pytest.mark.parametrize("top", [1, 2, 100])
def test_the_best_of_each_problem_are_those_with_the_highest_scores(
    here: Here, tmp_path: Path, top: int
) -> None:
    done(here, *SOLVED, "teacher.rehearsal.wrong=0.2")
    done(here, *SCORE, "run.dir=scores")
    done(here, *BEST, f"answers.top={top}", "run.dir=best", "reduce_tasks=3")
    verify(tmp_path / "best/dataset")
    scores = {(row["record_id"], row["sample"]): row["score"] for row in rows(tmp_path / "scores")}
    kept: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for row in rows(tmp_path / "solved"):
        if (score := scores[row["record_id"], row["sample"]]) is not None:
            kept[row["record_id"]].append((-score, row["sample"]))
    expected = {(record, sample) for record, of in kept.items() for _, sample in sorted(of)[:top]}
    found = rows(tmp_path / "best")
    assert {(row["record_id"], row["sample"]) for row in found} == expected
    for row in found:
        assert row["score"] == scores[row["record_id"], row["sample"]]
    counts = stats(tmp_path / "best")["counts"]
    assert counts["selection"]["no_score"] > 0 and ("other_solution" in counts["selection"]) == (top < 100)
    assert counts["scores"]["truth_records"] == 40 >= counts["scores"]["best_equal"] > 20
    card = (tmp_path / "best/dataset/README.md").read_text(encoding="utf-8")
    assert "best-scored samples equal to the ground truth" in card
    content = orjson.loads((tmp_path / "best/plan.json").read_bytes())["content"]
    assert content["answers"]["scores"] == stats(tmp_path / "scores")["content_hash"]


def test_a_least_score_drops_the_others_and_a_column_tells_it(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *SCORE, "run.dir=scores")
    words = ("reduce", "input=solved", "answers.scores=scores", "cluster.workers=1")
    done(here, *words, "run.dir=all")
    done(here, *words, "filters.min_score=0.5", "run.dir=high")
    every = [row for row in rows(tmp_path / "all") if row["score"] is not None and row["score"] >= 0.5]
    assert every == list(rows(tmp_path / "high")) and len(every) < len(list(rows(tmp_path / "all")))
    done(here, *words, "publish.provenance=false", "run.dir=bare")
    assert "score" not in next(iter(rows(tmp_path / "bare")))


REFUSED = [
    (("score", *REHEARSED), "input: missing; give a run of solutions, an evaluation, or files"),
    (("score", "input=solved"), "model: missing; give model=HUB_ID, model=DIRECTORY or teacher=NAME"),
    ((*SCORE, "model=m"), "model=m: teacher=rehearsal is another one; give one of them"),
    ((*SCORE, "solution=[a]"), "solution: not read with input=RUN, whose samples are there; omit it"),
    ((*SCORE, "data.limit=3"), "data.limit: not read with input=RUN"),
    (("score", *REHEARSED, "input=a.jsonl", "data.size=3"), "data.size: not read by jobs.score; give the "),
    (("score", *REHEARSED, "input=a.jsonl"), "input=a.jsonl: no such file"),
    (("score", *REHEARSED, "input=scores"), "holds scores; task=scores takes a run of solutions or evalua"),
    ((*SCORE, "prompt.format=completion"), "prompt.format=completion: not read by task=scores"),
    (("score", "input=solved", "teacher.kind=vllm", "model=x"), "writes text, no scores; give jobs.score "),
    (("score", "input=solved", "teacher=tiny"), "tiny.yaml: no such option here; choose another teacher"),
    (("generate", "teacher=reward", "teacher.model=x"), "teacher=reward: scores what others wrote; use it"),
    (("reduce", "input=solved", "answers.select=best"), "answers.select: needs scores; give a run of jobs"),
    (("reduce", "input=solved", "filters.min_score=1"), "filters.min_score: needs scores; give a run of j"),
    (("reduce", "input=solved", "answers.scores=scores", "answers.top=2"), "answers.top=2: not used; set "),
    (("reduce", "input=solved", "answers.scores=solved"), "solved: holds no scores; give a published run of"),
    (("reduce", "input=solved", "answers.scores=other"), "is missing; score all"),
    ((*BEST, "answers.expected=picked", "answers.picks=x"), "answers.select=best: picks choose already"),
    (("generate", *REHEARSED, "answers.scores=scores"), "answers.scores: there is nothing to score yet"),
    (("evaluate", *REHEARSED, "benchmarks=[mine.yaml]", "scores=solved"), "scores=solved: holds no scores"),
]  # fmt: skip


def test_what_cannot_be_scored_or_joined_is_one_line_and_leaves_nothing(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    done(here, *SCORE, "run.dir=scores")
    done(here, *SOLVED, "data.seed=9", "run.dir=elsewhere")
    done(here, "score", *REHEARSED, "input=elsewhere", "run.dir=other")
    benchmark(tmp_path, "mine", sums(2))
    before = sorted(path.name for path in tmp_path.iterdir())
    for words, message in REFUSED:
        code, _, err = here(*words)
        assert code == 2 and message in err and len(err.splitlines()) == 1, (words, err)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_scores_of_what_a_run_said_before_are_stale(here: Here, tmp_path: Path) -> None:
    """Another run over the same problems has the same records, and samples with other texts."""
    done(here, *SOLVED)
    done(here, *SOLVED, "seed=7", "run.dir=anew")
    done(here, "score", *REHEARSED, "input=anew", "run.dir=scores")
    code, _, err = here(*BEST, "run.dir=best")
    assert code == 2 and "was made of another text; score the run as it is now" in err
    assert not (tmp_path / "best").exists()


def test_the_prompt_of_a_reward_model_may_have_instructions(here: Here, tmp_path: Path) -> None:
    done(here, *SOLVED)
    _, out, _ = here(*SCORE, "prompt=qwen_math", "plan=true")
    shown: Any = out
    assert "put your final answer within" in shown and "{{solution}}" in shown
