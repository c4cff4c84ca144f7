"""The published directory: its rows, its bytes, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omi_core.publish import CardInfo, NothingToPublish, PartError, publish, read_stats, shards, verify
from omi_core.publish.publish_options import Publish
from omi_core.publish.rows import PUBLISHED, clean_text
from tests.published import published_file

WriteParts = Callable[..., list[Path]]
Rows = list[dict[str, Any]]


def rows(count: int, **more: Any) -> Rows:
    return [
        {
            "problem": f"What is {i // 4} + 1?",
            "generated_solution": f"Sample {i}: it is \\boxed{{{i // 4 + 1}}}.",
            "expected_answer": str(i // 4 + 1),
            "problem_source": "sums",
        }
        | more
        for i in range(count)
    ]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def in_any_order(data: Rows) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in data)


def jsonl(root: Path, split: str = "train") -> Rows:
    lines: Rows = []
    for path in sorted((root / "jsonl").glob(f"{split}-*")):
        data = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        lines += [orjson.loads(line) for line in data.splitlines()]
    return lines


def test_both_formats_hold_the_rows_in_order(tmp_path: Path, card: CardInfo, write_parts: WriteParts) -> None:
    data = rows(10, votes=3, agreement=0.75, teacher=None)
    out = tmp_path / "ds"
    stats = publish(
        write_parts(tmp_path / "r", [data[:4], data[4:]]),
        out,
        card=card,
        config={},
        options=Publish(rows_per_file=4),
    )
    assert jsonl(out) == pq.read_table(out / "data").to_pylist() == data
    assert stats == read_stats(out)
    assert (stats["rows"], stats["duplicates_dropped"], stats["fingerprint"]) == (10, 0, "f1")
    tag = stats["content_hash"][:16]
    sizes = {
        f"{folder}/train-0000{number}-{tag}.{ending}": count
        for folder, ending in (("data", "parquet"), ("jsonl", "jsonl.zst"))
        for number, count in enumerate((4, 4, 2))
    }
    assert stats["splits"]["train"]["files"] == sizes
    assert set(contents(out)) == {*sizes, "README.md", "stats.json", "config.json"}
    verify(out)


def test_the_content_hash_is_that_of_the_json_lines(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    stats = publish(
        write_parts(tmp_path / "r", [rows(9)]),
        tmp_path / "ds",
        card=card,
        config={},
        options=Publish(rows_per_file=4),
    )
    files = sorted((tmp_path / "ds/jsonl").iterdir())
    lines = b"".join(zstandard.ZstdDecompressor().decompressobj().decompress(f.read_bytes()) for f in files)
    assert len(files) == 3 and hashlib.sha256(lines).hexdigest() == stats["content_hash"]


def test_exact_duplicates_go_and_the_first_stays(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    data = rows(6)
    again = [data[4] | {"expected_answer": "other"}, data[0] | {"problem": "Other problem"}, data[0]]
    stats = publish(write_parts(tmp_path / "r", [data, again]), tmp_path / "ds", card=card, config={})
    assert stats["duplicates_dropped"] == 2
    assert jsonl(tmp_path / "ds") == [*data, again[1]]
    verify(tmp_path / "ds")


TEXT = st.text(max_size=8) | st.text(st.characters(categories=["Cs", "Cc", "Zs", "Lo"]), max_size=8)
ROW = st.fixed_dictionaries(
    dict.fromkeys(PUBLISHED, TEXT)
    | {
        "votes": st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
        "agreement": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "teacher": st.none() | TEXT,
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(ROW, min_size=1, max_size=12), cuts=st.lists(st.integers(0, 12)), per_file=st.integers(1, 5)
)
def test_any_rows_in_any_parts_make_the_same_bytes(
    data: Rows, cuts: list[int], per_file: int, card: CardInfo, write_parts: WriteParts, tmp_path_factory: Any
) -> None:
    tmp_path = tmp_path_factory.mktemp("split")
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    spread = [data[a:b] for a, b in zip(edges, edges[1:], strict=False) if a < b]
    with mock.patch.object(shards, "ROWS_PER_GROUP", 2), mock.patch.object(shards, "BYTES_PER_GROUP", 300):
        for name, parts in (("whole", [data]), ("spread", spread)):
            paths = write_parts(tmp_path / f"parts-{name}", parts)
            publish(
                paths, tmp_path / name, card=card, config={"seed": 1}, options=Publish(rows_per_file=per_file)
            )
    assert contents(tmp_path / "whole") == contents(tmp_path / "spread")
    verify(tmp_path / "whole")
    first = {(clean_text(r["problem"]), clean_text(r["generated_solution"])): r for r in reversed(data)}
    kept = [{k: clean_text(v) if isinstance(v, str) else v for k, v in r.items()} for r in first.values()]
    published = pq.read_table(tmp_path / "whole" / "data").to_pylist()
    assert in_any_order(published) == in_any_order(kept) == in_any_order(jsonl(tmp_path / "whole"))


def test_the_order_of_rows_changes_the_hash(tmp_path: Path, card: CardInfo, write_parts: WriteParts) -> None:
    data = rows(3)
    hashes = {
        publish(write_parts(tmp_path / name, [part]), tmp_path / f"ds-{name}", card=card, config={})[
            "content_hash"
        ]
        for name, part in (("a", data), ("b", data[::-1]), ("c", data[:2]))
    }
    assert len(hashes) == 3


def test_counts_of_the_parts_add_up_unless_the_caller_gives_others(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    paths = write_parts(tmp_path / "r", [rows(1), rows(2), rows(3)], samples=5)
    assert publish(paths, tmp_path / "ds", card=card, config={})["counts"] == {"samples": 15}
    given = {"records": 3, "accuracy": 0.5}
    assert publish(paths, tmp_path / "ds", card=card, config={}, counts=given)["counts"] == given


def test_a_dataset_without_rows_is_refused_with_the_reason(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    out = tmp_path / "ds"
    publish(write_parts(tmp_path / "r", [rows(2)]), out, card=card, config={})
    before = contents(out)
    empty = write_parts(tmp_path / "r", [[], []])
    counts = {
        "filters": {"no_boxed": {"dropped": 3}, "unfinished": {"dropped": 1200}, "min_chars": {"dropped": 0}}
    }
    with pytest.raises(NothingToPublish, match="dropped: unfinished 1,200, no_boxed 3;"):
        publish(empty, out, card=card, config={}, counts=counts)
    with pytest.raises(NothingToPublish, match="no row is left"):
        publish([], out, card=card, config={})
    assert contents(out) == before


def test_a_failure_leaves_the_old_dataset_and_no_scraps(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    out = tmp_path / "ds"
    publish(write_parts(tmp_path / "r", [rows(4)]), out, card=card, config={})
    before = contents(out)
    good, bad = write_parts(tmp_path / "r", [rows(8), rows(8)])
    bad.write_bytes(bad.read_bytes()[:-9])
    with pytest.raises(PartError, match="part-00001"):
        publish([good, bad], out, card=card, config={})
    other = write_parts(tmp_path / "other", [rows(3)], fingerprint="f2")
    with pytest.raises(PartError, match="fingerprint"):
        publish([good, *other], out, card=card, config={})
    wider = write_parts(tmp_path / "wider", [rows(3, votes=1)])
    with pytest.raises(PartError, match="columns"):
        publish([good, *wider], out, card=card, config={})
    assert contents(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ds", "other", "r", "wider"]


@pytest.mark.parametrize("what", ["a file", "a directory of something else"])
def test_what_is_not_a_dataset_is_not_replaced(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts, what: str
) -> None:
    out = tmp_path / "ds"
    if what == "a file":
        out.write_text("thesis")
    else:
        out.mkdir()
        (out / "thesis.tex").write_text("thesis")
    with pytest.raises(ValueError, match="move it away"):
        publish(write_parts(tmp_path / "r", [rows(1)]), out, card=card, config={})
    assert "thesis" in (out if out.is_file() else out / "thesis.tex").read_text()


def edit_parquet(root: Path) -> None:
    path = published_file(root / "data")
    table = pq.read_table(path)
    pq.write_table(table.take([1, 0, *range(2, table.num_rows)]), path)


def edit_jsonl(root: Path, edit: Callable[[bytes], bytes]) -> None:
    path = published_file(root / "jsonl", number=1)
    data = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    path.write_bytes(zstandard.compress(edit(data)))


def edit_stats(root: Path, **changes: Any) -> None:
    path = root / "stats.json"
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | changes))


PARQUET, JSONL = r"data/train-00001-\w+\.parquet", r"jsonl/train-00001-\w+\.jsonl\.zst"
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "rows swapped in parquet": (edit_parquet, "data: the rows"),
    "text changed in jsonl": (lambda d: edit_jsonl(d, lambda b: b.replace(b"s", b"z", 1)), "jsonl: the rows"),
    "a line more in jsonl": (lambda d: edit_jsonl(d, lambda b: b + b), f"{JSONL}: holds"),
    "a torn line in jsonl": (lambda d: edit_jsonl(d, lambda b: b[:-7]), f"{JSONL}: holds"),
    "not zstd": (lambda d: published_file(d / "jsonl", number=1).write_bytes(b"rows"), f"{JSONL}: damaged"),
    "a torn parquet": (
        lambda d: published_file(d / "data", number=1).write_bytes(b"PAR1"),
        f"{PARQUET}: damaged",
    ),
    "a file missing": (lambda d: published_file(d / "data", number=1).unlink(), f"{PARQUET}: is missing"),
    "a file too many": (lambda d: (d / "jsonl/train-9").touch(), "train-9: is not listed"),
    "another hash in stats": (lambda d: edit_stats(d, content_hash="0"), "rows or content_hash"),
    "another count in stats": (lambda d: edit_stats(d, rows=11), "rows or content_hash"),
    "stats not JSON": (lambda d: (d / "stats.json").write_text("{"), "not valid JSON"),
    "no stats": (lambda d: (d / "stats.json").unlink(), "not a dataset"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_verify_finds(tmp_path: Path, card: CardInfo, write_parts: WriteParts, fault: str) -> None:
    out = tmp_path / "ds"
    publish(
        write_parts(tmp_path / "r", [rows(10)]), out, card=card, config={}, options=Publish(rows_per_file=4)
    )
    edit, message = FAULTS[fault]
    edit(out)
    with pytest.raises(ValueError, match=message):
        verify(out)


def test_the_card_tells_people_and_machines_the_same(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    counts = {"filters": {"max_tokens": {"dropped": 12345, "rewritten": 0}}}
    hostile = replace(card, name='a "b"\n# c: [d] | e', teacher="x`y|z", rehearsal=True)
    publish(write_parts(tmp_path / "r", [rows(5)]), tmp_path / "ds", card=hostile, config={}, counts=counts)
    text = (tmp_path / "ds/README.md").read_text()
    _, header, body = text.split("---\n", 2)
    meta = yaml.safe_load(header)
    assert meta["pretty_name"] == 'a "b" # c: [d] | e'
    (info,) = meta["dataset_info"]
    assert [f["name"] for f in info["features"]] == list(PUBLISHED)
    assert "rehearsal" in meta["tags"] and "license" not in meta
    assert body.index("REHEARSAL") < body.index("rows of math instruction data")
    assert "| `max_tokens` | `limit=1024` | 12,345 | 0 |" in body and "| accuracy | 0.75 |" in body
    assert "| teacher | `x'y\\|z` |" in body and "Licence" in body


def test_a_dataset_of_a_model_carries_no_rehearsal_mark(
    tmp_path: Path, card: CardInfo, write_parts: WriteParts
) -> None:
    publish(write_parts(tmp_path / "r", [rows(5)]), tmp_path / "ds", card=card, config={})
    assert "rehears" not in (tmp_path / "ds/README.md").read_text().lower()
    assert read_stats(tmp_path / "ds")["rehearsal"] is False  # type: ignore[index]
