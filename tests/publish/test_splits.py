"""Splits and the chat form as they lie in a published directory; the rule of the draw is in test_fair."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from omi_core.publish import CardInfo, publish, read_stats, verify
from omi_core.publish.publish_options import Publish
from tests.conftest import SmallDisk
from tests.published import published_file

WriteParts = Callable[..., list[Path]]
Rows = list[dict[str, Any]]
SPLITS = {"small": 7, "large": 30, "train_1M": 1_000_000}


def rows(problems: int, **more: Any) -> Rows:
    """Problem p has 1 + p % 5 solutions."""
    return [
        {
            "problem": f"What is {p} + 1?",
            "generated_solution": f"Solution {s}: it is \\boxed{{{p + 1}}}.",
            "expected_answer": str(p + 1),
            "problem_source": "sums",
        }
        | more
        for p in range(problems)
        for s in range(1 + p % 5)
    ]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def parquet(root: Path, split: str) -> Rows:
    return [
        row for path in sorted((root / "data").glob(f"{split}-*")) for row in pq.read_table(path).to_pylist()
    ]


def jsonl(root: Path, split: str) -> Rows:
    data = b"".join(
        zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        for path in sorted((root / "jsonl").glob(f"{split}-*"))
    )
    return [orjson.loads(line) for line in data.splitlines()]


def chat(row: dict[str, Any], answer: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": row["problem"]},
        {"role": "assistant", "content": row["generated_solution"]},
    ]
    return {
        "messages": messages,
        answer: row["expected_answer"],
        "problem_source": row["problem_source"],
    }


@pytest.fixture
def dataset(tmp_path: Path, card: CardInfo, write_parts: WriteParts) -> Path:
    """20 problems with 60 solutions, in three parts, with three splits and the chat form."""
    data = rows(20, votes=3, teacher=None)
    parts = write_parts(tmp_path / "r", [data[:11], data[11:12], data[12:] + data[:2]])
    publish(
        parts,
        tmp_path / "ds",
        card=card,
        config={},
        options=Publish(rows_per_file=8, splits=SPLITS, chat="expected_answer"),
    )
    return tmp_path / "ds"


def test_a_split_is_rows_of_train_in_their_order_and_fair(dataset: Path) -> None:
    train = parquet(dataset, "train")
    assert train == rows(20, votes=3, teacher=None)
    for name, size in SPLITS.items():
        split = parquet(dataset, name)
        assert split == jsonl(dataset, name) == [row for row in train if row in split]
        assert len(split) == min(size, 60)
    assert set(Counter(row["problem"] for row in parquet(dataset, "small")).values()) == {1}
    large = Counter(row["problem"] for row in parquet(dataset, "large"))
    # A first solution of all 20 problems, and a second of 10 of the 16 that have one.
    assert (len(large), Counter(large.values())) == (20, {1: 10, 2: 10})
    verify(dataset)


def test_the_chat_form_holds_the_same_rows(dataset: Path) -> None:
    for name in ("train", *SPLITS):
        expected = [chat(row, "expected_answer") for row in parquet(dataset, name)]
        assert parquet(dataset / "chat", name) == jsonl(dataset / "chat", name) == expected


def test_statistics_say_what_each_split_is(dataset: Path) -> None:
    stats = read_stats(dataset)
    assert stats is not None
    about = {name: {k: v for k, v in split.items() if k not in ("files", "content_hash")}
             for name, split in stats["splits"].items()}  # fmt: skip
    assert about == {
        "train": {"rows": 60},
        "small": {"rows": 7, "size": 7, "seed": 42, "problems": 7, "full_rounds": 0},
        "large": {"rows": 30, "size": 30, "seed": 42, "problems": 20, "full_rounds": 1},
        "train_1M": {"rows": 60, "size": 1_000_000, "seed": 42, "problems": 20, "full_rounds": 5},
    }
    assert stats["splits"]["train_1M"]["content_hash"] == stats["content_hash"]
    assert {name: split["rows"] for name, split in stats["chat"]["splits"].items()} == {
        name: split["rows"] for name, split in stats["splits"].items()
    }
    listed = {f"chat/{file}" for split in stats["chat"]["splits"].values() for file in split["files"]}
    listed |= {file for split in stats["splits"].values() for file in split["files"]}
    assert set(contents(dataset)) == {*listed, "README.md", "stats.json", "config.json"}


def test_the_card_names_every_split_and_what_is_in_it(dataset: Path) -> None:
    _, header, body = (dataset / "README.md").read_text().split("---\n", 2)
    configs = {config["config_name"]: config["data_files"] for config in yaml.safe_load(header)["configs"]}
    stats = read_stats(dataset)
    assert stats is not None
    for config, folder, form in (("default", "data", stats), ("chat", "chat/data", stats["chat"])):
        assert {file["split"]: file["path"] for file in configs[config]} == {
            name: f"{folder}/{name}-*-{form['splits'][name]['content_hash'][:16]}.parquet"
            for name in ("train", *SPLITS)
        }
    assert "| `train` | 60 | everything |" in body
    assert "| `small` | 7 | one solution of 7 problems |" in body
    assert "| `large` | 30 | 20 problems, with at least 1 of the solutions of each, or all it has |" in body
    assert "| `train_1M` | 60 | everything: 1,000,000 were asked for |" in body


def test_a_name_that_yaml_would_read_as_something_else_stays_a_name(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    parts = write_parts(tmp_path / "r", [rows(5)])
    publish(
        parts, tmp_path / "ds", card=card, config={}, options=Publish(splits={"no": 1, "100": 2, "1e3": 3})
    )
    header = (tmp_path / "ds/README.md").read_text().split("---\n", 2)[1]
    (config,) = yaml.safe_load(header)["configs"]
    assert [file["split"] for file in config["data_files"]] == ["train", "no", "100", "1e3"]


def test_the_seed_draws_the_splits_and_nothing_else(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    parts = write_parts(tmp_path / "r", [rows(20)])
    for seed in (42, 43):
        publish(
            parts, tmp_path / f"{seed}", card=card, config={}, options=Publish(splits={"small": 7}, seed=seed)
        )
    one, other = contents(tmp_path / "42"), contents(tmp_path / "43")
    assert parquet(tmp_path / "42", "small") != parquet(tmp_path / "43", "small")
    assert {name for name in one if one[name] != other.get(name)} == {
        "README.md", "stats.json", *(name for name in one if "/small-" in name)
    }  # fmt: skip


TEXT = st.text(max_size=8) | st.text(alphabet='",:\\expctd_answrprblm{}[]\n\r\x00é', max_size=30)
ROW = st.fixed_dictionaries(
    {
        "problem": st.sampled_from(["p", 'q","generated_solution":"']) | TEXT,
        "generated_solution": TEXT,
        "expected_answer": TEXT,
        "problem_source": TEXT,
    },
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    data=[dict.fromkeys(("problem", "generated_solution", "expected_answer", "problem_source"), ",")],
    cuts=[],
    size=1,
    provenance=True,
)
@given(
    data=st.lists(ROW, min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 12)),
    size=st.integers(1, 14),
    provenance=st.booleans(),
)
def test_any_rows_in_any_parts_make_the_same_splits_and_messages(
    data: Rows,
    cuts: list[int],
    size: int,
    provenance: bool,
    card: CardInfo,
    write_parts: WriteParts,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tmp_path = tmp_path_factory.mktemp("split")
    data = [row | {"teacher": '","problem_source":"'} if provenance else row for row in data]
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    spread = [data[a:b] for a, b in zip(edges, edges[1:], strict=False) if a < b]
    for name, parts in (("whole", [data]), ("spread", spread)):
        paths = write_parts(tmp_path / f"parts-{name}", parts)
        publish(
            paths,
            tmp_path / name,
            card=card,
            config={},
            options=Publish(rows_per_file=5, splits={"s": size}, chat="answer"),
        )
    assert contents(tmp_path / "whole") == contents(tmp_path / "spread")
    verify(tmp_path / "whole")
    for split in ("train", "s"):
        expected = [chat(row, "answer") for row in parquet(tmp_path / "whole", split)]
        assert parquet(tmp_path / "whole/chat", split) == expected


def edit_stats(root: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    stats = orjson.loads((root / "stats.json").read_bytes())
    edit(stats)
    (root / "stats.json").write_bytes(orjson.dumps(stats))


def swap(root: Path, one: str, other: str) -> None:
    for folder in (root / "data", root / "jsonl"):
        shutil.copy(published_file(folder, one), published_file(folder, other))


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "rows of another split": (lambda d: swap(d, "train", "large"), "'large' are not those"),
    "a split that lost its file": (lambda d: published_file(d / "data", "small").unlink(), "is missing"),
    "chat of another split": (
        lambda d: swap(d / "chat", "large", "train"),
        "chat/data: the rows of split 'tr",
    ),
    "a chat file missing": (lambda d: published_file(d / "chat/jsonl", number=7).unlink(), "is missing"),
    "a split that is too small": (
        lambda d: edit_stats(d, lambda s: s["splits"]["large"].update(size=31)),
        "split 'large' has 30 rows, not 31 of the 60 there are",
    ),
    "a chat split with too few rows": (
        lambda d: edit_stats(d, lambda s: s["chat"]["splits"].update(large=s["chat"]["splits"]["small"])),
        r"large-00000-\w+\.parquet: is not listed",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_verify_finds(dataset: Path, fault: str) -> None:
    edit, message = FAULTS[fault]
    edit(dataset)
    with pytest.raises(ValueError, match=message):
        verify(dataset)


def test_a_disk_that_fills_up_while_splits_are_written_leaves_the_old_dataset(
    tmp_path: Path, small_disk: SmallDisk, card: CardInfo, write_parts: WriteParts
) -> None:
    disk = small_disk("1100k")  # takes `train`, but not its splits
    out = disk / "ds"
    publish(write_parts(tmp_path / "old", [rows(3)]), out, card=card, config={})
    before = contents(out)
    noise = [row | {"generated_solution": os.urandom(60).hex()} for row in rows(900)]
    parts = write_parts(tmp_path / "new", [noise])
    said: dict[str, Any] = {"card": card, "config": {}}
    with pytest.raises(OSError, match="No space left"):
        publish(parts, out, **said, options=Publish(rows_per_file=400, chat="answer", splits={"large": 2500}))
    assert contents(out) == before
    assert [path.name for path in disk.iterdir()] == ["ds"]

    publish(
        parts, out, **said, options=Publish(rows_per_file=400, chat="answer")
    )  # without the split there is room
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    publish(parts, out, **said, options=Publish(rows_per_file=400, chat="answer", splits={"large": 2500}))
    verify(out)
