"""The lines of `cluster.setup` in a job's script: one that fails ends the job, and its log says which."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from functools import lru_cache

from omi_core.options import ConfigError
from omi_core.slurm.retry_policy import SETUP_FAILED

# In an EXIT trap, so that a line that ends the script by itself (`exit`, `set -e`) is told, too; but not one
# that Slurm ends (143: SIGTERM). Left in place it says nothing once no line is at work.
_TRAP = (
    """trap 'code=$?; if [ -n "$setup_line" ] && [ "$code" != 143 ]; """
    """then echo "failed: cluster.setup: $setup_line: exit code $code" >&2; exit %d; fi' EXIT"""
)


def setup_script(lines: Sequence[str]) -> list[str]:
    """Shell lines that run those of `cluster.setup` one by one, and end the job at the first that fails."""
    if not lines:
        return []
    made = [_TRAP % SETUP_FAILED]
    for statement in _statements(tuple(lines)):
        name = " ".join("; ".join(statement).split())
        made += [f"setup_line={shlex.quote(name)}", *statement, 'code=$?; [ "$code" = 0 ] || exit "$code"']
    return [*made, "setup_line="]


def check_setup(lines: Sequence[str]) -> None:
    """Raises ConfigError where they are not valid shell, before anything is submitted."""
    if lines and (error := _error("\n".join(lines))):
        raise ConfigError(f"cluster.setup: not valid shell: {error}")


@lru_cache(maxsize=32)
def _statements(lines: tuple[str, ...]) -> list[list[str]]:
    """The lines in groups that a shell takes each for whole: an `if` over several of them is one group."""
    groups: list[list[str]] = []
    group: list[str] = []
    for line in lines:
        group.append(line)
        if not (line.endswith("\\") or _error("\n".join(group))):
            groups.append(group)
            group = []
    return [*groups, group] if group else groups


def _error(text: str) -> str | None:
    """What bash says against a text; None where nothing, or where there is no bash to ask."""
    try:
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # An unfinished here-document is only warned of.
    return " ".join(done.stderr.replace("bash: ", "").split()) or None
