"""The rehearsal teacher: what a sample says depends on its seed and record alone."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from omi_core.answers import Extractor, Grader, Verdict
from omi_core.finish import UNCLOSED
from omi_core.records import Record, Sample, sample_seed
from omi_core.tasks import known
from omi_core.teachers.rehearsal import HOSTILE, RehearsalTeacher
from omi_core.teachers.teacher import Request
from omi_core.teachers.teacher_options import Engine, Rehearsal, Sampling


def requests(records: int, samples: int = 4, answer: str | None = r"\frac{3}{4}") -> list[Request]:
    made = [Record.make(n, f"problem {n}", answer, "s") for n in range(records)]
    message = [{"role": "user", "content": "x"}]
    texts = known()["solutions"].texts
    return [Request(r, i, message, sample_seed(0, r.id, i), texts) for r in made for i in range(samples)]


def run(asked: list[Request], slots: int = 8, **shares: Any) -> dict[tuple[int, int], Sample]:
    teacher = RehearsalTeacher(Rehearsal(**shares), Engine(max_num_seqs=slots), Sampling(max_tokens=600))
    return {(s.ordinal, s.index): s for s in teacher.generate(iter(asked)) if s is not None}


def test_order_batching_and_latency_do_not_change_what_is_said() -> None:
    asked = requests(30)
    shuffled = random.Random(0).sample(asked, len(asked))
    plain = run(asked)
    timed = run(shuffled, slots=3, latency=0.0005)
    assert {key: sample.text for key, sample in plain.items()} == {k: s.text for k, s in timed.items()}
    assert all(sample.seconds > 0 for sample in timed.values())


def test_every_request_gives_one_sample() -> None:
    asked = requests(50)
    assert set(run(asked, latency=0.0001)) == {(r.record.ordinal, r.index) for r in asked}


@pytest.mark.parametrize("answer", [r"\frac{3}{4}", "12", None])
def test_right_and_wrong_answers_are_what_they_are_called(answer: str | None) -> None:
    extract = Extractor()
    with Grader() as grader:
        for wrong, expected in ((0.0, Verdict.EQUAL), (1.0, Verdict.NOT_EQUAL)):
            samples = run(requests(20, answer=answer), wrong=wrong, malformed=0, overlong=0, hostile=0)
            for (ordinal, _), sample in samples.items():
                record = requests(20, answer=answer)[ordinal * 4].record
                right = answer or str(int(record.id[:8], 16) % 1000)
                given = extract(sample.text).answer
                assert given is not None
                assert grader.compare(right, given) is expected


def test_shares_come_out_as_stated() -> None:
    samples = run(requests(1000), wrong=0.2, malformed=0.1, overlong=0.1, hostile=0.1).values()
    reasons = Counter(sample.finish_reason for sample in samples)
    assert reasons["length"] == pytest.approx(400, abs=80)
    assert {sample.completion_tokens for sample in samples if sample.finish_reason == "length"} == {600}
    extract = Extractor()
    kept = sum(extract(sample.text).answer == r"\frac{3}{4}" for sample in samples)
    assert kept == pytest.approx(2000, abs=150)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_answers_are_never_equal_and_end(number: int) -> None:
    text = HOSTILE[number](random.Random(0))
    answer = Extractor()(text).answer
    if answer is not None:
        with Grader() as grader:
            assert grader.compare("7", answer) is not Verdict.EQUAL


PLAIN: dict[str, Any] = {"wrong": 0.2, "malformed": 0.1, "overlong": 0.1, "hostile": 0.1}


def test_a_thought_is_kept_apart_from_what_is_said_with_or_without_it() -> None:
    said, thought = run(requests(100), **PLAIN), run(requests(100), **PLAIN, thinking=0.5, trace_tokens=50)
    thinking = {key: sample for key, sample in thought.items() if sample.reasoning is not None}
    assert len(thinking) == pytest.approx(200, abs=40)
    assert all(thought[key] == said[key] for key in said.keys() - thinking.keys())
    for key, sample in thinking.items():
        assert sample.reasoning is not None
        if sample.finish_reason == "stop":
            assert sample.text == said[key].text
            assert 50 * 4 - 1 <= len(sample.reasoning) < 50 * 4 + 80
            assert 50 <= sample.reasoning_tokens <= sample.completion_tokens
        elif sample.finish_reason == "length":  # it came to an answer, and max_tokens cut that off
            assert sample.text and said[key].text.startswith(sample.text)
        else:
            assert (sample.finish_reason, sample.text) == (UNCLOSED, "")


def test_traces_name_boxes_and_take_back_slips() -> None:
    traces = [sample.reasoning or "" for sample in run(requests(50), thinking=1.0).values()]
    assert sum(trace.count("\\boxed{") > 2 for trace in traces) > 100
    assert sum("Wait, that is wrong" in trace for trace in traces) > 100


@pytest.mark.parametrize("tokens", [600, 5000, 120_000])
def test_a_trace_that_is_longer_than_max_tokens_never_closes(tokens: int) -> None:
    for sample in run(requests(3), **dict.fromkeys(PLAIN, 0), thinking=1.0, trace_tokens=tokens).values():
        assert (sample.finish_reason, sample.text) == (UNCLOSED, "")
        assert (sample.completion_tokens, sample.reasoning_tokens) == (600, 600)
        assert len(sample.reasoning or "") == pytest.approx(2400, abs=10)


def test_a_long_trace_has_the_length_that_was_asked_for() -> None:
    teacher = RehearsalTeacher(
        Rehearsal(thinking=1.0, trace_tokens=120_000), Engine(), Sampling(max_tokens=131_072)
    )
    samples = [sample for sample in teacher.generate(iter(requests(4, 1))) if sample is not None]
    assert all(sample.reasoning_tokens == pytest.approx(120_000, rel=0.01) for sample in samples)
    assert len({sample.reasoning for sample in samples}) == 4


@pytest.mark.parametrize(("tags", "apart"), [(("[T]", "[/T]"), True), (None, False)])
def test_thinking_is_written_in_the_tags_of_the_teacher_and_parted_where_it_asks_so(
    tags: tuple[str, str] | None, apart: bool
) -> None:
    shares = Rehearsal(thinking=1.0, hostile=0.0, overlong=0.0)
    teacher = RehearsalTeacher(shares, Engine(), Sampling(max_tokens=600), tags)
    (sample,) = (sample for sample in teacher.generate(iter(requests(1, 1))) if sample is not None)
    assert (sample.reasoning is not None) == apart
    assert ("</think>" in sample.text) == (not apart) and "[/T]" not in sample.text
