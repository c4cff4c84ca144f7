"""Picks by record: counted for each sample, whatever the ids are, and only for the texts that were picked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omi_core.options import ConfigError
from omi_core.publish import CardInfo, PartWriter, publish
from omi_core.records import Sample
from omi_core.tasks import known
from omi_core.tasks.picks import Picks

# Where a byte string ends with zeros, numpy does not tell them from padding.
IDS = ["00" * 16, "ab" * 15 + "00", "ab" * 14 + "0000", "ab" * 16, "00" * 15 + "01", "ff" * 16]


def published(tmp_path: Path, *picked: tuple[str, int, str]) -> str:
    """A dataset in which these (record id, sample, text) were picked."""
    row = {
        "problem": "q",
        "prompt": "p",
        "selected": 1,
        "expected_answer": "5",
        "problem_source": "s",
        "right": None,
    }
    with PartWriter(
        tmp_path, 0, fingerprint="f", schema=known()["selections"].schema, provenance=("record_id", "sample")
    ) as part:
        for number, (record, sample, text) in enumerate(picked):
            part.write(
                {
                    **row,
                    "generated_selection": f"reply {number}",
                    "selected_solution": text,
                    "record_id": record,
                    "sample": sample,
                }
            )
        part.finish()
    card = CardInfo(name="n", task="selections", teacher="t", prompt="p", source="s", samples=1)
    made: dict[str, Any] = {"task": {"name": "selections"}, "selections": {"keep": "all"}}
    publish([part.path], tmp_path / "dataset", card=card, config=made)
    return str(tmp_path)


def samples(*texts: str) -> list[Sample]:
    return [Sample(0, "r", at, text, "stop", 1, 1, 0.0) for at, text in enumerate(texts)]


def test_each_record_has_its_own_picks(tmp_path: Path) -> None:
    given = [(record, at % 2, "ab"[at % 2]) for at, record in enumerate(IDS) for _ in range(at + 1)]
    picks = Picks(published(tmp_path, *given))
    for at, record in enumerate(IDS):
        assert picks.of(record, samples("a", "b", "c")) == [(at + 1) * (at % 2 == side) for side in (0, 1, 2)]
    assert picks.of("ab" * 13 + "000000", samples("a", "b")) == [0, 0]
    assert picks.of(IDS[0], samples("a")) == [1]


@pytest.mark.parametrize("texts", [("x", "b"), ("b", "a"), (), ("b",)])
def test_a_text_that_was_not_picked_is_that_of_another_run(tmp_path: Path, texts: tuple[str, ...]) -> None:
    picks = Picks(published(tmp_path, (IDS[1], 0, "a"), (IDS[1], 0, "a")))
    with pytest.raises(ConfigError, match=f"sample 0 of record {IDS[1]}; give the selections of the run"):
        picks.of(IDS[1], samples(*texts))
