r"""The process that asks math-verify, one pair at a time. Run as a script by `pool.py`; imports nothing of
ours.

Protocol: the first line on stdin is a JSON object of limits (`cpu_seconds` per pair, `memory_bytes` of
address space); then one JSON array [a, b] per line in, one JSON string per line out: "equal", "not_equal",
"error" or "memory". "ready" is written once the imports are done. (Where math-verify swallows a MemoryError,
it says no.)

Safety: model text only reaches math-verify's LaTeX reader, never its plain-expression reader (that one calls
sympy's `parse_expr`, which evaluates). A pair that exceeds its CPU time ends the process through SIGPROF,
which the kernel delivers even inside one long C call; CPU time, so that a busy or suspended machine changes
nothing. Signals meant for the job are ignored, because a worker that dies of them would turn its pair into
UNKNOWN; the process ends when its parent does (end of file on stdin, or a changed parent id).
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Parse = Callable[[str], list[Any]]


def _prepare(limits: dict[str, float]) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    memory = int(limits["memory_bytes"])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """A fork of the parent may keep our stdin open after it; its process id cannot lie."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _load() -> tuple[Parse, Callable[[Any, Any], bool]]:
    from math_verify import LatexExtractionConfig, parse, verify  # type: ignore[attr-defined]

    config = (LatexExtractionConfig(boxed_match_priority=-1),)

    @lru_cache(maxsize=512)
    def read(answer: str) -> list[Any]:
        text = "$" + answer.replace("$", "").replace("\n", " ") + "$"
        return parse(text, config, fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True)  # type: ignore[arg-type]

    def same(gold: Any, answer: Any) -> bool:
        # More digits than the defaults: 1/2^99 and 1/2^98 agree to 15, 0.3333333 and 1/3 to 6.
        return verify(
            gold,
            answer,
            float_rounding=30,
            numeric_precision=60,
            allow_set_relation_comp=True,
            timeout_seconds=None,
            raise_on_error=True,
        )

    return read, same


def _judge(a: str, b: str, read: Parse, same: Callable[[Any, Any], bool]) -> str:
    """Equal only if it is so in both directions: one alone takes "x + y = 3" for "3"."""
    try:
        left, right = read(a), read(b)
        if not left or not right:
            return "error"
        return "equal" if same(left, right) and same(right, left) else "not_equal"
    except MemoryError:
        return "memory"
    except (Exception, RecursionError):
        return "error"


def main() -> None:
    limits = json.loads(sys.stdin.readline())
    _prepare(limits)
    read, same = _load()
    read("1")  # the grammar's tables are built on first use
    print('"ready"', flush=True)
    for line in sys.stdin:
        a, b = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limits["cpu_seconds"])
        outcome = _judge(a, b, read, same)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(outcome), flush=True)
        if outcome == "memory":
            break  # what is left of the address space is fragmented: start afresh


if __name__ == "__main__":
    main()
