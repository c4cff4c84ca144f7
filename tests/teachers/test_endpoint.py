"""An endpoint as a teacher: what of a server's faults passes, what is refused, and what ends the work."""

from __future__ import annotations

import dataclasses
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core import config
from omi_core.options import ConfigError
from omi_core.records import Record, Sample
from omi_core.teachers import endpoint
from omi_core.teachers.chat_api import retry_after
from omi_core.teachers.endpoint import EndpointTeacher
from omi_core.teachers.teacher import Request, ServerLost
from omi_core.teachers.teacher_options import Endpoint
from tests.teachers.chat_server import Ask, ChatServer, Fault, Faults, completion

# The HTTP library leaves a coroutine unstarted when a connection is given up at the wrong moment.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'connect_tcp:RuntimeWarning")

CANARY = "sk-canary-4f1d8e77c0aa"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of seconds are hundredths here, and no proxy stands before loopback."""
    monkeypatch.setattr(endpoint, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(endpoint, "_LONGEST_DELAY", 0.05)
    monkeypatch.setattr(endpoint, "_CONTROL_SECONDS", 0.02)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def options(server: ChatServer | str, **values: Any) -> config.TeacherOptions:
    url = server if isinstance(server, str) else server.url
    chosen = {"patience": 20.0, "timeout": 20.0, "tries": 3, "concurrency": 8} | values
    return config.TeacherOptions(kind="endpoint", model="m", endpoint=Endpoint(url=url, **chosen))


def requests(count: int) -> list[Request]:
    records = [Record.make(number, f"Problem {number}?", None, "s") for number in range(count)]
    return [
        Request(record, 0, [{"role": "user", "content": record.text}], 1000 + record.ordinal)
        for record in records
    ]


def generate(
    server: ChatServer | str, count: int = 6, sampling: config.Sampling | None = None, **values: Any
) -> dict[int, Sample]:
    """The samples by ordinal; that each request gives exactly one is checked here."""
    with EndpointTeacher(options(server, **values), sampling or config.Sampling()) as teacher:
        found = [sample for sample in teacher.generate(iter(requests(count))) if sample is not None]
    samples = {sample.ordinal: sample for sample in found}
    assert len(found) == len(samples) == count
    return samples


def text_of(request: Request) -> str:
    ask = {"seed": request.seed, "messages": request.messages}
    return completion(ask)["choices"][0]["message"]["content"]


def is_about(ask: Ask, number: int) -> bool:
    return ask["messages"][-1]["content"] == f"Problem {number}?"


def once(fault: Fault) -> Faults:
    """Every request fails so once, then is answered."""
    return lambda ask, before: None if before else fault


def always(fault: Fault, number: int = 2) -> Faults:
    """One of the requests fails so each time; all others are answered."""
    return lambda ask, before: fault if is_about(ask, number) else None


def lie(**changed: Any) -> Fault:
    """A completion with other fields than it should have."""
    ask = {"seed": 0, "messages": []}
    return Fault(body=orjson.dumps(completion(ask, **changed)))


def choice(reason: Any, **message: Any) -> Fault:
    return lie(choices=[{"index": 0, "finish_reason": reason, "message": {"role": "assistant"} | message}])


def test_a_request_carries_what_decides_the_sample() -> None:
    sampling = config.Sampling(temperature=0.7, top_p=0.9, max_tokens=99)
    with ChatServer() as server:
        samples = generate(server, 1, sampling)
    (sample,) = samples.values()
    assert sample.text == text_of(requests(1)[0])
    assert (sample.finish_reason, sample.error) == ("stop", None)
    assert (sample.prompt_tokens, sample.completion_tokens) == (7, len(sample.text))
    assert server.asked == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "Problem 0?"}],
            "seed": 1000,
            "n": 1,
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 99,
        }
    ]
    assert "authorization" not in server.headers[0]


def test_fields_that_not_every_server_takes_are_sent_when_they_say_something() -> None:
    extra = {"min_p": 0.1, "max_tokens": None, "max_completion_tokens": 5}
    with ChatServer() as server:
        generate(server, 1, config.Sampling(top_k=20, stop=["\n\n"]), extra=extra)
    (ask,) = server.asked
    assert (ask["top_k"], ask["stop"], ask["min_p"], ask["max_completion_tokens"]) == (20, ["\n\n"], 0.1, 5)
    assert "max_tokens" not in ask


def test_every_option_of_sampling_reaches_the_server_once_it_says_something() -> None:
    said = {
        **{"min_p": 0.1, "repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3},
        **{"stop_token_ids": [5], "extra": {"min_tokens": 3}},
    }
    with ChatServer() as server:
        generate(server, 1, config.Sampling(**said))
        generate(server, 1, config.Sampling(**said), extra={"min_p": None, "repetition_penalty": 1.2})
    first, second = server.asked
    flat = {name: value for name, value in said.items() if name != "extra"} | said["extra"]
    assert {name: first[name] for name in flat} == flat
    assert "min_p" not in second and second["repetition_penalty"] == 1.2


def test_the_chat_template_of_the_options_reaches_the_server(tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text("{{ messages }}")
    with ChatServer() as server:
        teacher = options(server)
        teacher.chat_template = str(tmp_path / "t.jinja")
        teacher.chat_template_kwargs = {"enable_thinking": False}
        with EndpointTeacher(teacher, config.Sampling()) as opened:
            list(opened.generate(iter(requests(1))))
    (ask,) = server.asked
    assert ask["chat_template"] == "{{ messages }}"
    assert ask["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_plain_text_goes_to_the_completions_of_the_server_and_so_does_the_control_request() -> None:
    def faults(ask: Ask, before: int) -> Fault | None:
        return Fault(500) if "Problem 1?" in ask["prompt"] else None

    plain = [dataclasses.replace(request, plain=True) for request in requests(2)]
    with ChatServer(faults) as server, EndpointTeacher(options(server), config.Sampling()) as teacher:
        samples = {sample.ordinal: sample for sample in teacher.generate(iter(plain)) if sample is not None}
    assert samples[0].text == completion({"seed": 1000, "prompt": "Problem 0?"})["choices"][0]["text"]
    assert (samples[1].error or "").startswith("ServerError: 500")
    assert all("messages" not in ask for ask in server.asked)


PARTS = [{"type": "text", "text": "It is "}, {"type": "thinking", "thinking": "?"}, {"text": "\\boxed{5}."}]


@pytest.mark.parametrize(
    ("content", "text"), [(PARTS, "It is \\boxed{5}."), ([], ""), (None, ""), ("It is 5.", "It is 5.")]
)
def test_a_content_may_come_in_parts_or_be_missing(content: Any, text: str) -> None:
    with ChatServer(once(choice("stop", content=content))) as server:
        assert generate(server, 1)[0].text == text


@pytest.mark.parametrize(
    "content", [[3], [{"type": "text"}], [{"type": "text", "text": 5}], {"text": "x"}, 7]
)
def test_a_content_of_another_kind_is_no_completion(content: Any) -> None:
    with ChatServer(once(choice("stop", content=content))) as server:
        assert generate(server, 1)[0].text == text_of(requests(1)[0])


PASSING: dict[str, Fault] = {
    "429": Fault(429, b'{"error":{"message":"slow down"}}', {"Retry-After": "0"}),
    "429 with an odd Retry-After": Fault(429, headers={"Retry-After": "soon"}),
    "500": Fault(500, b"oops"),
    "502 of a proxy": Fault(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    "503": Fault(503),
    "closed without an answer": Fault(after=0),
    "closed in the middle": Fault(body=b'{"choices": [' + b" " * 99, after=9),
    "not JSON": Fault(body=b"<html>"),
    "nothing": Fault(),
    "JSON of another kind": Fault(body=b"[1, 2]"),
    "JSON that is too deep": Fault(body=b"[" * 100_000),
    "no choices": lie(choices=[]),
    "choices that are none": lie(choices="abc"),
    "a message that is none": lie(choices=[{"message": "abc", "finish_reason": "stop"}]),
    "no content": choice("stop"),
    "content that is no text": choice("stop", content=[1]),
    "broken off by a shutdown": choice("abort", content="half a"),
    "failed": choice("error", content="half a"),
    "a call of a tool": choice("tool_calls", content=None),
    "a finish reason that nobody knows": choice("insufficient_system_resource", content="half a"),
    "no finish reason": choice(None, content="half a"),
    "a finish reason that is no word": choice(["stop"], content="x"),
    "compressed unasked": Fault(body=b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"}),
    "much more than was asked for": Fault(body=b" " * (3 << 20)),
    "a lone surrogate": Fault(body=orjson.dumps(completion({"messages": []})).replace(b"Drawn", rb"\ud800")),
    "an event stream": Fault(body=b"data: {}\n\n", headers={"Content-Type": "text/event-stream"}),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_leaves_no_trace(fault: Fault) -> None:
    with ChatServer(once(fault)) as server:
        samples = generate(server)
    assert {key: sample.text for key, sample in samples.items()} == {
        request.record.ordinal: text_of(request) for request in requests(6)
    }
    assert {sample.error for sample in samples.values()} == {None}


LASTING: dict[str, tuple[Fault, str]] = {
    "a bad request": (
        Fault(400, b'{"error":{"message":"temperature\\n too high"}}'),
        "BadRequest: 400, temperature too high",
    ),
    "unprocessable": (Fault(422, b'{"detail":"top_k: extra"}'), "BadRequest: 422, top_k: extra"),
    "too long": (
        Fault(400, b'{"error":{"message":"This model\'s maximum context length is 16"}}'),
        "PromptTooLong: 400, This model's maximum context length is 16",
    ),
    "too large": (Fault(413), "PromptTooLong: 413,"),
    "an error with escapes for a terminal": (Fault(400, b"\x1b[2Jx\x00"), "BadRequest: 400, [2Jx"),
    "an error of megabytes": (Fault(400, b"x" * 3_000_000), "BadRequest: 400, " + "x" * 99),
    "a filter": (choice("content_filter", content=""), "ContentFilter: the server withholds the text"),
    "a refusal": (choice("stop", content=None, refusal="I cannot"), "ContentFilter: I cannot"),
    "500 for this one": (Fault(500, b"oops"), "ServerError: 500, oops"),
    "a broken connection for this one": (Fault(after=0), "RemoteProtocolError: "),
    "a lie for this one": (Fault(body=b"{}"), "BadAnswer: not a chat completion"),
}


@pytest.mark.parametrize(("fault", "error"), LASTING.values(), ids=LASTING.keys())
def test_what_is_the_fault_of_one_request_quarantines_that_one(fault: Fault, error: str) -> None:
    with ChatServer(always(fault)) as server:
        samples = generate(server)
    refused = samples.pop(2)
    assert refused.finish_reason == "error" and (refused.error or "").startswith(error)
    assert len(refused.error or "") <= 330
    assert (refused.error or "").isprintable()
    assert {sample.error for sample in samples.values()} == {None}


def test_a_request_that_fails_alone_is_told_from_a_lost_server_by_a_control_request() -> None:
    with ChatServer(always(Fault(500), number=0)) as server:
        samples = generate(server, 1)
    assert (samples[0].error or "").startswith("ServerError: 500")
    assert {"role": "user", "content": "Say yes."} in [ask["messages"][0] for ask in server.asked]


def test_a_full_server_is_waited_for_and_no_request_is_to_blame() -> None:
    full = Fault(429, headers={"Retry-After": "0"})
    with ChatServer(lambda ask, before: full if is_about(ask, 2) and before < 12 else None) as server:
        samples = generate(server, tries=1)
    assert samples[2].text == text_of(requests(3)[2])


MISTAKES: dict[str, tuple[Fault, str]] = {
    "401": (Fault(401, b'{"error":{"message":"Incorrect key"}}'), "401, the key is refused: Incorrect key"),
    "403": (Fault(403), "403, the key may not use it"),
    "404": (
        Fault(404, b'{"error":{"message":"no model m"}}'),
        "404, there is no such address or model: no model m",
    ),
    "405": (Fault(405), "405, there is no such address"),
    "a redirect": (Fault(307, headers={"Location": "http://127.0.0.1:1/"}), "307, it redirects to another"),
    "a web page": (Fault(body=b"<html>Welcome"), "no OpenAI-compatible server answers there"),
}


@pytest.mark.parametrize(("fault", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_wrong_address_key_or_model_is_the_users_to_mend(fault: Fault, words: str) -> None:
    with ChatServer(lambda ask, before: fault) as server, pytest.raises(ConfigError) as caught:
        generate(server)
    assert words in str(caught.value) and server.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_comes_back_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with ChatServer() as first:
        port, url = first.port, first.url
        teacher = EndpointTeacher(options(url, concurrency=2), config.Sampling())
        running = teacher.generate(iter(requests(12)))
        samples = [sample for sample in (next(running) for _ in range(2)) if sample is not None]
    began = time.monotonic()
    while time.monotonic() - began < 1.0:  # nobody listens there now
        samples += [sample for sample in [next(running)] if sample is not None]
    with teacher, ChatServer(port=port):
        samples += [sample for sample in running if sample is not None]
    assert sorted(sample.ordinal for sample in samples) == list(range(12))
    assert {sample.error for sample in samples} == {None}
    assert 0.5 < teacher.away <= time.monotonic() - began  # and it does not grow any more
    assert teacher.away == teacher.away
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2  # once when it goes, once when it is back
    assert "trying again for up to 20 s" in shown[0] and shown[1] == f"{url}: answers again"


AWAY: dict[str, Fault] = {
    "500": Fault(500, b"engine dead"),
    "429 for ever": Fault(429, b"quota exceeded"),
    "closed": Fault(after=0),
    "hangs": Fault(stall=60),
    "sends without an end": Fault(drip=True),
}


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_a_server_that_answers_nobody_is_lost_in_the_end(fault: Fault) -> None:
    with ChatServer(lambda ask, before: fault) as server, pytest.raises(ServerLost) as caught:
        generate(server, patience=0.5, timeout=0.2)
    assert caught.value.blameless
    assert server.url in str(caught.value) and "\n" not in str(caught.value)


def test_nobody_listens() -> None:
    with pytest.raises(ServerLost, match="ConnectError"):
        generate("http://127.0.0.1:9/v1", patience=0.2)


def test_a_server_that_is_slow_but_at_work_is_not_lost() -> None:
    def faults(ask: Ask, before: int) -> Fault | None:
        if is_about(ask, 0):  # a long text
            return Fault(body=orjson.dumps(completion(ask)), stall=1.0)
        return Fault(503) if before < 5 else Fault(503, stall=2.0) if before < 6 else None

    with ChatServer(faults) as server:
        samples = generate(server, 2, patience=0.3)
    assert {sample.error for sample in samples.values()} == {None}


@pytest.mark.parametrize("concurrency", [1, 3, 32])
def test_no_more_than_the_stated_number_is_in_flight_and_samples_do_not_depend_on_it(
    concurrency: int,
) -> None:
    full = threading.Event()

    def faults(ask: Ask, before: int) -> Fault | None:
        if server.at_once == concurrency:
            full.set()
        full.wait(60)  # nobody is answered before as many wait as may
        return None

    given = 0

    def counted() -> Iterator[Request]:
        nonlocal given
        for request in requests(80):
            given += 1
            yield request

    ahead, texts = [], {}
    chosen = options("http://127.0.0.1:1", concurrency=concurrency)
    with ChatServer(faults) as server:
        chosen.endpoint.url = server.url
        with EndpointTeacher(chosen, config.Sampling()) as teacher:
            for sample in teacher.generate(counted()):
                if sample is not None:
                    texts[sample.ordinal] = sample.text
                    ahead.append(given - len(texts))
    assert texts == {request.record.ordinal: text_of(request) for request in requests(80)}
    assert full.is_set() and server.most_at_once == concurrency and max(ahead) < concurrency


def test_while_nothing_finishes_the_caller_is_given_its_turn_and_may_leave() -> None:
    with ChatServer(lambda ask, before: Fault(stall=60)) as server:
        with EndpointTeacher(options(server), config.Sampling()) as teacher:
            running = teacher.generate(iter(requests(20)))
            assert [next(running) for _ in range(3)] == [None] * 3
            began = time.monotonic()
            running.close()
        assert time.monotonic() - began < 20
        assert len(server.asked) == 8


def test_a_teacher_can_be_used_again_after_a_generator_was_left() -> None:
    with ChatServer() as server, EndpointTeacher(options(server), config.Sampling()) as teacher:
        running = teacher.generate(iter(requests(20)))
        next(running)
        running.close()
        again = [sample for sample in teacher.generate(iter(requests(5))) if sample is not None]
    assert len(again) == 5


def test_the_key_is_sent_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {CANARY}\n")

    def faults(ask: Ask, before: int) -> Fault | None:
        if is_about(ask, 0):
            return Fault(400, f'{{"error":{{"message":"bad key {CANARY}"}}}}'.encode())
        if is_about(ask, 1):
            return Fault(400, b"x" * 270 + CANARY.encode())  # cut in the middle it would still be half a key
        return choice("stop", content=f"It is {CANARY}.") if is_about(ask, 2) else None

    with ChatServer(faults) as server:
        samples = generate(server, key_variable="MY_KEY")
        assert {headers["authorization"] for headers in server.headers} == {f"Bearer {CANARY}"}
    assert samples[0].error == "BadRequest: 400, bad key [key]"
    assert (samples[2].text, samples[2].error) == (
        "",
        "KeyInText: the server's text holds the key",
    )
    assert "canary" not in str(samples)


@pytest.mark.parametrize("status", [401, 500])
def test_no_error_quotes_the_key(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", CANARY)
    fault = Fault(status, f"Incorrect API key provided: {CANARY}".encode())
    with ChatServer(lambda ask, before: fault) as server, pytest.raises((ConfigError, ServerLost)) as caught:
        generate(server, key_variable="MY_KEY", patience=0.1)
    shown = "".join(traceback.format_exception(caught.value))  # what a task leaves of its failure
    assert "[key]" in shown and "canary" not in shown


@pytest.mark.parametrize("value", [None, "", "  ", "sk canary", "sk-canary\nX: y", "sk-canäry"])
def test_a_key_that_is_not_there_or_cannot_be_sent(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match=r"^teacher\.endpoint\.key_variable=MY_KEY: ") as caught:
        EndpointTeacher(options("http://127.0.0.1:1", key_variable="MY_KEY"), config.Sampling())
    assert "can" not in str(caught.value).partition(": ")[2]


@pytest.mark.parametrize(
    ("value", "near"),
    [
        (None, None),
        ("3", 3.0),
        (" 0.5 ", 0.5),
        ("-3", None),
        ("1e9", None),
        ("٣", None),
        ("9" * 40, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 99 Foo 2015", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after(value: str | None, near: float | None) -> None:
    assert retry_after(value) == near


def test_a_server_is_left_alone_for_as_long_as_it_asks() -> None:
    times: list[float] = []

    def faults(ask: Ask, before: int) -> Fault | None:
        times.append(time.monotonic())
        return None if before else Fault(429, headers={"Retry-After": "1"})

    with ChatServer(faults) as server:
        generate(server, 1)
    # The control request may come between.
    assert times[-1] - times[0] >= 1


def test_what_is_asked_at_once_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    delay: Callable[..., float] = EndpointTeacher._delay

    def noted(self: EndpointTeacher, *arguments: Any) -> float:
        drawn.append(delay(self, *arguments))
        return drawn[-1]

    monkeypatch.setattr(EndpointTeacher, "_delay", noted)
    with ChatServer(once(Fault(500))) as server:
        generate(server, 8)
    assert len(set(drawn)) == len(drawn) >= 8
