"""Mixtures: the rows of each input, as often as was asked for, in an order that only the seed decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omi_core.combine.combine_options import load_mix
from omi_core.combine.combining import Outcome
from omi_core.combine.mixing import make_mix
from omi_core.options import ConfigError
from omi_core.publish import verify
from omi_core.publish.publish_options import Publish
from tests.combine.conftest import Dataset, chat, contents, read_rows, solution, write_lines

Mixing = Callable[..., Outcome]


@pytest.fixture
def mixed(tmp_path: Path) -> Mixing:
    """(inputs, further options) -> the outcome, by default in `out`."""

    def make(inputs: dict[str, Any], out: str = "out", **values: Any) -> Outcome:
        run = {"dir": str(tmp_path / out)}
        given = {name: item | {"path": str(item["path"])} for name, item in inputs.items()}
        return make_mix(load_mix({"inputs": given, "run": run} | values))

    return make


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """`math` with 60 rows and answers, `code` with 100 and a system prompt."""
    math = [chat(f"m{at}", answer=str(at)) for at in range(60)]
    code = [chat(f"c{at}", system="Write code.") for at in range(100)]
    return {
        "math": write_lines(tmp_path / "math.jsonl", math),
        "code": write_lines(tmp_path / "code.jsonl", code),
    }


def users(outcome: Outcome) -> list[str]:
    """What the user says in each row, in order."""
    rows = read_rows(outcome.dataset)
    return [next(m["content"] for m in row["messages"] if m["role"] == "user") for row in rows]


def test_rows_keep_their_messages_answer_and_source(mixed: Mixing, files: dict[str, Path]) -> None:
    made = mixed({name: {"path": path} for name, path in files.items()})
    rows = {row["messages"][-2]["content"]: row for row in read_rows(made.dataset)}
    assert rows["m7"] == chat("m7", answer="7", source="math")
    assert rows["c7"] == chat("c7", system="Write code.", answer=None, source="code")
    assert len(rows) == made.stats["rows"] == 160
    verify(made.dataset)


def test_the_inputs_lie_among_each_other(mixed: Mixing, files: dict[str, Path]) -> None:
    order = users(mixed({name: {"path": path} for name, path in files.items()}))
    firsts = [user[0] for user in order]
    stretches = 1 + sum(a != b for a, b in zip(firsts, firsts[1:], strict=False))
    assert 50 < stretches < 100  # 76 are expected of 60 and 100 rows
    assert order != sorted(order) and [u for u in order if u[0] == "m"] != [f"m{at}" for at in range(60)]


def test_limits_repeats_and_shares_are_taken_to_the_row(mixed: Mixing, files: dict[str, Path]) -> None:
    made = mixed(
        {
            "math": {"path": files["math"], "limit": 40, "repeat": 2},
            "code": {"path": files["code"], "share": 0.2},
        }
    )
    counts = Counter(users(made))
    math = {user: count for user, count in counts.items() if user[0] == "m"}
    code = {user: count for user, count in counts.items() if user[0] == "c"}
    assert len(math) == 40 and set(math.values()) == {2}
    assert len(code) == 20 and set(code.values()) == {1}
    assert set(math) != {f"m{at}" for at in range(40)}  # drawn from all of them


def test_a_share_may_take_rows_again_if_they_may_be_repeated(mixed: Mixing, files: dict[str, Path]) -> None:
    inputs = {"math": {"path": files["math"], "share": 0.75}, "code": {"path": files["code"], "share": 0.25}}
    with pytest.raises(ConfigError, match=r"allow inputs\.math\.repeat=3"):
        mixed(inputs, rows=200)
    inputs["math"]["repeat"] = 3  # the same directory: what could not be made is no plan
    counts = Counter(user for user in users(mixed(inputs, rows=200)) if user[0] == "m")
    assert sum(counts.values()) == 150 and set(counts.values()) == {2, 3}


def test_the_seed_decides_order_and_draw_and_nothing_else_does(
    mixed: Mixing, files: dict[str, Path], tmp_path: Path
) -> None:
    inputs = {"math": {"path": files["math"], "limit": 30}, "code": {"path": files["code"]}}
    first = mixed(inputs)
    again = mixed(dict(reversed(inputs.items())), out="again")
    assert contents(again.dataset) == contents(first.dataset)
    other = mixed(inputs, out="other", seed=1)
    assert set(users(other)) != set(users(first))
    # A larger limit keeps what a smaller one drew.
    inputs["math"]["limit"] = 45
    assert set(users(first)) < set(users(mixed(inputs, out="more")))


@pytest.mark.parametrize("bucket", [1 << 30, 3000, 400, 1])
def test_the_order_is_the_same_for_any_number_of_buckets(
    mixed: Mixing, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, bucket: int
) -> None:
    inputs = {"math": {"path": files["math"], "repeat": 3}, "code": {"path": files["code"], "share": 0.3}}
    expected = contents(mixed(inputs).dataset)
    monkeypatch.setattr("omi_core.combine.buckets.BUCKET_BYTES", bucket)
    monkeypatch.setattr("omi_core.combine.buckets._BUFFER_BYTES", 500)
    assert contents(mixed(inputs, out="again").dataset) == expected


def test_rows_that_are_no_conversation_are_counted_by_reason(mixed: Mixing, tmp_path: Path) -> None:
    rows = [
        chat("a"),
        chat("b", assistant=" "),
        chat("c", answer={"a": 3}),
        {"messages": []},
        {"messages": None},
    ]
    made = mixed({"x": {"path": write_lines(tmp_path / "x.jsonl", rows)}})
    assert users(made) == ["a"]
    assert made.stats["counts"]["inputs"]["x"] == {
        **{"read": 5, "usable": 1, "rows": 1},
        **{"empty_message": 1, "answer_not_text": 1, "no_messages": 2},
    }


def test_chat_messages_of_a_dataset_and_other_mixtures_are_inputs(
    mixed: Mixing, dataset: Dataset, files: dict[str, Path]
) -> None:
    run = dataset(
        "run", [solution("p1"), solution("p2")], options=Publish(chat="expected_answer"), teacher="strong"
    )
    made = mixed({"ours": {"path": run}, "math": {"path": files["math"], "limit": 2}})
    rows = [row for row in read_rows(made.dataset) if row["source"] == "ours"]
    assert sorted(row["messages"][0]["content"] for row in rows) == ["p1", "p2"]
    assert all(row["answer"] == "5" for row in rows)
    assert "| `ours: solutions of run` | `strong` | 2 | 2 |" in (made.dataset / "README.md").read_text()
    again = mixed({"first": {"path": made.dataset.parent}, "code": {"path": files["code"]}}, out="again")
    assert Counter(row["source"] for row in read_rows(again.dataset)) == {"first": 4, "code": 100}
    without = dataset("without", [solution("p1")])
    with pytest.raises(ConfigError, match=r"published without chat messages; make them with jobs\.combine"):
        mixed({"x": {"path": without}}, out="x")


def test_a_row_without_the_column_is_a_mistake(mixed: Mixing, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", [chat("a"), {"conversations": [], "id": 3}])
    with pytest.raises(ConfigError, match=r"x\.jsonl:2 has no column messages; it has conversations, id"):
        mixed({"x": {"path": path}})
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()  # a directory that was there is not the command's to remove
    with pytest.raises(ConfigError):
        mixed({"x": {"path": path}}, out="mine")
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == [".lock"]


def test_other_amounts_are_refused_with_the_difference(mixed: Mixing, files: dict[str, Path]) -> None:
    mixed({"math": {"path": files["math"], "limit": 3}})
    with pytest.raises(ConfigError, match=r"another config \(inputs\.math\.limit 3 → 4\)"):
        mixed({"math": {"path": files["math"], "limit": 4}})


def test_load_dataset_opens_it_with_the_published_field_names(
    mixed: Mixing, files: dict[str, Path], tmp_path: Path
) -> None:
    from datasets import load_dataset

    made = mixed({name: {"path": path} for name, path in files.items()}, rows_per_file=50)
    rows: Any = load_dataset(str(made.dataset), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["messages", "answer", "source"]
    assert len(rows) == 160 and rows[0] == read_rows(made.dataset)[0]
