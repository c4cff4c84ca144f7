"""The command `jobs.explore RUN`: its records on a page or served, and its mistakes."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest

import omi_core
from tests.conftest import Here
from tests.jobs.evaluating import REHEARSED, benchmark, sums

WORDS = ("teacher=rehearsal", "data.size=12", "samples=6", "cluster.workers=1", "teacher.rehearsal.wrong=0.5")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "run"
    omi_core.run(omi_core.plan(omi_core.compose("generate", [*WORDS, f"run.dir={root}"])))
    return root


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs/run"))


def shown(page: Path) -> list[int]:
    """The numbers of the records on a page, in its order."""
    return [int(number) for number in re.findall(r'<p class="soft">record (\d+), ', page.read_text())]


def rates(here: Here) -> dict[int, float]:
    found = {}
    for ordinal in range(12):
        samples = orjson.loads(here("show", "run", str(ordinal), "json=true")[1])["samples"]
        found[ordinal] = sum(sample["verdict"] == "equal" for sample in samples) / 6
    return found


def test_the_records_that_were_asked_for_are_on_the_page(here: Here, run: Path, tmp_path: Path) -> None:
    found = rates(here)
    hard = sorted((rate, ordinal) for ordinal, rate in found.items() if rate <= 0.5)
    first = omi_core.open_run(run).records().__next__()
    for words, expected in [
        ((), list(range(12))),
        (("limit=3",), [0, 1, 2]),
        (("pass_rate=[0,0.5]", "order=hardest"), [ordinal for _, ordinal in hard]),
        (("disagreement=[0,0]", "pass_rate=[1,1]"), [at for at, rate in found.items() if rate == 1]),
        ((f"search={first.id}",), [0]),
        (("reason=row", f"search={first.id}"), [0]),
    ]:
        code, out, err = here("explore", "run", "out=page.html", *words)
        assert code == 0, err
        assert shown(tmp_path / "page.html") == expected, words
        assert re.fullmatch(rf"page\.html: {len(expected)} of \d+ records, [\d,]+ bytes\n", out)
    assert (run / "explore.sqlite").is_file()


def test_an_index_elsewhere_leaves_the_run_as_it_is(here: Here, run: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in run.iterdir())
    assert here("explore", "run", "out=page.html", "index=indexes")[0] == 0
    assert sorted(path.name for path in run.iterdir()) == before
    fingerprint = omi_core.open_run(run).run.plan.fingerprint
    assert (tmp_path / f"indexes/{fingerprint}.sqlite").is_file()


def test_records_are_served_until_an_interrupt(run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs.explore", "run", "search=the", "order=hardest"]
    with ExitStack() as stack:
        explorers = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=tmp_path,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    # Where the tests run in the background, a shell has them ignore it.
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                )
            )
            for _ in range(2)
        ]
        stack.callback(lambda: [explorer.kill() for explorer in explorers])
        _served_until_an_interrupt(explorers, run)


def _served_until_an_interrupt(explorers: list[subprocess.Popen[str]], run: Path) -> None:
    addresses = []
    for explorer in explorers:
        assert explorer.stdout is not None
        addresses.append(explorer.stdout.readline().strip())
        hint = explorer.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{32}/\?search=the&order=hardest", addresses[-1])
        (port,) = re.findall(r":(\d+)/", addresses[-1])
        assert f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}" in hint
    assert len(set(addresses)) == 2
    for address in addresses:
        with urlopen(address) as answer:
            assert "lowest pass rate first" in answer.read().decode()
    (run / "explore.sqlite").unlink()
    with pytest.raises(HTTPError) as refused:
        urlopen(addresses[0])
    assert refused.value.code == 500 and b"the index can no longer be read" in refused.value.read()
    for explorer in explorers:
        explorer.send_signal(signal.SIGINT)
        _, err = explorer.communicate(timeout=60)
        assert explorer.returncode == 0 and "Traceback" not in err


def test_a_page_of_its_own_is_written_over_and_no_other(here: Here, run: Path, tmp_path: Path) -> None:
    assert here("explore", "run", "out=page.html", "limit=1")[0] == 0
    assert here("explore", "run", "out=page.html", "limit=2")[0] == 0
    (tmp_path / "other.html").write_text("mine")
    code, out, err = here("explore", "run", "out=other.html")
    assert (code, out) == (2, "") and "other.html: is there, and is no page of jobs.explore" in err
    assert (tmp_path / "other.html").read_text() == "mine" and shown(tmp_path / "page.html") == [0, 1]


def test_a_damaged_journal_is_told_in_a_line(here: Here, run: Path, tmp_path: Path) -> None:
    (journal,) = (run / "generate").glob("*.jsonl.zst")
    spoiled = bytearray(journal.read_bytes())
    for at in range(100, len(spoiled), 200):
        spoiled[at] ^= 0x11
    journal.write_bytes(spoiled)
    code, out, err = here("explore", "run", "out=page.html")
    assert (code, out) == (1, "") and err.splitlines()[-1].startswith("failed: ") and "Traceback" not in err
    assert not (tmp_path / "page.html").exists() and not (run / "explore.sqlite").exists()


def test_a_run_without_samples_has_its_records_shown(here: Here, run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "generate")
    assert here("explore", "run", "out=page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert len(shown(tmp_path / "page.html")) == 12 and page.count("No sample so far.") == 12


def test_samples_of_an_evaluation_have_their_verdicts(here: Here, tmp_path: Path) -> None:
    name = benchmark(tmp_path, "first", sums(5))
    assert here("evaluate", *REHEARSED, f"benchmarks=[{name}]", "samples=4", "run.dir=run")[0] == 0
    for span, verdict in (("[1,1]", "right"), ("[0,0]", "wrong")):
        code, _, err = here("explore", "run", "out=page.html", f"pass_rate={span}", "reason=row")
        assert code == 0, err
        page = (tmp_path / "page.html").read_text()
        others = {"right", "wrong"} - {verdict}
        assert not any(f"<span>{other}</span>" in page for other in others)
        assert (f"<span>{verdict}</span>" in page) == bool(shown(tmp_path / "page.html"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "run"), "run: is a run; give it alone"),
        (("run", "input=a.jsonl"), "run: is a run; give it alone"),
        (("run", "pass_rate=[0.5]"), "pass_rate=[0.5]: give the least and the most"),
        (("run", "pass_rate=[1,0]"), "pass_rate=[1.0,0.0]: give the least and the most"),
        (("run", "disagreement=[0,2]"), "disagreement=[0.0,2.0]: give the least and the most"),
        (("run", "order=best"), "order=best: not one of"),
        (("run", "reason=rows", "out=page.html"), "reason=rows: no sample of the run became that"),
        (("run", "reason=rows"), "reason=rows: no sample of the run became that"),
        (("run", "limit=3"), "limit: not used; a page of limit records is written to out="),
        (("run", "port=8000", "out=page.html"), "port: not used"),
        (("run", "port=70000"), "port=70000: must be at most 65535"),
        (("run", "out=page.txt"), "out=page.txt: not a page"),
        (("run", "index=file", "out=page.html"), "index=file: cannot be made"),
        ((".", "search=x"), "search: is for the records of a run"),
        ((".", "reason=row"), "reason: is for the records of a run"),
        ((".", "order=hardest"), "order: is for the records of a run"),
    ],
    ids=" ".join,
)
def test_mistakes_are_one_line(
    here: Here, run: Path, tmp_path: Path, words: tuple[str, ...], line: str
) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = here("explore", *words)
    assert (code, out) == (2, "") and err.splitlines()[-1].startswith(f"error: {line}"), err
    assert not list(tmp_path.glob("*.html"))


def test_a_port_that_is_taken_is_a_mistake(here: Here, run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = here("explore", "run", f"port={port}")
    assert (code, out) == (2, "") and f"error: port={port}: Address already in use; give another" in err
