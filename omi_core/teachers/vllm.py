"""vLLM in this process, fed continuously: a request is added as another finishes.

Every sample is a request of its own with its own seed; samples of one record share its prompt's cache.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from omi_core.config import Engine, Sampling, Teacher
from omi_core.options import ConfigError
from omi_core.records import Sample
from omi_core.teachers.base import EngineFailed, Message, Request
from omi_core.teachers.models import local_directory, model_path

if TYPE_CHECKING:
    from vllm import SamplingParams

_CPU_KV_CACHE_GB = 1.0


@dataclass(slots=True)
class _Running:
    request: Request
    admitted: float


class VllmTeacher:
    """Runs one replica of the model.

    Raises:
        ConfigError: vLLM is not installed, or the model cannot be loaded by name.
    """

    def __init__(self, teacher: Teacher, engine: Engine, sampling: Sampling) -> None:
        self._sampling = sampling
        self._in_flight = engine.max_num_seqs + engine.queue
        self._engine = _start(teacher, engine)
        self._tokenizer = self._engine.get_tokenizer()
        self._context = int(self._engine.model_config.max_model_len)
        self._prompt: tuple[list[Message], list[int]] = ([], [])
        from vllm.inputs import tokens_input

        self._input = tokens_input

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        """Samples in the order in which they finish. Closing the generator aborts what is in flight."""
        running: dict[str, _Running] = {}
        more = True
        alive = True
        try:
            while more or running:
                while more and len(running) < self._in_flight:
                    request = next(requests, None)
                    if request is None:
                        more = False
                        break
                    refused = self._admit(request, running)
                    if refused is not None:
                        yield refused
                if running:
                    yield from self._step(running)
        except EngineFailed:
            alive = False
            raise
        finally:
            if running and alive:
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
        }

    def close(self) -> None:
        """Ends the engine and the processes it started."""
        self._engine.engine_core.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _admit(self, request: Request, running: dict[str, _Running]) -> Sample | None:
        """Adds the request to the engine, or returns the sample that says why it never can be."""
        tokens = self._tokenize(request.messages)
        if len(tokens) >= self._context:
            return request.refused(
                f"PromptTooLong: {len(tokens)} tokens, the teacher's context has {self._context}", len(tokens)
            )
        name = f"{request.record.ordinal}-{request.index}"
        params = self._params(request.seed)
        try:
            self._engine.add_request(name, self._input(tokens), params)
        except ValueError as error:  # vLLM's word for a request that it does not take
            return request.refused(f"ValueError: {' '.join(str(error).split())[:300]}", len(tokens))
        except Exception as error:
            raise EngineFailed(error) from error
        running[name] = _Running(request, time.monotonic())
        return None

    def _step(self, running: dict[str, _Running]) -> Iterator[Sample | None]:
        yield None
        try:
            outputs = self._engine.step()
        except Exception as error:  # nothing that a sample can do is an exception of the engine as a whole
            raise EngineFailed(error) from error
        for output in outputs:
            if not output.finished:
                continue
            done = running.pop(output.request_id)
            best = output.outputs[0]
            yield done.request.sample(
                best.text,
                "length" if best.finish_reason == "length" else "stop",
                len(output.prompt_token_ids or ()),
                len(best.token_ids),
                time.monotonic() - done.admitted,
            )

    def _tokenize(self, messages: list[Message]) -> list[int]:
        # The samples of a record follow each other with one prompt: tokenize it once.
        if messages != self._prompt[0]:
            self._prompt = (messages, prompt_tokens(self._tokenizer, messages))
        return self._prompt[1]

    def _params(self, seed: int) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = self._sampling
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_tokens,
            stop=sampling.stop or None,
            seed=seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )


def prompt_tokens(tokenizer: Any, messages: list[Message]) -> list[int]:
    """Token ids of a chat prompt; a model without a chat template gets the texts, one paragraph each."""
    if getattr(tokenizer, "chat_template", None):
        tokens = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        return list(tokens)
    return list(tokenizer.encode("\n\n".join(message["content"] for message in messages) + "\n\n"))


def _start(teacher: Teacher, engine: Engine) -> Any:
    """A running vLLM engine. Environment variables are set before vllm is imported, which reads them."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    embedded = teacher.model.startswith("embedded:")
    if embedded:
        # What vllm and torch warn of at start (no triton, bound memory) does not touch a model that small.
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
        # A second thread would wait more than it works, and many times more on a busy machine.
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    if local_directory(teacher.model) is not None:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if engine.batch_invariant:
        os.environ["VLLM_BATCH_INVARIANT"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vllm about torch's own deprecations: not for our users to mend
        try:
            from vllm.platforms import current_platform
        except ImportError as error:
            raise ConfigError(
                "teacher: vLLM is not installed; install the project with [gpu] or [cpu], or rehearse with "
                "teacher=rehearsal"
            ) from error
        if embedded:
            import torch

            torch.set_num_threads(1)  # where torch was imported before, it has read its environment already
        arguments = _arguments(teacher, engine) | {"use_tqdm_on_load": not embedded}
        if current_platform.is_cpu():
            arguments |= _cpu_arguments(teacher, engine)
        return _engine(arguments | engine.extra)


def _arguments(teacher: Teacher, engine: Engine) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": model_path(teacher.model),
        "revision": teacher.revision,
        "tokenizer_revision": teacher.revision,
        "dtype": teacher.dtype,
        "quantization": teacher.quantization,
        "max_model_len": teacher.max_model_len,
        "tensor_parallel_size": teacher.tensor_parallel,
        "pipeline_parallel_size": teacher.pipeline_parallel,
        "max_num_seqs": engine.max_num_seqs,
        "gpu_memory_utilization": engine.gpu_memory_utilization,
        "enforce_eager": engine.enforce_eager,
        "disable_log_stats": True,
        "seed": 0,  # samples carry their own seeds; the engine's is never used
    }
    if engine.kv_cache_gb is not None:
        arguments["kv_cache_memory_bytes"] = int(engine.kv_cache_gb * 2**30)
    return arguments


def _cpu_arguments(teacher: Teacher, engine: Engine) -> dict[str, Any]:
    # In one process: the model is small, and a second process would only take a core from it.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    return {
        "enforce_eager": True,
        # Without a size, start-up on a CPU fails its check of free memory.
        "kv_cache_memory_bytes": int((engine.kv_cache_gb or _CPU_KV_CACHE_GB) * 2**30),
        # A seeded request that is prefilled in chunks crashes on a CPU ("CPU Generator does not use offset").
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(teacher.max_model_len, 8192),
    }


def _engine(arguments: dict[str, Any]) -> Any:
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    try:
        args = EngineArgs(**arguments)
    except TypeError as error:
        raise ConfigError(f"engine.extra: {error}") from error
    try:
        return LLMEngine.from_engine_args(args)
    except OSError as error:  # the hub client's word for "no such model", "no access" and "no connection"
        line = " ".join(str(error).split())[:300]
        raise ConfigError(f"teacher.model={arguments['model']}: cannot be loaded: {line}") from error
