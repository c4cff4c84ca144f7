"""The command `jobs.report`: one page that shows the run's own figures, whatever its texts hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.store import ledger
from omi_core.store.files import write_json
from omi_core.store.layout import Layout
from tests.conftest import Here

REHEARSAL = ("teacher=rehearsal", "data.size=30", "cluster.workers=1")
HOSTILE = "</pre></script><script>document.title='owned'</script><img src=http://x.invalid/ onerror=alert(1)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """The elements of a page, its charts' tables by title, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._title = ""
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr", "br", "img"):
            self._inside.append(tag)
        if tag == "figure":
            self._title = ""
        if tag == "tr":
            self.tables.setdefault(self._title, []).append([])

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag, "elements do not nest"

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._inside and self._inside[-1] == "h3" and not self._title:
            self._title = data
        if self._inside and self._inside[-1] in ("td", "th") and self.tables.get(self._title):
            self.tables[self._title][-1].append(data)

    @property
    def tags(self) -> set[str]:
        return {name for name, _ in self.elements}


@pytest.fixture
def drawn(here: Here, tmp_path: Path) -> Callable[..., str]:
    """Runs the command and returns the page."""

    def draw(*arguments: str) -> str:
        code, out, err = here("report", *arguments, "out=report.html")
        assert (code, err) == (0, "")
        assert out.startswith("report.html: ")
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return draw


def stats_of(directory: Path) -> dict[str, Any]:
    return orjson.loads((directory / "dataset/stats.json").read_bytes())


def test_the_figures_of_the_page_are_those_of_stats_json(
    here: Here, drawn: Callable[..., str], tmp_path: Path
) -> None:
    assert here("generate", *REHEARSAL, "samples=8", "tasks=3", "run.dir=runs/a")[0] == 0
    page, stats = Page(drawn("a")), stats_of(tmp_path / "runs/a")
    counts = stats["counts"]
    steps = page.tables["From samples to rows"]
    assert steps[1] == ["samples", "240"]
    assert steps[-1][-1] == f"{stats['rows']:,}"
    left = 240
    for _, dropped, remaining in steps[2:]:
        left -= int(dropped)
        assert int(remaining) == left
    histogram = [int(row[1]) for row in page.tables["Agreement"][1:]]
    assert histogram == [counts["votes"]["histogram"].get(str(tenth), 0) for tenth in range(10)]
    votes = page.tables["Accuracy against votes"]
    assert votes[1] == ["1", *[f"{counts['truth']['equal'] / counts['truth']['samples']:.1%}"] * 2]
    assert votes[-1][:2] == ["8", f"{counts['truth']['majority_equal'] / counts['truth']['records']:.1%}"]
    for samples in ("2", "4"):
        found = counts["truth"]["draws"][samples]
        shares = [f"{found[name] / found['draws']:.1%}" for name in ("majority", "solved")]
        assert [samples, *shares] in votes
    assert [int(row[1]) for row in page.tables["Samples per task"][1:]] == [80, 80, 80]
    lengths = page.tables["Length of samples"]
    cut_off = sum(int(row[2].replace(",", "")) for row in lengths[1:])
    assert cut_off == counts["finish"].get("length", 0)
    assert sum(int(row[1]) for row in lengths[1:]) == counts["finish"]["stop"]
    assert page.tables["Samples over time"][-1][1] == "240"
    assert len(page.tables["Busy and idle per task"]) == 4
    assert f"{stats['rows']:,}" in page.words


def test_a_run_of_dialogues_shows_tokens_and_no_answers(
    here: Here, drawn: Callable[..., str], tmp_path: Path
) -> None:
    variants = ("variants.longest=true", "variants.mix=0.4")
    assert here("generate", *REHEARSAL, "task=dialogues", *variants, "run.dir=runs/talk")[0] == 0
    page, stats = Page(drawn("talk")), stats_of(tmp_path / "runs/talk")
    parts = [*stats["styles"].items(), *stats["variants"].items()]
    assert page.tables["Tokens by style"][1:] == [
        [name, f"{part['rows']:,}", f"{part['tokens']:,}"] for name, part in parts
    ]
    steps = [row[0] for row in page.tables["From samples to rows"][2:]]
    assert steps[:3] == ["quarantined", "unfinished", "strip preamble"], "in the order in which they run"
    assert "tokens published" in page.words and "mean agreement" not in page.words
    assert page.tables.keys().isdisjoint({"Agreement", "Accuracy against votes"})


def test_a_run_of_new_problems_has_no_answers_either(here: Here, drawn: Callable[..., str]) -> None:
    assert here("generate", *REHEARSAL, "task=problems", "samples=2", "run.dir=runs/new")[0] == 0
    page = Page(drawn("new"))
    assert "rows published" in page.words and "single samples right" not in page.words
    assert page.tables.keys().isdisjoint({"Agreement", "Accuracy against votes", "Tokens by style"})


def test_the_page_needs_nothing_but_itself_and_is_the_same_each_time(
    here: Here, drawn: Callable[..., str]
) -> None:
    assert here("generate", *REHEARSAL, "samples=2", "run.dir=runs/a")[0] == 0
    html = drawn("a")
    assert drawn("a") == html
    page = Page(html)
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "base"})
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "srcdoc", "style") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "default-src 'none'" in html.replace("&#x27;", "'")
    assert not re.search(r"url\(|@import|://", html)
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    charts = html.count("<figure>")  # tables alone have a class
    assert charts == html.count('role="img"') == html.count("<details") >= 5


def test_several_runs_stand_side_by_side(here: Here, drawn: Callable[..., str], tmp_path: Path) -> None:
    assert here("generate", "-m", *REHEARSAL, "samples=1,4", "run.root=runs/s")[0] == 0
    page = Page(drawn("s"))
    kept = dict(page.tables["Samples kept"][1:])
    for directory in (tmp_path / "runs/s").iterdir():
        counts = stats_of(directory)["counts"]
        samples = counts["samples"] // counts["records"]
        assert kept[f"samples={samples}"] == f"{counts['rows'] / counts['samples']:.1%}"
    assert {
        "Accuracy",
        "Accuracy against votes",
        "Agreement",
        "Rows",
        "Speed",
        "Tokens per sample",
        "Cost of a row",
    } <= page.tables.keys()
    sections = {attributes.get("id") for name, attributes in page.elements if name == "section"}
    assert {attributes["href"] for name, attributes in page.elements if name == "a"} == {
        f"#{section}" for section in sections
    }


def hostile_runs(here: Here, tmp_path: Path) -> list[str]:
    """Two imported runs whose texts, source and names try to be markup."""
    text = HOSTILE + "\x00\x1b[31m\u202e"
    rows = [{"problem": text, "generated_solution": f"{text} \\boxed{{5}}", "source": text} for _ in range(3)]
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    names = ["<b onclick=alert(1)>&\"'", "</title><script>alert(2)<"]
    for name in names:
        (tmp_path / "runs").mkdir(exist_ok=True)
        directory = tmp_path / "runs" / name.replace("/", "\u2215")
        plain = tmp_path / "runs/plain"
        code, _, err = here(
            "reduce", "input=in.jsonl", "run.dir=runs/plain", "data.source='from:source'", "cluster.workers=1"
        )
        assert code == 0, err
        plain.rename(directory)
    return sorted(str(path) for path in (tmp_path / "runs").iterdir())


def test_hostile_texts_and_names_stay_text(here: Here, drawn: Callable[..., str], tmp_path: Path) -> None:
    html = drawn(*hostile_runs(here, tmp_path))
    page = Page(html)
    assert page.tags.isdisjoint({"script", "img"})
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert any(HOSTILE in words for words in page.words)
    assert not set("\x00\x1b\u202e") & set(html)


def test_the_page_is_in_the_run_and_takes_no_other_files_place(here: Here, tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "1")):
        assert here("generate", *REHEARSAL, "samples=1", f"seed={seed}", f"run.dir=runs/{name}")[0] == 0
        assert here("report", name)[1].startswith(f"runs/{name}/report.html: 1 run, ")
    both = ("report", "a", "b")
    assert here(*both)[1].startswith("report.html: 2 runs, ")
    assert "replaces" not in here(*both)[1]
    assert here("report", "a", "out=report.html")[1].endswith("; it replaces the page of other runs\n")
    (tmp_path / "report.html").write_text("<html>mine</html>")
    code, out, err = here(*both)
    assert (code, out) == (2, "")
    assert err == "error: out=report.html: is there, and is no page of jobs.report; give another name\n"
    assert (tmp_path / "report.html").read_text() == "<html>mine</html>"


def test_attempts_requeues_nodes_and_failures_are_on_the_page(
    here: Here, drawn: Callable[..., str], tmp_path: Path
) -> None:
    assert here("generate", *REHEARSAL, "samples=2", "tasks=2", "run.dir=runs/a")[0] == 0
    layout = Layout(tmp_path / "runs/a")
    for task, node in enumerate(("n1", "n2")):
        manifest = orjson.loads(layout.shard_manifest(1, task).read_bytes())
        earlier = {"sessions": task, "seconds": 0.0, "start_up": 0.0}
        write_json(layout.shard_manifest(1, task), manifest | {"node": node, "before": earlier})
    left = {"class": "EngineDeadError", "message": f"died {HOSTILE}", "at": "x.py:1", "node": "n2"}
    write_json(layout.trouble(1, 1), left)
    layout.logs.mkdir()
    write_json(layout.job_trouble("9"), {"class": "OSError", "message": "[Errno 28] No space", "node": "n3"})
    ledger.append(layout.ledger, {"stage": "publish", "job": "9", "array": None})
    ledger.append(layout.ledger, {"stage": "end", "reason": "3 of 60 samples are missing"})
    page = Page(drawn("a"))
    number, _, *rest = page.tables["Attempts"][1]
    assert [number, *rest] == ["1", "2", "60", "1", "1"]
    assert [(row[0], row[1], row[4]) for row in page.tables["Nodes"][1:]] == [
        ("n1", "1", "0"),
        ("n2", "1", "1"),
        ("n3", "0", "1"),
    ]
    assert [row[:4] for row in page.tables["Failures"][1:]] == [
        ["generate", "1", "engine failure", f"EngineDeadError: died {HOSTILE}"],
        ["publish", "1", "disk", "OSError: [Errno 28] No space"],
        ["chain", "1", "ended", "3 of 60 samples are missing"],
    ]


def test_an_unplanned_or_wrong_target_is_one_line(here: Here, tmp_path: Path) -> None:
    assert here("generate", *REHEARSAL, "samples=1", "run.dir=runs/a")[0] == 0
    for target, message in [
        ("out=page.txt", "error: out=page.txt: not a page; give a name that ends in .html"),
        ("out=no/page.html", "error: out=no/page.html: not a file that can be written"),
        ("rows=many", "error: rows: Value 'many' of type 'str' could not be converted to Integer"),
    ]:
        code, out, err = here("report", "a", target)
        assert (code, out) == (2, "")
        assert err.startswith(message)
        assert err.count("\n") == 1


def test_a_damaged_journal_is_left_out_and_a_damaged_part_is_one_line(here: Here, tmp_path: Path) -> None:
    assert here("generate", *REHEARSAL, "samples=1", "run.dir=runs/a")[0] == 0
    journal = tmp_path / "runs/a/generate/0001-00000.jsonl.zst"
    journal.write_bytes(journal.read_bytes()[:60] + b"\xff" * 20 + journal.read_bytes()[80:])
    code, _, err = here("report", "a")
    assert (code, err) == (0, "")
    part = tmp_path / "runs/a/reduce/of-00001/part-00000.jsonl.zst"
    part.write_bytes(part.read_bytes()[:-20])
    code, _, err = here("report", "a", "rows=50")
    assert code == 1
    assert err.startswith("failed: ")
    assert err.count("\n") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")
def test_a_browser_shows_the_page_without_a_complaint(
    here: Here, drawn: Callable[..., str], tmp_path: Path
) -> None:
    assert here("generate", *REHEARSAL, "samples=8", "tasks=3", "run.dir=real")[0] == 0
    drawn("real", *hostile_runs(here, tmp_path))
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", *quiet, "--enable-logging=stderr", "--dump-dom"]
        + [(tmp_path / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr
    assert "<title>3 runs side by side</title>" in done.stdout
    assert "<script" not in done.stdout
    assert "<img" not in done.stdout
    for title in (
        "Accuracy",
        "From samples to rows",
        "Samples over time",
        "Busy and idle per task",
        "Agreement",
    ):
        assert f"<h3>{title}</h3>" in done.stdout
    assert done.stdout.count("<svg") == done.stdout.count("</svg>") >= 10
