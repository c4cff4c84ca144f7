"""Runs with teacher=endpoint: equal bytes for any concurrency and kills, and no key anywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from omi_core.publish.verify import verify
from omi_core.store.journal import read_samples
from tests.conftest import Here, Job
from tests.teachers.chat_server import Ask, ChatServer, Fault, completion

# The HTTP library leaves a coroutine unstarted when a connection is given up at the wrong moment.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'connect_tcp:RuntimeWarning")

CANARY = "sk-canary-91b6d0f2a7e3"
RUN = ["teacher=endpoint", "teacher.model=m", "data.size=30", "samples=4", "run.flush_samples=8"]
RUN += ["filters.max_tokens=null", "cluster.workers=1", "teacher.endpoint.key_variable=MY_KEY"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MY_KEY", CANARY)


def dataset(directory: Path) -> dict[str, bytes]:
    root = directory / "dataset"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def unreliable(ask: Ask, before: int) -> Fault | None:
    """Every third request fails at first, each in one of several ways."""
    faults = (Fault(503), Fault(after=0), Fault(body=b"<html>"), Fault(429, headers={"Retry-After": "0"}))
    return faults[ask["seed"] % 4] if not before and ask["seed"] % 3 == 0 else None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the dataset that every other history must give."""
    directory = tmp_path_factory.mktemp("undisturbed")
    with ChatServer() as server:
        command = [sys.executable, "-m", "jobs.generate", *RUN, f"teacher.endpoint.url={server.url}"]
        environment = os.environ | {"NO_PROXY": "127.0.0.1", "MY_KEY": CANARY}
        subprocess.run([*command, "run.dir=run"], cwd=directory, env=environment, check=True)
    verify(directory / "run/dataset")
    return dataset(directory / "run")


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(["teacher.endpoint.concurrency=1"], marks=pytest.mark.slow),
        ["tasks=3", "teacher.endpoint.concurrency=100"],
    ],
    ids=str,
)
def test_the_dataset_is_the_same_bytes_at_another_server_and_concurrency(
    here: Here, tmp_path: Path, undisturbed: dict[str, bytes], how: list[str]
) -> None:
    with ChatServer(unreliable) as server:
        code, _, shown = here("generate", *RUN, *how, f"teacher.endpoint.url={server.url}", "run.dir=run")
    assert code == 0, shown
    assert dataset(tmp_path / "run") == undisturbed


def size(journals: Path) -> int:
    return sum(path.stat().st_size for path in journals.glob("*.zst")) if journals.is_dir() else 0


def test_stats_and_card_say_that_the_server_adds_defaults_of_its_own(undisturbed: dict[str, bytes]) -> None:
    (note,) = orjson.loads(undisturbed["stats.json"])["notes"]
    assert "the server adds defaults of its own" in note
    assert "the server adds defaults of its own" in undisturbed["README.md"].decode()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR2], ids=str)
def test_a_run_that_was_ended_by_a_signal_goes_on_at_another_server(
    here: Here, tmp_path: Path, undisturbed: dict[str, bytes], number: signal.Signals
) -> None:
    def slow(ask: Ask, before: int) -> Fault:
        return Fault(body=orjson.dumps(completion(ask)), stall=60 if ask["seed"] % 8 == 0 else 0.02)

    command = [sys.executable, "-m", "jobs.generate", *RUN, "run.dir=run", "run.drain_seconds=0.5"]
    command += ["teacher.endpoint.concurrency=8"]
    with ChatServer(slow) as server:
        with subprocess.Popen(
            [*command, f"teacher.endpoint.url={server.url}"], cwd=tmp_path, stderr=subprocess.PIPE
        ) as process:
            while process.poll() is None and size(tmp_path / "run/generate") == 0:
                time.sleep(0.02)
            process.send_signal(number)
            _, shown = process.communicate(timeout=60)
        asked = len(server.asked)
        assert process.returncode == (-number if number == signal.SIGKILL else 130), shown.decode()
    with ChatServer() as server:
        url = f"teacher.endpoint.url={server.url}"
        code, _, words = here("generate", *RUN, "run.dir=run", url)
        assert code == 0, words
        assert len(server.asked) < 120 <= len(server.asked) + asked  # what was on disk is not asked again
    assert dataset(tmp_path / "run") == undisturbed


def test_a_lost_server_ends_the_command_with_one_line_and_no_record_is_suspected(
    job: Job, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    run = [*RUN, "run.dir=run"]
    with ChatServer(lambda ask, before: Fault(503) if len(server.asked) > 20 else None) as server:
        lost = job("generate", *run, f"teacher.endpoint.url={server.url}", "teacher.endpoint.patience=0.5")
    assert lost.returncode == 1
    assert lost.stderr.splitlines()[-1].startswith(f"failed: ConnectionError: {server.url}: no answer for ")
    assert "Traceback" not in lost.stderr
    assert not list((tmp_path / "run/generate").glob("*.crash"))
    with ChatServer() as server:
        assert job("generate", *run, f"teacher.endpoint.url={server.url}").returncode == 0
    assert dataset(tmp_path / "run") == undisturbed


def test_the_key_is_in_no_file_and_in_no_line_that_is_printed(job: Job, tmp_path: Path) -> None:
    def faults(ask: Ask, before: int) -> Fault | None:
        told = f'{{"error":{{"message":"no use for {CANARY}"}}}}'.encode()
        return (Fault(400, told) if ask["seed"] % 40 == 0 else Fault(500, told)) if not before else None

    def run(*arguments: str) -> str:
        done = job("generate", *RUN, "run.dir=run", "hydra.verbose=true", *arguments)
        return done.stdout + done.stderr

    with ChatServer(faults) as server:
        shown = run(f"teacher.endpoint.url={server.url}", "run.max_error_rate=1")
        assert {headers["authorization"] for headers in server.headers} == {f"Bearer {CANARY}"}
    with ChatServer(lambda ask, before: Fault(401, CANARY.encode())) as server:
        shown += run(f"teacher.endpoint.url={server.url}", "run.fresh=true")
        address = server.url.replace("//", f"//user:{CANARY}@")
        shown += run(f"teacher.endpoint.url={address}")
        shown += run(f"teacher.endpoint.url={server.url}", f"teacher.endpoint.key_variable={CANARY}")
    assert "[key]" in shown and "the key is refused" in shown and "has a user" in shown
    assert CANARY not in shown
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "config.json" for path in files)
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    journals = sorted((tmp_path / "run.old-1/generate").glob("*.jsonl.zst"))  # they are compressed
    samples = [sample for group in read_samples(journals, 0, 30) for sample in group]
    assert any("[key]" in str(sample.error) for sample in samples)
    assert CANARY not in str(samples)


URL = "teacher.endpoint.url=http://127.0.0.1:1/v1"
MISTAKES: dict[str, tuple[list[str], str]] = {
    "no address": ([], "teacher.endpoint.url: missing; give the server's"),
    "no scheme": (["teacher.endpoint.url=host:8000/v1"], "teacher.endpoint.url: not an address"),
    "no host": (["teacher.endpoint.url='http://:80/v1'"], "teacher.endpoint.url: not an address"),
    "an odd port": (["teacher.endpoint.url=http://h:99999/v1"], "teacher.endpoint.url: not an address"),
    "a query": (["teacher.endpoint.url='http://h/v1?key=x'"], "teacher.endpoint.url: has a user, a query"),
    "no model": ([URL, "teacher.model=''"], "teacher.model: missing; give the name"),
    "no key": (
        [URL, "teacher.endpoint.key_variable=NO_KEY"],
        "teacher.endpoint.key_variable=NO_KEY: not set in the environment; export NO_KEY first",
    ),
    "GPUs": ([URL, "cluster.gpus_per_node=4"], "teacher.kind=endpoint: the model runs elsewhere"),
    "a field of ours": ([URL, "teacher.endpoint.extra.n=2"], "teacher.endpoint.extra.n: is set by the suite"),
    "a key for the site": (
        [URL, "cluster.environment.MY_KEY=x"],
        "cluster.environment.MY_KEY: would be written into the run",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_in_one_line(here: Here, arguments: list[str], words: str) -> None:
    code, _, shown = here("generate", *RUN, "run.dir=run", *arguments)
    assert code == 2
    assert shown.splitlines()[-1].startswith(f"error: {words}")
    assert not any(line.startswith("Traceback") for line in shown.splitlines())


def test_a_run_goes_on_at_another_address_but_not_with_another_model_or_other_fields(
    here: Here, tmp_path: Path
) -> None:
    with ChatServer() as server:
        run = [*RUN, "run.dir=run", f"teacher.endpoint.url={server.url}"]
        assert here("generate", *run)[0] == 0
        assert here("generate", *run, URL, "teacher.endpoint.timeout=5")[0] == 0
        for other in ("teacher.model=n", "teacher.endpoint.extra.min_p=0.1"):
            code, _, shown = here("generate", *run, other)
            assert code == 2 and other.partition("=")[0] in shown
