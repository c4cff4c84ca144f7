r"""What counting tokens costs: per row, in batches, after the byte bound, and with tiktoken on equal tokens.

    python -m tests.bench.tokens ../shared/data
    python -m tests.bench.tokens ../shared/data --tokenizer tokenizer.json --samples 20000

Solutions of `synthesise` (of both kinds), the question is which have more than 1,024 tokens. The tokenizer is
a byte-level BPE of 32,000 tokens trained on the problems and solutions of the folder, with the splitting rule
of present models, or the one given; without a folder both are of the demo's world. The ways take turns; CPU
time includes the tokenizer's threads. Prints a table and a line of JSON; `x` is CPU time against one call per
row.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omi_core.filters.length import MaxTokens
from omi_core.records import Candidate
from tests.bench.solutions import KINDS, SampleTexts, sources

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LIMIT = 1024
VOCABULARY = 32_000
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def texts_of(data: Path | None) -> list[str]:
    """Problems and solutions of both kinds: what the tokenizer is trained on."""
    found = [source for kind in KINDS for source in sources(kind, data)]
    return [f"{source.problem}\n{' '.join(source.bodies[0])}" for source in found]


def train_tokenizer(texts: Iterable[str], size: int = VOCABULARY) -> Tokenizer:
    """A byte-level BPE such as present models have, trained here since none is at hand."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def as_tiktoken(tokenizer: Tokenizer) -> Any:
    """The same tokens in tiktoken: a byte-level BPE's vocabulary is bytes spelt as letters."""
    import tiktoken

    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [byte for byte in range(256) if byte not in plain]
    byte_of = {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(other)}
    ranks = {bytes(byte_of[c] for c in token): number for token, number in tokenizer.get_vocab().items()}
    return tiktoken.Encoding("bench", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})


def drawn(kind: str, data: Path | None, samples: int) -> list[Candidate]:
    """`samples` solutions, 64 of a problem."""
    rng, rows = random.Random(0), []
    known = sources(kind, data)
    for number in range(-(-samples // 64)):
        source = known[number % len(known)]
        texts = SampleTexts(kind, source, str(number))
        for index in range(64):
            text, finish = texts.draw(rng)
            rows.append(
                Candidate(source.problem, text, None, source.answer, kind, finish, str(number), index, 1)
            )
    return rows[:samples]


def timed(ways: dict[str, Callable[[], int]], repeat: int) -> dict[str, dict[str, Any]]:
    """CPU and wall seconds of each way, the medians of turns; and how many solutions it found too long."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, int] = {}
    for _ in range(repeat):
        for name, way in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            found[name] = way()
            spent[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: {
            "cpu": statistics.median(cpu for cpu, _ in turns),
            "seconds": statistics.median(wall for _, wall in turns),
            "too_long": found[name],
        }
        for name, turns in spent.items()
    }


def measure(rows: list[Candidate], path: Path, trained: bool, repeat: int) -> dict[str, dict[str, Any]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    product = MaxTokens(str(path), LIMIT)
    texts = [row.solution for row in rows]

    def per_row() -> int:
        return sum(len(tokenizer.encode(text).ids) > LIMIT for text in texts)

    def batched() -> int:
        batches = (texts[at : at + 1000] for at in range(0, len(texts), 1000))
        return sum(len(one.ids) > LIMIT for batch in batches for one in tokenizer.encode_batch_fast(batch))

    def bounded() -> int:
        return product.apply(rows).count(None)

    ways: dict[str, Callable[[], int]] = {
        "encode, per row": per_row,
        "encode_batch_fast": batched,
        "byte bound, then batches": bounded,
    }
    if trained:
        other = as_tiktoken(tokenizer)

        def tiktoken_rows() -> int:
            return sum(len(other.encode_ordinary(text)) > LIMIT for text in texts)

        def tiktoken_bounded() -> int:
            long = (text for text in texts if len(text.encode("utf-8", "replace")) > LIMIT)
            return sum(len(other.encode_ordinary(text)) > LIMIT for text in long)

        ways |= {"tiktoken, per row": tiktoken_rows, "byte bound, then tiktoken": tiktoken_bounded}
    return timed(ways, repeat)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", help="folder with real problems")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json; without: one trained here")
    parser.add_argument("--samples", type=int, default=10_000, help="solutions of each kind")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    data = options.data if options.data and options.data.is_dir() else None
    if data is None:
        print(f"no folder {options.data}: problems and solutions are those of the demo's world")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        path = options.tokenizer or Path(place) / "tokenizer.json"
        if options.tokenizer is None:
            train_tokenizer(texts_of(data)).save(str(path))
        for kind in KINDS:
            rows = drawn(kind, data, options.samples)
            size = sum(len(row.solution.encode()) for row in rows)
            over = sum(len(row.solution.encode()) > LIMIT for row in rows) / len(rows)
            found = measure(rows, path, options.tokenizer is None, options.repeat)
            plain = found["encode, per row"]["cpu"]
            print(
                f"\n{kind}: {len(rows)} solutions, {size / len(rows):.0f} bytes each, "
                f"{over:.0%} over {LIMIT} bytes\n"
            )
            print(f"{'':28}{'µs / row':>10}{'MB / CPU s':>12}{'x':>8}{'wall s':>9}{'too long':>10}")
            for name, way in found.items():
                way["x"] = plain / way["cpu"]
                print(
                    f"{name:28}{1e6 * way['cpu'] / len(rows):10.1f}{size / way['cpu'] / 1e6:12.1f}"
                    f"{way['x']:8.1f}{way['seconds']:9.2f}{way['too_long']:10}"
                )
            results[kind] = {"bytes": size, "over_bytes": over, **found}
    print(json.dumps({"options": {"samples": options.samples}, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
