"""Which engine processes are ended before an engine starts: those of dead owners, and no others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omi_core.teachers import orphans

pytestmark = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")

# An owner that starts an engine process and says its id. With "stubborn" the engine ignores SIGTERM.
OWNER = """
import os, subprocess, sys, time
from omi_core.teachers import orphans
orphans.MARKER = f"OMI_ENGINE_OF_{os.getppid()}"
code = "import signal, sys, time\\n"
if sys.argv[1] == "stubborn":
    code += "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
code += "print('up', flush=True); time.sleep(600)"
with orphans.marked():
    engine = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
engine.stdout.readline()
plain = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(engine.pid, plain.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def marker_of_these_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that other tests start at the same time end orphans, too; of these they know nothing."""
    monkeypatch.setattr(orphans, "MARKER", f"OMI_ENGINE_OF_{os.getpid()}")


class Owner:
    """A running owner with an engine process and one that is no engine."""

    def __init__(self, kind: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, kind],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        assert self.process.stdout is not None
        self.engine, self.plain = (int(word) for word in self.process.stdout.readline().split())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def clean(self) -> None:
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in (self.engine, self.plain):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def ended(grace: float = 10) -> set[int]:
    """Ids of what `end_orphans` ended; other tests may leave engines behind at the same time."""
    return {process.pid for process in orphans.end_orphans(grace)}


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.fixture
def owner() -> Iterator[Callable[..., Owner]]:
    made: list[Owner] = []

    def make(kind: str = "willing", **environment: str) -> Owner:
        made.append(Owner(kind, **environment))
        return made[-1]

    yield make
    for each in made:
        each.clean()


@pytest.mark.parametrize("kind", ["willing", "stubborn"])
def test_the_engine_of_a_killed_owner_is_ended_and_nothing_else(
    owner: Callable[..., Owner], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, living = owner(kind), owner(kind)
    dead.kill()
    assert alive(dead.engine)
    assert dead.engine in ended(grace=1)
    assert not alive(dead.engine)
    assert alive(dead.plain) and alive(living.engine) and alive(living.plain)
    line = rf"ending .* \({dead.engine}\), left behind by process {dead.process.pid}, now gone\n"
    assert len(re.findall(line, capsys.readouterr().out)) == 1
    assert dead.engine not in ended()


def test_an_owner_that_is_dead_but_not_buried_counts_as_dead(owner: Callable[..., Owner]) -> None:
    dead = owner()
    dead.process.kill()
    while alive(dead.process.pid):  # it stays a zombie: nobody waits for it
        time.sleep(0.01)
    assert dead.engine in ended()


@pytest.mark.parametrize(
    ("marker", "counts"),
    [
        ("{dead}:{start}:{place}", True),
        ("{me}:{start}:{place}", True),  # the id is in use again, by a process that started later
        ("{me}:{mine}:{place}", False),
        ("{dead}:{start}:1:{boot}", False),  # of a container with process ids of its own
        ("{dead}:{start}:elsewhere", False),  # of another machine, or from before a restart
        ("{dead}:{start}", False),
        ("", False),
        ("x:y:{place}", False),
    ],
)
def test_only_a_marker_that_names_a_dead_process_of_this_very_machine_counts(
    marker: str, counts: bool
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    words = {
        "dead": gone.pid,
        "me": os.getpid(),
        "start": 1,
        "mine": orphans._start_of(os.getpid()),
        "place": orphans._place(),
        "boot": orphans._place().partition(":")[2],
    }
    environment = os.environ | {orphans.MARKER: marker.format(**words)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment) as engine:
        try:
            assert (engine.pid in ended()) == counts
            assert (engine.poll() is not None) == counts
        finally:
            engine.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start another user's process")
def test_another_users_process_is_left_alone() -> None:
    environment = os.environ | {orphans.MARKER: f"1:1:{orphans._place()}"}
    command = ["/bin/sleep", "600"]
    with subprocess.Popen(command, env=environment, user=65534, extra_groups=[]) as other:
        try:
            assert other.pid not in ended()
            assert other.poll() is None
        finally:
            other.kill()


def test_a_process_whose_id_was_reused_is_not_signalled(owner: Callable[..., Owner]) -> None:
    living = owner()
    start = orphans._start_of(living.engine)
    assert start is not None
    orphans.Process(living.engine, start - 1, "engine", (1, 1)).signal(signal.SIGKILL)
    assert alive(living.engine)
    orphans.Process(living.engine, start, "engine", (1, 1)).signal(signal.SIGKILL)
    while alive(living.engine):
        time.sleep(0.01)


def test_the_marker_stays_only_while_the_engine_starts() -> None:
    before = dict(os.environ)
    with orphans.marked():
        assert os.environ[orphans.MARKER].startswith(f"{os.getpid()}:")
    assert dict(os.environ) == before
    assert signal.SIGUSR2 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(
    ("number", "survives"), [(signal.SIGUSR2, True), (signal.SIGINT, True), (signal.SIGTERM, False)]
)
def test_an_engine_does_not_die_of_the_signals_its_task_is_sent(number: int, survives: bool) -> None:
    with orphans.marked():
        engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        engine.send_signal(number)
        if survives:
            with pytest.raises(subprocess.TimeoutExpired):
                engine.wait(0.5)
        else:
            assert engine.wait(10) == -number
    finally:
        engine.kill()
        engine.wait()


def test_a_task_hears_its_signals_while_its_engine_starts() -> None:
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda *_: heard.append("USR2"))
    try:
        with orphans.marked():
            os.kill(os.getpid(), signal.SIGUSR2)
            until = time.monotonic() + 10
            while not heard and time.monotonic() < until:
                time.sleep(0.01)
            assert heard == ["USR2"]
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_own_engine_processes_are_ended_and_no_others(owner: Callable[..., Owner]) -> None:
    other = owner()
    with orphans.marked():
        engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    orphans.end_own()
    assert engine.wait(10) == -signal.SIGTERM
    assert alive(other.engine)
