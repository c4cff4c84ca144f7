"""Scores beside their samples: in the order of the run, group by group, and never those of other texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.options import ConfigError
from omi_core.publish import CardInfo, PartWriter, publish
from omi_core.publish.publish_options import Publish
from omi_core.tasks import known, score_join
from omi_core.tasks.score_join import ScoreReader, scores_hash, text_digest

IDS = ["00" * 16, "ab" * 15 + "00", "ff" * 16, "ab" * 16, "00" * 15 + "01"]
Row = tuple[str, int, float | None]


def text_of(record: str, sample: int) -> str:
    return f"solution {sample} of {record}"


def published(place: Path, *rows: Row, task: str = "scores") -> str:
    """The dataset of a run of scores with these rows, in this order."""
    with PartWriter(place, 0, fingerprint="f", schema=known()["scores"].schema) as part:
        for record, sample, score in rows:
            digest = text_digest(text_of(record, sample))
            row: dict[str, Any] = {"record_id": record, "sample": sample, "score": score, "tokens": 9}
            part.write(row | {"right": None, "text_digest": digest})
        part.finish()
    card = CardInfo(name="n", task=task, teacher="t", prompt="p", source="s", samples=1)
    config = {"task": {"name": task}}
    publish([part.path], place / "dataset", card=card, config=config, options=Publish(rows_per_file=3))
    return str(place)


def asked(record: str, *samples: int, unended: tuple[int, ...] = ()) -> list[tuple[int, str | None]]:
    return [(one, None if one in unended else text_of(record, one)) for one in samples]


ROWS: list[Row] = [(record, sample, at + sample / 8) for at, record in enumerate(IDS) for sample in (0, 2)]


@pytest.mark.parametrize("first", range(len(IDS)))
def test_reading_begins_at_any_record_and_holds_nothing(
    tmp_path: Path, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_join, "_Held", None)
    reader = ScoreReader("answers.scores", published(tmp_path, *ROWS))
    for at, record in enumerate(IDS[first:], first):
        assert reader.of(record, asked(record, 0, 1, 2, unended=(1,))) == [at, None, at + 0.25]


def test_a_record_without_an_ended_sample_has_no_row_and_is_passed_over(tmp_path: Path) -> None:
    reader = ScoreReader("answers.scores", published(tmp_path, *ROWS))
    assert reader.of(IDS[0], asked(IDS[0], 0)) == [0.0]
    assert reader.of("cd" * 16, asked("cd" * 16, 0, 1, unended=(0, 1))) == [None, None]
    assert reader.of(IDS[1], asked(IDS[1], 2)) == [1.25]


def test_a_sample_that_was_not_scored_has_none(tmp_path: Path) -> None:
    reader = ScoreReader("answers.scores", published(tmp_path, (IDS[0], 0, None), (IDS[0], 1, -2.5)))
    assert reader.of(IDS[0], asked(IDS[0], 0, 1)) == [None, -2.5]


@settings(max_examples=20)
@given(order=st.permutations(range(len(ROWS))), form=st.sampled_from(["run", "jsonl", "bare"]))
def test_any_other_order_and_files_give_the_same_scores(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], form: str
) -> None:
    place = tmp_path_factory.mktemp("scores")
    rows = [ROWS[at] for at in order]
    given = str(place / "scores.jsonl")
    if form == "run":
        given = published(place, *rows)
    else:
        lines = [
            {"record_id": record, "sample": sample, "score": score}
            | ({"text_digest": text_digest(text_of(record, sample))} if form == "jsonl" else {})
            for record, sample, score in rows
        ]
        Path(given).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    reader = ScoreReader("scores", given)
    for at, record in enumerate(IDS):
        assert reader.of(record, asked(record, 0, 2)) == [at, at + 0.25]


@pytest.mark.parametrize(
    ("record", "samples", "why"),
    [
        (IDS[0], [(0, "another text"), (2, text_of(IDS[0], 2))], "sample 0 of record 0000.* another text"),
        (IDS[0], asked(IDS[0], 0, 1, 2), "sample 1 of record 0000.* is missing; score all"),
        ("cd" * 16, asked("cd" * 16, 0), "sample 0 of record cdcd.* is missing; score all"),
    ],
)  # fmt: skip
def test_a_stale_or_missing_score_is_an_error_in_one_line(
    tmp_path: Path, record: str, samples: list[tuple[int, str | None]], why: str
) -> None:
    reader = ScoreReader("answers.scores", published(tmp_path, *ROWS))
    with pytest.raises(ConfigError, match=f"^answers.scores=.*{why}") as caught:
        reader.of(record, samples)
    assert "\n" not in str(caught.value)


def test_only_scores_are_taken_for_scores(tmp_path: Path) -> None:
    for place, why in ((str(tmp_path), "is not published"), (str(tmp_path / "no.jsonl"), "no such file")):
        with pytest.raises(ConfigError, match=why):
            ScoreReader("scores", place).check()
    with pytest.raises(ConfigError, match="holds no scores; give a published run of jobs.score"):
        scores_hash(published(tmp_path, *ROWS, task="picks"))


def test_a_digest_survives_what_publishing_does_to_a_text() -> None:
    assert text_digest("half \ud83d") == text_digest("half \ufffd") != text_digest("half")
