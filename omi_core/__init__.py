"""Math instruction data from vLLM teachers: planning, journals, answers, filters, publishing.

The names below are for Python code that uses the suite (docs/python.md); all others may change. Importing it
is cheap: what it takes to compose, plan or run is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omi_core.api import OpenRun, RunFailed, compose, open_run, plan, resume, run
    from omi_core.options import ConfigError

__all__ = ["ConfigError", "OpenRun", "RunFailed", "compose", "open_run", "plan", "resume", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'omi_core' has no attribute {name!r}")
    from omi_core import api

    return getattr(api, name)
