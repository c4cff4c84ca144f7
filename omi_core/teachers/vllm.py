"""vLLM in this process, fed continuously: a request is added as another finishes.

Every sample is a request of its own with its own seed; samples of one record share its prompt's cache.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from omi_core.finish import finished
from omi_core.options import ConfigError
from omi_core.records import Sample
from omi_core.teachers import teacher_options, vllm_engine
from omi_core.teachers.chat_prompt import ChatPrompt, TemplateFailed
from omi_core.teachers.models import read_template
from omi_core.teachers.ranks import RankGroup
from omi_core.teachers.teacher import EngineEnded, EngineFailed, Message, Request, Teacher
from omi_core.teachers.thinking import ParserFailed, Thinking, budget_arguments
from omi_core.teachers.vllm_sampling import sampling_params

if TYPE_CHECKING:
    from vllm import CompletionOutput, PoolingParams, SamplingParams

_WATCH_SECONDS = 0.5
_HELD_OUTPUTS, _HELD_SECONDS = 32, 0.25
# An error of one request, such as a cache that could not be loaded, is worth another try, says vLLM.
_TRIES = 3


@dataclass(slots=True)
class Prepared:
    """What the engine gets for a request: `opened` says that the prompt ends inside of thinking."""

    request: Request
    tokens: list[int]
    params: SamplingParams | PoolingParams
    opened: bool
    tries: int


@dataclass(slots=True)
class Running:
    """A request in the engine since `admitted`; `seconds` is how long it was there, once it is finished."""

    prepared: Prepared
    admitted: float
    seconds: float = 0.0

    @property
    def request(self) -> Request:
        return self.prepared.request


class _Held:
    """Outputs that are finished and not yet made into samples: a few, and for a moment only."""

    def __init__(self) -> None:
        self._outputs: list[tuple[Running, Any, str]] = []
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._outputs)

    def add(self, done: Running, output: Any, reason: str) -> None:
        now = time.monotonic()
        done.seconds = now - done.admitted
        if not self._outputs:
            self._since = now
        self._outputs.append((done, output, reason))

    def due(self) -> bool:
        """Whether they are enough, or have waited enough, to be made into samples."""
        waited = bool(self._outputs) and time.monotonic() - self._since >= _HELD_SECONDS
        return waited or len(self._outputs) >= _HELD_OUTPUTS

    def take(self) -> list[tuple[Running, Any, str]]:
        taken, self._outputs = self._outputs, []
        return taken


class VllmTeacher(Teacher):
    """Runs one replica of the model; with a group it drives that of several nodes.

    Raises:
        ConfigError: vLLM is not installed, or cannot be started with these options.
    """

    def __init__(
        self,
        teacher: teacher_options.TeacherOptions,
        engine: teacher_options.Engine,
        sampling: teacher_options.Sampling,
        group: RankGroup | None = None,
    ) -> None:
        self._sampling = sampling
        if sampling.thinking_tokens is not None:
            engine = replace(engine, extra={**budget_arguments(teacher), **engine.extra})
        self._engine = vllm_engine.start(teacher, engine, group, sampling.max_tokens)
        self._in_flight = vllm_engine.seats(teacher, engine) + engine.queue
        self._refill = engine.queue // 2
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="EngineWatch", daemon=True).start()
        self._options = teacher
        tokenizer = self._engine.get_tokenizer()
        self._chat = ChatPrompt(tokenizer, read_template(teacher), teacher.chat_template_kwargs)
        self._noted: str | None = None
        self._begun = False  # no prompt has been made yet
        self._context = int(self._engine.model_config.max_model_len)
        self._open()
        from vllm.inputs import tokens_input

        self._input = tokens_input
        self._adapter: dict[str, Any] = {}
        if teacher.lora is not None:
            from vllm.lora.request import LoRARequest

            self._adapter = {"lora_request": LoRARequest("adapter", 1, teacher.lora)}

    def _open(self) -> None:
        """What else a teacher needs, now that the engine is there."""
        self._longest = self._context - 1  # there is room for a token
        self._thinking = Thinking(self._options, self._engine.get_tokenizer())
        self._prompt: tuple[list[Message], list[int], bool] = ([], [], False)

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """Samples in the order in which they finish. Closing the generator aborts what is in flight."""
        running: dict[str, Running] = {}
        held = _Held()
        dry = alive = True
        try:
            while True:
                if dry or len(running) <= self._in_flight - self._refill:
                    dry = yield from self._admit_several(requests, running)
                if running:
                    yield from self._step(running, held)
                elif not held:
                    return
                if dry or held.due():  # which requests come next may depend on these samples
                    yield from self._made(held)
        except EngineFailed:
            alive = False
            yield from self._made(held)
            raise
        finally:
            if running and alive:
                with suppress(Exception):  # an engine that is gone meanwhile has nothing in flight
                    self._engine.abort_request(list(running))

    def describe(self) -> dict[str, str]:
        import torch
        import vllm
        from vllm.platforms import current_platform

        return {
            "engine": "vllm",
            "version": vllm.__version__,
            "torch": torch.__version__,
            "device": current_platform.get_device_name() or current_platform.device_name,
            "dtype": str(self._engine.model_config.dtype).removeprefix("torch."),
            "seats": str(self._engine.vllm_config.scheduler_config.max_num_seqs),
        }

    def close(self) -> None:
        """Ends the engine and the processes it started."""
        self._closed.set()
        self._engine.engine_core.shutdown()

    def _watch(self) -> None:
        """Wakes `generate` with EngineDeadError when the engine's process is gone.

        vLLM 0.32 notices it, but its synchronous client then waits for output forever.
        """
        client = self._engine.engine_core
        if not hasattr(client, "outputs_queue"):
            return  # the engine is in this process
        while not self._closed.wait(_WATCH_SECONDS):
            if client.resources.engine_dead:
                from vllm.v1.engine.exceptions import EngineDeadError

                client.outputs_queue.put_nowait(EngineDeadError())
                return

    def _admit_several(
        self, requests: Iterator[Request], running: dict[str, Running]
    ) -> Generator[Sample, None, bool]:
        """Fills the engine's queue; returns whether the requests have run dry. Yields what it refuses.

        Several at a time, one kind of work after the other: after a step of the engine nothing of this is in
        the processor's caches, and the first of several takes more time than all others.
        """
        while (room := self._in_flight - len(running)) > 0:
            asked = [self._prepared(request) for request in list(islice(requests, room))]
            for each in asked:
                refused = each if isinstance(each, Sample) else self._admit(each, running)
                if refused is not None:
                    yield refused
            if len(asked) < room:
                return True
        return False

    def _prepared(self, request: Request) -> Prepared | Sample:
        """What the engine gets for a request, or the sample that says why it never can be."""
        try:
            tokens = self._tokenize(request)
        except TemplateFailed as error:
            if not self._begun:  # no other would fare better
                model = f"teacher.model={self._options.model}"
                raise ConfigError(f"{model}: {error}; fix its chat template") from error
            return request.refused(f"TemplateFailed: {error}")
        if len(tokens) > self._longest:
            return self._too_long(request, len(tokens))
        return Prepared(request, tokens, self._params(request.seed), self._opens_thinking(), 1)

    def _admit(self, prepared: Prepared, running: dict[str, Running]) -> Sample | None:
        """Adds a request to the engine, or returns the sample that says why it never can be."""
        request, tokens = prepared.request, prepared.tokens
        name = f"{request.record.ordinal}-{request.index}"
        try:
            self._engine.add_request(name, self._input(tokens), prepared.params, **self._adapter)
        except ValueError as error:  # vLLM's word for a request that it does not take
            return request.refused(f"ValueError: {' '.join(str(error).split())[:300]}", len(tokens))
        except Exception as error:
            raise EngineFailed(error) from error
        running[name] = Running(prepared, time.monotonic())
        return None

    def _opens_thinking(self) -> bool:
        """Whether the prompt made last ends in the middle of thinking."""
        return self._prompt[2]

    def _too_long(self, request: Request, tokens: int) -> Sample:
        """What becomes of a request that the model has no room for."""
        words = f"PromptTooLong: {tokens} tokens, the teacher's context has {self._context}"
        return request.refused(words, tokens)

    def _step(self, running: dict[str, Running], held: _Held) -> Iterator[Sample | None]:
        """A step of the engine: what is finished by it is held. Yields samples that never can be made.

        Raises:
            EngineFailed: the engine died; EngineEnded: it was told to end, and hands back what it has.
        """
        yield None
        try:
            outputs = self._engine.step()
        except Exception as error:  # nothing that a sample can do is an exception of the engine as a whole
            raise EngineFailed(error) from error
        given_up = 0
        for output in outputs:
            if not output.finished:
                continue
            done = running.pop(output.request_id)
            ended = self._ended(output)
            if (reason := finished(ended)) is not None:
                held.add(done, output, reason)
            elif ended == "abort":  # not by us: what we abort we do not wait for
                given_up += 1
            elif done.prepared.tries < _TRIES:
                done.prepared.tries += 1
                if (refused := self._admit(done.prepared, running)) is not None:
                    yield refused
            else:
                yield done.request.refused(
                    f"RequestFailed: finish reason {ended!r}, {_TRIES} times",
                    len(output.prompt_token_ids or ()),
                )
        if given_up:
            raise EngineEnded(InterruptedError(f"the engine was told to end and gave up {given_up} samples"))

    def _made(self, held: _Held) -> Iterator[Sample]:
        """The samples of the outputs that were held."""
        for done, output, reason in held.take():
            yield self._sample(done, output, reason)

    def _ended(self, output: Any) -> str | None:
        """How an output of the engine ended, in its words."""
        return output.outputs[0].finish_reason

    def _sample(self, done: Running, output: Any, reason: str) -> Sample:
        best: CompletionOutput = output.outputs[0]
        prompt_tokens = len(output.prompt_token_ids or ())
        try:
            trace, answer, thought = self._thinking.part(best.text, best.token_ids, done.prepared.opened)
        except ParserFailed as error:
            return done.request.refused(f"ParserFailed: {error}", prompt_tokens)
        return done.request.sample(
            answer, reason, prompt_tokens, len(best.token_ids), done.seconds, trace, thought
        )

    def _tokenize(self, request: Request) -> list[int]:
        # The samples of a record follow each other with one prompt: tokenize it once.
        messages = request.messages
        if messages != self._prompt[0]:
            plain = self._chat.continued(messages[0]["content"]) if request.plain else None
            tokens = self._chat.tokens(messages) if plain is None else plain
            self._prompt = (messages, tokens, self._thinking.opened(tokens))
            self._begun = bool(tokens)
            if request.plain:
                return tokens
            self._note()
        return self._prompt[1]

    def _note(self) -> None:
        """Says what a user should know of the prompts, once."""
        note = self._chat.note()
        if note != self._noted:
            self._noted = note
            print(f"teacher.model={self._options.model}: {note}", file=sys.stderr, flush=True)

    def _params(self, seed: int) -> SamplingParams | PoolingParams:
        params = copy(self._common_params)  # vLLM makes a deep copy of its own
        params.seed = seed
        return params

    @cached_property
    def _common_params(self) -> SamplingParams:
        """The parameters of all samples, but for their seeds. Checking them anew for each takes longer than
        writing the sample down."""
        from vllm.sampling_params import RequestOutputKind

        params = sampling_params(self._sampling)
        params.seed, params.output_kind = 0, RequestOutputKind.FINAL_ONLY
        params.skip_special_tokens &= not self._thinking.in_controls
        return params
