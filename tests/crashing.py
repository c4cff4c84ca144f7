"""Programs that end themselves at a chosen call that makes something durable or visible."""

from __future__ import annotations

# Put before a program's own text: `die_at(3, "fsync", "rename")` ends it with SIGKILL at the third call of
# any of these functions of `os`; with 0 it never does. `made()` is how many calls there were so far.
DIE_AT = """
import os, signal

_calls = 0

def made():
    return _calls

def die_at(number, *names):
    def counted(call):
        def run(*args, **kwargs):
            global _calls
            _calls += 1
            if _calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return run

    for name in names:
        setattr(os, name, counted(getattr(os, name)))
"""
