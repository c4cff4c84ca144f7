"""What a task sees of a run's config. The config knows the tasks, so they know no more of it than this."""

from __future__ import annotations

from typing import Any, Protocol

from omi_core.inputs.data_options import Data
from omi_core.publish.publish_options import Publish


class Config(Protocol):
    """A `Generate`, or of solutions a `Reduce`: every section by its name, the task's own ones as well."""

    data: Data
    publish: Publish

    def __getattr__(self, section: str, /) -> Any: ...
