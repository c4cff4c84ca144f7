"""Which ends of a request make a sample, by what vLLM's engine says of them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from omi_core.config import Engine, Sampling, TeacherOptions
from omi_core.records import Record, Sample
from omi_core.teachers import vllm_engine
from omi_core.teachers.teacher import EngineEnded, EngineFailed, Request
from omi_core.teachers.vllm import VllmTeacher

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default")]
pytest.importorskip("vllm", reason="vLLM is not installed")

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
