"""The test sets: one YAML file each, and one list for evaluation and decontamination.

A file says where its set is read, how answers stand there, how many rows it has, and whose it is:

    data: {hub: openai/gsm8k, split: test, problem: question, answer: answer, answer_format: gsm8k}
    rows: 1319
    source: https://github.com/openai/grade-school-math
    licence: MIT

Nothing of a test set comes with this project. A benchmark of one's own is such a file, with `data.path` in
place of `data.hub`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

from omi_core import options
from omi_core.inputs import Row, file_rows, local_files
from omi_core.inputs.data_options import Data
from omi_core.options import ConfigError, did_you_mean, option, section

# Problems of the embedded models' world, held out of its training data: for trials, and no test set.
DEMO = "demo"

# Files of one set differ in these names; each stands for the others where its own is missing.
_PROBLEMS = ("problem", "question")
_ANSWERS = ("answer", "final_answer", "solution")


@dataclass
class Benchmark:
    """A test set. `licence` is None where none is known: contest problems belong to those who set them.

    `choices` is the column with the list of choices, of which `data.answer` holds the letter or the number
    from 0. `level` and `subject` are columns, too, by which results are listed where a row has them.
    """

    data: Data = section(Data)
    rows: int | None = option(None, "how many rows it has; another number is an error", ge=1)
    source: str = option("", "where it comes from: an address, or the contest")
    licence: str | None = option(None, "its licence, null: not known")
    choices: str | None = option(None, "column that holds the list of choices")
    level: str | None = option(None, "column that holds the level of difficulty")
    subject: str | None = option(None, "column that holds the subject")

    @property
    def columns(self) -> list[str]:
        """Columns that are read besides those of `data`."""
        return [name for name in (self.choices, self.level, self.subject) if name is not None]


@cache
def known() -> Mapping[str, Benchmark]:
    """The benchmarks that come with the suite, by name."""
    entries = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    named = {
        entry.name.removesuffix(".yaml"): _read(entry) for entry in entries if entry.name.endswith(".yaml")
    }
    return MappingProxyType(named)


def find(word: str) -> tuple[str, Benchmark]:
    """(name, benchmark) of a word: NAME, NAME=FILE with the rows of a known one, or a YAML file of one's own.

    `demo` and demo=SIZE are known, too, but are none of those that `known` lists.

    Raises:
        ConfigError: there is no such benchmark or file, or it is not well-formed.
    """
    name, equals, path = word.partition("=")
    if word.endswith((".yaml", ".yml")) and not equals:
        return _own(Path(word))
    if name == DEMO:
        return DEMO, _demo(path if equals else None)
    if name not in known():
        near = did_you_mean(name, list(known()))
        raise ConfigError(
            f"benchmarks={word}: no such benchmark{near}; give one of {', '.join(known())}, or a YAML file"
        )
    return (name, _of_file(name, known()[name], path)) if equals else (name, known()[name])


def _demo(size: str | None) -> Benchmark:
    data = Data(name=DEMO, split="test", answer="answer")
    if size is not None:
        if not (size.isascii() and size.isdigit() and 1 <= int(size) <= 100_000):
            raise ConfigError(f"benchmarks={DEMO}={size}: give the number of its problems, 1 to 100,000")
        data.size = int(size)
    return Benchmark(data, source="made by the suite itself")


def _own(path: Path) -> tuple[str, Benchmark]:
    if not path.is_file():
        raise ConfigError(f"benchmarks={path}: no such file; give the YAML file of a benchmark")
    found = _read(path)
    if found.data.path is not None:  # beside the file that names it
        found.data.path = str(path.parent / Path(found.data.path).expanduser())
        found.data.origin = "file"
    if found.data.answer is None:
        raise ConfigError(f"benchmarks={path}: has no data.answer; name the column that holds the answers")
    return path.stem, found


def _of_file(name: str, benchmark: Benchmark, path: str) -> Benchmark:
    """A known benchmark, read from a local file, whose columns may have other names than those of the hub."""
    key = f"benchmarks={name}"
    first = next((row for file in local_files(key, path) for _, row in file_rows(file, None)), None)
    if first is None:
        raise ConfigError(f"{key}: {path} is empty; give the file with its rows")
    data = benchmark.data
    answer, answer_format = data.answer, data.answer_format
    if answer not in first and answer_format in ("plain", "boxed"):
        answer = _there(first, _ANSWERS) or answer
        answer_format = "boxed" if answer == "solution" else "plain"
    return dataclasses.replace(
        benchmark,
        data=dataclasses.replace(
            data,
            origin="file",
            path=path,
            problem=data.problem if data.problem in first else _there(first, _PROBLEMS) or data.problem,
            answer=answer,
            answer_format=answer_format,
        ),
    )


def _there(row: Row, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in row), None)


def _read(file: Traversable) -> Benchmark:
    import yaml

    label = f"benchmarks={file}"
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{label}: cannot be read ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict) or not isinstance(values.get("data"), dict):
        raise ConfigError(f"{label}: not a benchmark; it has no section 'data'")
    try:
        data = {"origin": "hub"} | values["data"]
        # As `options.load`, without its engine for types, which is slow to load.
        return options.restore(Benchmark, values | {"data": data})
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{label}: {error}") from error
