"""Slurm's commands as subprocesses: bounded in time, with one-line errors that say whether to try again.

Commands run in an environment freed of what an enclosing job or a user's habits (`SLURM_*`, `SBATCH_*`,
`SQUEUE_*`, …) would change in what is submitted or printed; see `clean_environment`.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# A controller that is overloaded makes its clients wait for MessageTimeout (10 s, 100 s at some sites).
TIMEOUT_S = 60.0
SBATCH_TIMEOUT_S = 120.0
# slurmdbd, when it hangs, lets its clients wait for 40 s; what it tells is worth less than that.
ACCOUNTING_TIMEOUT_S = 20.0

_OURS_TO_SET = tuple("SLURM_ SBATCH_ SALLOC_ SRUN_ SQUEUE_ SACCT_ SCONTROL_ SCANCEL_ SINFO_".split())
# How to reach and to be known to the controller, which no job changes.
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_SACK_SOCKET")

_BUSY = re.compile(
    r"Socket timed out on send/recv operation|Unable to contact slurm controller"
    r"|temporarily unable to accept job|job queue full|Job creation temporarily disabled"
    r"|Resource temporarily unavailable|Zero Bytes were transmitted or received"
    r"|Connection (refused|reset|timed out)|backup controller in standby mode|rate limit|try again in a bit",
    re.IGNORECASE,
)
# Such as QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit, AssocGrpSubmitJobsLimit.
_SUBMIT_LIMIT = re.compile(r"\b(QOS|Assoc)\w*Submit\w*Limit\b")
_NO_CONFIGURATION = re.compile(r"Could not establish a configuration source|stat file [^:]*slurm\.conf")
_ENDED = re.compile(r"Invalid job id specified|already completing or completed|already finished")
# What commands put before a message: "sbatch: error: Batch job submission failed: ".
_PREFIX = re.compile(
    r"^(s[a-z]+|slurm_\w+( error)?): ((error|fatal|warning): )?(Batch job submission failed: )?"
)
_MESSAGE_CHARACTERS = 500
_RELEASED_AT_ONCE = 1000

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
_SECOND_LOOK_S = 3.0


class SlurmError(RuntimeError):
    """A Slurm command failed. `command` is its name, `message` what it said, on one line."""

    def __init__(self, command: str, message: str) -> None:
        super().__init__(f"{command}: {message}")
        self.command, self.message = command, message


class Busy(SlurmError):
    """The controller or the accounting did not answer, or asked to come back: worth a retry.

    After an sbatch the job may exist all the same: ask `find_job` before the next try.
    """


class SubmitLimit(SlurmError):
    """The user has as many jobs in the queue as association or QOS allow; goes away as jobs end."""


class NotInstalled(SlurmError):
    """There is no such command on this machine, or it has no cluster to talk to."""


def clean_environment() -> dict[str, str]:
    """This process's environment without the variables that steer Slurm's commands.

    Inside a job SLURM_* describe that job, and sbatch would pass them on; SBATCH_PARTITION and its like win
    over the submitted script; SQUEUE_FORMAT changes what is parsed. Variables that say where the cluster is
    stay. Array expressions are printed whole (SLURM_BITSTR_LEN) and times as seconds since the epoch.
    """
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or not k.startswith(_OURS_TO_SET)}
    return kept | {"SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "%s"}


def run(*argv: str, stdin: str = "", timeout: float = TIMEOUT_S, cwd: Path | None = None) -> str:
    """What a Slurm command prints on its standard output.

    The command, with all that it started, is ended when `timeout` seconds have passed, and also when this
    process is interrupted.

    Raises:
        NotInstalled: no such command, or no configuration for it.
        Busy: no answer in time, or one of the messages that a later try may not meet.
        SubmitLimit: the user may not have more jobs in the queue now.
        SlurmError: any other exit code than 0.
    """
    name = argv[0]
    environment = clean_environment()
    if name == "sbatch":  # sbatch hands its environment on to the job
        del environment["SLURM_BITSTR_LEN"], environment["SLURM_TIME_FORMAT"]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            cwd=cwd,
            # At many sites the command is a script around the real one: both must be ended.
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise NotInstalled(
            name, f"cannot be run on this machine ({error.strerror}): is it a login node?"
        ) from None
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except BaseException as error:  # Ctrl-C does not reach the command: it has a session of its own
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            words = f"no answer within {timeout:g} s from {shlex.join(argv)[:200]}"
            raise Busy(name, words) from None
        raise
    if process.returncode != 0:
        raise _error(name, err.strip() or out.strip(), process.returncode)
    return out


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _error(command: str, said: str, code: int) -> SlurmError:
    lines = dict.fromkeys(_PREFIX.sub("", line.strip()) for line in said.splitlines())
    message = "; ".join(line for line in lines if line)[:_MESSAGE_CHARACTERS] or f"exit code {code}"
    for pattern, kind in ((_NO_CONFIGURATION, NotInstalled), (_SUBMIT_LIMIT, SubmitLimit), (_BUSY, Busy)):
        if pattern.search(said):
            return kind(command, message)
    return SlurmError(command, message)


def sbatch(*options: str, cwd: Path | None = None) -> str:
    """Submits a job and returns its id. `options` end in the path of a script, unless they `--wrap` one.

    Raises what `run` raises; after Busy the job may exist.
    """
    printed = run("sbatch", "--parsable", *options, timeout=SBATCH_TIMEOUT_S, cwd=cwd)
    found = re.search(r"^(\d+)(;|$)", printed, re.MULTILINE)
    if found is None:
        raise SlurmError("sbatch", f"printed no job id but {printed.strip()[:200]!r}")
    return found[1]


def scancel(job_ids: Iterable[str]) -> None:
    """Cancels jobs, arrays (`12`) or array tasks (`12_3`), one after the other as given.

    Those that have ended, or that Slurm has forgotten, count as cancelled. Raises what `run` raises.
    """
    for job_id in job_ids:  # one command for all would cancel them at once, in any order
        try:
            run("scancel", job_id)
        except SlurmError as error:
            if not _ENDED.search(error.message):
                raise


def release(tasks: Sequence[str]) -> None:
    """Lets held jobs or array tasks (`12_3`) wait for their turn again; no error for one that has ended.

    Raises what `run` raises.
    """
    for first in range(0, len(tasks), _RELEASED_AT_ONCE):
        ids = ",".join(tasks[first : first + _RELEASED_AT_ONCE])
        try:
            retry(partial(run, "scontrol", "release", ids), TIMEOUT_S)
        except SlurmError as error:
            if not _ENDED.search(error.message):
                raise


def find_job(token: str) -> str | None:
    """Id of this user's newest job whose comment is or begins with that word, also one that has ended.

    None when there is none yet: a controller that was away may take up a submission some seconds after it
    answers again, so ask once more after a pause before submitting a second time.
    """
    asked = ("squeue", "-h", "-a", "-t", "all", "-u", str(os.getuid()), "-o", "%F %k")
    ids = []
    for line in run(*asked).splitlines():
        job_id, _, comment = line.partition(" ")
        if job_id.isdigit() and (comment == token or comment.startswith(f"{token} ")):
            ids.append(int(job_id))
    return str(max(ids)) if ids else None


def retry(
    call: Callable[[], T],
    seconds: float,
    found: Callable[[], T | None] | None = None,
    passing: Callable[[Exception], bool] = lambda error: isinstance(error, Busy),
    said: Callable[[Exception], None] = lambda error: None,
) -> T:
    """The result of `call`, which is made again while its error is `passing` and `seconds` have not passed.

    `passing` is by default whether it is Busy; `said` is told each such error before the pause. Pauses double
    from half a second to half a minute; each is shortened at random by up to a half, so that many submitters
    do not come back together. `found` is asked before every further try whether an earlier one has succeeded
    unnoticed: what it returns, unless None, is the result. It is asked a second time after some seconds,
    since a controller that was away may answer it before it takes up what has waited.

    Raises the last such error when time is up, and any other one at once.
    """
    deadline = time.monotonic() + seconds
    delay = _FIRST_DELAY_S
    attempt = call
    while True:
        try:
            return attempt()
        except Exception as error:
            left = deadline - time.monotonic()
            if not passing(error) or left <= 0:
                raise
            said(error)
            time.sleep(min(left, delay * random.uniform(0.5, 1)))
            delay = min(2 * delay, _LONGEST_DELAY_S)
        if found is not None:
            attempt = _look_first(found, call)


def _look_first(found: Callable[[], T | None], call: Callable[[], T]) -> Callable[[], T]:
    def attempt() -> T:
        earlier = found()
        if earlier is None:
            time.sleep(_SECOND_LOOK_S)
            earlier = found()
        return call() if earlier is None else earlier

    return attempt
