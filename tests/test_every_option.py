"""Every option of every command counts: tests/option_entries.py says what each changes, and has them all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core import options
from omi_core.config import Generate, Reduce, load_generate, load_reduce, reduced_again
from omi_core.options import ConfigError
from omi_core.tasks import task_of
from tests.conftest import Here
from tests.option_entries import (
    AGAIN,
    GENERATE,
    REDUCE,
    ROOT,
    TOKENIZER,
    Change,
    Entry,
    Refused,
    Shown,
    Values,
)

TEMPLATE = ROOT / "omi_core/prompts/verbose.yaml"


@pytest.fixture(autouse=True)
def _named_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the entries name."""
    monkeypatch.chdir(tmp_path)
    row = {"answer": "#### 5", "several": ["5", "6"], "source": "s"}
    rows = [row | {"problem": f"What is {n} + 1?", "question": f"{n}?"} for n in range(3)]
    said = {"text": "It is five, and so on. " * 60, "body": "Other words here."}
    texts = [said | {"url": f"u/{n}"} for n in range(2)]
    for name, lines in (("problems", rows), ("other", rows[:1]), ("texts", texts)):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    pair = {"problem": "p", "expected_answer": "1", "given_answer": "2", "benchmark": "b", "verdict": "wrong"}
    (tmp_path / "pairs.jsonl").write_bytes(orjson.dumps(pair))
    for name in ("problems", "other"):
        text = f"data: {{path: {name}.jsonl, answer: answer, answer_format: gsm8k}}"
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "template.jinja").write_text("{{ messages }}")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text('{"r": 8}')
    (tmp_path / "template.yaml").write_text(TEMPLATE.read_text(encoding="utf-8"))


def nested(values: Values) -> dict[str, Any]:
    """Dotted keys as a tree."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        *path, name = key.split(".")
        at = out
        for part in path:
            at = at.setdefault(part, {})
        at[name] = value
    return out


def leaves_of(schema: type) -> list[str]:
    return [key for key, _, _ in options.leaves(schema())]


def test_every_option_of_generate_has_an_entry() -> None:
    assert sorted(GENERATE) == sorted(leaves_of(Generate))


def entries(table: Mapping[str, Entry], kind: type) -> list[Any]:
    return [pytest.param(key, entry, id=key) for key, entry in table.items() if isinstance(entry, kind)]


@pytest.mark.parametrize(("key", "entry"), entries(GENERATE, Change))
def test_setting_the_option_changes_what_is_made_of_it(key: str, entry: Change) -> None:
    before = entry.look(load_generate(nested(entry.beside)))
    after = entry.look(load_generate(nested({**entry.beside, key: entry.value})))
    assert before != after


@pytest.mark.parametrize(("key", "entry"), entries(GENERATE, Shown) + entries(REDUCE, Shown))
def test_the_test_that_shows_it_names_the_option(key: str, entry: Shown) -> None:
    text = (ROOT / "tests" / entry.file).read_text(encoding="utf-8")
    assert re.search(rf"\b{key.rpartition('.')[2]}\b", text)
    assert f"def {entry.test}(" in text or not entry.test


SITE = {key: entry for key, entry in GENERATE.items() if key.startswith("cluster.") and key not in REDUCE}


# Of those that a test elsewhere shows.
OF_SITE: dict[str, Any] = {
    "cluster.kind": "slurm",
    "cluster.after": "12",
    "cluster.tokens_per_second": 9.0,
    "cluster.budget_gpu_hours": 9.0,
    "cluster.requires": ["account"],
    "cluster.max_attempts": 2,
    "cluster.canary.records": 3,
    "cluster.canary.samples": 3,
    "cluster.canary.min_answers": 0.1,
    "cluster.canary.max_unfinished": 0.1,
    "cluster.canary.max_errors": 0.2,
}


def test_every_option_of_reduce_has_an_entry() -> None:
    assert sorted({*REDUCE, *SITE}) == sorted(leaves_of(Reduce))


OF_IMPORTS = {key: entry for key, entry in REDUCE.items() if entry is not GENERATE.get(key)}
OF_RUNS = {key: entry for key, entry in REDUCE.items() if key.startswith(AGAIN)}


@pytest.mark.parametrize(("key", "entry"), entries(OF_IMPORTS, Change))
def test_setting_the_option_changes_what_is_made_of_imports(key: str, entry: Change) -> None:
    def seen(values: Values) -> Any:
        imports = {"input": "problems.jsonl", "solution": ["answer"]}
        return entry.look(load_reduce(nested({**imports, **entry.beside, **values})))

    assert seen({}) != seen({key: entry.value})


@pytest.mark.parametrize(("key", "entry"), entries(OF_RUNS, Change))
def test_setting_the_option_changes_what_samples_are_reduced_to_again(key: str, entry: Change) -> None:
    """As `jobs.reduce input=RUN` does it, for a run of the task that reads the option."""
    origin = {name: value for name, value in entry.beside.items() if not name.startswith(AGAIN)}
    beside = {name: value for name, value in entry.beside.items() if name.startswith(AGAIN)}

    def seen(values: Values) -> Any:
        again = load_reduce(nested({"input": "run", **beside, **values}))
        return entry.look(reduced_again(load_generate(nested(origin)), again)[0])  # type: ignore[arg-type]

    assert seen({}) != seen({key: entry.value})


@pytest.mark.parametrize(("key", "entry"), entries(REDUCE, Refused))
def test_what_reduce_does_not_read_is_refused(key: str, entry: Refused) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}: not read by jobs.reduce") as caught:
        load_reduce(nested({"input": "problems.jsonl", key: entry.value}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", SITE)
def test_options_of_a_site_are_refused_where_nothing_is_submitted(key: str) -> None:
    entry = SITE[key]
    value = entry.value if isinstance(entry, Change) else OF_SITE[key]
    with pytest.raises(ConfigError, match=rf"^({key}: not read by|\+cluster=)"):
        load_reduce(nested({"input": "problems.jsonl", key: value}))


def test_a_site_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"^\+cluster=here: jobs\.reduce runs on this machine"):
        load_reduce(nested({"input": "problems.jsonl", "cluster": {"name": "here", "kind": "slurm"}}))


def test_a_command_refuses_them(here: Here, tmp_path: Path) -> None:
    code, _, err = here("reduce", "input=problems.jsonl", "cluster.account=lab", "run.dir=run")
    assert code == 2 and err.startswith("error: cluster.account: not read by jobs.reduce")
    assert not (tmp_path / "run").exists()


def test_a_limit_in_tokens_counts_in_reduce_or_is_refused(here: Here, tmp_path: Path) -> None:
    words = ["reduce", "input=problems.jsonl", "solution=[question]", "filters.no_boxed=false"]
    words += ["cluster.workers=1", "filters.max_tokens=1"]
    code, _, err = here(*words, "run.dir=refused")
    assert code == 2 and "nothing counts the tokens" in err
    here(
        *words,
        f"filters.tokenizer={TOKENIZER}",
        "answers.methods=[pattern]",
        "answers.pattern='(.*)'",
        "run.dir=run",
    )
    plan_of_run = orjson.loads((tmp_path / "run/plan.json").read_bytes())["content"]
    assert plan_of_run["filters"]["max_tokens"] == 1
    config = load_reduce({"input": "problems.jsonl", "filters": {"max_tokens": 1, "tokenizer": TOKENIZER}})
    assert task_of(config).filters(config)["max_tokens"] == {"limit": 1, "tokenizer": TOKENIZER}
