"""Wrong ground truths: how many `answers.expected=repair` finds, and how many right ones it takes for wrong.

    python -m tests.bench.repair                              # both embedded teachers, on a CPU
    python -m tests.bench.repair --spoiled 0.3 --size 1000 samples=32

Takes the options of `python -m jobs.generate`. A share of the answers of the embedded world is replaced by
another number of the same kind; each teacher then solves the problems. Prints a table and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from omi_core import open_run
from omi_core.answers import Grader, Verdict
from omi_core.tasks.solution_texts import wrong_answer
from omi_core.teachers.tiny import world

DEFAULTS = [
    "samples=16",
    "data=file",
    "data.answer=answer",
    "answers.expected=repair",
    "publish.pass_rate=true",
]


def write(path: Path, size: int, share: float) -> dict[str, tuple[str, bool]]:
    """Problems with answers, some of them spoiled. PROBLEM -> its right answer, and whether it is spoiled."""
    draw, known = Random(0), {}
    with path.open("w", encoding="utf-8") as file:
        for one in world.draw(0, size, "test"):
            spoiled = draw.random() < share
            answer = wrong_answer(draw, one.answer) if spoiled else one.answer
            known[one.text] = (one.answer, spoiled)
            file.write(json.dumps({"problem": one.text, "answer": answer}) + "\n")
    return known


def measure(
    teacher: str, words: list[str], known: dict[str, tuple[str, bool]], place: Path
) -> dict[str, Any]:
    """What a teacher makes of the problems in place/problems.jsonl."""
    directory = place / teacher
    command = [sys.executable, "-m", "jobs.generate", *DEFAULTS, *words, f"teacher={teacher}"]
    command += [f"data.path={place / 'problems.jsonl'}", f"run.dir={directory}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    run, spoiled = open_run(directory), sum(wrong for _, wrong in known.values())
    assert run.stats is not None
    rows = {row["problem"]: row for row in run.rows()}
    repaired = {text: row for text, row in rows.items() if row["ground_truth"] == "repaired"}
    with Grader() as grader:
        right = {
            text for text, row in repaired.items()
            if grader.compare(row["expected_answer"], known[text][0]) is Verdict.EQUAL
        }  # fmt: skip
    found, good = [text for text in repaired if known[text][1]], len(known) - spoiled
    kept_wrong = sum(row["ground_truth"] == "kept" and known[text][1] for text, row in rows.items())
    return {
        "teacher": teacher,
        "spoiled": spoiled,
        "made right": sum(text in right for text in found) / spoiled,
        "made wrong": sum(text not in right for text in found) / spoiled,
        "kept": kept_wrong / spoiled,
        "set aside": run.stats["counts"]["repair"].get("set_aside", 0),
        "good ones replaced": sum(not known[text][1] for text in repaired) / good,
        "of these by their like": sum(not known[text][1] and text in right for text in repaired),
        "right answers before": good / len(known),
        "right answers after": (sum(not known[t][1] for t in rows if t not in repaired) + len(right))
        / len(rows),
        "problems left": len(rows) / len(known),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--spoiled", type=float, default=0.1, help="share of answers that are replaced")
    parser.add_argument("--size", type=int, default=400, help="problems")
    parser.add_argument("--teachers", nargs="*", default=["tiny", "tiny_weak"])
    parser.add_argument("words", nargs="*", help="options of jobs.generate")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        known = write(Path(place) / "problems.jsonl", asked.size, asked.spoiled)
        rows = [measure(teacher, asked.words, known, Path(place)) for teacher in asked.teachers]
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:<24}", *(f"{v:>12.1%}" if isinstance(v, float) else f"{v:>12}" for v in values))
    print(json.dumps({"teachers": rows}))


if __name__ == "__main__":
    main()
