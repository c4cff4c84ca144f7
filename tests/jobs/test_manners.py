"""Every manner of asking a model, with every task, on real vLLM: the table of docs/teachers.md.

All with the embedded models, which were taught chat about their own world and no verdicts; so what is asked
here is that every sample is made and accounted for. How many are kept is printed.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from omi_core.publish.verify import verify
from omi_core.teachers.models import model_path
from tests.conftest import Job
from tests.installed import needs
from tests.jobs.test_endpoint_vllm import served
from tests.own_models import make_adapter, quantise

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]
needs("vllm")

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUN = ["samples=2", "cluster.workers=1", "engine.kv_cache_gb=0.1", "engine.max_num_seqs=16", "run.dir=run"]
OWN = ["teacher=model", "teacher.dtype=float32", "sampling.temperature=0.7"]
OWN += ["sampling.max_tokens=200"]
TASKS = {
    "solutions": ["prompt=tiny", "data.size=6"],
    "problems": ["task=problems", "prompt=tiny", "data.size=6"],
    "dialogues": ["task=dialogues", "prompt=tiny", "data.size=6", "style=[debate]"],
    "verdicts": ["task=verdicts", "data=file", "data.path=nearest.jsonl", "verdicts.questions=2"],
}
MANNERS = ["chat", "completion", "reasoning", "LoRA", "quantised", "endpoint"]


@pytest.fixture(scope="module")
def manners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """What is typed for each manner."""
    place = tmp_path_factory.mktemp("models")
    model = f"teacher.model={model_path('embedded:strong')}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    asked = ["teacher=endpoint", "teacher.model=embedded:strong", f"teacher.endpoint.url={url}", *OWN[1:]]
    with served(place / "server.log", port):
        yield {
            "chat": [*OWN, model],
            "completion": [*OWN, model, "prompt.format=completion"],
            "reasoning": [
                *OWN,
                f"teacher.model={model_path('embedded:thinking')}",
                "teacher.reasoning=qwen3",
            ],
            "LoRA": [*OWN, model, f"teacher.lora={make_adapter(place / 'adapter', 0.1)}"],
            "quantised": [
                *OWN,
                f"teacher.model={quantise(place / 'integers')}",
                "teacher.quantization=compressed-tensors",
            ],
            "endpoint": asked,
        }


def write_nearest(place: Path) -> None:
    """What a judge is asked about."""
    near = [
        {"test_set": "math", "test_index": at, "test_text": text, "method": "embedding", "score": 0.9}
        for at, text in enumerate(["What is 12 + 30?", "How many primes are below 50?"])
    ]
    lines = [
        {"where": f"p.jsonl:{at}", "problem": text, "nearest": near}
        for at, text in enumerate(["Find 12 + 30.", "A train takes 3 hours for 240 km. How fast is it?"])
    ]
    (place / "nearest.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("manner", MANNERS)
def test_every_sample_is_made_and_accounted_for(
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manners: dict[str, list[str]],
    manner: str,
    task: str,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    write_nearest(tmp_path)
    began = time.monotonic()
    done = job("generate", *manners[manner], *TASKS[task], *RUN, timeout=600)
    assert done.returncode == 0 or "no row is left to publish" in done.stderr, done.stderr
    (part,) = (tmp_path / "run/reduce").glob("*/part-00000.json")
    counts = orjson.loads(part.read_bytes())["counts"]
    assert (counts["missing_samples"], counts.get("quarantined", 0)) == (0, 0)
    assert counts["samples"] >= 12
    if manner == "reasoning":
        assert counts["tokens"]["reasoning"] > 0
    if done.returncode == 0:
        verify(tmp_path / "run/dataset")
    print(f"\n{manner} x {task}: {counts.get('rows', 0)} rows of {counts['samples']} samples, ", end="")
    print(f"{time.monotonic() - began:.0f} s")


def test_the_table_in_the_docs_has_every_manner_and_task() -> None:
    page = (DOCS / "teachers.md").read_text(encoding="utf-8").partition("## What was run")[2]
    head, _, *lines = [line for line in page.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == list(TASKS)
    named = [line.strip("|").split("|")[0].strip() for line in lines]
    for manner in MANNERS:
        assert any(re.match(rf"{manner}\b", name) for name in named), manner
