"""What the page of problems beside test questions costs: to make, and to use in a browser.

    python -m tests.bench.explore                       # 600,000 problems, 20,000 of them on the page
    python -m tests.bench.explore --problems 50000

Every problem has five nearest questions out of 7,000. Making is measured in a process of its own, against
reading the lines twice and doing nothing with them. The times in the browser are medians; without a chromium
they are left out. Prints a table and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from omi_core.explore import join, render_explorer
from tests.bench.journals import measured, text_of
from tests.browser import CHROMIUM, Browser

QUESTIONS = 7_000
ACTIONS = {
    "draw the list anew": "refresh()",
    "search for a word": "state.query = 'divide'; refresh()",
    "search for a rare one": "state.query = '777'; refresh()",
    "choose a test set": "state.query = ''; state.set = 1; refresh()",
    "go to the next problem": "state.set = null; go(state.at + 1)",
    "compare texts of 1,000 words": "compare(...['a b c d ', 'd c b a '].map((s) => wordsOf(s.repeat(250))))",
}


def synthesise(place: Path, problems: int) -> dict[str, Any]:
    """Write nearest.jsonl, with texts of some 250 bytes."""
    rng = np.random.default_rng(0)
    texts = [text_of(rng, 250) for _ in range(QUESTIONS)]
    near = rng.integers(0, QUESTIONS, (problems, 5)).tolist()
    scores = np.sort(rng.random((problems, 5)).round(4))[:, ::-1].tolist()
    with (place / "nearest.jsonl").open("wb") as file:
        for number, (chosen, cosines) in enumerate(zip(near, scores, strict=True)):
            found = [
                {
                    "test_set": f"set{question % 5}",
                    "test_index": question,
                    "test_text": texts[question],
                    "method": "embedding",
                    "score": cosine,
                }
                for question, cosine in zip(chosen, cosines, strict=True)
            ]
            text = f"{number} {texts[number % QUESTIONS]}"
            row = {"where": f"problems.jsonl:{number + 1}", "problem": text, "nearest": found}
            file.write(orjson.dumps(row) + b"\n")
        return {"bytes": file.tell()}


def read_twice(place: Path) -> dict[str, Any]:
    for _ in range(2):
        with (place / "nearest.jsonl").open("rb") as file:
            for line in file:
                orjson.loads(line)
    return {}


def make(place: Path, limit: int) -> dict[str, Any]:
    found = join([], [place / "nearest.jsonl"], limit)
    return {"bytes": (place / "page.html").write_bytes(render_explorer(found, "bench").encode())}


def use(place: Path) -> dict[str, float]:
    """Milliseconds of each action; of opening, all until the page is drawn."""
    browser = Browser(place / "profile")
    try:
        begin = time.monotonic()
        browser.open(place / "page.html")
        found = {"open the page": (time.monotonic() - begin) * 1000}
        for name, action in ACTIONS.items():
            each = (
                f"(() => {{ const begin = performance.now(); {action}; return performance.now() - begin }})()"
            )
            found[name] = sorted(browser.evaluate(each) for _ in range(9))[4]
        return found
    finally:
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=600_000)
    parser.add_argument("--limit", type=int, default=20_000, help="problems on the page")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the files")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-explore-"))
    try:
        size = measured(synthesise, place, options.problems)["bytes"]
        plain, made = measured(read_twice, place), measured(make, place, options.limit)
        used = use(place) if CHROMIUM else {}
    finally:
        shutil.rmtree(place)
    print(f"{options.problems:,} problems, {size / 1e6:,.0f} MB, to a page of {made['bytes'] / 1e6:.1f} MB:")
    times = f"{made['cpu']:.1f} s of CPU time, {made['cpu'] / plain['cpu']:.1f} times reading the lines twice"
    print(f"  {times}, peak memory {made['peak_mb']:.0f} MB\n")
    print("in the browser:" if used else "no chromium here: nothing measured in a browser")
    for name, milliseconds in used.items():
        print(f"  {name:30}{milliseconds:8.1f} ms")
    options_used = {"problems": options.problems, "limit": options.limit}
    print(json.dumps({"options": options_used, "results": {"read": plain, "make": made, "use": used}}))


if __name__ == "__main__":
    sys.exit(main())
