"""The plan and what goes with it: records by ordinal, attempts with fixed shares, the ledger."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import orjson
import pytest

from omi_core.options import ConfigError
from omi_core.records import Record
from omi_core.store import ledger
from omi_core.store.attempts import new_attempt, read_attempt
from omi_core.store.fingerprint import differences, directory_digest, fingerprint
from omi_core.store.keys import iter_keys
from omi_core.store.layout import Layout
from omi_core.store.plan import Plan, Records, read_plan, write_records


def plan_of(content: dict) -> Plan:
    return Plan(fingerprint(content), content["records"], 2, True, content, {}, {})


def test_records_come_back_by_ordinal_from_any_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omi_core.store.plan._FRAME_BYTES", 2000)
    records = [Record.make(n, f"problem {n}\n\u2028 $x^{n}$", str(n), "s") for n in range(100)]
    count, digest = write_records(tmp_path / "records.jsonl.zst", iter(records))
    read = Records(tmp_path / "records.jsonl.zst")
    assert count == 100
    assert [read[n] for n in (99, 0, 50, 51)] == [records[n] for n in (99, 0, 50, 51)]
    assert list(read.slice(10, 90)) == records[10:90]
    for outside in (-1, 100):
        with pytest.raises(ConfigError, match=f"holds no record {outside}"):
            read[outside]
    other, changed = write_records(tmp_path / "other.zst", iter(records[:-1]))
    assert (other, changed != digest) == (99, True)


def test_a_damaged_record_is_never_read_as_another(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.zst"
    write_records(path, (Record.make(n, f"problem {n}", None, "s") for n in range(10)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"wrong checksum.*the command that made the run writes it again"):
        Records(path)[3]


def test_a_plan_comes_back_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    plan = plan_of({"records": 3, "samples": 2})
    plan.write(layout)
    assert read_plan(layout) == plan
    row = orjson.loads(layout.plan.read_bytes())
    layout.plan.write_bytes(orjson.dumps(row | {"records": 4}))
    with pytest.raises(ConfigError, match="does not match its own fingerprint"):
        read_plan(layout)
    layout.plan.write_bytes(b"{")
    with pytest.raises(ConfigError, match="not a plan this version can read"):
        read_plan(layout)


def test_a_fingerprint_is_of_content_not_of_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": {"c": 2}}) == fingerprint({"b": {"c": 2}, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_differences_name_the_leaves_that_changed() -> None:
    old = {"samples": 4, "teacher": {"model": "a", "revision": None}, "same": 1}
    new = {"samples": 5, "teacher": {"model": "a", "revision": "x" * 90}, "same": 1}
    assert differences(old, new) == ["samples 4 → 5", f"teacher.revision unset → {'x' * 37}…"]


def test_a_checkpoint_is_told_from_another_by_its_bytes(tmp_path: Path) -> None:
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(weights)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "b" / "notes.md").write_text("not part of the model")
    a, b, c = (directory_digest(tmp_path / name) for name in "abc")
    assert a == b != c


def test_the_shares_of_an_attempt_are_its_keys_each_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ranges = np.array([[0, 5], [9, 10], [20, 33]])
    made = new_attempt(layout, ranges, tasks=4)
    attempt = read_attempt(layout, made.number)
    assert (attempt.tasks, attempt.keys) == (4, 19)
    shared = [key for task in range(4) for key in iter_keys(attempt.share(task), samples=3)]
    assert shared == list(iter_keys(ranges, samples=3))


def test_an_attempt_has_no_more_tasks_than_keys(tmp_path: Path) -> None:
    assert new_attempt(Layout(tmp_path), np.array([[4, 6]]), tasks=50).tasks == 2


def test_attempts_made_at_once_get_different_numbers(tmp_path: Path) -> None:
    made: list[int] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        made.append(new_attempt(Layout(tmp_path), np.array([[0, 4]]), tasks=2).number)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(1, 9))
    assert sorted(path.name for path in (tmp_path / "generate").iterdir()) == [
        f"{n:04d}.json" for n in range(1, 9)
    ]


def test_the_ledger_keeps_whole_lines_and_cuts_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger.append(path, {"stage": "generate", "attempt": 1})
    with path.open("ab") as file:
        file.write(b'{"stage": "redu')
    assert [entry["stage"] for entry in ledger.read(path)] == ["generate"]
    ledger.append(path, {"stage": "publish"})
    assert [entry["stage"] for entry in ledger.read(path)] == ["generate", "publish"]
    assert ledger.read(tmp_path / "nowhere.jsonl") == []
