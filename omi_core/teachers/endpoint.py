"""A model behind an OpenAI-compatible server: many requests at once, each asked again until it is settled.

Everything happens in the thread of the caller: while it waits for a sample, and only then, the event loop
runs. What fails is told apart by what the server does meanwhile: when it answers others, the request is to
blame; when it answers no request, it is away, and all wait for it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Generator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import islice

from omi_core.options import ConfigError
from omi_core.records import Record, Sample
from omi_core.teachers import teacher_options
from omi_core.teachers.address import read_key
from omi_core.teachers.chat_api import (
    PATH,
    Again,
    Completion,
    Mistaken,
    Refused,
    judge,
    read_completion,
    request_body,
    template_fields,
)
from omi_core.teachers.teacher import Request, ServerLost, Teacher
from omi_core.teachers.teacher_options import OFF
from omi_core.text.reasoning import part

_TICK_SECONDS = 0.2
_CONNECT_SECONDS = 30.0
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 20.0
# A control request is sent at most this often while nothing is answered.
_CONTROL_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
# Of an answer: this for its frame, and this for each token it may have.
_FRAME_BYTES = 1 << 20
_TOKEN_BYTES = 64
_ERROR_BYTES = 1 << 16
_SHOWN = 300
# A shorter key is no secret but a word such as EMPTY, which a sample may well hold.
_SECRET_LENGTH = 12


class EndpointTeacher(Teacher):
    """Asks a server, with at most `teacher.endpoint.concurrency` requests in flight.

    Raises:
        ConfigError: the environment does not hold the key.
    """

    def __init__(self, teacher: teacher_options.TeacherOptions, sampling: teacher_options.Sampling) -> None:
        import httpx2

        self._options = teacher.endpoint
        self._model, self._sampling = teacher.model, sampling
        self._extra = template_fields(teacher) | self._options.extra
        self._tags = None if teacher.reasoning == OFF else teacher.reasoning_tags
        self._url = str(self._options.url).rstrip("/")
        self._key = read_key(self._options.key_variable)
        self._health = _Health(self._url, self._options.patience)
        self._loop = asyncio.new_event_loop()
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        trusted = httpx2.create_ssl_context()
        # A client each: what one does for a request grows with its connections.
        self._clients = [
            httpx2.AsyncClient(
                headers=headers,
                cookies=no_cookies,
                follow_redirects=False,  # the key is for this address alone
                limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
                timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
                verify=trusted,
            )
            for _ in range(self._options.concurrency + 1)  # with room for the control request
        ]
        self._free = list(self._clients)

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """Samples as they are answered. Closing the generator breaks off what is in flight.

        Raises:
            ServerLost: nothing was answered for `patience` seconds.
            ConfigError: the server says that the address, the model's name or the key is wrong.
        """
        running: set[asyncio.Task[Sample]] = set()
        try:
            while True:
                for request in islice(requests, self._options.concurrency - len(running)):
                    running.add(self._loop.create_task(self._settle(request)))
                if not running:
                    return
                yield from self._finished(running)
        finally:
            self._abandon(running)

    @property
    def away(self) -> float:
        return self._health.away

    def describe(self) -> dict[str, str]:
        return {"engine": "endpoint", "url": self._url}

    def close(self) -> None:
        if not self._loop.is_closed():
            self._abandon(set())
            for client in self._clients:
                self._loop.run_until_complete(client.aclose())
            self._loop.close()

    def _finished(self, running: set[asyncio.Task[Sample]]) -> Iterator[Sample | None]:
        waiting = asyncio.wait(running, timeout=_TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        done, _ = self._loop.run_until_complete(waiting)
        running -= done
        if not done:
            yield None
        for task in sorted(done, key=lambda each: each.exception() is not None):  # what is good first
            yield task.result()

    def _abandon(self, running: set[asyncio.Task[Sample]]) -> None:
        """Breaks off all there is: `running`, and what a KeyboardInterrupt has left on the way."""
        tasks = running | asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=_CLOSE_SECONDS))
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # seen: asyncio would print it as never retrieved
        self._health.forget()

    async def _settle(self, request: Request) -> Sample:
        """The sample of a request, however often it takes."""
        body = request_body(self._model, self._sampling, self._extra, request)
        started = time.monotonic()
        case = _Case(started)
        self._health.cases.add(case)
        try:
            while True:
                try:
                    answer = await self._ask(body, request.plain)
                except Refused as error:
                    self._health.answers()
                    return request.refused(str(error))
                except Again as error:
                    if await self._failed(case, error, request.plain):
                        return request.refused(str(error))
                    await asyncio.sleep(self._delay(case, error))
                else:
                    return self._sample(request, answer, time.monotonic() - started)
        finally:
            self._health.cases.discard(case)

    def _sample(self, request: Request, answer: Completion, seconds: float) -> Sample:
        self._health.answers()
        if (
            self._key is not None
            and len(self._key) >= _SECRET_LENGTH
            and self._key in f"{answer.reasoning}{answer.text}"
        ):
            return request.refused("KeyInText: the server's text holds the key")
        trace, text = self._part(answer)
        return request.sample(
            text,
            answer.finish_reason,
            answer.prompt_tokens,
            answer.completion_tokens,
            seconds,
            trace,
            answer.reasoning_tokens,
        )

    def _part(self, answer: Completion) -> tuple[str | None, str | None]:
        """(reasoning, text), as the server gives them or by the tags; the text is None without an answer."""
        if answer.reasoning is not None:
            return answer.reasoning, answer.text or None
        return (None, answer.text) if self._tags is None else part(answer.text, self._tags)

    async def _failed(self, case: _Case, error: Again, plain: bool) -> bool:
        """Counts a failure; True when the request has had its tries.

        Raises:
            ServerLost, ConfigError: as `generate`.
        """
        since = case.last_failure or case.started
        case.failures += 1
        case.first_failure = case.first_failure or time.monotonic()
        if not self._health.answered_since(since):
            await self._control(plain)
        case.last_failure = time.monotonic()
        words = str(error)
        if self._health.answered_since(since):
            case.own_failures += not error.busy
            return case.own_failures >= self._options.tries
        if error.foreign and not self._health.answered and case.failures >= self._options.tries:
            raise ConfigError(
                f"teacher.endpoint.url={self._url}: no OpenAI-compatible server answers there ({words}); "
                "the address of most ends in /v1"
            )
        self._health.doubt(case, words)
        return False

    async def _control(self, plain: bool) -> None:
        """Asks for one token of a plain text: does the server answer at all?"""
        if not self._health.control_due():
            return
        record = Record(0, "", "", None, "")
        sampling = teacher_options.Sampling(max_tokens=1)
        control = Request(record, 0, [{"role": "user", "content": "Say yes."}], 0, plain=plain)
        try:
            await self._ask(request_body(self._model, sampling, self._extra, control), plain)
        except Refused:
            pass  # an answer as well
        except Again:
            return
        self._health.answers()

    async def _ask(self, body: bytes, plain: bool) -> Completion:
        """One try. Raises Refused, Again, or ConfigError."""
        import httpx2

        client = self._free.pop()
        try:
            async with (
                asyncio.timeout(self._options.timeout),
                client.stream("POST", self._url + PATH[plain], content=body) as response,
            ):
                good = response.status_code == 200
                most = _FRAME_BYTES + _TOKEN_BYTES * self._sampling.max_tokens if good else _ERROR_BYTES
                raw = bytearray()
                async for piece in response.aiter_raw():
                    raw += piece
                    if len(raw) > most:
                        break
        except TimeoutError:
            raise Again(f"Timeout: no answer in {self._options.timeout:g} s") from None
        except (httpx2.TransportError, OSError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self._mistake(
                    "its certificate is not trusted here; SSL_CERT_FILE names others"
                ) from None
            raise Again(f"{type(error).__name__}: {self._shown(str(error))}") from None
        except httpx2.InvalidURL:
            raise self._mistake("not an address") from None
        finally:
            self._free.append(client)
        if not good:
            judged = judge(response.status_code, response.headers, bytes(raw), self._shown)
            raise self._mistake(str(judged)) if isinstance(judged, Mistaken) else judged
        if len(raw) > most:
            raise Again(f"BadAnswer: more than {most:,} bytes", foreign=True)
        return read_completion(bytes(raw), self._shown)

    def _mistake(self, words: str) -> ConfigError:
        names = f"teacher.endpoint.url={self._url}, teacher.model={self._model}"
        if self._options.key_variable is not None:
            names += f", key in {self._options.key_variable}"
        return ConfigError(f"{names}: {words}")

    def _shown(self, text: str) -> str:
        """A server's words in one line that can be printed, without the key.

        Done before they become an exception: what is raised while one is handled shows both.
        """
        if self._key is not None:
            text = text.replace(self._key, "[key]")
        text = "".join(letter if letter.isprintable() else " " for letter in text[:_SHOWN])
        return " ".join(text.split())[:_SHOWN]

    def _delay(self, case: _Case, error: Again) -> float:
        """Seconds until the next try: longer each time, as long as the server asks, never all at once."""
        longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(case.failures - 1, 16))
        asked = min(error.after or 0.0, self._options.patience)
        return max(asked, longest * random.uniform(0.5, 1.0)) + asked * random.uniform(0, 0.1)


class _Case:
    """A request in flight and how it has fared; times are of `time.monotonic`."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.first_failure: float | None = None
        self.last_failure: float | None = None
        self.failures = 0
        self.own_failures = 0


class _Health:
    """What is known of the server: when it last answered, and who waits for it."""

    def __init__(self, url: str, patience: float) -> None:
        self.cases: set[_Case] = set()
        self.answered: float | None = None
        self._url, self._patience = url, patience
        self._last_control = float("-inf")
        self._lost: float | None = None  # since when, while it is away
        self._away = 0.0

    @property
    def away(self) -> float:
        """Seconds for which it did not answer, all times together."""
        return self._away + (0.0 if self._lost is None else time.monotonic() - self._lost)

    def answers(self) -> None:
        """A request was settled, well or by a refusal."""
        self._away, self.answered = self.away, time.monotonic()
        if self._lost is not None:
            print(f"{self._url}: answers again", file=sys.stderr, flush=True)
            self._lost = None

    def answered_since(self, moment: float) -> bool:
        return self.answered is not None and self.answered > moment

    def control_due(self) -> bool:
        """Whether a control request may be sent now, and if so takes note of it."""
        due = time.monotonic() - self._last_control >= _CONTROL_SECONDS
        if due:
            self._last_control = time.monotonic()
        return due

    def doubt(self, case: _Case, words: str) -> None:
        """A request has failed and none was answered since. Raises ServerLost when that lasts too long.

        A request that has not failed yet may still be at work, on a long text of a large model.
        """
        assert case.first_failure is not None
        lost = max(case.first_failure, self.answered or case.first_failure)
        if self._lost is None:
            print(
                f"{self._url}: {words}; trying again for up to {self._patience:g} s",
                file=sys.stderr,
                flush=True,
            )
            self._lost = lost
        away = time.monotonic() - lost
        if away >= self._patience and all(each.first_failure is not None for each in self.cases):
            raise ServerLost(ConnectionError(f"{self._url}: no answer for {away:.0f} s; the last: {words}"))

    def forget(self) -> None:
        """The requests in flight are gone."""
        self.cases.clear()
