"""Which ends of a request make a sample, by what vLLM's engine says of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omi_core.config import Engine, Sampling, TeacherOptions
from omi_core.records import Record, Sample
from omi_core.teachers import vllm, vllm_engine
from omi_core.teachers.teacher import EngineEnded, EngineFailed, Request
from omi_core.teachers.vllm import VllmTeacher
from tests.installed import needs

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default")]
needs("vllm")

COUNT = 4


class FakeEngine:
    """Ends each request at once, for the reason that is next for it; the text says the try."""

    def __init__(self, reasons: dict[str, list[str | None]]) -> None:
        self.reasons = reasons
        self.waiting: list[str] = []
        self.added: list[tuple[str, int]] = []
        self.aborted: list[str] = []
        self.model_config = SimpleNamespace(max_model_len=512)
        self.engine_core = SimpleNamespace(shutdown=lambda: None)

    def get_tokenizer(self) -> Any:
        return SimpleNamespace(
            chat_template=None, encode=lambda text: [1, 2, 3], get_vocab=dict, decode=lambda tokens: ""
        )

    def add_request(self, name: str, prompt: Any, params: Any) -> None:
        self.waiting.append(name)
        self.added.append((name, params.seed))

    def step(self) -> list[Any]:
        names, self.waiting = self.waiting, []
        return [self._output(name) for name in names]

    def _output(self, name: str) -> Any:
        reasons = self.reasons.get(name, [])
        reason = reasons.pop(0) if reasons else "stop"
        text = f"{name} {reason}"
        best = SimpleNamespace(text=text, finish_reason=reason, token_ids=[4, 5])
        return SimpleNamespace(request_id=name, finished=True, outputs=[best], prompt_token_ids=[1, 2, 3])

    def abort_request(self, names: list[str]) -> None:
        self.aborted += names


def asked() -> Iterator[Request]:
    for number in range(COUNT):
        record = Record.make(number, f"problem {number}", None, "s")
        yield Request(record, 0, [{"role": "user", "content": record.text}], seed=number)


def answered(
    monkeypatch: pytest.MonkeyPatch, *reasons: str | None
) -> tuple[FakeEngine, list[Sample], EngineFailed | None]:
    """The engine, the samples, and what ended them, where the request of record 2 ends for these reasons."""
    engine = FakeEngine({"2-0": list(reasons)})
    monkeypatch.setattr(vllm_engine, "start", lambda *_: engine)
    with VllmTeacher(TeacherOptions(), Engine(), Sampling()) as teacher:
        samples: list[Sample] = []
        try:
            samples += (sample for sample in teacher.generate(asked()) if sample is not None)
        except EngineFailed as error:
            return engine, samples, error
    return engine, samples, None


@pytest.mark.parametrize(
    ("reason", "sample"), [("stop", "stop"), ("length", "length"), ("repetition", "length")]
)
def test_what_came_to_its_end_or_to_a_limit_is_a_sample(
    monkeypatch: pytest.MonkeyPatch, reason: str, sample: str
) -> None:
    _, samples, error = answered(monkeypatch, reason)
    assert error is None
    assert [(each.text, each.finish_reason) for each in samples][2] == (f"2-0 {reason}", sample)


def test_every_reason_that_vllm_has_is_decided_here() -> None:
    from vllm.v1.engine import FINISH_REASON_STRINGS

    assert set(FINISH_REASON_STRINGS) == {"stop", "length", "repetition", "abort", "error"}


def test_an_abort_is_no_sample_and_ends_the_engine_after_those_that_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, samples, error = answered(monkeypatch, "abort")
    assert [sample.ordinal for sample in samples] == [0, 1, 3]
    assert isinstance(error, EngineEnded) and error.blameless and not error.lasting
    assert "gave up 1 samples" in str(error)
    assert engine.aborted == []  # it is gone: nothing is asked of it


@pytest.mark.parametrize("reason", ["error", None, "a word of another version"])
def test_a_request_that_fails_is_asked_again_with_its_seed(
    monkeypatch: pytest.MonkeyPatch, reason: str | None
) -> None:
    engine, samples, error = answered(monkeypatch, reason, reason)
    assert error is None
    assert {sample.ordinal: sample.text for sample in samples}[2] == "2-0 stop"
    assert engine.added.count(("2-0", 2)) == 3


def test_a_request_that_always_fails_is_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, samples, error = answered(monkeypatch, *["error"] * 9)
    (refused,) = (sample for sample in samples if sample.ordinal == 2)
    assert (refused.text, refused.finish_reason) == ("", "error")
    assert refused.error == "RequestFailed: finish reason 'error', 3 times"
    assert error is None and engine.added.count(("2-0", 2)) == 3


SEATS, QUEUE = 8, 6


class DrawnEngine(FakeEngine):
    """Ends a drawn number of requests in each step, and dies in step `dies` where there is one."""

    def __init__(self, seed: int, dies: int | None) -> None:
        super().__init__({})
        self._drawn, self._dies = random.Random(seed), dies
        self.steps, self.least = 0, 10**6
        self.ended: list[str] = []

    def step(self) -> list[Any]:
        self.steps += 1
        self.least = min(self.least, len(self.waiting))
        if self.steps == self._dies:
            raise RuntimeError("gone")
        self._drawn.shuffle(self.waiting)
        ending = self._drawn.randint(0, min(3, len(self.waiting)))
        names, self.waiting = self.waiting[:ending], self.waiting[ending:]
        self.ended += names
        return [self._output(name) for name in names]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 80),
    held=st.integers(1, 12),
    dies=st.none() | st.integers(1, 60),
)
def test_whatever_ends_when_each_request_gives_one_sample_and_the_seats_stay_taken(
    seed: int, count: int, held: int, dies: int | None
) -> None:
    engine, given_out = DrawnEngine(seed, dies), 0

    def requests() -> Iterator[Request]:
        nonlocal given_out
        for number in range(count):
            record = Record.make(number, f"problem {number}", None, "s")
            given_out += 1
            yield Request(record, 0, [{"role": "user", "content": record.text}], seed=number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vllm_engine, "start", lambda *_: engine)
        patch.setattr(vllm_engine, "seats", lambda *_: SEATS)
        patch.setattr(vllm, "_HELD_OUTPUTS", held)
        with VllmTeacher(TeacherOptions(), Engine(queue=QUEUE), Sampling()) as teacher:
            samples: list[Sample] = []
            died = False
            try:
                for sample in teacher.generate(requests()):
                    samples += [] if sample is None else [sample]
                    if given_out < count:  # while requests are left
                        assert engine.least >= SEATS, "a seat was empty with requests waiting"
            except EngineFailed:
                died = True
    # What has ended is a sample, also when the engine dies right after it; and nothing is one twice.
    assert sorted(f"{each.ordinal}-0" for each in samples) == sorted(engine.ended)
    assert died == (engine.steps == dies)
    assert died or len(samples) == count


def test_the_end_of_a_sample_is_when_its_engine_ended_it_not_when_it_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vllm import SamplingParams

    now = [0.0]
    monkeypatch.setattr(vllm.time, "monotonic", lambda: now[0])
    held = vllm._Held()
    record = Record.make(0, "p", None, "s")
    prepared = vllm.Prepared(Request(record, 0, [], seed=0), [1], SamplingParams(), False, 1)
    done = vllm.Running(prepared, admitted=0.0)
    now[0] = 2.0
    held.add(done, None, "stop")
    assert done.seconds == 2.0 and not held.due()
    now[0] = 2.0 + vllm._HELD_SECONDS
    assert held.due(), "a single sample does not wait for others"
    assert held.take() == [(done, None, "stop")] and not held.due()
