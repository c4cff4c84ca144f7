"""What publishing costs beside its floors, and how much of it further splits and the chat form add.

    python -m tests.bench.publish                                    # 1e6 rows, 24 for each problem
    python -m tests.bench.publish --rows 14000000 --only splits      # the size of OpenMathInstruct-2
    python -m tests.bench.publish --per-problem 1                    # every row a problem of its own

Each measurement runs in a process of its own, so that its peak memory is its own. The splits hold a 14th, two
14ths and five 14ths of the rows, as `train_1M`, `train_2M` and `train_5M` of OpenMathInstruct-2 do.

The floors are what cannot be saved, measured on the files just published, all splits and forms of them, in
one thread and without a flush to disk: `decode` reads every .jsonl.zst line by line and decodes each line by
orjson; `jsonl` compresses the same bytes again to a file, zstd level 3; `parquet` writes the tables of every
.parquet again with the same options, so to the same bytes. What a floor reads to write it is not counted.

Prints a table and a line of JSON. `x floors` is CPU time against the sum of the three in CPU time, `wall x`
the same in elapsed time; `x train` is CPU time against publishing `train` alone in the same run, `x rows` the
rows written against its rows.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from omi_core.publish import CardInfo, PartWriter, part_path, publish, read_part
from omi_core.publish.publish_options import Publish
from omi_core.publish.rows import SOLUTIONS
from tests.bench.journals import WORDS, measured

PART = 250_000
PROVENANCE = ("record_id", "sample", "votes", "voters", "agreement", "solution_tokens", "teacher")
SPLITS = {"train_1M": 1, "train_2M": 2, "train_5M": 5}  # 14ths of the rows
CASES: dict[str, tuple[bool, str | None]] = {  # with the splits, and the answer of the chat form
    "train": (False, None),
    "splits": (True, None),
    "chat": (False, "answer"),
    "all": (True, "answer"),
}
LATEX = ["\n\n", "\n", "\\[", "\\]", "\\frac{3}{4}", "\\boxed{12}", "\\cdot", "$x^2$", '"so"', "\\sqrt{2}"]
FLOORS = ("decode", "jsonl", "parquet")


LINE = (
    b'{"problem":"Problem %d: %b","generated_solution":"%d %d %b","expected_answer":"%d"'
    b',"problem_source":"bench","record_id":"%032x","sample":%d,"votes":%d,"voters":%d,"agreement":1.0,"solution_tokens":%d'
    b',"teacher":"bench"}\n'
)


def synthesise(place: Path, rows: int, per_problem: int, length: int) -> dict[str, Any]:
    """Write the parts; a solution is about `length` bytes, and every twentieth row is one that was there.

    The lines are put together from words that JSON has escaped before, which costs a third of encoding rows.
    """
    rng = np.random.default_rng(0)
    known = [orjson.dumps(word)[1:-1] for word in (*WORDS, *LATEX)]
    known += [b"%d" % (n * 7919) for n in range(200 - len(known))]
    words = [known[n] for n in rng.integers(0, 200, 1 << 22)]
    text = b" ".join(words)  # longer than zstd's window, so that it finds no solution in another
    starts = np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()
    long, short = length * len(words) // len(text), 200 * len(words) // len(text)
    for number, begin in enumerate(range(0, rows, PART)):
        with PartWriter(place, number, fingerprint="bench", provenance=PROVENANCE) as part:
            for row in range(begin, min(begin + PART, rows)):
                problem, sample = divmod(row, per_problem)
                again = sample - (sample % 20 == 19)
                asked = problem % 10_000
                said = (problem * 1_919_123 + again * 24_729) % (len(words) - long)
                part.append(
                    LINE
                    % (
                        *(problem, text[starts[asked] : starts[asked + short]]),
                        *(problem, again, text[starts[said] : starts[said + long]]),
                        *(problem, problem, sample, per_problem, per_problem, length // 4),
                    )
                )
            part.finish()
    line = next(read_part(part_path(place, 0)))
    assert tuple(line) == SOLUTIONS.columns(PROVENANCE)
    return {"parts": -(-rows // PART)}


class _Stopwatch:
    """Adds up CPU and elapsed seconds of the blocks it is held over, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began, cpu = time.perf_counter(), time.process_time()
        yield
        for key, spent in (
            (f"{name}_cpu", time.process_time() - cpu),
            (f"{name}_wall", time.perf_counter() - began),
        ):
            self.seconds[key] = self.seconds.get(key, 0.0) + spent


def run(place: Path, parts: int, splits: dict[str, int], chat: str | None) -> dict[str, Any]:
    """Publish, and count the rows written over all splits and forms."""
    card = CardInfo("bench", task="solutions", teacher="bench", prompt="none", source="bench", samples=1)
    paths = [part_path(place, number) for number in range(parts)]
    stats = publish(paths, place / "dataset", card=card, config={}, options=Publish(splits=splits, chat=chat))
    written = sum(split["rows"] for split in stats["splits"].values()) * (1 if chat is None else 2)
    size = sum(path.stat().st_size for path in (place / "dataset").rglob("*") if path.is_file())
    return {"rows": written, "bytes": size}


def floors(dataset: Path) -> dict[str, Any]:
    """CPU and elapsed seconds of each floor over all files of a dataset."""
    watch = _Stopwatch()
    scratch = dataset.with_name("floor")
    rows = 0
    for path in sorted(dataset.rglob("*.jsonl.zst")):
        with watch("decode"), zstandard.open(path, "rb") as lines:
            rows += sum(orjson.loads(line) is not None for line in io.BufferedReader(lines, 1 << 20))
        _compress_again(path, scratch, watch)
    for path in sorted(dataset.rglob("*.parquet")):
        _write_again(path, scratch, watch)
    scratch.unlink()
    return {"rows": rows, **watch.seconds}


def _compress_again(path: Path, scratch: Path, watch: _Stopwatch) -> None:
    with zstandard.open(path, "rb") as lines, open(scratch, "wb") as file:
        with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as out:
            while block := lines.read(8 << 20):
                with watch("jsonl"):
                    out.write(block)


def _write_again(path: Path, scratch: Path, watch: _Stopwatch) -> None:
    import pyarrow.parquet as pq

    from omi_core.publish.shards import ROWS_PER_GROUP, parquet_writer

    source = pq.ParquetFile(path)
    writer = parquet_writer(scratch, source.schema_arrow)
    for group in range(source.num_row_groups):
        table = source.read_row_group(group, use_threads=False)
        with watch("parquet"):
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
    writer.close()
    if scratch.stat().st_size != path.stat().st_size:
        raise AssertionError(f"{path.name}: the floor does not write the same file")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--per-problem", type=int, default=24)
    parser.add_argument("--length", type=int, default=1000, help="bytes of a solution")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="what to publish")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) parts and datasets")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-publish-"))
    sizes = {name: options.rows * share // 14 for name, share in SPLITS.items()}
    results: dict[str, dict[str, Any]] = {}
    try:
        parts = measured(synthesise, place, options.rows, options.per_problem, options.length)["parts"]
        for name in options.only:
            splits, chat = CASES[name]
            results[name] = measured(run, place, parts, sizes if splits else {}, chat)
            results[name]["floors"] = measured(floors, place / "dataset")
            shutil.rmtree(place / "dataset")
    finally:
        shutil.rmtree(place)
    print(f"{options.rows} rows, {options.per_problem} for each problem\n")
    report(results)
    said = {"rows": options.rows, "per_problem": options.per_problem, "length": options.length}
    print(json.dumps({"options": said, "results": results}))


def report(results: dict[str, dict[str, Any]]) -> None:
    """Adds the ratios to `results`, and prints them as a table; floors are CPU seconds."""
    names = "".join(f"{name:>9}" for name in FLOORS)
    print(f"{'':10}{'rows':>10}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{names}", end="")
    print(f"{'x floors':>10}{'wall x':>8}{'x rows':>8}{'x train':>9}")
    for name, result in results.items():
        floor = result["floors"]
        result["x_floors"] = result["cpu"] / sum(floor[f"{each}_cpu"] for each in FLOORS)
        result["wall_x_floors"] = result["seconds"] / sum(floor[f"{each}_wall"] for each in FLOORS)
        line = f"{name:10}{result['rows']:10}{result['seconds']:9.2f}{result['cpu']:9.2f}"
        line += f"{result['peak_mb']:9.0f}"
        line += "".join(f"{floor[f'{each}_cpu']:9.2f}" for each in FLOORS)
        line += f"{result['x_floors']:10.2f}{result['wall_x_floors']:8.2f}"
        if "train" in results:
            result["x_rows"] = result["rows"] / results["train"]["rows"]
            result["x_train"] = result["cpu"] / results["train"]["cpu"]
            line += f"{result['x_rows']:8.2f}{result['x_train']:9.2f}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
