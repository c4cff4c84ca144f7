"""The task dialogues from documents to dataset: records, samples by style, counts, and equal bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omi_core.config import Generate, load_generate, load_reduce
from omi_core.inputs import Skipped
from omi_core.options import ConfigError
from omi_core.publish.parts import part_path, read_part
from omi_core.publish.verify import verify
from omi_core.records import Record
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate, plan_reduce
from omi_core.stages.run import Run
from omi_core.stages.stopping import Stop
from omi_core.store.plan import Records
from omi_core.tasks.dialogues import TASK
from tests.published import published_file

PARAGRAPH = "The sum of {n} and $x_{{{n}}}$ is what we look for. It is not less than {n}, as you will see. "
MIXED = {"variants": {"longest": True, "mix": 0.3}}


def text(number: int, paragraphs: int) -> str:
    return "\n\n".join(PARAGRAPH.format(n=100 * number + at) * 3 for at in range(paragraphs))


DOCUMENTS = [
    {"text": text(1, 1), "url": "http://one", "name": "first", "metadata": '{"site": "a"}'},
    {"text": text(2, 12), "url": "http://two", "name": "second", "metadata": '{"site": "b"}'},
    {"text": text(1, 1), "url": "http://one/again", "name": "third", "metadata": '{"site": "a"}'},
    {"text": "  \n", "url": "http://none", "name": "empty", "metadata": "{}"},
    {"text": text(3, 5), "url": "http://three", "name": None, "metadata": '{"site": "c"}'},
]


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """Documents as OpenWebMath has them, in two row groups; and a column that nobody asks for."""
    table = pa.Table.from_pylist([row | {"waste": "x" * 1000} for row in DOCUMENTS])
    pq.write_table(table, tmp_path / "web.parquet", row_group_size=3)
    return tmp_path / "web.parquet"


def config(directory: Path, data: dict[str, Any] | None = None, **values: Any) -> Generate:
    base: dict[str, Any] = {
        "run": {"dir": str(directory), "flush_samples": 16},
        "task": {"name": "dialogues"},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": data or {"size": 40, "split": "test"},
        "style": ["all"],
        "samples": 1,
        "cluster": {"workers": 1},
    }
    return load_generate(base | values)


def carry_out(directory: Path, data: dict[str, Any] | None = None, **values: Any) -> Run[Generate]:
    run = plan_generate(config(directory, data, **values))
    run_locally(run, Stop())
    return run


def contents(run: Run[Any]) -> dict[str, bytes]:
    root = run.layout.dataset
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def stats_of(run: Run[Any]) -> dict[str, Any]:
    return orjson.loads((run.layout.dataset / "stats.json").read_bytes())


# --- records


def records(
    path: Path, skipped: Skipped | None = None, limit: int | None = None, **documents: Any
) -> list[Record]:
    data = {"origin": "file", "path": str(path), "limit": limit}
    made = config(Path("unused"), data, documents={"max_tokens": 300, **documents})
    return list(TASK.records(made, skipped or Skipped()))


def test_a_record_is_a_chunk_of_a_document_and_knows_which(web: Path) -> None:
    skipped = Skipped()
    found = records(web, skipped, source="url", id="url")
    assert [record.ordinal for record in found] == list(range(len(found)))
    chunks = Counter(record.extra["document"] for record in found)
    assert list(chunks) == ["http://one", "http://two", "http://one/again", "http://three"]
    assert chunks["http://two"] > 1
    for document, count in chunks.items():
        own = [record for record in found if record.extra["document"] == document]
        assert [record.extra["chunk"] for record in own] == list(range(count))
        assert {record.source for record in own} == {document}
        whole = next(row["text"] for row in DOCUMENTS if row["url"] == document)
        assert " ".join(" ".join(record.text for record in own).split()) == " ".join(whole.split())
    assert all(0 < record.extra["tokens"] <= 300 for record in found)
    assert skipped.counts == {"empty_document": 1}


def test_equal_documents_are_one(web: Path) -> None:
    skipped = Skipped()
    found = records(web, skipped)
    assert len({record.extra["document"] for record in found}) == 3
    assert skipped.counts == {"duplicate_document": 1, "empty_document": 1}
    assert len({record.id for record in found}) == len(found)


@pytest.mark.parametrize(
    ("options", "expected", "left_out"),
    [
        ({"source": "metadata.site"}, ["a", "b", "c"], {"duplicate_document": 1, "empty_document": 1}),
        (
            {"id": "name", "source": "name"},
            ["first", "second", "third"],
            {"empty_document": 1, "no_document_id": 1},
        ),
        ({"text": "url", "source": "url"}, [row["url"] for row in DOCUMENTS], {}),
    ],
    ids=["inside JSON", "of its own name", "another text"],
)
def test_documents_options_say_where_text_id_and_source_are(
    web: Path, options: dict[str, Any], expected: list[str], left_out: dict[str, int]
) -> None:
    skipped = Skipped()
    found = records(web, skipped, **options)
    assert list(dict.fromkeys(record.source for record in found)) == expected
    assert skipped.counts == left_out


def test_the_stats_say_what_was_cut_of_chunks(tmp_path: Path) -> None:
    long = "A word and " * 400 + "x" * 5000
    (tmp_path / "in.jsonl").write_bytes(orjson.dumps({"text": long}) + b"\n")
    run = carry_out(
        tmp_path / "run",
        {"origin": "file", "path": str(tmp_path / "in.jsonl")},
        documents={"max_tokens": 100},
    )
    counts = stats_of(run)["counts"]["chunks"]
    assert counts["cut_sentences"] == 1 and counts["cut_words"] > 0


def test_data_limit_counts_chunks_and_smaller_chunks_are_more(web: Path) -> None:
    assert [record.id for record in records(web, limit=4)] == [record.id for record in records(web)][:4]
    assert len(records(web, max_tokens=100)) > len(records(web, max_tokens=400))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"text": "body"},
            r"documents.text=body: .*web.parquet:1 has no such column; it has text, url, name",
        ),
        ({"id": "names"}, r"documents.id=names: .* has no such column \(did you mean name\?\)"),
        ({"source": "metadata.page"}, r"documents.source=metadata.page: .* has no such column"),
        ({"tokenizer": "nowhere.json"}, r"documents.tokenizer=nowhere.json: no such file"),
    ],
    ids=["text", "id", "source", "tokenizer"],
)
def test_a_column_or_tokenizer_that_is_not_there_is_the_users_mistake(
    web: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        records(web, **options)


def test_only_the_columns_that_are_asked_for_are_read(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str] | None] = []
    read = pq.ParquetFile.iter_batches

    def iter_batches(self: Any, *args: Any, columns: list[str] | None = None, **more: Any) -> Any:
        asked.append(columns)
        return read(self, *args, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    records(web, source="metadata.site", id="url")
    records(web)
    assert asked == [["text", "url", "metadata"], ["text"]]


# --- samples to rows


@pytest.mark.parametrize(("style", "count"), [(["debate"], 1), (["interview", "debate"], 2), (["all"], 7)])
def test_every_style_has_samples_of_its_own(tmp_path: Path, style: list[str], count: int) -> None:
    run = carry_out(tmp_path / "r", {"size": 10, "split": "test"}, style=style, samples=2)
    stats = stats_of(run)
    assert run.plan.samples == 2 * count
    assert len(stats["styles"]) == count
    assert style == ["all"] or list(stats["styles"]) == sorted(style)
    rows = list(read_part(part_path(run.layout.parts(1), 0)))
    known = run.config.style if style != ["all"] else None
    for row in rows:
        at = row["sample"] // 2
        assert known is None or row["style"] == known[at]
    assert {row["style"] for row in rows} == set(stats["styles"])


def test_every_sample_is_accounted_for_and_every_token_counted(tmp_path: Path) -> None:
    run = carry_out(tmp_path / "r", **MIXED)
    stats, rows = stats_of(run), list(read_part(part_path(run.layout.parts(1), 0)))
    counts = stats["counts"]
    dropped = {name: count["dropped"] for name, count in counts["filters"].items() if count["dropped"]}
    assert counts["samples"] == 280 == sum(dropped.values()) + counts["rows"]
    assert {"unfinished", "min_turns"} <= dropped.keys()
    assert counts["rows"] == len(rows) == stats["rows"] + stats["duplicates_dropped"]
    for style, figures in counts["styles"].items():
        own = [row for row in rows if row["style"] == style]
        assert figures == {"rows": len(own), "tokens": sum(row["tokens"] for row in own)}
    chunks = {
        f"{record.extra['document']}:{record.extra['chunk']}": record
        for record in Records(run.layout.records).slice(0, run.plan.records)
    }
    assert all(row["document_id"] == chunks[row["chunk_id"]].extra["document"] for row in rows)
    mix = pq.read_table(published_file(run.layout.dataset / "mix/data")).to_pylist()
    raw = [row for row in mix if row["style"] == "raw"]
    assert raw and all(row["text"] == chunks[row["chunk_id"]].text for row in raw)
    assert all(row["tokens"] == chunks[row["chunk_id"]].extra["tokens"] for row in raw)
    assert {(row["sample"], row["teacher"]) for row in raw} == {(None, None)}
    verify(run.layout.dataset)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(carry_out(tmp_path_factory.mktemp("runs") / "undisturbed", **MIXED))


@pytest.mark.parametrize(
    "transient",
    [{"tasks": 3, "reduce_tasks": 7}, {"reduce_tasks": 40}, {"engine": {"max_num_seqs": 3}}],
    ids=str,
)
def test_the_dataset_is_the_same_bytes_however_the_work_is_split(
    tmp_path: Path, undisturbed: dict[str, bytes], transient: dict[str, Any]
) -> None:
    assert contents(carry_out(tmp_path / "r", **MIXED, **transient)) == undisturbed


def test_columns_of_provenance_can_be_left_away(tmp_path: Path) -> None:
    run = carry_out(tmp_path / "r", publish={"provenance": False}, **MIXED)
    assert stats_of(run)["columns"] == ["text", "style", "document_id", "chunk_id", "tokens"]
    verify(run.layout.dataset)


# --- the same samples again


def again(directory: Path, source: Path, **values: Any) -> Run[Any]:
    base = {"input": str(source), "run": {"dir": str(directory)}, "cluster": {"workers": 1}}
    run = plan_reduce(load_reduce(base | values))
    run_locally(run, Stop())
    return run


def test_reduced_again_it_is_what_the_options_would_have_given_at_once(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    plain = carry_out(tmp_path / "plain", conversations={"min_turns": None, "min_speakers": None})
    assert contents(plain) != undisturbed
    second = again(tmp_path / "second", tmp_path / "plain", **MIXED)
    assert contents(second) == undisturbed


Change = dict[str, Any]
OTHERS: list[tuple[Change, str]] = [
    ({"filters": {"min_chars": 5}}, "filters.min_chars: not read by task=dialogues"),
    ({"answers": {"min_agreement": 0.5}}, "answers.min_agreement: not read by task=dialogues"),
    ({"problems": {"max_words": 5}}, "problems.max_words: not read by task=dialogues"),
    ({"publish": {"chat": "answer"}}, "publish.chat: only of solutions; not read by task=dialogues"),
]


@pytest.mark.parametrize(("change", "message"), OTHERS, ids=[message for _, message in OTHERS])
def test_options_of_other_tasks_are_refused(tmp_path: Path, change: Change, message: str) -> None:
    carry_out(tmp_path / "r", {"size": 3, "split": "test"}, style=["debate"])
    with pytest.raises(ConfigError, match=message):
        again(tmp_path / "s", tmp_path / "r", **change)


@pytest.mark.parametrize("name", ["all", "default", "longest", "mix", "raw"])
def test_a_style_of_ones_own_cannot_have_a_name_that_a_dataset_needs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"dialogues: {{user: '{{{{style}}}}: {{{{text}}}}', styles: {{{name}: a talk}}}}\n")
    with pytest.raises(ConfigError, match=f"style {name}: not a name"):
        carry_out(tmp_path / "r", prompt={"path": str(path)})
