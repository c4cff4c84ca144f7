"""Slurm's commands: their refusals as recorded on 22.05, and asking again; no Slurm is needed here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from omi_core.slurm import commands, states
from omi_core.slurm.commands import Busy, NotInstalled, SlurmError, SubmitLimit
from tests.pausing import replace_pauses
from tests.slurm.programs import Install, printing

# -- messages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
            Busy,
            "Socket timed out on send/recv operation",
        ),
        (
            "sbatch: error: Batch job submission failed: "
            "Unable to contact slurm controller (connect failure)",
            Busy,
            "Unable to contact slurm controller (connect failure)",
        ),
        (
            "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
            Busy,
            "Slurm temporarily unable to accept job, sleeping and retrying",
        ),
        (
            "sacct: error: slurm_persist_conn_open: No response to persist_init\n"
            "sacct: error: Sending PersistInit msg: Resource temporarily unavailable",
            Busy,
            "slurm_persist_conn_open: No response to persist_init; "
            "Sending PersistInit msg: Resource temporarily unavailable",
        ),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: "
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            SubmitLimit,
            "QOSMaxSubmitJobPerUserLimit; "
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        ),
        (
            "squeue: error: fetch_config: DNS SRV lookup failed\n"
            "squeue: fatal: Could not establish a configuration source",
            NotInstalled,
            "fetch_config: DNS SRV lookup failed; Could not establish a configuration source",
        ),
        (
            "sbatch: error: Batch job submission failed: Invalid job array specification",
            SlurmError,
            "Invalid job array specification",
        ),
        ("", SlurmError, "exit code 3"),
    ],
)
def test_a_refusal_is_one_line_of_the_right_kind(
    install: Install, said: str, kind: type[SlurmError], message: str
) -> None:
    install("sbatch", f"cat >&2 <<'END'\n{said}\nEND\nexit 3")
    with pytest.raises(SlurmError) as raised:
        commands.sbatch("--wrap=true")
    assert type(raised.value) is kind
    assert (raised.value.command, raised.value.message) == ("sbatch", message)
    assert str(raised.value) == f"sbatch: {message}"


def test_a_command_that_is_not_there_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="squeue: cannot be run on this machine"):
        states.query(["1"])


def test_a_command_that_hangs_is_ended_with_what_it_started(install: Install, tmp_path: Path) -> None:
    install("squeue", f"sleep 60 & echo $! >{tmp_path}/child; exit 0")
    with pytest.raises(Busy, match=r"squeue: no answer within 0\.5 s from squeue -h"):
        commands.run("squeue", "-h", timeout=0.5)
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 30
    while child.exists() and ") Z " not in child.read_text():  # SIGKILL takes a moment
        assert time.monotonic() < deadline, "it outlives its command"
        time.sleep(0.02)


@pytest.mark.parametrize("printed", ["12", "12;fake", "a note of the site\n12"])
def test_the_job_id_is_found_in_what_sbatch_prints(install: Install, printed: str) -> None:
    install("sbatch", printing(printed + "\n"))
    assert commands.sbatch("script.sh") == "12"


def test_sbatch_without_a_job_id_is_an_error(install: Install) -> None:
    install("sbatch", printing("Submitted\n"))
    with pytest.raises(SlurmError, match="printed no job id but 'Submitted'"):
        commands.sbatch("script.sh")


def test_nothing_of_an_enclosing_job_reaches_sbatch_but_the_way_to_the_cluster(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "SLURM_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
        "SBATCH_PARTITION",
        "SQUEUE_FORMAT",
        "SRUN_CPUS_PER_TASK",
    ):
        monkeypatch.setenv(name, "9")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    monkeypatch.setenv("OTHER", "stays")
    install("sbatch", "env | grep -E '^(SLURM|SBATCH|SQUEUE|SRUN|OTHER)' | sort")
    assert commands.run("sbatch") == "OTHER=stays\nSLURM_CONF=/etc/slurm/slurm.conf\n"


# -- trying again --------------------------------------------------------------------------------------------


def failing(times: int, kind: type[SlurmError] = Busy) -> Callable[[], str]:
    left = [kind("sbatch", "no")] * times
    return lambda: _raise_or(left, "12")


def _raise_or(left: list[SlurmError], result: str) -> str:
    if left:
        raise left.pop()
    return result


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for, in place of pauses."""
    asked: list[float] = []
    replace_pauses(monkeypatch, commands, asked.append)
    return asked


def test_a_busy_controller_is_asked_again_after_longer_and_longer_pauses(pauses: list[float]) -> None:
    assert commands.retry(failing(9), 3600) == "12"
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))


def test_trying_again_ends_with_the_time_given(pauses: list[float]) -> None:
    with pytest.raises(Busy):
        commands.retry(failing(1), 0)
    assert pauses == []


@pytest.mark.parametrize("kind", [SlurmError, SubmitLimit, NotInstalled])
def test_what_no_later_try_changes_is_raised_at_once(pauses: list[float], kind: type[SlurmError]) -> None:
    with pytest.raises(kind):
        commands.retry(failing(1, kind), 60)
    assert pauses == []


def test_who_waits_says_what_for_and_for_which_errors(pauses: list[float]) -> None:
    said: list[Exception] = []

    def full(error: Exception) -> bool:
        return isinstance(error, SubmitLimit)

    assert commands.retry(failing(3, SubmitLimit), 60, passing=full, said=said.append) == "12"
    assert [type(error) for error in said] == [SubmitLimit] * 3 and len(pauses) == 3
    with pytest.raises(Busy):
        commands.retry(failing(1), 60, passing=full, said=said.append)
    with pytest.raises(SubmitLimit):
        commands.retry(failing(1, SubmitLimit), 0, passing=full, said=said.append)
    assert len(said) == 3


@pytest.mark.parametrize(
    "said",
    [
        "Job update not available right now, the DB index is being set, try again in a bit for job 7",
        "Unable to contact slurm controller (connect failure)",
    ],
)
def test_held_jobs_are_released_when_the_controller_can(
    install: Install, tmp_path: Path, pauses: list[float], said: str
) -> None:
    log = tmp_path / "log"
    install("scontrol", f"echo $* >>{log}; [ $(wc -l <{log}) -gt 2 ] || {{ echo '{said}' >&2; exit 1; }}")
    commands.release(["7", "9_1"])
    assert log.read_text().splitlines() == ["release 7,9_1"] * 3 and len(pauses) == 2


def test_a_refusal_to_release_is_told_at_once(install: Install, pauses: list[float]) -> None:
    install("scontrol", "echo 'Access/permission denied for job 7' >&2; exit 1")
    with pytest.raises(SlurmError, match="permission denied"):
        commands.release(["7"])
    assert pauses == []


@pytest.mark.usefixtures("pauses")
def test_a_job_found_after_a_try_is_not_submitted_twice() -> None:
    tries: list[str] = []

    def submit() -> str:
        tries.append("sbatch")
        raise Busy("sbatch", "Socket timed out")

    # squeue is busy; it answers before the controller has taken up what waited; it knows the job.
    answers: list[Callable[[], str | None]] = [failing(1), lambda: None, lambda: "13"]
    assert commands.retry(submit, 60, found=lambda: answers.pop(0)()) == "13"
    assert tries == ["sbatch"]


@pytest.mark.usefixtures("pauses")
def test_a_job_that_nobody_finds_is_submitted_again() -> None:
    assert commands.retry(failing(2), 60, found=lambda: None) == "12"


def test_a_job_is_found_by_the_first_word_of_its_comment_and_the_newest_of_several(install: Install) -> None:
    rows = "9 abc\n101 abc of a user\n102 two\nlines abc\n103 abcd\n104 \n105 not abc\n(null)\n"
    install("squeue", printing(rows))
    assert commands.find_job("abc") == "101"
    assert commands.find_job("two") == "102"
    assert commands.find_job("ab") is None
