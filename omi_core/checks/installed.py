"""What is installed where a process runs: this project's code, the packages it needs, the engine."""

from __future__ import annotations

import hashlib
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from omi_core.teachers.teacher_options import LOADED, TeacherOptions

PROJECT = "open-math-instruct-hpc"
_IMPORT_S = 600
_NAME = re.compile(r"[\w.-]+")


def environment() -> dict[str, Any]:
    """Python, the digest of our code, and the versions of what it requires; None: not installed."""
    try:
        needed = [line for line in requires(PROJECT) or [] if "extra ==" not in line]
    except PackageNotFoundError:  # the code alone was copied there
        needed = []
    names = [found[0] for line in needed if (found := _NAME.match(line))]
    return {
        "executable": sys.executable,
        "python": platform.python_version(),
        "code": code_digest(),
        "packages": {name: _version(name) for name in names},
    }


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """How an environment differs from ours in what decides a dataset, most telling first."""
    found = []
    for name, wanted in here["packages"].items():
        has = there["packages"].get(name)
        if has != wanted:
            found.append(f"{name} {has or 'is missing'}, here {wanted}")
    if there["code"] != here["code"]:
        found.append(f"the code of {PROJECT} is another one ({there['executable']})")
    ours, theirs = (each["python"].rpartition(".")[0] for each in (here, there))
    if ours != theirs:
        found.append(f"Python {there['python']}, here {here['python']}")
    return found


def code_digest() -> str:
    """Of all modules of the library: two checkouts of one version are told apart."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def engine(teacher: TeacherOptions) -> dict[str, Any]:
    """The engine's version, and how many GPUs it sees; nothing of a teacher that has none.

    It is imported in a process of its own, which a fault of a driver may end.
    """
    if teacher.kind not in LOADED:
        return {}
    code = "import vllm, torch; print('\\n', vllm.__version__, torch.cuda.device_count())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_IMPORT_S,
            # Slurm signals all processes of a task.
            preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN),
        )
    except subprocess.TimeoutExpired:
        return {"error": f"import vllm took longer than {_IMPORT_S} s"}
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return {"error": f"import vllm: {said[:300]}"}
    number, gpus = done.stdout.split()[-2:]
    return {"vllm": number, "gpus": int(gpus)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
