"""How fast journals are written, counted and read, and in how much memory.

    python -m tests.bench.journals                                  # 1e6 keys in 100 journals
    python -m tests.bench.journals --keys 14000000 --journals 1000  # the size of the largest published set
    python -m tests.bench.journals --dir /dev/shm                   # without the cost of fsync

Each measurement runs in a process of its own, so that its peak memory is its own. Prints a table and a line
of JSON; `x floor` is CPU time per key against one plain zstd stream of JSON lines, written or read by the
shortest program that does it, in the same run. Every journal lacks its last keys and repeats some of its
neighbour's, as after a resume.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from omi_core.records import Sample
from omi_core.store.index import index_path
from omi_core.store.journal import JournalWriter, read_samples
from omi_core.store.keys import missing_ranges, settled, split_ranges

SAMPLES = 32
WORDS = "first we add the two numbers then divide by their sum so that answer is therefore".split()


def text_of(rng: np.random.Generator, length: int) -> str:
    """A text of about `length` bytes that compresses about as well as a solution does."""
    words = [WORDS[n] if n < len(WORDS) else str(n * 7919) for n in rng.integers(0, 40, length // 5)]
    return " ".join(words)


def journals_in(place: Path) -> list[Path]:
    return sorted(place.glob("*.jsonl.zst"))


def write(place: Path, keys: int, journals: int, length: int) -> dict[str, Any]:
    """Write the journals; each share overlaps the next by one in a hundred keys."""
    rng = np.random.default_rng(0)
    texts = [text_of(rng, length) for _ in range(997)]
    records, raw, written = -(-keys // SAMPLES), 0, 0
    shares = split_ranges(np.array([[0, keys]]), journals)
    for number, share in enumerate(shares):
        start, stop = int(share[0, 0]), min(int(share[0, 1]) + (keys // journals) // 100, records * SAMPLES)
        # Samples finish out of order, by as much as an engine has in flight.
        order = np.argsort(np.arange(start, stop) + rng.integers(0, 256, stop - start)) + start
        with JournalWriter(place / f"{number:05d}.jsonl.zst") as writer:
            for key in order[: -max(1, len(order) // 500)].tolist():
                text = texts[key % 997]
                raw += len(text)
                written += 1
                writer.add(Sample(key // SAMPLES, f"{key:032x}", key % SAMPLES, text, "stop", 90, 300, 1.5))
    return {"keys": written, "bytes": raw}


def write_floor(place: Path, keys: int, length: int) -> dict[str, Any]:
    """One zstd stream of the same lines: no frames, no index, no fsync, no check for duplicates."""
    rng = np.random.default_rng(0)
    texts = [text_of(rng, length) for _ in range(997)]
    with zstandard.open(place / "floor.zst", "wb", zstandard.ZstdCompressor(level=3)) as out:
        for key in range(keys):
            sample = Sample(
                key // SAMPLES, f"{key:032x}", key % SAMPLES, texts[key % 997], "stop", 90, 300, 1.5
            )
            out.write(orjson.dumps(sample.to_json(), option=orjson.OPT_APPEND_NEWLINE))
    return {"keys": keys}


def read_floor(place: Path) -> dict[str, Any]:
    """The stream decoded to samples, in the order of the file."""
    with zstandard.open(place / "floor.zst", "rb") as lines:
        keys = sum(
            Sample.from_json(orjson.loads(line)).index >= 0 for line in io.BufferedReader(lines, 1 << 20)
        )
    return {"keys": keys}


def count(place: Path, keys: int, verify: bool) -> dict[str, Any]:
    found = settled(journals_in(place), -(-keys // SAMPLES), SAMPLES, verify)
    missing = missing_ranges(found.done)
    shares = split_ranges(missing, 64)
    assert not found.damage and sum(int((share[:, 1] - share[:, 0]).sum()) for share in shares) > 0
    return {"keys": int(found.done.sum())}


def count_without_index(place: Path, keys: int, share: float) -> dict[str, Any]:
    """Count with the index of `share` of the journals gone, then put them back."""
    indexes = [
        index_path(journal) for journal in journals_in(place)[: max(1, int(len(journals_in(place)) * share))]
    ]
    for path in indexes:
        path.rename(path.with_suffix(".away"))
    result = count(place, keys, verify=False)
    for path in indexes:
        path.with_suffix(".away").rename(path)
    return result


def read(place: Path, first: int, last: int) -> dict[str, Any]:
    keys = raw = 0
    for record in read_samples(journals_in(place), first, last):
        keys += len(record)
        raw += sum(len(sample.text) for sample in record)
    return {"keys": keys, "bytes": raw}


def _report(pipe: Connection, work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    result |= {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    pipe.send({**result, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def measured(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """`work(*arguments)` in a fresh process, with its peak resident memory in MB."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    result = ours.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--journals", type=int, default=100)
    parser.add_argument("--length", type=int, default=300, help="bytes of text per sample")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the journals")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-journals-"))
    records = -(-options.keys // SAMPLES)
    try:
        results = {
            "write": measured(write, place, options.keys, options.journals, options.length),
            "count": measured(count, place, options.keys, False),
            "count, 5% of indexes lost": measured(count_without_index, place, options.keys, 0.05),
            "count, all bytes verified": measured(count, place, options.keys, True),
            "read 1/64 of the records": measured(read, place, records // 2, records // 2 + records // 64),
            "read all": measured(read, place, 0, records),
        }
        size = sum(path.stat().st_size for path in place.iterdir()) / 1e6
        floor = min(options.keys, 1_000_000)
        results["write, plain zstd"] = measured(write_floor, place, floor, options.length)
        results["read, plain zstd"] = measured(read_floor, place)
    finally:
        shutil.rmtree(place)
    for name, result in results.items():
        plain = results.get(f"{name.split()[0]}, plain zstd")
        if plain is not None:
            result["x_floor"] = result["cpu"] / result["keys"] / (plain["cpu"] / plain["keys"])
    print(f"{options.keys} keys in {options.journals} journals, {size:.0f} MB on disk with indexes\n")
    print(f"{'':28}{'wall s':>9}{'CPU s':>9}{'keys / CPU s':>14}{'x floor':>9}{'peak MB':>9}")
    for name, result in results.items():
        ratio = f"{result['x_floor']:.2f}" if "x_floor" in result else ""
        print(
            f"{name:28}{result['seconds']:9.2f}{result['cpu']:9.2f}{result['keys'] / result['cpu']:14.0f}"
            f"{ratio:>9}{result['peak_mb']:9.0f}"
        )
    print(json.dumps({"options": {"keys": options.keys, "journals": options.journals}, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
