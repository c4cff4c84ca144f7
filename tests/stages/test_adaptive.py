"""Adaptive sampling from plan to dataset: fewer samples, the same bytes however the work is split."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from omi_core import open_run
from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.records import Sample
from omi_core.stages import generate as generating
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop, Stopped
from omi_core.store import journal
from omi_core.store.manifests import read_manifests

VOTE = {"first": 4, "step": 4, "confidence": 0.95}
RULES: dict[str, dict[str, Any]] = {
    "vote": VOTE,
    "whatever comes": {"first": 4, "step": 4},
    "right": {"first": 3, "step": 2, "until": "right", "right": 3},
    "difficulty": {"first": 4, "step": 5, "until": "difficulty"},
}


def config(directory: Path, **values: Any) -> Generate:
    base: dict[str, Any] = {
        "run": {"dir": str(directory), "flush_samples": 8},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 30, "split": "test", "answer": "answer"},
        "samples": 16,
        "adaptive": VOTE,
        "cluster": {"workers": 1},
    }
    for key, value in values.items():
        merged = isinstance(value, dict) and key != "adaptive"
        base[key] = base.get(key, {}) | value if merged else value
    return load_generate(base)


def planned(directory: Path, **values: Any) -> Run[Generate]:
    return plan_generate(config(directory, **values))


def made(directory: Path, **values: Any) -> tuple[Run[Generate], dict[str, Any]]:
    run = planned(directory, **values)
    return run, run_locally(run, Stop())


def counts(run: Run[Generate]) -> Counter[int]:
    """Of each record how many samples it has."""
    return Counter(sample.ordinal for sample in open_run(run.layout.root).samples())


@pytest.mark.parametrize("rule", RULES)
def test_the_dataset_is_the_same_bytes_however_the_work_is_split(tmp_path: Path, rule: str) -> None:
    adaptive = RULES[rule]
    one, stats = made(tmp_path / "one", adaptive=adaptive)
    for number, values in enumerate(
        [
            {"tasks": 7, "reduce_tasks": 3},
            {"tasks": 50, "engine": {"max_num_seqs": 3}, "teacher": {"rehearsal": {"latency": 0.001}}},
        ][: 2 if rule == "vote" else 1]
    ):
        run, other = made(tmp_path / str(number), adaptive=adaptive, **values)
        assert other["content_hash"] == stats["content_hash"]
        assert counts(run) == counts(one)
    assert sum(counts(one).values()) == stats["counts"]["samples"] < 30 * 16
    assert stats["counts"]["samples"] + stats["counts"]["unneeded"] == 30 * 16
    assert stats["counts"]["missing_samples"] == 0


@pytest.mark.parametrize("after", [1, 77, 150])
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(tmp_path: Path, after: int) -> None:
    _, stats = made(tmp_path / "whole")
    directory, left = tmp_path / "run", after
    with pytest.MonkeyPatch.context() as patch:
        stop = Stop(drain_seconds=0)

        def add(writer: journal.JournalWriter, sample: Sample) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            real(writer, sample)

        real = journal.JournalWriter.add
        patch.setattr(generating.JournalWriter, "add", add)
        with pytest.raises((KeyboardInterrupt, Stopped)):
            run_locally(planned(directory, tasks=2), stop)
    run, again = made(directory, tasks=3)
    assert again["content_hash"] == stats["content_hash"]
    assert again["counts"] == stats["counts"]


def test_hard_records_get_more_samples_than_easy_ones(tmp_path: Path) -> None:
    run, _ = made(tmp_path / "run", adaptive=RULES["difficulty"])
    per_record = counts(run)
    right: Counter[str] = Counter()
    for row in open_run(run.layout.root).rows():
        right[row["record_id"]] += 1
    by_id = {record.id: per_record[record.ordinal] for record in open_run(run.layout.root).records()}
    easy = [by_id[name] for name in by_id if right[name] == by_id[name]]
    assert easy and set(easy) == {4}
    assert max(by_id.values()) > 4


def test_until_right_draws_no_more_once_enough_are_right(tmp_path: Path) -> None:
    run, stats = made(tmp_path / "run", adaptive=RULES["right"])
    sizes = set(counts(run).values())
    assert sizes <= {3, 5, 7, 9, 11, 13, 15, 16} and 3 in sizes
    assert stats["counts"]["truth"]["equal"] >= 3 * 29


def test_shares_of_right_samples_are_not_those_of_hard_records(tmp_path: Path) -> None:
    """Records that are hard have more samples; a mean over samples would say that the teacher is worse."""
    values = {"data": {"size": 100}, "teacher": {"rehearsal": {"wrong": 0.4}}}
    _, fixed = made(tmp_path / "fixed", adaptive={}, **values)
    _, adaptive = made(tmp_path / "adaptive", adaptive=RULES["difficulty"], **values)
    draws = adaptive["counts"]["truth"]["draws"]
    assert set(draws) == {"1", "2", "4"} and draws["1"]["draws"] == 100 * 4
    shares = [stats["counts"]["truth"]["draws"]["1"] for stats in (fixed, adaptive)]
    one, other = (share["solved"] / share["draws"] for share in shares)
    assert abs(one - other) < 0.06


def test_damaged_samples_are_drawn_again_and_nothing_else_is_decided_anew(tmp_path: Path) -> None:
    run, stats = made(tmp_path / "run", tasks=2)
    (journal, *_) = run.layout.journals()
    spoiled = bytearray(journal.read_bytes())
    spoiled[len(spoiled) // 3] ^= 0x11
    journal.write_bytes(spoiled)
    for path in (run.layout.dataset, *run.layout.root.glob("reduce*")):
        shutil.rmtree(path)
    _, again = made(tmp_path / "run", tasks=3)
    assert again["content_hash"] == stats["content_hash"]
    assert again["counts"] == stats["counts"]


def test_the_samples_of_a_flight_are_looked_for_in_journals_that_can_hold_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in those of tasks at its side: thousands of them would each open thousands of files."""
    asked: list[set[str]] = []

    def read(journals: list[Path], first: int, last: int) -> Any:
        asked.append({path.name[:10] for path in journals})
        return real(journals, first, last)

    real = generating.read_samples
    monkeypatch.setattr(generating, "read_samples", read)
    made(tmp_path / "run", tasks=3)
    assert asked == [{"0001-00000"}, {"0001-00001"}, {"0001-00002"}]


def test_a_task_that_reads_a_run_sees_its_samples_alone(tmp_path: Path) -> None:
    run, _ = made(tmp_path / "run", teacher={"rehearsal": {"wrong": 0.5}})
    words = {"task": {"name": "selections"}, "data": {"origin": "file", "path": str(run.layout.root)}}
    plain = {"adaptive": {}, "samples": 1, "selections": {"keep": "all"}}
    picks = planned(tmp_path / "picks", **words, **plain)
    drawn = counts(run)
    ordinals = {record.id: record.ordinal for record in open_run(run.layout.root).records()}
    for record in open_run(picks.layout.root).records():
        samples = {candidate["sample"] for candidate in record.extra["candidates"]}
        assert max(samples) < drawn[ordinals[record.extra["record"]]]
        assert all(candidate["text"] for candidate in record.extra["candidates"])


def test_shards_say_how_many_samples_nobody_needed(tmp_path: Path) -> None:
    run, stats = made(tmp_path / "run", tasks=2)
    manifests = read_manifests(run.layout).values()
    assert sum(manifest["unneeded"] for manifest in manifests) == stats["counts"]["unneeded"]
    assert all(manifest["finished"] for manifest in manifests)


def test_it_is_in_the_fingerprint_only_where_it_is_used(tmp_path: Path) -> None:
    plain = planned(tmp_path / "plain", adaptive={}).plan.content
    adaptive = planned(tmp_path / "other").plan.content
    assert adaptive == plain | {"adaptive": {"first": 4, "step": 4, "confidence": 0.95}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"adaptive": {"first": 16}}, "adaptive.first=16: samples=16 is the most"),
    ({"adaptive": {"step": 2}}, "adaptive.step: not used; give adaptive.first"),
    ({"adaptive": {"first": 4, "right": 2}}, "adaptive.right: only of adaptive.until=right"),
    ({"adaptive": {"first": 4, "until": "right", "confidence": 0.9}}, "only of adaptive.until=vote"),
    ({"answers": {"min_votes": 6}}, "answers.min_votes=6: a record may end with adaptive.first=4"),
    ({"task": {"name": "problems"}}, "adaptive.first=4: not read by task=problems"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_does_not_go_together_is_refused(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(tmp_path, **values)
