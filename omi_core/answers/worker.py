r"""The process that asks sympy whether two formulas are equal, one pair at a time. Run as a script by
`pool.py`; imports nothing of ours.

Protocol: the first line on stdin is a JSON object of limits (`cpu_seconds` per pair, `memory_bytes` of
address space); then one JSON array [a, b] per line in, one JSON string per line out: "equal", "not_equal",
"open" (neither was shown), "error" or "memory". "ready" is written once the imports are done. A formula is
what `pool.encode` makes of a form: nested lists of numbers and names, from which sympy's objects are built
one by one. No text is parsed, so nothing that a model wrote is ever evaluated, and nothing of it is dropped.

"equal" is a proof by rewriting: the difference simplifies to zero with every letter free and complex. For
constants "not_equal" is a proof, too: the difference, evaluated to 40 digits, is not zero. Functions that a
formula only names, such as f, are unknown functions, of which equal arguments are all that is known.

Safety: a pair that exceeds its CPU time ends the process through SIGPROF, which the kernel delivers even
inside one long C call; CPU time, so that a busy or suspended machine changes nothing. Signals meant for the
job are ignored, because a worker that dies of them would turn its pair into UNKNOWN; the process ends when
its parent does (end of file on stdin, or a changed parent id).
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
from typing import Any

_DIGITS = 40


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


class _Builder:
    """Builds sympy's expressions from encoded formulas."""

    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        self.constants = {"\\pi": sympy.pi, "e": sympy.E, "i": sympy.I}
        self.named = {
            "abs": sympy.Abs,
            "ln": sympy.log,
            **{name: getattr(sympy, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "binomial")},
            "arcsin": sympy.asin,
            "arccos": sympy.acos,
            "arctan": sympy.atan,
            "lfloor": sympy.floor,
            "lceil": sympy.ceiling,
        }

    def form(self, encoded: list[Any]) -> Any:
        numerator, denominator = encoded
        value = self.poly(numerator)
        return value if denominator is None else value / self.poly(denominator)

    def poly(self, terms: list[Any]) -> Any:
        sympy = self.sympy
        return sympy.Add(*(sympy.Mul(sympy.Rational(c), *map(self.atom, atoms)) for c, atoms in terms))

    def atom(self, encoded: list[Any]) -> Any:
        """An atom to its power: a prime, a letter or constant, or a function of formulas."""
        atom, exponent = encoded
        if isinstance(atom, int):
            base = self.sympy.Integer(atom)
        elif isinstance(atom, str):
            base = self.constants.get(atom) or self.sympy.Symbol(atom)
        else:
            base = self.function(atom[0], [self.form(argument) for argument in atom[1:]])
        return base ** self.sympy.Rational(exponent)

    def function(self, name: str, arguments: list[Any]) -> Any:
        sympy = self.sympy
        if name == "power":
            return sympy.Pow(*arguments)
        if name == "log":
            return sympy.log(arguments[0]) / sympy.log(arguments[1])
        if name == "root" and (arguments[1] % 2 == 0 or arguments[0].is_nonnegative):
            return sympy.root(*arguments)  # an odd root of what may be negative is real here, not principal
        return self.named.get(name, sympy.Function(name))(*arguments)

    def judge(self, a: list[Any], b: list[Any]) -> str:
        sympy = self.sympy
        difference = self.form(a) - self.form(b)
        if difference.has(sympy.nan, sympy.zoo, sympy.oo):
            return "error"
        if not difference.free_symbols and not difference.atoms(sympy.core.function.AppliedUndef):
            value = difference.evalf(_DIGITS, maxn=400, strict=False)
            # Comparable is what is real, and of which the evaluation could make sure.
            if value.is_comparable and abs(value) > sympy.Float(10) ** -(_DIGITS // 2):
                return "not_equal"
        return "equal" if sympy.simplify(difference) == 0 else "open"


def main() -> None:
    limits = json.loads(sys.stdin.readline())
    _prepare(limits)
    builder = _Builder()
    print('"ready"', flush=True)
    for line in sys.stdin:
        a, b = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limits["cpu_seconds"])
        try:
            outcome = builder.judge(a, b)
        except MemoryError:
            outcome = "memory"
        except (Exception, RecursionError):
            outcome = "error"
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(outcome), flush=True)
        if outcome == "memory":
            break  # what is left of the address space is fragmented: start afresh


if __name__ == "__main__":
    main()
