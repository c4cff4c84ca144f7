"""What is known of a site while its probes run: their reports, and what became of those that left none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from omi_core.config import Generate
from omi_core.slurm.failures import words_of
from omi_core.slurm.states import TaskState

Report = dict[str, Any]


class NotYet(Exception):
    """The question cannot be answered yet."""


class NeverAnswered(Exception):
    """The question never will be; `failed` says that the job did start."""

    def __init__(self, why: str, failed: bool) -> None:
        super().__init__(why)
        self.failed = failed


@dataclass
class Probe:
    """What is known of one probe: the job, and the reports of its tasks by rank.

    `why_not` says why there is no job, or why it has not begun, and `unfit` why the site has no such jobs;
    `over` that nothing more comes of it, and `said` is then the last line of its log. `answered` and
    `arrived` are when we answered a task, and when its report of that was seen, by our clock.
    """

    name: str
    job: str | None = None
    tasks: int = 1
    why_not: str | None = None
    unfit: str | None = None
    reports: dict[int, Report] = field(default_factory=dict)
    state: TaskState | None = None
    over: bool = False
    said: str | None = None
    answered: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)

    def report(self, rank: int = 0) -> Report:
        """What a task has reported so far.

        Raises:
            NotYet, NeverAnswered: nothing.
        """
        if rank not in self.reports:
            self._missing()
        return self.reports[rank]

    def part(self, name: str, rank: int = 0) -> Report:
        """A part of a task's report. Raises as `report`, where that part is not there."""
        found = self.report(rank)
        if name not in found:
            self._missing()
        return found[name]

    def ended(self) -> str:
        """How the job ended, in words, with the last line of its log."""
        words = words_of(self.state) if self.state is not None else "Slurm has no word of it"
        return f"{words}: {self.said}" if self.said else words

    def _missing(self) -> NoReturn:
        if self.why_not is not None:
            raise NeverAnswered(f"the {self.name} job: {self.why_not}", failed=False)
        if not self.over:
            raise NotYet
        raise NeverAnswered(f"the {self.name} job {self.job} ended before: {self.ended()}", failed=True)


@dataclass
class Evidence:
    """All probes by name, of a recipe on a site; `here` is the environment of the login node.

    `sampled` is what the sample came to, of which the run lies elsewhere.
    """

    config: Generate
    here: Report
    probes: dict[str, Probe]
    dataset_refused: list[str] = field(default_factory=list)
    sampled: dict[str, Any] = field(default_factory=dict)
