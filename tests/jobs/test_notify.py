"""`notify`: a command of the user's is run once at the end, and knows how the run stands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omi_core.stages import notify
from omi_core.store import ledger
from omi_core.store.layout import Layout
from tests.conftest import Here

WORK = ("teacher=rehearsal", "data.size=8", "samples=2", "cluster.workers=1")
TELL = 'notify=echo $OMI_STATE $(basename "$OMI_RUN") $(basename "$OMI_RESULT") >> told'


def test_the_end_is_told_once_however_often_the_command_is_typed(here: Here, tmp_path: Path) -> None:
    for words in (("generate", *WORK, TELL, "run.dir=run"), ("resume", "run")) * 2:
        code, _, err = here(*words)
        assert code == 0, err
    assert (tmp_path / "told").read_text() == "published run dataset\n"
    # Another dataset is another end.
    assert here("generate", *WORK, "seed=1", TELL, "run.dir=run", "run.fresh=true")[0] == 0
    assert (tmp_path / "told").read_text() == "published run dataset\n" * 2


def test_a_run_without_a_result_says_why(here: Here, tmp_path: Path) -> None:
    words = ("generate", *WORK, "filters.min_chars=100000", "run.dir=run")
    code, _, err = here(*words, "notify=echo $OMI_STATE: $OMI_REASON >> told")
    assert code == 1
    assert (tmp_path / "told").read_text() == err.splitlines()[-1].replace("failed", "ended") + "\n"


@pytest.mark.slow
def test_a_pipeline_is_told_of_as_a_whole(here: Here, tmp_path: Path) -> None:
    words = ("pipeline", "recipe=rehearsal", "cluster.workers=1", "run.dir=steps", TELL)
    for _ in range(2):
        code, _, err = here(*words)
        assert code == 0, err
    assert (tmp_path / "told").read_text() == "finished steps\n"


@pytest.mark.parametrize("reason", ["$(touch owned)", "`touch owned`", "'; touch owned; '", "a\0b", "ü\n"])
def test_a_reason_is_never_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    notify.notify_ended(Layout(tmp_path), 'printf %s "$OMI_REASON" > told', "ended", reason)
    assert (tmp_path / "told").read_text() == reason.replace("\0", " ")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [("exit 3", "exit code 3 of exit 3"), ("sleep 60", "no end within 0.2 s of sleep 60")],
)
def test_a_command_that_fails_is_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    said: str,
) -> None:
    monkeypatch.setattr(notify, "_COMMAND_S", 0.2)
    notify.notify_end(Layout(tmp_path), command, "published", "x")
    assert capsys.readouterr().out == f"warning: notify: {said}\n"


def test_jobs_that_see_the_same_end_tell_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def tell(of: str) -> None:
        notify.notify_end(Layout(tmp_path), "sleep 0.1; echo $OMI_STATE >> told", "published", of)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, ["x"] * 4))
    assert (tmp_path / "told").read_text() == "published\n"


def test_a_chain_that_ends_again_after_another_command_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layout = Layout(tmp_path)
    for number in range(2):
        ledger.append(layout.ledger, {"stage": "chain", "by": "resume", "time": number})
        for _ in range(2):
            notify.notify_ended(layout, "echo $OMI_STATE >> told", "ended", "why")
    assert (tmp_path / "told").read_text() == "ended\n" * 2
