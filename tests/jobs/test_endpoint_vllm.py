"""A run against a real vLLM server, killed and started anew on the way: the texts of vLLM in process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from omi_core.publish.verify import verify
from omi_core.store.journal import read_samples
from omi_core.teachers.models import model_path
from tests.conftest import Job
from tests.installed import needs

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]
needs("vllm")

RUN = ["prompt=tiny", "data.size=60", "samples=8", "run.flush_samples=16", "cluster.workers=1"]
SAME = ["sampling.temperature=0.7", "sampling.max_tokens=512"]  # what teacher=tiny sets
# As the suite starts its own engine on a CPU.
SERVER = ["--dtype=float32", "--max-model-len=2048", "--max-num-seqs=128", "--enforce-eager"]
SERVER += ["--kv-cache-memory-bytes=1073741824", "--no-enable-chunked-prefill"]
SERVER += ["--max-num-batched-tokens=8192", "--generation-config=vllm", "--served-model-name=embedded:strong"]


@contextmanager
def served(log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """vLLM's server, in a process group of its own that is ended with the context."""
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--port={port}"]
    command += ["--host=127.0.0.1", f"--model={model_path('embedded:strong')}", *SERVER]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def texts(directory: Path) -> dict[tuple[int, int], tuple[str, str, int, int]]:
    journals = sorted((directory / "generate").glob("*.jsonl.zst"))
    return {
        (each.ordinal, each.index): (
            each.text,
            each.finish_reason,
            each.prompt_tokens,
            each.completion_tokens,
        )
        for group in read_samples(journals, 0, 60)
        for each in group
    }


def size(journals: Path) -> int:
    return sum(path.stat().st_size for path in journals.glob("*.zst")) if journals.is_dir() else 0


def test_a_server_killed_on_the_way_gives_what_vllm_gives_in_process(job: Job, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, "-m", "jobs.generate", "teacher=endpoint", "teacher.model=embedded:strong"]
    command += [*RUN, *SAME, f"teacher.endpoint.url={url}", "run.dir=asked"]
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    log = tmp_path / "server.log"
    # It is started before the server, and has to wait for it twice.
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        with served(log, port):
            while process.poll() is None and size(tmp_path / "asked/generate") == 0:
                time.sleep(0.02)
        assert process.poll() is None, log.read_text()[-2000:]
        with served(log, port):
            _, shown = process.communicate(timeout=600)
    assert process.returncode == 0, shown.decode()
    assert shown.decode().count(f"{url}: answers again") == 2
    verify(tmp_path / "asked/dataset")
    inside = job("generate", "teacher=tiny", *RUN, "run.dir=inside", timeout=300)
    assert inside.returncode == 0, inside.stderr
    asked, made = texts(tmp_path / "asked"), texts(tmp_path / "inside")
    differ = sum(asked[key] != made[key] for key in made)
    print(f"\n{differ} of {len(made)} samples differ from those of vLLM in process")
    assert asked.keys() == made.keys()
    assert differ <= 1e-2 * len(made)  # rounding, by what else was in the batch
