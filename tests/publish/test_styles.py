"""Dialogues as they lie in a published directory: a folder for each style, and the variants."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard

from omi_core.publish import CardInfo, PartError, PartWriter, Styles, publish, read_stats, verify
from omi_core.publish.publish_options import Publish
from omi_core.tasks.dialogues import DIALOGUES
from tests.published import published_file

Rows = list[dict[str, Any]]
STYLES = ("debate", "interview", "two_students")
SAID = {"debate": 40, "interview": 60, "two_students": 60}  # tokens, of each the chunk's number more
CARD = CardInfo(
    name="talk", task="dialogues", teacher="tiny", prompt="mind", source="web", samples=1, filters={}
)


def row(chunk: int, style: str, tokens: int, text: str | None = None) -> dict[str, Any]:
    return {
        "text": text or f"{style} on {chunk}",
        "style": style,
        "document_id": f"d{chunk // 3}",
        "chunk_id": f"d{chunk // 3}:{chunk % 3}",
        "tokens": tokens,
    }


def conversations(chunks: int) -> Rows:
    """Of every chunk a conversation in each style, but of every fourth none, and of every fifth no debate."""
    return [
        row(chunk, style, SAID[style] + chunk)
        for chunk in range(chunks)
        for style in STYLES
        if chunk % 4 and not (style == "debate" and chunk % 5 == 0)
    ]


def raw(chunks: int) -> Iterator[dict[str, Any]]:
    return (row(chunk, "raw", 50 + chunk) for chunk in range(chunks))


def write(directory: Path, parts: list[Rows]) -> list[Path]:
    directory.mkdir(parents=True)
    paths = []
    for number, rows in enumerate(parts):
        with PartWriter(directory, number, fingerprint="f", schema=DIALOGUES) as part:
            for one in rows:
                part.write(one)
            paths.append(part.finish({"rows": len(rows)}).path)
    return paths


def published(place: Path, parts: list[Rows], wanted: Styles, rows_per_file: int = 8) -> Path:
    paths = write(place / "reduce", parts)
    publish(
        paths, place / "ds", card=CARD, config={}, options=Publish(rows_per_file=rows_per_file), styles=wanted
    )
    return place / "ds"


def everything(mix: float = 0.3, chunks: int = 20) -> Styles:
    return Styles(STYLES, longest=True, mix=mix, raw=lambda: raw(chunks))


def parquet(folder: Path) -> Rows:
    return [line for path in sorted((folder / "data").iterdir()) for line in pq.read_table(path).to_pylist()]


def jsonl(folder: Path) -> bytes:
    unpack = zstandard.ZstdDecompressor().decompressobj
    return b"".join(unpack().decompress(path.read_bytes()) for path in sorted((folder / "jsonl").iterdir()))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """20 chunks, in three parts, of which the last repeats rows of the first."""
    rows = conversations(20)
    return published(tmp_path, [rows[:7], rows[7:], rows[:2]], everything())


def test_each_style_is_a_folder_with_its_rows_in_order(dataset: Path) -> None:
    for style in STYLES:
        expected = [one for one in conversations(20) if one["style"] == style]
        assert parquet(dataset / style) == expected
        assert [orjson.loads(line) for line in jsonl(dataset / style).splitlines()] == expected
    assert not (dataset / "data").exists() and not (dataset / "jsonl").exists(), "there is no flat copy"
    verify(dataset)


def test_longest_has_one_conversation_of_each_chunk_and_the_first_of_equal_ones(dataset: Path) -> None:
    chunks = [chunk for chunk in range(20) if chunk % 4]
    assert parquet(dataset / "longest") == [row(chunk, "interview", 60 + chunk) for chunk in chunks]


def test_mix_has_raw_chunks_among_the_conversations_at_the_share_asked_for(dataset: Path) -> None:
    mix = parquet(dataset / "mix")
    known = {one["text"]: one for one in [*conversations(20), *raw(20)]}
    assert all(known[one["text"]] == one for one in mix)
    assert len({one["text"] for one in mix}) == len(mix), "no text is taken twice"
    order = [int(one["document_id"][1:]) * 3 + int(one["chunk_id"].partition(":")[2]) for one in mix]
    assert order == sorted(order), "what belongs to a chunk stands together"
    stats = read_stats(dataset)
    assert stats is not None
    share = sum(one["tokens"] for one in mix if one["style"] == "raw") / sum(one["tokens"] for one in mix)
    assert stats["variants"]["mix"]["raw_share"] == round(share, 6)
    assert abs(share - 0.3) < 80 / sum(one["tokens"] for one in mix), "off by less than one text"


def test_statistics_count_rows_and_tokens_of_every_style_and_variant(dataset: Path) -> None:
    stats = read_stats(dataset)
    assert stats is not None
    rows = conversations(20)
    assert (stats["rows"], stats["duplicates_dropped"]) == (len(rows), 2)
    assert stats["tokens"] == sum(one["tokens"] for one in rows)
    lines = b""
    for style in STYLES:
        own = [one for one in rows if one["style"] == style]
        figures = stats["styles"][style]
        assert (figures["rows"], figures["tokens"]) == (len(own), sum(one["tokens"] for one in own))
        assert figures["content_hash"] == hashlib.sha256(jsonl(dataset / style)).hexdigest()
        lines += f"{figures['content_hash']}  {style}\n".encode()
    assert stats["content_hash"] == hashlib.sha256(lines).hexdigest()
    longest, mix = stats["variants"]["longest"], stats["variants"]["mix"]
    assert longest["styles"] == {"interview": {"rows": 15, "tokens": sum(60 + c for c in range(20) if c % 4)}}
    assert sum(figures["rows"] for figures in mix["styles"].values()) == mix["rows"]
    assert {"raw", *STYLES} == set(mix["styles"])
    for name, variant in stats["variants"].items():
        assert variant["content_hash"] == hashlib.sha256(jsonl(dataset / name)).hexdigest()


def test_the_card_has_a_configuration_for_each_and_the_tokens(dataset: Path) -> None:
    text = (dataset / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---")[1])
    configs = {config["config_name"]: config["data_files"][0]["path"] for config in header["configs"]}
    stats = read_stats(dataset)
    assert stats is not None
    files = {
        name: f"{name}/data/train-*-{figures['content_hash'][:16]}.parquet"
        for name, figures in (stats["styles"] | stats["variants"]).items()
    }
    assert configs == {"default": [files[style] for style in STYLES], **files}
    tokens = sum(one["tokens"] for one in conversations(20))
    assert f"conversations of {tokens:,} tokens in all" in text
    assert "| of every chunk the longest conversation over the styles |" in text
    assert re.search(r"\| conversations and raw text, which has (29|30)\.\d% of the tokens \|", text)


def test_equal_rows_make_equal_bytes_however_they_are_spread(tmp_path: Path, dataset: Path) -> None:
    rows = conversations(20)
    again = published(tmp_path / "again", [rows[:1], [], rows[1:30], rows[30:] + rows[:2]], everything())

    def contents(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    first, second = contents(dataset), contents(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_style_without_rows_has_no_folder_and_no_configuration(tmp_path: Path) -> None:
    rows = [one for one in conversations(8) if one["style"] != "debate"]
    dataset = published(tmp_path, [rows], Styles(STYLES))
    stats = read_stats(dataset)
    assert stats is not None
    assert stats["styles"]["debate"] == {
        "rows": 0, "tokens": 0, "files": {}, "content_hash": hashlib.sha256().hexdigest()
    }  # fmt: skip
    assert sorted(path.name for path in dataset.iterdir() if path.is_dir()) == ["interview", "two_students"]
    assert "config_name: debate" not in (dataset / "README.md").read_text().replace('"', "")
    verify(dataset)


@pytest.mark.parametrize(
    ("rows", "wanted", "message"),
    [
        ([row(1, "sermon", 9)], Styles(STYLES), "holds the style 'sermon', which its run does not have"),
        ([row(99, "debate", 9)], everything(), "holds the chunk 'd33:0', which its run does not have there"),
        ([row(5, "debate", 9), row(2, "debate", 9)], everything(), "holds the chunk 'd0:2', which its run"),
    ],
    ids=["style", "chunk", "order"],
)
def test_rows_that_are_not_of_the_run_are_refused_and_leave_nothing(
    tmp_path: Path, rows: Rows, wanted: Styles, message: str
) -> None:
    with pytest.raises(PartError, match=message):
        published(tmp_path, [rows], wanted)
    assert [path.name for path in tmp_path.iterdir()] == ["reduce"]


def with_tokens(root: Path) -> None:
    """Another number of tokens in a row of the parquet and the jsonl, and the hash made to fit."""
    folder, stats = root / "debate", orjson.loads((root / "stats.json").read_bytes())
    path = published_file(folder / "jsonl")
    data = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    data = data.replace(b'"tokens":41', b'"tokens":42', 1)
    path.write_bytes(zstandard.ZstdCompressor().compress(data))
    table = pq.read_table(published_file(folder / "data"))
    tokens = table.column("tokens").to_pylist()
    tokens[tokens.index(41)] = 42
    table = table.set_column(table.schema.get_field_index("tokens"), table.schema.field("tokens"), [tokens])
    pq.write_table(table, published_file(folder / "data"))
    stats["styles"]["debate"]["content_hash"] = hashlib.sha256(jsonl(folder)).hexdigest()
    (root / "stats.json").write_bytes(orjson.dumps(stats))


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        stats = orjson.loads((root / "stats.json").read_bytes())
        change(stats)
        (root / "stats.json").write_bytes(orjson.dumps(stats))

    return damage


DAMAGE: list[tuple[Callable[[Path], Any], str]] = [
    (lambda root: published_file(root / "debate/data").unlink(), "\\.parquet: is missing"),
    (lambda root: shutil.rmtree(root / "mix"), "mix/.*: is missing"),
    (
        lambda root: shutil.copy(
            published_file(root / "longest/jsonl"), published_file(root / "debate/jsonl")
        ),
        "debate/jsonl",
    ),
    (with_tokens, "debate: its styles or their tokens are not those"),
    (edited(lambda stats: stats.update(tokens=1)), "its tokens are not the sum of those of its styles"),
    (edited(lambda stats: stats.update(rows=1)), "its rows are not the sum of those of its styles"),
    (edited(lambda stats: stats.update(content_hash="0")), "content_hash is not that of its styles"),
    (edited(lambda stats: stats["variants"]["mix"].update(raw_share=0.5)), "raw_share of 'mix' is not"),
    (edited(lambda stats: stats["variants"]["longest"].update(tokens=5)), "the tokens of 'longest' are not"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE, ids=[message for _, message in DAMAGE])
def test_verify_finds_what_is_wrong(tmp_path: Path, damage: Callable[[Path], Any], message: str) -> None:
    # One file each: what is damaged is then the whole folder.
    dataset = published(tmp_path, [conversations(20)], everything(), rows_per_file=1000)
    verify(dataset)
    damage(dataset)
    with pytest.raises(ValueError, match=message):
        verify(dataset)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_load_dataset_opens_every_configuration(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import Value, load_dataset

    def load(*name: str) -> Any:
        return load_dataset(str(dataset), *name, split="train", cache_dir=str(tmp_path / "cache"))

    features: dict[str, Any] = dict.fromkeys(("text", "style", "document_id", "chunk_id"), Value("string"))
    features["tokens"] = Value("int64")
    for name in (*STYLES, "longest", "mix"):
        loaded = load(name)
        assert loaded.features == features
        assert list(loaded) == parquet(dataset / name)
    both = load()
    assert both.features == features
    assert list(both) == [one for style in STYLES for one in parquet(dataset / style)]
