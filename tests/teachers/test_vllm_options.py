"""Options that vLLM cannot be started with end in one line that says which, before anything is loaded."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from omi_core.config import Engine, Sampling, TeacherOptions
from omi_core.options import ConfigError
from omi_core.teachers import open_teacher, vllm_engine, vllm_worker
from omi_core.teachers.models import model_path
from omi_core.teachers.ranks import RankGroup
from omi_core.teachers.teacher import EngineNotStarted
from omi_core.teachers.vllm_worker import AskedWorker
from tests.installed import needs

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]
needs("vllm")

TINY = {"model": "embedded:strong", "dtype": "float32", "max_model_len": 512}


@pytest.mark.parametrize(
    ("teacher", "extra", "message"),
    [
        ({"model": "{tmp}"}, {}, r"teacher\.model=/.*: cannot be loaded: Invalid repository ID or local"),
        pytest.param(
            {"model": "no-such/model-at-all"},
            {},
            r"teacher\.model=no-such/model-at-all: cannot be loaded: ",
            marks=pytest.mark.slow,  # the hub's client tries again and again
        ),
        ({"model": "bad id"}, {}, r"teacher\.model=bad id: cannot be loaded: Repo id must use"),
        ({}, {"nope": 1}, r"engine\.extra: .* unexpected keyword argument 'nope'"),
        (
            {},
            {"block_size": "abc"},
            r"vLLM refuses .*: block_size: Input should be a valid int",
        ),
        ({"quantization": "zzz"}, {}, r"vLLM refuses these options .*: Unknown quantization method: zzz"),
        (
            {"max_model_len": 100_000},
            {},
            r"vLLM refuses .*: User-specified max_model_len \(100000\)",
        ),
        ({"tensor_parallel": 3}, {}, r"vLLM refuses .*heads \(4\) must be divisible by tensor"),
    ],
    ids=[
        "no config.json",
        "no such model",
        "bad id",
        "extra",
        "value",
        "quantization",
        "context",
        "parallel",
    ],
)
def test_what_vllm_refuses_is_said_in_one_line(
    teacher: dict[str, Any],
    extra: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    options = TINY | teacher
    options["model"] = options["model"].format(tmp=tmp_path)
    with pytest.raises(ConfigError, match=rf"^{message}") as refused:
        vllm_engine.start(TeacherOptions(**options), Engine(kv_cache_gb=0.25, extra=extra))
    assert "\n" not in str(refused.value)
    assert "pydantic" not in str(refused.value)


def test_batch_invariance_is_refused_where_vllm_cannot_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "0")
    with pytest.raises(ConfigError, match=r"^engine\.batch_invariant: vLLM has no such kernels for a CPU"):
        vllm_engine.start(TeacherOptions(**TINY), Engine(batch_invariant=True))


@pytest.mark.parametrize(("workers", "refused"), [([True, True], False), ([True, False], True)])
def test_batch_invariance_is_taken_only_when_every_worker_confirms_it(
    monkeypatch: pytest.MonkeyPatch, workers: list[bool], refused: bool
) -> None:
    from vllm.v1.engine.llm_engine import LLMEngine

    ended: list[bool] = []
    started = SimpleNamespace(
        collective_rpc=lambda method: workers if hasattr(AskedWorker, method) else None,
        engine_core=SimpleNamespace(shutdown=lambda: ended.append(True)),
    )
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "0")
    monkeypatch.setattr(vllm_engine, "_cpu_arguments", lambda *_: {})
    monkeypatch.setattr(vllm_engine, "_configuration", lambda *_: None)
    monkeypatch.setattr(LLMEngine, "from_vllm_config", lambda *_, **__: started)
    with pytest.raises(ConfigError, match="not switched it on") if refused else nullcontext():
        assert vllm_engine.start(TeacherOptions(**TINY), Engine(batch_invariant=True)) is started
    assert bool(ended) is refused


@pytest.mark.parametrize(
    ("module", "mode", "on"),
    [
        ("vllm.model_executor.determinism.batch_invariant", True, True),
        ("vllm.model_executor.layers.batch_invariant", True, True),
        ("vllm.model_executor.layers.batch_invariant", False, False),
        ("another.module", True, False),
    ],
)
def test_a_worker_says_whether_its_kernels_were_replaced(
    monkeypatch: pytest.MonkeyPatch, module: str, mode: bool, on: bool
) -> None:
    for name in vllm_worker.PLACES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, cast(Any, SimpleNamespace(_batch_invariant_MODE=mode)))
    assert AskedWorker().omi_batch_invariant() is on


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        # The core by SIGTERM before it listens for it; a worker.
        ("Engine core initialization failed. See root cause above. Failed core proc(s): {'x': -15}", True),
        ("WorkerProc initialization failed due to an exception in a background process.", True),
        ("a fault of another kind", False),
    ],
)
def test_a_process_that_ends_while_the_engine_starts_is_told_from_a_fault(
    monkeypatch: pytest.MonkeyPatch, error: str, ends: bool
) -> None:
    from vllm.v1.engine.llm_engine import LLMEngine

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(error)

    monkeypatch.setattr(LLMEngine, "from_vllm_config", fail)
    with pytest.raises(RuntimeError) as raised:
        vllm_engine.start(TeacherOptions(**TINY), Engine(kv_cache_gb=0.25))
    assert isinstance(raised.value, EngineNotStarted) == ends
    assert error in str(raised.value)


def test_a_teacher_of_several_nodes_needs_a_cluster() -> None:
    with pytest.raises(ConfigError, match=r"^teacher\.nodes=2: needs a Slurm cluster"):
        open_teacher(TeacherOptions(nodes=2), Engine(), Sampling())


def test_each_rank_is_told_its_place() -> None:
    group = RankGroup(rank=1, ranks=2, address="10.0.0.1", port=20001, own_address="10.0.0.2")
    from vllm.engine.arg_utils import EngineArgs

    told = vllm_engine.group_arguments(group)
    args = EngineArgs(
        model=model_path("embedded:strong"), tensor_parallel_size=8, pipeline_parallel_size=2, **told
    )
    assert (args.nnodes, args.node_rank, args.master_addr, args.master_port) == (2, 1, "10.0.0.1", 20001)
    assert args.distributed_executor_backend == "mp"


def test_what_is_compiled_is_kept_where_the_option_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "VLLM_CACHE_ROOT",
        "TRITON_CACHE_DIR",
        "TORCHINDUCTOR_CACHE_DIR",
        "FLASHINFER_WORKSPACE_BASE",
    ):
        monkeypatch.setenv(name, "elsewhere")
    place = tmp_path / "scratch/compiled"
    vllm_engine._environment(TeacherOptions(), Engine(), None)
    assert os.environ["VLLM_CACHE_ROOT"] == "elsewhere"
    vllm_engine._environment(TeacherOptions(), Engine(cache_dir=str(place)), None)
    assert place.is_dir() and os.environ["VLLM_CACHE_ROOT"] == str(place)
    for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert Path(os.environ[name]).parent == place
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"engine\.cache_dir=.*/file/x: cannot be made \(Not a directory\)"):
        vllm_engine._environment(TeacherOptions(), Engine(cache_dir=str(tmp_path / "file/x")), None)
