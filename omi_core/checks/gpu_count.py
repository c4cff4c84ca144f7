"""Which GPUs a task has by Slurm's word, which it would use, and how many the driver shows it."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from omi_core.config import Generate
from omi_core.slurm.array_task import own_gpus

_DRIVER_S = 60


def count_gpus(config: Generate) -> dict[str, Any]:
    """GPUs of this task: `given` by Slurm to the job's tasks, None where it says nothing; `own`, those that
    this task is going to use; and `driver`, how many there are at all for it, None without a driver.

    Afterwards this process sees its own alone, as a generate task does.
    """
    given = _visible()
    driver = _driver()
    own_gpus(config)
    return {"given": given, "own": _visible(), "driver": driver}


def _visible() -> list[str] | None:
    text = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if text is None else [name for name in text.split(",") if name and name != "NoDevFiles"]


def _driver() -> int | None:
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_DRIVER_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return len(lines) if lines or done.returncode == 0 else None
