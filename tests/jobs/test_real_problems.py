"""GSM8K and MATH from local files, end to end on vLLM: poor answers, but a sound dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from omi_core.publish.verify import verify
from tests.conftest import Here
from tests.installed import needs

# Warnings are errors in our own code; those of torch and vllm are not ours to mend.
pytestmark = [pytest.mark.vllm, pytest.mark.long, pytest.mark.filterwarnings("default")]
needs("vllm")


@pytest.mark.parametrize("data", [pytest.param("gsm8k", marks=pytest.mark.slow), "math"])
def test_real_problems_run_end_to_end(here: Here, tmp_path: Path, shared_data: Path, data: str) -> None:
    code, shown, err = here(
        "generate",
        f"data={data}",
        f"data.path={shared_data}/{data}/train.jsonl",
        "data.limit=12",
        "samples=4",
        "run.dir=r",
        "sampling.max_tokens=128",
        "cluster.workers=1",
        # The embedded teacher knows nothing of such problems: what most samples say is published.
        "answers.expected=majority",
        "filters.wrong_arithmetic=false",
    )
    assert code == 0, err
    assert "samples equal to the ground truth" in shown
    verify(tmp_path / "r/dataset")
