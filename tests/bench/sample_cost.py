"""CPU time that the suite spends on a sample outside the engine.

    python -m tests.bench.sample_cost
    python -m tests.bench.sample_cost --samples 50000 --concurrency 512

A whole shard (prompts, seeds, journal, fsync) with teachers that have nothing to wait for: one that answers
at once; the vLLM teacher on an engine that answers at once, which adds prompt tokens and sampling parameters
but none of vLLM's own bookkeeping; and the endpoint teacher with a server in another process, whose time does
not count. `floor` is one plain zstd stream of the same samples as JSON lines, written by the shortest program
that does it, in the same run. Each measurement is the least of several, in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import zstandard

from omi_core.config import Engine, Generate, Sampling, TeacherOptions
from omi_core.records import Sample
from omi_core.stages.generate import run_shard
from omi_core.stages.planning import plan_generate
from omi_core.stages.stopping import Stop
from omi_core.store.attempts import new_attempt
from omi_core.teachers.teacher import Request, Teacher
from omi_core.teachers.teacher_options import Endpoint
from tests.bench.journals import measured, text_of

TIMES = 3
TEXTS = 997


def texts(length: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [text_of(rng, length) for _ in range(TEXTS)]


class AtOnce(Teacher):
    """Answers every request as it comes."""

    def __init__(self, length: int) -> None:
        self._texts = texts(length)

    def generate(self, requests: Iterator[Request]) -> Generator[Sample | None]:
        for request in requests:
            yield request.sample(self._texts[request.seed % TEXTS], "stop", 90, 300, 1.5)

    def describe(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        """Nothing to free."""


class EngineAtOnce:
    """What `VllmTeacher` needs of vLLM's engine: all that was added is finished at the next step."""

    def __init__(self, length: int, model: str) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"  # as of a model in a directory here
        from transformers import AutoTokenizer

        self._texts, self._added = texts(length), []
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self.model_config = SimpleNamespace(max_model_len=1 << 20, dtype="float32")
        self.vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=64))
        self.engine_core = SimpleNamespace(shutdown=lambda: None)

    def get_tokenizer(self) -> Any:
        return self._tokenizer

    def add_request(self, name: str, prompt: Any, params: Any) -> None:
        text = self._texts[params.seed % TEXTS]
        best = SimpleNamespace(text=text, finish_reason="stop", token_ids=range(300))
        tokens = prompt["prompt_token_ids"]
        self._added.append(
            SimpleNamespace(request_id=name, finished=True, outputs=[best], prompt_token_ids=tokens)
        )

    def step(self) -> list[Any]:
        added, self._added = self._added, []
        return added


def at_once(length: int, _: int) -> Teacher:
    return AtOnce(length)


def vllm_at_once(length: int, _: int) -> Teacher:
    from omi_core.teachers import vllm, vllm_engine
    from omi_core.teachers.models import model_path

    options = TeacherOptions()
    vllm_engine.start = lambda *_: EngineAtOnce(length, model_path(options.model))  # type: ignore[assignment]
    return vllm.VllmTeacher(options, Engine(), Sampling())


class AnswersAtOnce(asyncio.Protocol):
    """As much of an HTTP server as a benchmark needs: every request gets the next of some completions."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers, self._held, self._count = answers, b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            body = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(self._held) < end + 4 + body:
                return
            self._held = self._held[end + 4 + body :]
            self._count += 1
            self._transport.write(self._answers[self._count % len(self._answers)])


def answer(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 90, "completion_tokens": 300, "total_tokens": 390}
    body = orjson.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def serve(length: int, pipe: Any) -> None:
    """Serves until it is ended; sends its port through the pipe."""
    answers = [answer(text) for text in texts(length)]

    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: AnswersAtOnce(answers), "127.0.0.1", 0, backlog=2048
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


@contextmanager
def serving(length: int) -> Iterator[int]:
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(length, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def endpoint(port: int, concurrency: int) -> Teacher:
    from omi_core.teachers.endpoint import EndpointTeacher

    os.environ["NO_PROXY"] = "127.0.0.1"
    asked = Endpoint(url=f"http://127.0.0.1:{port}/v1", concurrency=concurrency)
    return EndpointTeacher(TeacherOptions(kind="endpoint", model="m", endpoint=asked), Sampling())


def shard(
    place: Path, samples: int, each: int, open_one: Callable[[int, int], Teacher], *given: int
) -> dict[str, Any]:
    """The least CPU seconds that a shard of `samples` samples, `each` per record, takes of this process."""
    config = Generate(samples=each)
    config.data.size = -(-samples // each)
    config.run.dir = str(place / f"{open_one.__name__}-{each}")
    config.teacher.kind = "rehearsal"
    run = plan_generate(config)
    least = float("inf")
    with open_one(*given) as teacher:
        for _ in range(TIMES):
            attempt = new_attempt(run.layout, np.array([[0, run.plan.keys]]), 1)
            began = time.process_time()
            report = run_shard(run, attempt, 0, teacher, Stop(), lambda sample: None)
            least = min(least, time.process_time() - began)
            assert report.finished and not report.errors
    return {"samples": run.plan.keys, "least": least}


def floor(place: Path, samples: int, length: int) -> dict[str, Any]:
    """The same samples as one zstd stream of JSON lines: no prompts, seeds, frames, index or fsync."""
    several, least = texts(length), float("inf")
    for _ in range(TIMES):
        began = time.process_time()
        with zstandard.open(place / "floor.zst", "wb", zstandard.ZstdCompressor(level=3)) as out:
            for key in range(samples):
                sample = Sample(key, f"{key:032x}", 0, several[key % TEXTS], "stop", 90, 300, 1.5)
                out.write(orjson.dumps(sample.to_json(), option=orjson.OPT_APPEND_NEWLINE))
        least = min(least, time.process_time() - began)
    return {"samples": samples, "least": least}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--length", type=int, default=1000, help="bytes of text per sample")
    parser.add_argument("--concurrency", type=int, default=64, help="requests at once at the server")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the runs")
    options = parser.parse_args()
    count, length = options.samples, options.length
    with (
        tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-sample-") as folder,
        serving(length) as port,
    ):
        place = Path(folder)
        results = {"floor: plain zstd": measured(floor, place, count, length)}
        for each in (1, 32):
            words = f"{each} per record"
            asked = (place, count, each)
            results[f"teacher at once, {words}"] = measured(shard, *asked, at_once, length, 0)
            results[f"vLLM's engine at once, {words}"] = measured(shard, *asked, vllm_at_once, length, 0)
        few = max(1000, count // 4)
        results["endpoint, 32 per record"] = measured(
            shard, place, few, 32, endpoint, port, options.concurrency
        )
    plain = results["floor: plain zstd"]
    print(f"{count} samples of {length} bytes\n")
    print(f"{'':42}{'CPU ms per sample':>18}{'x floor':>9}")
    for name, row in results.items():
        row["ms"] = 1e3 * row["least"] / row["samples"]
        row["x_floor"] = row["ms"] / (1e3 * plain["least"] / plain["samples"])
        print(f"{name:42}{row['ms']:18.3f}{row['x_floor']:9.1f}")
    print(json.dumps({"options": {"samples": count, "length": length}, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
