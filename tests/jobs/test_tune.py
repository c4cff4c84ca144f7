"""`jobs.tune`: trial runs of several settings of the engine, compared by what a row costs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core import tune_options
from omi_core.commands.tune import _advice, _of_one_replica
from omi_core.composing.compose import compose_values
from omi_core.options import ConfigError, leaves
from omi_core.stages import trials as measuring
from omi_core.tune_options import Trial, TuneCell, load_tune, trials
from tests.conftest import Here

FAST = ("teacher=rehearsal", "data.size=10", "samples=4", "teacher.rehearsal.latency=0.002", "run.dir=tuned")


def cell(*words: str) -> TuneCell:
    return load_tune(compose_values("tune", words))


def settings(made: list[Trial]) -> list[dict[str, Any]]:
    return [dict(trial.setting) for trial in made]


# --- which trials


ON_GPUS = ("teacher=llama31_8b", "+cluster=slurm", "cluster.partition=gpu", "cluster.gpus_per_node=4")


@pytest.mark.parametrize(
    ("words", "tried"),
    [
        ((), [{}, *({"engine.max_num_seqs": seats} for seats in (64, 128, 512, 1024))]),
        (
            ("engine.max_num_seqs=2",),
            [{}, *({"engine.max_num_seqs": seats} for seats in (1, 4, 8))],
        ),
        (
            ("teacher=model", "teacher.model=a/b"),
            [{}, *({"engine.max_num_seqs": seats} for seats in (4, 8, 32, 64))],
        ),
        (
            (*ON_GPUS, "teacher.tensor_parallel=2"),
            [
                *({}, *({"engine.max_num_seqs": seats} for seats in (64, 128, 512, 1024))),
                *({"teacher.tensor_parallel": 1}, {"teacher.tensor_parallel": 4}),
                {"engine.gpu_memory_utilization": 0.95},
            ],
        ),
        (
            ("engine.max_num_seqs=1", "draft=small/model", "engine.extra.block_size=16"),
            [
                *({}, {"engine.max_num_seqs": 2}, {"engine.max_num_seqs": 4}),
                *(
                    {
                        "engine.extra": {
                            "block_size": 16,
                            "speculative_config": {"model": "small/model", "num_speculative_tokens": tokens},
                        }
                    }
                    for tokens in (3, 5)
                ),
            ],
        ),
    ],
    ids=["embedded", "one seat is the least", "a model on a CPU", "GPUs", "draft"],
)
def test_around_one_setting_one_thing_changes_at_a_time(
    words: tuple[str, ...], tried: list[dict[str, Any]]
) -> None:
    assert settings(trials([cell(*words)])) == tried


def test_of_several_settings_these_are_tried_and_told_apart() -> None:
    cells = [
        cell("engine.queue=7", f"engine.max_num_seqs={seats}", f"teacher.dtype={dtype}")
        for seats in (16, 32)
        for dtype in ("float32", "auto")
    ]
    assert [trial.words for trial in trials(cells)] == [
        f"teacher.dtype={dtype} engine.max_num_seqs={seats}"
        for seats in (16, 32)
        for dtype in ("float32", "auto")
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("engine.max_num_seqs=4,8,4",), "-m: tries engine.max_num_seqs=4 twice; omit one of them"),
        (("seed=1,1",), "-m: tries the same setting twice"),
        (
            (
                "+cluster=slurm",
                "cluster.partition=p",
                "cluster.gpus_per_node=4",
                "teacher.tensor_parallel=2,8",
            ),
            "tensor_parallel",
        ),
    ],
    ids=["twice among others", "twice", "more GPUs than a node has"],
)
def test_a_mistake_in_one_of_several_settings_is_told_before_the_first_is_made(
    here: Here, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    code, out, err = here("tune", *FAST, *words, "-m")
    assert (code, out) == (2, "")
    assert message in err and len(err.splitlines()) == 1
    assert not (tmp_path / "tuned").exists()


def test_trials_around_a_setting_do_not_change_each_others_site() -> None:
    made = trials([cell(*ON_GPUS, "teacher.tensor_parallel=2")])
    for trial in made:
        assert _of_one_replica(trial).cluster.gpus_per_node == trial.config.teacher.tensor_parallel
    assert {trial.config.cluster.gpus_per_node for trial in made} == {4}


def test_a_draft_is_not_for_settings_of_ones_own() -> None:
    with pytest.raises(ConfigError, match=r"^draft: only without -m"):
        trials([cell("draft=a/b"), cell("draft=a/b", "seed=1")])


def test_several_tasks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^tasks=2: a trial is one task"):
        cell("tasks=2")


@pytest.mark.parametrize(
    "words",
    [
        (),
        (*ON_GPUS, "draft=small/model"),
        ("draft=/models/with space", "engine.extra.kernels=[a,b]", "engine.extra.on=true"),
    ],
    ids=["embedded", "GPUs", "odd values"],
)
def test_the_words_of_a_trial_are_the_trial_when_they_are_typed(words: tuple[str, ...]) -> None:
    own = [word for word in words if not word.startswith("draft=")]
    made = trials([cell(*words)])
    for trial in (made[0], made[-2], made[-1]):
        typed = load_tune(compose_values("tune", [*own, *trial.typed])).generate
        for name in ("engine", "teacher"):
            assert list(leaves(getattr(typed, name))) == list(leaves(getattr(trial.config, name)))


def test_a_trial_has_a_directory_of_its_own_also_where_only_what_is_not_told_differs() -> None:
    roots = {
        trial.config.run.dir
        for words in ((), ("engine.queue=3",), ("teacher.dtype=float16",), ("data.size=9",))
        for trial in trials([cell("run.dir=t", *words)])
    }
    assert len(roots) == 4 * 5
    assert all(re.fullmatch(r"t/[\w.-]+", root or "") for root in roots)


# --- what they tell


def shard(**values: Any) -> dict[str, Any]:
    timeline = [[second, 10 * second] for second in range(2, 21)]
    base = {"samples": 200, "seconds": 20.0, "first_sample": 2.0, "last_admitted": 16.0, "timeline": timeline}
    return base | values


SLOW_ENDS = shard(samples=240, seconds=60.0, first_sample=10.0, last_admitted=20.0)
SLOW_ENDS["timeline"] = [[10, 1], [15, 101], [20, 201], [60, 240]]


@pytest.mark.parametrize(
    ("manifest", "speed", "full"),
    [
        (shard(), 10.0, True),
        # Filling up is slow, and so is the tail: neither counts.
        (SLOW_ENDS, 20.0, True),
        # All were begun at once: it never was in the middle of its work.
        (shard(last_admitted=0.1), 10.0, False),
        (shard(last_admitted=4.0), 10.0, False),
        (shard(timeline=[]), 10.0, False),
        (shard(first_sample=None, seconds=0.0, timeline=[]), 200 / 1e-9, False),
    ],
    ids=["steady", "slow ends", "all at once", "hardly more", "no timeline", "no time"],
)
def test_the_speed_is_that_between_filling_up_and_the_tail(
    manifest: dict[str, Any], speed: float, full: bool
) -> None:
    assert measuring._speed(manifest) == (pytest.approx(speed), full)


def test_trials_that_sample_alike_tell_together_how_many_samples_become_rows() -> None:
    counted = [("a", 3, 10), ("a", 5, 10), ("b", 0, 10), ("c", 0, 0)]
    shares = measuring.accepted_shares((name, {"used": used, "samples": of}) for name, used, of in counted)
    assert shares == {"a": 0.4, "b": 0.0, "c": 0.0}


def told(cost: float, full: bool = True) -> measuring.TrialFigures:
    return measuring.TrialFigures(0, 1.0, 1 / cost, 50 / cost, 1.0, full)


CHEAPER = ["cheapest: 0.5 GPU-s per row, 50% less than as given; to use it, add", "    b=1"]
NONE = ["no setting is clearly cheaper than that given"]


@pytest.mark.parametrize(
    ("costs", "advice"),
    [
        ((told(1.0), told(0.5)), CHEAPER),
        ((told(1.0), told(0.98)), NONE),
        ((told(1.0), told(2.0)), NONE),
        ((told(1.0), None), NONE),
        ((None, told(1.0)), ["no setting is clearly cheaper than b=1"]),
        ((None, None), []),
    ],
    ids=["clearly", "hardly", "dearer", "the other failed", "the given one failed", "both failed"],
)
def test_a_setting_is_advised_where_it_is_clearly_cheaper(
    costs: tuple[measuring.TrialFigures | None, ...], advice: list[str]
) -> None:
    made = [Trial({}, cell().generate), Trial({"b": 1}, cell().generate)]
    assert _advice(made, costs, "GPU-s") == advice


def test_a_setting_whose_seats_were_never_full_is_not_advised() -> None:
    made = [Trial({}, cell().generate), Trial({"b": 1}, cell().generate)]
    (words,) = _advice(made, (told(1.0), told(0.1, full=False)), "seconds")
    assert words.startswith("seats were never all taken for long") and "problems by data.size" in words


# --- the command


def figures(path: Path) -> Any:
    return orjson.loads((path / "tune.json").read_bytes())["trials"]


def test_the_table_says_what_a_row_costs_and_which_setting_is_cheapest(here: Here, tmp_path: Path) -> None:
    code, out, err = here("tune", *FAST, "engine.max_num_seqs=1,4", "-m")
    assert code == 0, err
    known = figures(tmp_path / "tuned")
    assert known["engine.max_num_seqs=4"]["setting"] == {"engine.max_num_seqs": 4}
    cheapest = min(known, key=lambda name: known[name]["seconds_per_row"])
    for name, trial in known.items():
        cost = re.escape(f"{trial['seconds_per_row']:.3g}" + " *" * (name == cheapest))
        row = rf"^ +{re.escape(name)} +\d+ +[\d,]+ +{trial['accepted']:.1%} +{cost} +[\d,]+ +$"
        assert re.search(row, out, re.M), out
    assert [line.split(": ")[-1] for line in err.splitlines()] == ["40 samples"] * 2
    # The same again: nothing is left to do.
    code, again, err = here("tune", *FAST, "engine.max_num_seqs=1,4", "-m")
    assert (code, again) == (0, out)
    assert [line.split(": ")[-1] for line in err.splitlines()] == ["done"] * 2


def test_a_trial_that_fails_says_why_and_leaves_the_others(here: Here, tmp_path: Path) -> None:
    words = ("teacher.rehearsal.poison=Grace,null", "-m")
    code, out, _ = here("tune", *FAST, *words)
    assert code == 1
    assert re.search(r"teacher\.rehearsal\.poison=Grace +- +- +- +- +failed", out)
    assert re.search(r"^teacher\.rehearsal\.poison=Grace: failed: .*poison.* \(.*tune\.log\)$", out, re.M)
    assert re.search(r"teacher\.rehearsal\.poison=null +\d+ +[\d,]+ +[\d.]+% +[\d.]+ \*", out)
    assert {each["state"] == "done" for each in figures(tmp_path / "tuned").values()} == {True, False}


def test_a_plan_shows_every_trial_and_makes_nothing(here: Here, tmp_path: Path) -> None:
    code, out, _ = here("tune", *FAST, "plan=true")
    assert code == 0
    assert re.findall(r"^--- trial (\d) of 5: (.*)$", out, re.M) == [
        ("1", "as given"),
        *((str(n), f"engine.max_num_seqs={seats}") for n, seats in ((2, 64), (3, 128), (4, 512), (5, 1024))),
    ]
    assert out.count("samples    40 (4 per record)") == 5
    assert not (tmp_path / "tuned").exists()


@pytest.mark.slow
def test_a_trial_that_was_too_small_says_so(here: Here) -> None:
    code, out, _ = here("tune", *FAST, "engine.max_num_seqs=64,256", "-m")
    assert code == 0
    assert "seats were never all taken for long" in out and "problems by data.size" in out
    assert "cheapest" not in out


def test_on_a_site_that_gives_out_single_gpus_a_trial_asks_for_those_of_one_replica(here: Here) -> None:
    (given, *_) = trials([cell(*ON_GPUS, "teacher.tensor_parallel=2")])
    assert _of_one_replica(given).cluster.gpus_per_node == 2
    (whole, *_) = trials([cell(*ON_GPUS, "teacher.tensor_parallel=2", "cluster.exclusive=true")])
    assert _of_one_replica(whole).cluster.gpus_per_node == 4
    assert tune_options._seats(given.config) == 256
