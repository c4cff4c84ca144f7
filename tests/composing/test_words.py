"""Values on the command line are what was typed: texts stay texts, and resume changes single options."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st

from omi_core.cluster_options import Cluster
from omi_core.commands import compare, finding, shell
from omi_core.composing import grammar
from omi_core.composing.command_line import CommandLine
from omi_core.composing.compose import compose_cells, compose_values
from omi_core.composing.grammar import in_grammar
from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.stages.continuing import changed


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("run.dir=2026_11", "run.dir='2026_11'"),
        ("cluster.after=12_3", "cluster.after='12_3'"),
        ("data.path=1e3", "data.path='1e3'"),
        ("data.name=true", "data.name='true'"),
        ("run.dir=runs/a", "run.dir=runs/a"),
        ("cluster.after=null", "cluster.after=null"),
        ("samples=1_000", "samples=1_000"),
        ("cluster.cpus=4", "cluster.cpus=4"),
    ],
)
def test_a_text_that_looks_like_a_number_stays_a_text(typed: str, given: str) -> None:
    assert in_grammar(typed, Generate) == given


def test_each_cell_of_a_sweep_is_a_text_of_its_own() -> None:
    assert in_grammar("run.dir=a,2026_11", Generate, sweep=True) == "run.dir=a,'2026_11'"


@pytest.mark.parametrize("text", ["a${x}", "${oc.env:HOME}", "a\\${x}", "\\\\${x}", "$HOME", "a\\b"])
def test_a_dollar_with_a_brace_in_a_value_is_these_letters(text: str) -> None:
    assert load_generate({"run": {"dir": text}}).run.dir == text


def test_resume_changes_single_options_of_the_cluster() -> None:
    words = ["runs/a", "cluster.time=02:00:00", "cluster.cpus=8", "cluster.setup=[module load a]", "tasks=2"]
    values, runs = shell.parse("resume", finding.Resume, words)
    assert runs == ["runs/a"] and values["tasks"] == "2"
    before = Cluster(kind="slurm", partition="gpu", cpus=2)
    after = changed(before, values["cluster"])
    assert (after.time, after.cpus, after.setup) == ("02:00:00", 8, ["module load a"])
    assert (after.partition, after.kind) == ("gpu", "slurm")


def test_resume_changes_any_option_of_how_a_run_executes() -> None:
    words = ["engine.max_num_seqs=7", "run.min_coverage=0.5", "cluster.canary.records=3", "reduce_tasks=4"]
    values, _ = shell.parse("resume", finding.Resume, [*words, "notify=echo $OMI_STATE"])
    assert (values["reduce_tasks"], values["notify"]) == ("4", "echo $OMI_STATE")
    before = Generate()
    assert changed(before.engine, values["engine"], "engine").max_num_seqs == 7
    assert changed(before.run, values["run"], "run").min_coverage == 0.5
    assert changed(before.cluster, values["cluster"]).canary.records == 3
    assert before == Generate()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("run.dir=other", r"^run\.dir: give it to the command that made the run"),
        ("run.min_coverage=2", r"^run\.min_coverage"),
        ("engine.max_num_sequences=1", r"^engine\.max_num_sequences: no such option"),
        ("cluster.canary=x", r"^cluster\.canary: a section, not a value"),
        ("cluster.canary.record=1", r"^cluster\.canary\.record: no such option \(did you mean records\?\)"),
        ("cluster.time.limit=1", r"^cluster\.time\.limit: no such option; give cluster\.time as a whole"),
    ],
)
def test_resume_refuses_what_it_cannot_change_in_one_line(word: str, message: str) -> None:
    values, _ = shell.parse("resume", finding.Resume, [word])
    ((name, given),) = values.items()
    with pytest.raises(ConfigError, match=message) as caught:
        changed(getattr(Generate(), name), given, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cluster.tme=1", r"^cluster\.tme: no such option \(did you mean time\?\)"),
        ("cluster.kind=local", r"^cluster\.kind: give it to the command that made the run"),
        ("cluster.cpus=many", r"^cluster\.cpus: "),
    ],
)
def test_resume_refuses_what_is_no_option_of_the_cluster(word: str, message: str) -> None:
    values, _ = shell.parse("resume", finding.Resume, [word])
    with pytest.raises(ConfigError, match=message):
        changed(Cluster(), values["cluster"])


# What is typed as the value of a text, and the text that every command reads.
TEXTS = [
    ("a", "a"),
    ("runs/a.jsonl", "runs/a.jsonl"),
    ("2026_11", "2026_11"),
    ("1e3", "1e3"),
    ("true", "true"),
    ("null", None),
    ("'null'", "null"),
    ("'a b'", "a b"),
    ('"a b"', "a b"),
    ("a, b", "a, b"),
    ("a,b", "a,b"),
    ("my file (1).jsonl", "my file (1).jsonl"),
    ("~/x*.jsonl", "~/x*.jsonl"),
    ("a[0-9].jsonl", "a[0-9].jsonl"),
    ("[a]", "[a]"),
    ("{a: 1}", "{a: 1}"),
    ("^A: (.+)$", "^A: (.+)$"),
    ("glob(a)", "glob(a)"),
    ("größe.jsonl", "größe.jsonl"),
    ("it's", "it's"),
    ("a=b", "a=b"),
    ("", ""),
]
LISTS = [
    ("a", ["a"]),
    ("a,b", ["a", "b"]),
    ("[a,b]", ["a", "b"]),
    ("[a, b]", ["a", "b"]),
    ("x=a.jsonl", ["x=a.jsonl"]),
    ("[x=a.jsonl,y=b c.jsonl]", ["x=a.jsonl", "y=b c.jsonl"]),
    ("['a,b',c]", ["a,b", "c"]),
    ("['a,b',c=d]", ["a,b", "c=d"]),
    ("[2026_11,1e3]", ["2026_11", "1e3"]),
    ("5", ["5"]),
    ("[]", []),
]


@pytest.mark.parametrize(("typed", "text"), TEXTS)
def test_a_text_is_read_alike_whether_hydra_composes_or_not(typed: str, text: str | None) -> None:
    assert compose_values("decontaminate", [f"verdicts={typed}"])["verdicts"] == text
    assert shell.parse("compare", compare.Compare, [f"csv={typed}"])[0]["csv"] == text


@pytest.mark.parametrize(("typed", "items"), LISTS)
def test_a_list_of_texts_is_read_alike_whether_hydra_composes_or_not(typed: str, items: list[str]) -> None:
    assert compose_values("decontaminate", [f"test={typed}"])["test"] == items
    assert grammar.typed(typed, []) == items


@given(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="$'\"\\"), min_size=1))
def test_any_text_is_read_as_it_was_typed(text: str) -> None:
    assume(text != "null")
    override = OverridesParser.create().parse_override(in_grammar(f"data.path={text}", Generate))
    assert override.value() == text
    assert grammar.typed(text, None) == text


@pytest.mark.parametrize(
    ("words", "cells"),
    [
        (["seed=1,2", "samples=3"], [(1, 3), (2, 3)]),
        (["seed=1,2", "samples=3,4"], [(1, 3), (1, 4), (2, 3), (2, 4)]),
        (["seed=range(1,4)"], [(1, 8), (2, 8), (3, 8)]),
        (["seed=choice(5,7)", "samples=2"], [(5, 2), (7, 2)]),
    ],
)
def test_a_sweep_has_a_cell_for_each_combination(words: list[str], cells: list[tuple[int, int]]) -> None:
    line = CommandLine(options=["teacher=rehearsal", *words], sweep=True)
    assert [(cell["seed"], cell["samples"]) for cell in compose_cells("generate", line)] == cells


def test_a_sweep_takes_choices_of_a_group_by_a_pattern() -> None:
    line = CommandLine(options=["teacher=glob(tiny*)"], sweep=True)
    names = [cell["teacher"]["name"] for cell in compose_cells("generate", line)]
    assert names == ["tiny", "tiny_muddled", "tiny_thinking", "tiny_verbose", "tiny_weak"]


def test_a_sweep_that_has_no_end_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"interval\(0,1\): not one value after the other"):
        compose_cells("generate", CommandLine(options=["sampling.top_p=interval(0,1)"], sweep=True))
