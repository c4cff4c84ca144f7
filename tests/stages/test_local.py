"""A whole run on this machine, with the rehearsal teacher: the same dataset whatever happens on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.prompts import load
from omi_core.publish.verify import verify
from omi_core.slurm import array_task
from omi_core.stages import gate, local
from omi_core.stages.generate import TooManyErrors
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate
from omi_core.stages.run import Run, open_run
from omi_core.stages.stopping import Stop, Stopped
from omi_core.store.attempts import new_attempt
from omi_core.store.files import LockTaken, lock
from omi_core.store.index import index_path
from omi_core.store.keys import settled
from omi_core.store.layout import Layout
from omi_core.tasks import known
from omi_core.teachers import tiny
from omi_core.teachers.teacher import EngineNotStarted


def config(directory: Path, **values: Any) -> Generate:
    base: dict[str, Any] = {
        "run": {"dir": str(directory), "flush_samples": 16},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 60, "split": "test", "answer": "answer"},
        "samples": 4,
        "publish": {"splits": {"small": 50, "large": 1000}, "chat": "answer"},
        "cluster": {"workers": 1},
        # Hostile answers reach the comparing workers only rarely; two of them are in here.
    }
    for key, value in values.items():
        base[key] = base.get(key, {}) | value if isinstance(value, dict) else value
    return load_generate(base)


def carry_out(directory: Path, **values: Any) -> tuple[Run[Generate], dict[str, Any]]:
    run = plan_generate(config(directory, **values))
    return run, run_locally(run, Stop())


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the dataset that every other history must give."""
    run, _ = carry_out(tmp_path_factory.mktemp("runs") / "undisturbed")
    return files_of(run.layout.dataset)


@pytest.mark.parametrize(
    "transient",
    [
        {"tasks": 2},
        {"tasks": 7, "reduce_tasks": 3},
        {"engine": {"max_num_seqs": 5}, "teacher": {"rehearsal": {"latency": 0.001}}},
        {"run": {"flush_samples": 1}, "reduce_tasks": 60},
    ],
    ids=str,
)
def test_the_dataset_is_the_same_bytes_however_the_work_is_split(
    tmp_path: Path, undisturbed: dict[str, bytes], transient: dict[str, Any]
) -> None:
    run, _ = carry_out(tmp_path / "run", **transient)
    assert files_of(run.layout.dataset) == undisturbed


def test_a_run_has_few_files(tmp_path: Path) -> None:
    run, _ = carry_out(tmp_path / "run", tasks=3)
    names = sorted(path.name.partition(".")[2] for path in run.layout.generate.iterdir())
    per_task = ["json", "jsonl.zst", "jsonl.zst.idx", "jsonl.zst.lock"]
    assert names == sorted([*per_task * 3, "json"])  # and the attempt; nothing per record


def test_statistics_account_for_every_sample(tmp_path: Path) -> None:
    run, stats = carry_out(tmp_path / "run")
    verify(run.layout.dataset)
    counts = stats["counts"]
    dropped = sum(count["dropped"] for count in counts["filters"].values())
    assert counts["samples"] == 240
    assert counts["rows"] + dropped + sum(counts["selection"].values()) == 240
    assert stats["rows"] + stats["duplicates_dropped"] == counts["rows"]
    assert stats["rehearsal"] is True
    assert "REHEARSAL" in (run.layout.dataset / "README.md").read_text()


def test_smaller_votes_are_counted_by_draws_of_samples(tmp_path: Path) -> None:
    _, stats = carry_out(tmp_path, samples=6, teacher={"rehearsal": {"wrong": 0.6}})
    counts = stats["counts"]
    records, truth, draws = counts["records"], counts["truth"], counts["truth"]["draws"]
    assert {size: drawn["draws"] for size, drawn in draws.items()} == {
        "1": records * 6,
        "2": records * 3,
        "4": records,
    }
    assert draws["1"]["majority"] == draws["1"]["solved"] == truth["equal"]
    assert truth["equal"] <= 2 * draws["2"]["solved"]
    assert draws["4"]["solved"] <= truth["records_solved"]
    assert all(0 < drawn["majority"] <= drawn["solved"] for drawn in draws.values())


def test_shares_of_the_rehearsal_come_out_as_they_were_stated(tmp_path: Path) -> None:
    shares = {"wrong": 0.3, "malformed": 0.1, "overlong": 0.1, "hostile": 0.0}
    _, stats = carry_out(tmp_path / "run", teacher={"rehearsal": shares}, data={"size": 400})
    counts = stats["counts"]
    assert counts["finish"]["length"] / counts["samples"] == pytest.approx(0.1, abs=0.03)
    assert counts["truth"]["equal"] / counts["samples"] == pytest.approx(0.5, abs=0.05)
    assert counts["truth"]["not_equal"] / counts["samples"] == pytest.approx(0.3, abs=0.05)


def test_without_a_ground_truth_the_majority_is_the_expected_answer(tmp_path: Path) -> None:
    run, stats = carry_out(tmp_path / "run", data={"answer": None})
    assert "truth" not in stats["counts"]
    rows = dataset_rows(run)
    assert all(0 < row["votes"] <= row["voters"] <= 4 for row in rows)
    assert all(row["agreement"] == row["votes"] / row["voters"] for row in rows)


@pytest.mark.parametrize(("least", "kept"), [(None, False), (1, True)])
def test_one_vote_among_other_answers_decides_only_where_it_is_told_to(
    tmp_path: Path, least: int | None, kept: bool
) -> None:
    _, stats = carry_out(
        tmp_path / "run",
        data={"answer": None},
        samples=3,
        teacher={"rehearsal": {"wrong": 0.7}},
        answers={"min_votes": least},
        publish={"splits": {}},
    )
    assert stats["counts"]["votes"]["single_vote"] > 0
    assert ("single_vote" not in stats["counts"]["selection"]) is kept


def test_min_agreement_drops_records_that_disagree(tmp_path: Path) -> None:
    run, stats = carry_out(tmp_path / "run", data={"answer": None}, answers={"min_agreement": 0.8})
    assert stats["counts"]["selection"]["low_agreement"] > 0
    assert all(row["agreement"] >= 0.8 for row in dataset_rows(run))


def test_min_votes_keeps_records_of_which_so_many_samples_are_right(tmp_path: Path) -> None:
    wrong = {"rehearsal": {"wrong": 0.5}}
    run, stats = carry_out(
        tmp_path / "run", samples=2, teacher=wrong, answers={"min_votes": 2}, publish={"splits": {}}
    )
    counts = stats["counts"]
    rows = dataset_rows(run)
    assert rows and all(row["votes"] == 2 for row in rows)
    lone = counts["selection"]["few_votes"]
    assert lone > 0 and (counts["truth"]["equal"] - lone) % 2 == 0


def test_the_filters_on_form_and_repetition_are_off_until_they_are_asked_for(tmp_path: Path) -> None:
    off = ("ends_boxed", "max_words", "restates", "repeated_lines", "repeated_ngrams")
    _, stats = carry_out(tmp_path / "off")
    assert not set(off) & set(stats["counts"]["filters"])
    asked = {"ends_boxed": True, "max_words": 15, "restates": 0.1, "repeated_lines": 0.0}
    _, stats = carry_out(tmp_path / "on", filters=asked | {"repeated_ngrams": 0.0}, publish={"splits": {}})
    assert set(off) <= set(stats["counts"]["filters"])
    assert stats["counts"]["filters"]["max_words"]["dropped"] > 0


def test_the_vote_can_be_taken_with_the_truth_only_measuring_it(tmp_path: Path) -> None:
    wrong = {"rehearsal": {"wrong": 0.6}}
    truth, _ = carry_out(tmp_path / "truth", teacher=wrong)
    vote, stats = carry_out(tmp_path / "vote", teacher=wrong, answers={"expected": "majority"})
    right = {row["problem"]: row["expected_answer"] for row in dataset_rows(truth)}
    voted = {row["problem"]: row["expected_answer"] for row in dataset_rows(vote)}
    assert any(voted[problem] != right[problem] for problem in set(voted) & set(right))
    for row in [*dataset_rows(truth), *dataset_rows(vote)]:  # votes are always for the expected answer
        assert 0 < row["votes"] <= row["voters"] <= 4
    assert stats["counts"]["truth"]["majority_equal"] < 60


def dataset_rows(run: Run[Any]) -> list[dict[str, Any]]:
    import polars as pl

    return pl.read_parquet(run.layout.dataset / "data/*.parquet").to_dicts()


def test_a_published_run_is_not_touched_again(tmp_path: Path) -> None:
    run, stats = carry_out(tmp_path / "run")

    def times() -> dict[str, int]:
        names = [name for name in files_of(run.layout.root) if name != run.layout.lock.name]
        return {name: os.stat(run.layout.root / name).st_mtime_ns for name in names}

    before = times()
    _, again = carry_out(tmp_path / "run", tasks=5)
    assert again == stats
    assert times() == before


def test_a_run_goes_on_from_its_own_directory(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    planned = plan_generate(config(tmp_path / "run"))
    run_locally(open_run(planned.layout), Stop())
    assert files_of(planned.layout.dataset) == undisturbed


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    class After(Stop):
        """Asks itself to stop after so many samples."""

        asks = 0

        def asked(self) -> bool:
            self.asks += 1
            if self.asks == 100:
                self.ask()
            return super().asked()

    run = plan_generate(config(tmp_path / "run", tasks=2))
    with pytest.raises(Stopped):
        run_locally(run, After())
    assert not run.layout.dataset.exists()
    done = int(settled(run.layout.journals(), 60, 4).done.sum())
    assert 50 < done < 100
    run, _ = carry_out(tmp_path / "run", tasks=3)
    entries = [entry for entry in ledger(run) if entry["stage"] == "generate"]
    assert [entry["keys"] for entry in entries] == [240, 240 - done]
    assert files_of(run.layout.dataset) == undisturbed


@pytest.mark.parametrize("where", ["on this machine", "in a task"])
@pytest.mark.parametrize(("told", "ends"), [(True, Stopped), (False, EngineNotStarted)])
def test_an_engine_that_a_signal_ends_while_it_starts_stops_the_work_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, told: bool, ends: type[Exception]
) -> None:
    stop = Stop()

    def start(*_: Any) -> Any:
        if told:
            stop.ask()
        raise EngineNotStarted(RuntimeError("Engine core initialization failed."))

    module = local if where == "on this machine" else array_task
    monkeypatch.setattr(module, "open_teacher", start)
    run = plan_generate(config(tmp_path / "run"))
    if module is array_task:
        new_attempt(run.layout, gate.missing(run), 1)
    with pytest.raises(ends):
        if module is array_task:
            array_task.generate(str(run.layout.root), [1, 0], stop)
        else:
            run_locally(run, stop)
    assert run.layout.trouble(1, 0).exists() == (module is array_task and not told)


def ledger(run: Run[Any]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in run.layout.ledger.read_bytes().splitlines()]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lose_index(path: Path) -> None:
    index_path(path).unlink()


@pytest.mark.parametrize(
    ("harm", "lost"), [(flip, True), (cut, True), (lose_index, False)], ids=["flip", "cut", "index"]
)
def test_a_harmed_journal_costs_only_the_harmed_frames(
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    lost: bool,
) -> None:
    run, _ = carry_out(tmp_path / "run")
    shutil.rmtree(run.layout.dataset)
    shutil.rmtree(run.layout.parts(1))
    harm(run.layout.journals()[0])
    carry_out(tmp_path / "run")
    again = [entry["keys"] for entry in ledger(run) if entry["stage"] == "generate"]
    assert again == ([240, 16] if lost else [240])  # a frame holds 16 samples here
    assert ("set aside" in capsys.readouterr().err) is (harm is flip)
    assert files_of(run.layout.dataset) == undisturbed


@pytest.mark.parametrize("name", ["part-00001.json", "part-00001.jsonl.zst"])
def test_a_damaged_part_is_reduced_again(tmp_path: Path, undisturbed: dict[str, bytes], name: str) -> None:
    run, _ = carry_out(tmp_path / "run", reduce_tasks=2)
    run.layout.dataset.rename(tmp_path / "away")
    flip(run.layout.parts(2) / name)
    run_locally(run, Stop())
    assert files_of(run.layout.dataset) == undisturbed


def test_another_fingerprint_is_refused_with_the_difference(tmp_path: Path) -> None:
    carry_out(tmp_path / "run")
    before = files_of(tmp_path)
    with pytest.raises(ConfigError, match=r"made with another config .*samples 4 → 5.*run\.fresh=true"):
        plan_generate(config(tmp_path / "run", samples=5))
    with pytest.raises(ConfigError, match="input"):
        plan_generate(config(tmp_path / "run", data={"seed": 1}))
    assert files_of(tmp_path) == before


def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    run = plan_generate(config(tmp_path / "run"))
    with lock(run.layout.lock), pytest.raises(LockTaken, match=f"in use by process {os.getpid()}"):
        run_locally(run, Stop())


def test_a_shard_with_too_many_errors_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from omi_core.teachers import rehearsal

    def refuse(self: object, request: Any, seconds: float) -> Any:
        return request.refused("PromptTooLong: 9 tokens")

    monkeypatch.setattr(rehearsal.RehearsalTeacher, "_draw", refuse)
    run = plan_generate(config(tmp_path / "run"))
    with pytest.raises(TooManyErrors, match=r"50 of 50 .*run\.max_error_rate=0\.1.*PromptTooLong"):
        run_locally(run, Stop())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot write in"):
        plan_generate(config(tmp_path / "below" / "run"))


def test_a_place_that_is_no_directory_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot write in"):
        plan_generate(config(tmp_path / "file" / "run"))


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert plan_generate(config(tmp_path / "mine")).layout.plan.exists()


def test_paths_are_absolute_for_jobs_that_work_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny.path("tiny"), "model")
    Path("mine.yaml").write_text('solutions: {user: "Solve: {{text}}"}\n')
    teacher = {"kind": "vllm", "model": "./model", "max_model_len": None}
    filters = {"tokenizer": "model"}
    run = plan_generate(config(Path("run"), teacher=teacher, filters=filters, prompt={"path": "mine.yaml"}))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    again = open_run(Layout(tmp_path / run.layout.root)).config
    assert isinstance(again, Generate)
    assert Path(again.teacher.model).is_dir()
    assert again.filters.tokenizer is not None and Path(again.filters.tokenizer).is_dir()
    assert load(known()["solutions"].form, None, again.prompt.path)
