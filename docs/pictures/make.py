"""Makes the screenshots of the pages anew, light and dark: python -m docs.pictures.make

It rehearses a run and a search for test questions in a scratch directory, opens the pages that `jobs.report`
and `jobs.explore` make of them in Chromium, and saves screenshots beside this file. The diagrams (*.svg) are
drawn by hand.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from PIL import Image

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


def main() -> None:
    with TemporaryDirectory() as scratch:
        cwd = Path(scratch)
        browser = Browser(cwd / "profile")
        browser.call("Emulation.setScrollbarsHidden", hidden=True)
        try:
            for name, page, height in (("report", report(cwd), 1068), ("explorer", explorer(cwd), 640)):
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
