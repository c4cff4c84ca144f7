"""Makes the screenshots of the pages anew, light and dark: python -m docs.pictures.make

It rehearses a run and a search for test questions in a scratch directory, opens the pages that `jobs.report`
and `jobs.explore` make of them, and of solutions with mistakes, in Chromium, and saves screenshots beside
this file. The diagrams (*.svg) are drawn by hand.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from PIL import Image

from omi_core.explore.indexing import open_index, place_of
from omi_core.explore.record_page import RecordPages
from omi_core.explore.selection import Selection
from omi_core.stages.run import open_run
from omi_core.store.layout import Layout
from omi_core.teachers.tiny import world
from tests.browser import Browser

HERE = Path(__file__).resolve().parent


def command(name: str, *words: str, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", f"jobs.{name}", *words], cwd=cwd, check=True, capture_output=True)


def report(cwd: Path) -> Path:
    """The page of one run of the demo's world."""
    words = ["teacher=rehearsal", "data.size=400", "samples=32", "tasks=8", "teacher.rehearsal.latency=0.02"]
    words += ["teacher.rehearsal.wrong=0.45"]
    command("generate", *words, "run.dir=runs/solutions", cwd=cwd)
    command("report", "runs/solutions", "out=report.html", cwd=cwd)
    return cwd / "report.html"


def explorer(cwd: Path) -> Path:
    """The page of problems of which some repeat, or nearly repeat, questions of a pretended test set."""
    problems = [problem.text for problem in world.draw(seed=5, count=240)]
    questions = world.draw(seed=11, count=80)
    problems += [question.text for question in questions[:14]]
    problems += [f"Here is one more. {question.text} Show how you found it." for question in questions[14:40]]
    for name, key, texts in (
        ("problems", "problem", problems),
        ("questions", "question", [question.text for question in questions]),
    ):
        (cwd / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps({key: text}) + b"\n" for text in texts))
    command("decontaminate", "input=problems.jsonl", "test=[demo=questions.jsonl]", cwd=cwd)
    command("explore", "input=contamination.jsonl", cwd=cwd)
    return cwd / "explore.html"


def records(cwd: Path) -> Path:
    """The page that is served of a run, at records of which samples have an equation that does not hold."""
    rng = random.Random(5)
    rows = []
    for problem in world.draw(seed=5, count=60):
        for _ in range(16):
            slip, answer = rng.choice((0, 0, 0, 1)), rng.choice((problem.answer, problem.answer, "7"))
            text = re.sub(r"= (\d+)", lambda found, slip=slip: f"= {int(found[1]) + slip}", problem.solution)
            text = text.partition("\\boxed")[0] + f"\\boxed{{{answer}}}"
            rows.append({"problem": problem.text, "answer": problem.answer, "generated_solution": text})
    (cwd / "solved.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    command("reduce", "input=solved.jsonl", "data.answer=answer", "run.dir=runs/solved", cwd=cwd)
    run = open_run(Layout(cwd / "runs/solved"))
    pages = RecordPages(run, open_index(run, place_of(run, None)))
    (cwd / "records.html").write_text(pages.served(Selection(reason="wrong_arithmetic"), 2))
    return cwd / "records.html"


def main() -> None:
    with TemporaryDirectory() as scratch:
        cwd = Path(scratch)
        browser = Browser(cwd / "profile")
        browser.call("Emulation.setScrollbarsHidden", hidden=True)
        try:
            made = (report(cwd), 1068), (explorer(cwd), 640), (records(cwd), 640)
            for name, (page, height) in zip(("report", "explorer", "records"), made, strict=True):
                browser.resize(1120, height)
                for scheme in ("light", "dark"):
                    browser.media(scheme=scheme)
                    browser.open(page)
                    if name == "explorer":
                        browser.press(*"j" * 43)
                    browser.settle()
                    path = HERE / f"{name}-{scheme}.png"
                    browser.screenshot(path)
                    Image.open(path).convert("RGB").save(path, optimize=True)
                    print(f"{path}: {path.stat().st_size:,} bytes")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
