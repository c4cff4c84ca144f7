"""Values on the command line are what was typed: texts stay texts, and resume changes single options."""

from __future__ import annotations

import pytest

from omi_core.cluster_options import Cluster
from omi_core.commands import finding, resume
from omi_core.commands.shell import in_grammar
from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError


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
    values, runs = finding.parse(finding.Resume, words)
    assert runs == ["runs/a"] and values["tasks"] == "2"
    before = Cluster(kind="slurm", partition="gpu", cpus=2)
    changed = resume._changed(before, values["cluster"])
    assert (changed.time, changed.cpus, changed.setup) == ("02:00:00", 8, ["module load a"])
    assert (changed.partition, changed.kind) == ("gpu", "slurm")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cluster.tme=1", r"^cluster\.tme: no such option \(did you mean time\?\)"),
        ("cluster.kind=local", r"^cluster\.kind: give it to the command that made the run"),
        ("cluster.cpus=many", r"^cluster\.cpus: "),
    ],
)
def test_resume_refuses_what_is_no_option_of_the_cluster(word: str, message: str) -> None:
    values, _ = finding.parse(finding.Resume, [word])
    with pytest.raises(ConfigError, match=message):
        resume._changed(Cluster(), values["cluster"])
