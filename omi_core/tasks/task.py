"""What a task is: everything that the suite asks about one kind of generated data, in one class.

A module of this package that has a `TASK` is a task of the suite; packages add theirs by an entry point in
the group `omi.tasks`. Nothing else lists tasks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from omi_core.inputs import Skipped
from omi_core.metrics import shares
from omi_core.prompts import Form
from omi_core.publish.rows import Schema
from omi_core.records import Record, Sample
from omi_core.tasks.settings import Config
from omi_core.teachers.teacher import Texts

if TYPE_CHECKING:
    from omi_core.publish.styles import Styles
    from omi_core.tasks.reducing import Reading, Reducer

Counts = Mapping[str, Any]
Chosen = dict[str, dict[str, Any]]


class Settling(ABC):
    """Says how many samples a record is to have (`adaptive.*`); a context manager."""

    @abstractmethod
    def wanted(self, record: Record, samples: Sequence[Sample]) -> int:
        """How many samples the record is to have, by its first n, in order; n or fewer: these are enough."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...


class Task(ABC):
    """A kind of generated data. What is stated here as a default holds for most.

    `sections` are the option sections that this task alone reads, NAME → schema; `jobs.reduce`, too, takes
    those of `reduced`, which say how samples become rows. `settings` are what `task=NAME` sets of a task that
    has no YAML file in hydra_conf/task. `position` orders tasks where they are listed.

    `form` is what prompt templates of the task have, `texts` what a rehearsal writes in place of a teacher.
    `schema` are the columns of published rows; `together` is the column that says which rows stand together,
    None for the first. `figures` are those of METRICS that only rows of this kind have.
    `skipped` says in words why input rows are left out. `made_from` is what the input holds. `has_styles`:
    the option `style` may be given. `solves`: rows are problems with solutions, for which `publish.splits`
    and `publish.chat` are. `reads_run`: the input may be a finished run of these tasks, see
    `records_of_run`.
    `scored`: samples are graded and scored, and nothing is published. `settles`: samples are drawn in rounds
    where `adaptive.*` is set, see `settling`.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    position: ClassVar[int] = 100
    sections: ClassVar[Mapping[str, type]] = {}
    reduced: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[Mapping[str, Any]] = {}
    form: ClassVar[Form]
    texts: ClassVar[Texts]
    schema: ClassVar[Schema]
    together: ClassVar[str | None] = None
    figures: ClassVar[tuple[str, ...]] = ()
    skipped: ClassVar[Mapping[str, str]] = {}
    made_from: ClassVar[str] = "problems"
    has_styles: ClassVar[bool] = True
    solves: ClassVar[bool] = False
    scored: ClassVar[bool] = False
    settles: ClassVar[bool] = False
    reads_run: ClassVar[tuple[str, ...]] = ()

    def check(self, config: Config) -> None:  # noqa: B027
        """Raises ConfigError when options of the task's sections do not go together."""

    def content(self, config: Config, values: dict[str, Any]) -> None:  # noqa: B027
        """Changes `values`, the options that the fingerprint covers, where it has to state one otherwise."""

    @abstractmethod
    def records(self, config: Config, skipped: Skipped) -> Iterator[Record]:
        """The input as records, with ordinals from 0; rows that cannot be used go to `skipped`.

        Raises:
            ConfigError: a file or column is missing; or a bad row, as `skipped` has it.
        """

    def records_of_run(
        self, config: Config, solved: Config, windows: Iterable[Sequence[Reading]], skipped: Skipped
    ) -> Iterator[Record]:
        """As `records`, of a task that `reads_run`, where `data.path` names one.

        `solved` is the config of that run, `windows` are its records with their samples, in order.
        """
        raise NotImplementedError

    def prompts(self, config: Config) -> int:
        """Prompts of a record in one style; each is answered `config.samples` times."""
        return 1

    def fields(self, record: Record, number: int) -> dict[str, str]:
        """What takes the place of the placeholders in prompt `number` of a record."""
        return {"text": record.text}

    @abstractmethod
    def is_answer(self, config: Config) -> Callable[[str], bool]:
        """Tells whether a text is what was asked for, as far as can be told at a glance."""

    def filters(self, config: Config) -> Chosen:
        """The filters that the options turn on, in their order, each with its options.

        Raises:
            ConfigError: a tokenizer is missing, or an option is impossible.
        """
        return {}

    @abstractmethod
    def reducer(
        self, config: Config, samples: int | None, records: Callable[[], Iterable[Record]]
    ) -> Reducer:
        """What turns samples into rows, to be entered.

        `samples` is how many each record has when it is complete, None where that is not known; `records`
        reads all records of the run.
        """

    def settling(self, config: Config) -> Settling:
        """What says how many samples a record is to have, to be entered; of a task that `settles`."""
        raise NotImplementedError

    def styles(self, config: Config, records: Callable[[], Iterable[Record]]) -> Styles | None:
        """How rows are published by style, for a task whose dataset has a folder for each; else None."""
        return None

    def show(self, row: Mapping[str, Any]) -> tuple[str, list[str]]:
        """A row as people read it: what it is, in a line, and its texts in the order of reading."""
        first, *others = self.schema.required
        return ", ".join(str(row[name]) for name in others), [str(row[first])]

    def shares(self, counts: Counts) -> dict[str, tuple[float, float]]:
        """Shares that people ask for, LABEL → (part, whole), from the merged counts of the reduce stage.

        They stand on the card and in the summary, after those `figures` that are shares.
        """
        return {}


def rates(task: Task, counts: Counts) -> dict[str, float]:
    """The shares of a task, and that of the samples kept; those without a denominator are left out."""
    own = {label: part / whole for label, (part, whole) in task.shares(counts).items() if whole}
    return shares(task.figures, counts) | own | shares(["kept_share", "texts_differ"], counts)
