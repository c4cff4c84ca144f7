"""What a judge said of problems and the test questions nearest to them, from the dataset of such a run.

A judge is asked about each pair both ways. One yes is enough: the pair counts as contaminated, found by
`judge`. Where neither of the two answers could be read nothing is known; since one problem less costs little
and a test question among the training data much, such a pair counts, too, found as `unclear`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omi_core.decontaminate.hits import Hit, Questions, problem_key
from omi_core.inputs import file_rows
from omi_core.options import ConfigError
from omi_core.publish.published import dataset_files

METHODS = ("judge", "unclear")
COLUMNS = ("problem", "question", "test_set", "test_index", "score", "forward", "backward")
ANSWERS = ("yes", "no", None)


class JudgedHits:
    """The hits that a judge found, by problem: some 100 bytes per problem, and more for one with hits."""

    def __init__(self, given: str, hits: Mapping[bytes, Sequence[Hit]]) -> None:
        self.given = given
        self._hits = hits

    def hits(self, text: str) -> Sequence[Hit] | None:
        """What was found for a problem, `judge` before `unclear`, then the nearest first; None: not asked."""
        return self._hits.get(problem_key(text))


def read_verdicts(given: str, sets: Sequence[Questions]) -> JudgedHits:
    """The verdicts of a run with `task=verdicts`, of its dataset, or of files with its rows.

    Raises:
        ConfigError: there are none, a row is no verdict, or it speaks of a question that is not in `sets`.
    """
    texts = {questions.name: questions.texts for questions in sets}
    found: dict[bytes, Sequence[Hit]] = {}
    for where, row in _rows(given):
        key = problem_key(row["problem"])
        method = verdict(row["forward"], row["backward"])
        question = _question(given, where, row, texts)
        if method is None:
            found.setdefault(key, ())
        else:
            hit = Hit(row["test_set"], row["test_index"], question, method, float(row["score"]))
            found[key] = sorted((*found.get(key, ()), hit), key=_order)
    if not found:
        raise ConfigError(f"verdicts={given}: holds no verdicts")
    return JudgedHits(given, found)


def verdict(forward: str | None, backward: str | None) -> str | None:
    """The method by which a pair counts as contaminated, from the answers both ways; None: it does not."""
    if "yes" in (forward, backward):
        return "judge"
    return None if "no" in (forward, backward) else "unclear"


def _rows(given: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in dataset_files("verdicts", given):
        for where, row in file_rows(path, COLUMNS):
            missing = [name for name in COLUMNS if name not in row]
            if missing:
                raise ConfigError(
                    f"verdicts={given}: {where} is not a verdict, it has no {missing[0]}; give a run with "
                    "task=verdicts"
                )
            for name in ("forward", "backward"):
                if row[name] not in ANSWERS:
                    raise ConfigError(
                        f"verdicts={given}: {where} has {str(row[name])[:40]} as {name}; "
                        "it is yes, no or null"
                    )
            yield where, row


def _question(given: str, where: str, row: Mapping[str, Any], texts: Mapping[str, Sequence[str]]) -> str:
    """The text of the question that a verdict speaks of, from the test sets."""
    name, index = row["test_set"], row["test_index"]
    if name not in texts:
        raise ConfigError(f"verdicts={given}: {where} is about the test set {name}; give it in test= as well")
    known = texts[name]
    if not isinstance(index, int) or not 0 <= index < len(known) or known[index] != row["question"]:
        raise ConfigError(
            f"verdicts={given}: {where} is about question {index} of {name}, which is another one in test=; "
            "give the test sets that the judge was asked about"
        )
    return known[index]


def _order(hit: Hit) -> tuple[int, float, str, int]:
    return METHODS.index(hit.method), -hit.score, hit.test_set, hit.test_index
