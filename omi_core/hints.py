"""Commands that are printed to be typed next: pasted into a shell, they mean the run that they name."""

from __future__ import annotations

import shlex
from pathlib import Path


def hint(command: str, root: str | Path, *options: str) -> str:
    """`python -m jobs.COMMAND ROOT OPTIONS`, quoted for a shell."""
    return shlex.join(["python", "-m", f"jobs.{command}", word(root), *options])


def to_continue(root: str | Path) -> str:
    return f"to continue: {hint('resume', root)}"


def follow(root: str | Path) -> str:
    """What to type after jobs were submitted."""
    return f"follow: {hint('status', root)}   stop: {hint('cancel', root)}\nresume: {hint('resume', root)}"


def word(root: str | Path) -> str:
    """A path that no command takes for an option or a flag, as `-x` and `root=x` would be."""
    text = str(root)
    return f"./{text}" if text.startswith("-") or "=" in text.split("/")[0] else text
