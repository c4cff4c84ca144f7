"""Models that think before they answer: what is voted on, filtered and published is the answer alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from omi_core import teachers
from omi_core.publish.verify import verify
from tests.conftest import Here

TOKENIZER = Path(teachers.__file__).parent / "tiny/strong/tokenizer.json"
OPEN, CLOSE = "<think>\n", "\n</think>\n\n"
RUN = ("data.answer=answer", "solution=[s]", "cluster.workers=1", "run.dir=run")

Rows = list[Any]

# Thinking, the answer, and whether the row is right and published.
CASES: dict[str, tuple[str, bool]] = {
    "names two boxes on its way": (
        f"{OPEN}\\boxed{{8}}? No, \\boxed{{7}}.{CLOSE}So it is \\boxed{{7}}.",
        True,
    ),
    "corrects a slip": (f"{OPEN}3 + 4 = 8. Wait, no: 3 + 4 = 7.{CLOSE}It is \\boxed{{7}}.", True),
    "was opened by the prompt": (f"three, four, so 7{CLOSE}It is \\boxed{{7}}.", True),
    "has a box before its answer, which trimming would end at": (
        f"{OPEN}\\boxed{{7}} seems right. Let me check that.{CLOSE}Three and four are \\boxed{{7}}.",
        True,
    ),
    "thinks of the right answer and gives another": (f"{OPEN}\\boxed{{7}}{CLOSE}It is \\boxed{{8}}.", False),
    "never comes to an end": (f"{OPEN}It is \\boxed{{7}}, but let me see", False),
    "ends with its thinking": (f"{OPEN}It is \\boxed{{7}}.{CLOSE}", False),
    "does not think": ("It is \\boxed{7}.", True),
}


def reduced(
    here: Here, place: Path, texts: list[str], *words: str, **columns: list[Any]
) -> list[dict[str, Any]]:
    rows = [
        {"problem": f"What is 3 + 4? ({number})", "answer": "7", "s": text}
        | {name: values[number] for name, values in columns.items()}
        for number, text in enumerate(texts)
    ]
    (place / "in.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    code, _, err = here("reduce", "input=in.jsonl", *RUN, *words)
    assert code == 0, err
    verify(place / "run/dataset")
    return [
        row
        for path in sorted((place / "run/dataset/data").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def test_the_answer_alone_decides_and_is_published(here: Here, tmp_path: Path) -> None:
    rows = reduced(here, tmp_path, [text for text, _ in CASES.values()])
    kept = {int(row["problem"].partition("(")[2][:-1]) for row in rows}
    assert {name: number in kept for number, name in enumerate(CASES)} == {
        name: right for name, (_, right) in CASES.items()
    }
    assert not any("think>" in row["generated_solution"] or "reasoning" in row for row in rows)
    counts = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())["counts"]
    assert counts["selection"]["unclosed_reasoning"] == counts["finish"]["unclosed"] == 1


def test_thinking_is_published_in_a_column_and_in_chat_messages(here: Here, tmp_path: Path) -> None:
    texts = [f"{OPEN}so 7{CLOSE}It is \\boxed{{7}}.", "Just \\boxed{7}."]
    rows = reduced(here, tmp_path, texts, "publish.reasoning=column", "publish.chat=answer")
    assert [(row["reasoning"], row["generated_solution"]) for row in rows] == [
        ("so 7", "It is \\boxed{7}."),
        (None, "Just \\boxed{7}."),
    ]
    (chat,) = (tmp_path / "run/dataset/chat/data").iterdir()
    said = [row["messages"] for row in pq.read_table(chat).to_pylist()]
    assert [message["reasoning_content"] for messages in said for message in messages] == [
        None,
        "so 7",
        None,
        None,
    ]
    card = (tmp_path / "run/dataset/README.md").read_text(encoding="utf-8")
    assert "`reasoning_content`" in card and "| `reasoning`" in card


def test_the_key_in_messages_is_the_one_that_the_students_template_reads(here: Here, tmp_path: Path) -> None:
    words = ("publish.reasoning=column", "publish.chat=answer", "publish.reasoning_key=thinking")
    reduced(here, tmp_path, [f"{OPEN}so 7{CLOSE}It is \\boxed{{7}}."], *words)
    (chat,) = (tmp_path / "run/dataset/chat/data").iterdir()
    assert pq.read_table(chat).to_pylist()[0]["messages"][1]["thinking"] == "so 7"


@pytest.mark.parametrize(
    ("tags", "words"),
    [(("<think>", "</think>"), ()), (("[THINK]", "[/THINK]"), ("reasoning_tags=['[THINK]','[/THINK]']",))],
)
def test_thinking_is_published_inline_in_its_own_tags(
    here: Here, tmp_path: Path, tags: tuple[str, str], words: tuple[str, ...]
) -> None:
    text = f"{tags[0]}so 7{tags[1]}It is \\boxed{{7}}."
    (row,) = reduced(here, tmp_path, [text], *words, "publish.reasoning=inline", "publish.chat=answer")
    assert row["generated_solution"] == f"{tags[0]}\nso 7\n{tags[1]}\n\nIt is \\boxed{{7}}."


def test_thinking_may_stand_in_a_column_of_the_input(here: Here, tmp_path: Path) -> None:
    traces = ["so 7", None]
    words = ("reasoning=[t]", "publish.reasoning=column")
    rows = reduced(here, tmp_path, ["It is \\boxed{7}."] * 2, *words, t=traces)
    assert [row["reasoning"] for row in rows] == traces


def test_filters_on_thinking_drop_what_is_long_or_goes_round_in_circles(here: Here, tmp_path: Path) -> None:
    answer = f"{CLOSE}It is \\boxed{{7}}."
    circles = "so it may well be that it is seven, or is it not? " * 9
    texts = [f"{OPEN}{trace}{answer}" for trace in ("so 7", circles, " ".join(map(str, range(900))))]
    words = ("filters.max_reasoning_tokens=800", "filters.repeated_reasoning=0.5")
    (row,) = reduced(here, tmp_path, texts, *words, f"filters.tokenizer={TOKENIZER}")
    assert row["problem"].endswith("(0)")
    counts = orjson.loads((tmp_path / "run/dataset/stats.json").read_bytes())["counts"]["filters"]
    assert counts["max_reasoning_tokens"]["dropped"] == counts["repeated_reasoning"]["dropped"] == 1


@pytest.mark.parametrize(
    ("command", "word", "said"),
    [
        ("reduce", "reasoning=[a,b]", "reasoning: names 2 columns, solution 1"),
        ("reduce", "reasoning_tags=[x]", "reasoning_tags: not an opening and a closing tag"),
        ("generate", "teacher.reasoning_tags=[x,x]", "teacher.reasoning_tags: not an opening and a closing"),
        ("combine", "publish.reasoning=column", "publish.reasoning: not read by jobs.combine"),
    ],
)
def test_mistakes_are_told_in_a_line(here: Here, tmp_path: Path, command: str, word: str, said: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"problem": "p", "s": "t", "a": "x", "b": "y"}\n')
    given = {"reduce": ["input=in.jsonl", "solution=[s]"], "combine": ["inputs=[in.jsonl]"]}
    code, _, err = here(command, *given.get(command, []), word)
    assert code == 2 and err.startswith(f"error: {said}") and err.count("\n") == 1


def test_combined_and_mixed_rows_keep_their_thinking(here: Here, tmp_path: Path) -> None:
    words = ("publish.reasoning=column", "publish.chat=answer")
    reduced(here, tmp_path, [f"{OPEN}so 7{CLOSE}It is \\boxed{{7}}."], *words)
    (tmp_path / "run").rename(tmp_path / "thinks")
    reduced(here, tmp_path, ["Just \\boxed{7}."], "publish.chat=answer")
    key = "publish.reasoning_key=thinking"
    code, _, err = here("combine", "inputs=[thinks,run]", "publish.chat=answer", key, "run.dir=both")
    assert code == 0, err
    verify(tmp_path / "both/dataset")
    (path,) = (tmp_path / "both/dataset/data").iterdir()
    assert [row["reasoning"] for row in pq.read_table(path).to_pylist()] == ["so 7", None]
    (path,) = (tmp_path / "both/dataset/chat/data").iterdir()
    said = [row["messages"][1]["thinking"] for row in pq.read_table(path).to_pylist()]
    assert said == ["so 7", None]
    code, _, err = here("mix", "inputs={a: {path: both}}", "run.dir=mixed")
    assert code == 0, err
    (path,) = (tmp_path / "mixed/dataset/data").iterdir()
    contents = {row["messages"][1]["content"] for row in pq.read_table(path).to_pylist()}
    assert contents == {f"{OPEN}so 7{CLOSE}It is \\boxed{{7}}.", "Just \\boxed{7}."}
