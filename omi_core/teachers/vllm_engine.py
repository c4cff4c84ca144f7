"""Starting vLLM's engine: its environment, its arguments, and one line for what it cannot be started with.

A teacher that spans nodes has an engine on rank 0 and, on each other rank, only the processes of its part
(vLLM's headless executor).
"""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omi_core.options import ConfigError
from omi_core.teachers.checkpoint import max_lora_rank
from omi_core.teachers.models import local_directory, model_path
from omi_core.teachers.orphans import end_orphans, marked
from omi_core.teachers.ranks import RankGroup
from omi_core.teachers.teacher import EngineNotStarted
from omi_core.teachers.teacher_options import CPU_SEATS, REWARD, Engine, TeacherOptions
from omi_core.teachers.vllm_worker import EXTENSION, AskedWorker

_CPU_KV_CACHE_GB = 1.0
# The room for a prompt where the context is the model's own.
_PROMPT_TOKENS = 8192


def start(
    teacher: TeacherOptions, engine: Engine, group: RankGroup | None = None, max_tokens: int = 2048
) -> Any:
    """A running vLLM engine; with a group it drives the other ranks, which have to run `serve`.

    `max_tokens` is how long samples may be: where `teacher.max_model_len` is null, the context has room for
    them and for a prompt of 8,192 tokens, or is the model's own if that is shorter.

    Raises:
        ConfigError: vLLM is not installed, or cannot be started with these options.
        EngineNotStarted: a process of the engine ended before it was ready; why stands on the log.
    """
    with _starting(teacher, engine, group, max_tokens) as config:
        from vllm.v1.engine.llm_engine import LLMEngine

        try:
            started = LLMEngine.from_vllm_config(config, disable_log_stats=True)
        except RuntimeError as error:
            if "initialization failed" not in str(error):  # vLLM's words for it, of the core and of a worker
                raise
            raise EngineNotStarted(error) from error
        if engine.batch_invariant:
            _confirm_invariance(started)
        return started


def _confirm_invariance(started: Any) -> None:
    """Raises ConfigError, and ends the engine, when a worker has no batch-invariant kernels switched on."""
    if not all(started.collective_rpc(AskedWorker.omi_batch_invariant.__name__)):
        started.engine_core.shutdown()
        raise ConfigError("engine.batch_invariant: vLLM has not switched it on in its workers; omit it")


def serve(teacher: TeacherOptions, engine: Engine, group: RankGroup, max_tokens: int) -> None:
    """Runs a rank above 0; returns when one of its worker processes has ended.

    Raises:
        ConfigError: as of `start`.
    """
    with _starting(teacher, engine, group, max_tokens) as config:
        from vllm.v1.executor.multiproc_executor import MultiprocExecutor

        executor = MultiprocExecutor(config, monitor_workers=False)
    try:
        executor.start_worker_monitor(inline=True)
    finally:
        executor.shutdown()


@contextmanager
def _starting(
    teacher: TeacherOptions, engine: Engine, group: RankGroup | None, max_tokens: int
) -> Iterator[Any]:
    """vLLM's configuration, in an environment to start an engine in."""
    end_orphans()
    _environment(teacher, engine, group)
    with warnings.catch_warnings(), marked():
        warnings.simplefilter("ignore")  # vllm about torch's own deprecations: not for our users to mend
        config = _configuration(teacher, engine, group, max_tokens)
        try:
            yield config
        except OSError as error:  # weights or a tokenizer that are not there
            raise _not_loaded(teacher, error) from error


def _configuration(teacher: TeacherOptions, engine: Engine, group: RankGroup | None, max_tokens: int) -> Any:
    """What vLLM makes of the arguments; what it says against them is told in one line."""
    arguments = _arguments(teacher, engine, group)
    from vllm.engine.arg_utils import EngineArgs

    try:
        if teacher.max_model_len is None:
            own = EngineArgs(**arguments).create_model_config().max_model_len
            teacher = dataclasses.replace(teacher, max_model_len=min(own, max_tokens + _PROMPT_TOKENS))
            arguments = _arguments(teacher, engine, group)
        args = EngineArgs(**arguments)
        return args.create_engine_config(headless=group is not None and group.rank > 0)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise ConfigError(f"engine.extra: {error}") from error
    except OSError as error:  # the hub client's word for "no such model", "no access" and "no connection"
        raise _not_loaded(teacher, error) from error
    except ValueError as error:
        if "repo id" in str(error).lower() or "repository id" in str(error).lower():
            raise _not_loaded(teacher, error) from error
        raise ConfigError(f"vLLM refuses these options of teacher and engine: {_line(error)}") from error


def _not_loaded(teacher: TeacherOptions, error: Exception) -> ConfigError:
    return ConfigError(f"teacher.model={teacher.model}: cannot be loaded: {_line(error)}")


def _line(error: Exception) -> str:
    """An error in one line; of pydantic's only what it says, not how it was asked."""
    text = str(error)
    if (errors := getattr(error, "errors", None)) is not None:  # pydantic.ValidationError
        said = [(".".join(map(str, each["loc"])), each["msg"]) for each in errors()]
        text = "; ".join(f"{where}: {what}" if where else what for where, what in said)
    return " ".join(text.replace("Value error, ", "").split())[:300]


def _environment(teacher: TeacherOptions, engine: Engine, group: RankGroup | None) -> None:
    """Sets what vllm reads from the environment when it is imported."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    if teacher.model.startswith("embedded:"):
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
    if group is not None:
        # Else it is that of the route to the internet, which a compute node need not have.
        os.environ.setdefault("VLLM_HOST_IP", group.own_address)


def _arguments(teacher: TeacherOptions, engine: Engine, group: RankGroup | None) -> dict[str, Any]:
    """What EngineArgs is given."""
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise ConfigError(
            "teacher: vLLM is not installed; install the project with [gpu] or [cpu], or rehearse with "
            "teacher=rehearsal"
        ) from error
    embedded = teacher.model.startswith("embedded:")
    if embedded:
        import torch

        torch.set_num_threads(1)  # where torch was imported before, it has read its environment already
    arguments: dict[str, Any] = {
        "model": model_path(teacher.model),
        "revision": teacher.revision,
        "tokenizer_revision": teacher.revision,
        "dtype": teacher.dtype,
        "quantization": teacher.quantization,
        "max_model_len": teacher.max_model_len,
        "tensor_parallel_size": teacher.tensor_parallel,
        "pipeline_parallel_size": teacher.pipeline_parallel,
        "max_num_seqs": engine.seats,
        # Never what the model recommends, unless it is asked for; its stop tokens are read in any case.
        "generation_config": "vllm",
        "gpu_memory_utilization": engine.gpu_memory_utilization,
        "enforce_eager": engine.enforce_eager,
        "disable_log_stats": True,
        "seed": 0,  # samples carry their own seeds; the engine's is never used
        "use_tqdm_on_load": not embedded,
    }
    if engine.kv_cache_gb is not None:
        arguments["kv_cache_memory_bytes"] = int(engine.kv_cache_gb * 2**30)
    if teacher.lora is not None:
        arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": max_lora_rank(teacher.lora)}
    if teacher.kind == REWARD:
        # A text has one score, whether or not another one with the same beginning has been read before.
        arguments |= {"runner": "pooling", "enable_prefix_caching": False}
    if current_platform.is_cpu():
        arguments |= _cpu_arguments(teacher, engine, group)
    if group is not None:
        arguments |= group_arguments(group)
    if engine.batch_invariant:
        arguments["worker_extension_cls"] = EXTENSION
    return arguments | engine.extra


def seats(teacher: TeacherOptions, engine: Engine) -> int:
    """Samples at once on this machine."""
    from vllm.platforms import current_platform

    if teacher.kind == REWARD and current_platform.is_cpu():
        return engine.max_num_seqs or 1  # the last digits of a score depend on what is computed beside it
    few = current_platform.is_cpu() and not teacher.model.startswith("embedded:")
    return (engine.max_num_seqs or CPU_SEATS) if few else engine.seats


def group_arguments(group: RankGroup) -> dict[str, Any]:
    """How vLLM is told of a teacher over several nodes: one executor per node, rank 0's address for all."""
    return {
        "distributed_executor_backend": "mp",
        "nnodes": group.ranks,
        "node_rank": group.rank,
        "master_addr": group.address,
        "master_port": group.port,
    }


def _cpu_arguments(teacher: TeacherOptions, engine: Engine, group: RankGroup | None) -> dict[str, Any]:
    if engine.batch_invariant:  # vLLM would switch it on, and fail at the first sample for want of triton
        raise ConfigError("engine.batch_invariant: vLLM has no such kernels for a CPU; omit it")
    # In one process: the model is small, and a second process would only take a core from it. Rank 0 of
    # several needs the second one: it can be ended when another rank is gone.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0" if group is None else "1")
    # Bound to cores as vLLM does it, threads are slower by a third.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    return {
        "max_num_seqs": seats(teacher, engine),
        "enforce_eager": True,
        # Without a size, start-up on a CPU fails its check of free memory.
        "kv_cache_memory_bytes": int((engine.kv_cache_gb or _CPU_KV_CACHE_GB) * 2**30),
        # A seeded request that is prefilled in chunks crashes on a CPU ("CPU Generator does not use offset").
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(teacher.max_model_len or 0, 8192),
    }
