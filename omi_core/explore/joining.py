"""What the page holds: problems with their questions, the worst first, and counts over all of them.

The files are read twice. The first time every problem leaves only where it stands, some 300 bytes; the second
time the texts are kept of those that the page has room for. So millions of problems fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omi_core.decontaminate.hits import problem_key
from omi_core.decontaminate.results import METHODS
from omi_core.explore.pair_files import wanted_lines


@dataclass(frozen=True, slots=True)
class Link:
    """A problem's question, as an index into `Explored.questions`, and how it was found.

    `contaminated`: the problem repeats the question, in the view of `method`; else it is only near.
    """

    question: int
    method: str
    score: float
    contaminated: bool


@dataclass(slots=True)
class JoinedProblem:
    """A text, its number in the input (from 0), the places where it stands and its questions, both as the
    keys of a dict: each once, in order."""

    text: str
    order: int
    places: dict[str, None] = field(default_factory=dict)
    links: dict[Link, None] = field(default_factory=dict)


@dataclass(slots=True)
class SetCounts:
    """One test set: problems by the best method that found them there, the questions hit, and how many of
    the clean problems have their nearest question there."""

    name: str
    problems: dict[str, int] = field(default_factory=dict)
    questions_hit: int = 0
    nearest: int = 0


@dataclass(slots=True)
class Explored:
    """What a page shows.

    `methods`: all that name a contamination, the surest first; `counts` are problems by their surest method,
    and `clean` are those that no method names. `problems` are the worst of all of these: by method, then by
    score. A question is (test set, its index there from 0, text).
    """

    methods: list[str]
    counts: dict[str, int]
    clean: int
    sets: list[SetCounts]
    problems: list[JoinedProblem]
    questions: list[tuple[str, int, str]]

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.clean


class _Standing:
    """How a problem stands: in each test set its surest method and best score, else its nearest question."""

    __slots__ = ("hits", "near", "near_set", "order")

    def __init__(self, order: int) -> None:
        self.order = order
        self.hits: dict[str, tuple[int, float]] | None = None  # (rank of the method, minus the score)
        self.near = -2.0  # below any cosine
        self.near_set: str | None = None

    def place(self) -> tuple[int, float, int]:
        """What problems are sorted by, the worst first."""
        if self.hits:
            return (*min(self.hits.values()), self.order)
        return (1 << 30, -self.near, self.order)


def join(pairs: Sequence[Path], nearest: Sequence[Path], limit: int | None) -> Explored:
    """Joins files of pairs and of nearest questions by the text of the problem; texts that are equal, but for
    white space around them, are one problem. At most `limit` problems keep their texts.

    Raises:
        ConfigError: a file that cannot be read, or a line of another form.
        OSError: a file was replaced while it was read.
    """
    before = _versions(pairs, nearest)
    standings, methods, questions_hit = _first_pass(pairs, nearest)
    worst = sorted(standings, key=lambda key: standings[key].place())[:limit]
    kept = {key: JoinedProblem("", standings[key].order) for key in worst}
    questions = _second_pass(pairs, nearest, kept)
    if changed := _versions(pairs, nearest) ^ before:
        raise OSError(f"{min(changed)[0]}: was replaced while it was read; run the command again")
    found = Explored(methods, dict.fromkeys(methods, 0), 0, [], list(kept.values()), questions)
    _count(found, standings, questions_hit)
    return found


def _first_pass(
    pairs: Sequence[Path], nearest: Sequence[Path]
) -> tuple[dict[bytes, _Standing], list[str], dict[str, set[int]]]:
    """(standing of each problem, methods by rank, questions hit of each test set).

    A test set of which none is hit is there, too.
    """
    standings: dict[bytes, _Standing] = {}
    # A method of another origin comes after those that are known.
    rank = {method: number for number, method in enumerate(METHODS)}
    questions_hit: dict[str, set[int]] = {}
    for line in wanted_lines(pairs, nearest):
        standing = standings.setdefault(problem_key(line.problem), _Standing(len(standings)))
        for hit in line.hits:
            hit_there = questions_hit.setdefault(hit.test_set, set())
            if line.contaminated:
                hit_there.add(hit.test_index)
                standing.hits = standing.hits or {}
                found = (rank.setdefault(hit.method, len(rank)), -hit.score)
                standing.hits[hit.test_set] = min(found, standing.hits.get(hit.test_set, found))
            elif hit.score > standing.near:
                standing.near, standing.near_set = hit.score, hit.test_set
    return standings, list(rank), questions_hit


def _second_pass(
    pairs: Sequence[Path], nearest: Sequence[Path], kept: dict[bytes, JoinedProblem]
) -> list[tuple[str, int, str]]:
    """Fills the problems that are kept, and returns their questions, each once."""
    numbers: dict[tuple[str, int, str], int] = {}
    for line in wanted_lines(pairs, nearest, wanted=lambda text: problem_key(text) in kept):
        problem = kept[problem_key(line.problem)]
        problem.text = line.problem
        problem.places[line.where] = None
        for hit in line.hits:
            number = numbers.setdefault((hit.test_set, hit.test_index, hit.test_text), len(numbers))
            problem.links[Link(number, hit.method, hit.score, line.contaminated)] = None
    return list(numbers)


def _count(found: Explored, standings: dict[bytes, _Standing], questions_hit: dict[str, set[int]]) -> None:
    sets = {name: SetCounts(name, questions_hit=len(hit)) for name, hit in questions_hit.items()}
    for standing in standings.values():
        if not standing.hits:
            found.clean += 1
            if standing.near_set is not None:
                sets[standing.near_set].nearest += 1
            continue
        found.counts[found.methods[min(standing.hits.values())[0]]] += 1
        for name, (rank, _) in standing.hits.items():
            method = found.methods[rank]
            sets[name].problems[method] = sets[name].problems.get(method, 0) + 1
    found.sets = sorted(sets.values(), key=lambda one: (-sum(one.problems.values()), one.name))


def _versions(*files: Sequence[Path]) -> set[tuple[str, int, int]]:
    """What tells a file from the one that takes its place; both passes must have read the same."""
    stats = [(str(path), path.stat()) for paths in files for path in paths]
    return {(name, stat.st_ino, stat.st_mtime_ns) for name, stat in stats}
