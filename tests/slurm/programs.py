"""Shell scripts in the place of Slurm's commands, to print what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Install = Callable[..., Path]


def printing(text: str, code: int = 0) -> str:
    return f"cat <<'END'\n{text}END\nexit {code}"
