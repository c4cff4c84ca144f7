"""Appends the samples of a small plan to a journal until it is complete; the crash test kills it.

    python tests/store/append_forever.py JOURNAL KEYS

Prints "opening" first and "flushed N" when key N and all before it are durable, each line by one write.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from omi_core.records import Sample
from omi_core.store.journal import JournalWriter


def sample(key: int) -> Sample:
    """The sample of flattened key `key`, three per record; some kilobytes that hardly compress."""
    text = f"{key}:" + random.Random(key).randbytes(3000).hex()
    return Sample(key // 3, f"{key // 3:032x}", key % 3, text, "stop", 1, len(text), 0.25)


def main(journal: Path, keys: int) -> None:
    print("opening\n", end="", flush=True)
    with JournalWriter(journal, flush_samples=10**9) as writer:
        start = len(writer.keys)
        rng = random.Random(start)
        for key in range(start, keys):
            writer.add(sample(key))
            if rng.random() < 0.2:
                writer.flush()
                print(f"flushed {key}\n", end="", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
