"""One grammar for all commands: the same mistake gets the same line, exit code 2, and leaves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from omi_core.commands.help import OFTEN, SCREEN_LINES
from omi_core.composing.compose import COMMANDS as COMPOSED
from omi_core.composing.compose import command_root
from omi_core.options import leaves
from tests.conftest import Here

JOBS = Path(__file__).parents[2] / "jobs"
COMMANDS = [path.stem for path in sorted(JOBS.glob("*.py")) if not path.stem.startswith("_")]
OF_RUNS = [name for name in COMMANDS if name not in COMPOSED and name not in ("pipeline", "explore")]
# Of these a word is a run or a directory.
OF_WORDS = [*OF_RUNS, "explore"]
NO_SWEEP = [*OF_WORDS, "pipeline"]

# What is typed, the commands, and the line; NAME is the command.
SAME: list[tuple[list[str], Sequence[str], str]] = [
    (["--colour"], COMMANDS, "--colour: no such flag; options are NAME=VALUE, --help lists them"),
    (["-x"], COMMANDS, "-x: no such flag; options are NAME=VALUE, --help lists them"),
    (["--multi"], COMMANDS, "--multi: no such flag; options are NAME=VALUE, --help lists them"),
    (["--help=some"], COMMANDS, "--help=some: no such page; --help is short, --help=all lists every option"),
    (["colour=blue"], [name for name in COMMANDS if name != "pipeline"], "colour: no such option"),
    (["rot=x"], OF_WORDS, "rot: no such option (did you mean root?); --help=all lists them all"),
    (["inptu=x"], ["decontaminate", "explore", "reduce"], "inptu: no such option (did you mean input?)"),
    (["rubbish"], [*COMPOSED, "pipeline"], "rubbish: not an option; options are NAME=VALUE, --help lists"),
    (["--config-dir", "no"], [*COMPOSED, "pipeline"], "--config-dir no: no such directory"),
    (["--config-dir=no"], [*COMPOSED, "pipeline"], "--config-dir no: no such directory"),
    (["--config-dir"], [*COMPOSED, "pipeline"], "--config-dir: names no directory"),
    (["--cfg"], COMPOSED, "--cfg: takes one of job, hydra, all"),
    (["--cfg=jobs"], COMPOSED, "--cfg: takes one of job, hydra, all"),
    (["-m"], NO_SWEEP, "-m: jobs.NAME takes one value for each option; omit it"),
    (["--multirun"], NO_SWEEP, "--multirun: jobs.NAME takes one value for each option; omit it"),
    (["--config-dir", "."], OF_WORDS, "--config-dir: jobs.NAME composes no config; omit it"),
    (["--cfg", "job"], NO_SWEEP, "--cfg: jobs.NAME composes no config that could be shown; omit it"),
    (["no/where"], OF_RUNS, "no/where: no such run"),
]
CASES = [(name, words, line) for words, names, line in SAME for name in names]


@pytest.mark.parametrize(("command", "words", "line"), CASES, ids=[f"{n} {' '.join(w)}" for n, w, _ in CASES])
def test_the_same_mistake_is_the_same_line_in_every_command(
    here: Here, tmp_path: Path, command: str, words: list[str], line: str
) -> None:
    code, out, err = here(command, *words)
    assert err.startswith(f"error: {line.replace('jobs.NAME', f'jobs.{command}')}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen_and_all_of_it_has_every_option(here: Here, tmp_path: Path, command: str) -> None:
    code, short, err = here(command, "--help")
    assert (code, err) == (0, "")
    assert f"python -m jobs.{command}" in short
    assert len(short.splitlines()) <= SCREEN_LINES
    code, whole, err = here(command, "--help=all")
    assert (code, err) == (0, "")
    assert here(command, "-h")[1] == short
    if command in COMPOSED:
        assert [
            key for key, _, _ in leaves(command_root(command).schema()) if f"\n  {key}=" not in whole
        ] == []
    for line in short.splitlines():
        assert len(line) <= 160, line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", sorted(OFTEN))
def test_what_is_set_most_is_an_option(here: Here, command: str) -> None:
    known = {key for key, _, _ in leaves(command_root(command).schema())}
    assert [key for key in OFTEN[command] if key not in known] == []
    shown = here(command, "--help")[1]
    assert [key for key in OFTEN[command] if f"\n  {key}=" not in shown] == []
    assert "--help=all" in shown


def test_help_of_a_recipe_has_its_parameters_and_fits_a_screen(here: Here) -> None:
    for recipe, parameter in (("openmathinstruct2", "tokenizer"), ("rehearsal", "size")):
        code, shown, _ = here("pipeline", f"recipe={recipe}", "--help")
        assert code == 0 and f"  {parameter}:" in shown
        assert len(shown.splitlines()) <= SCREEN_LINES


def test_a_sweep_of_checks_writes_a_file_for_each(here: Here, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"problem": "What is 2 + 3?"}\n')
    (tmp_path / "test.jsonl").write_text('{"question": "What is 2 + 3?"}\n')
    words = ("input=in.jsonl", "test=[mine=test.jsonl]", "-m")
    code, out, err = here("decontaminate", *words, "pairs=a.jsonl,b.jsonl")
    assert (code, err) == (0, "")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes() != b""
    code, out, err = here("decontaminate", *words, "share=0.5,0.6", "pairs=c.jsonl")
    assert (code, out) == (2, "")
    assert err.startswith("error: pairs=c.jsonl: two runs of the sweep would write it")
    assert not (tmp_path / "c.jsonl").exists()


@pytest.mark.parametrize("command", COMPOSED)
def test_a_config_can_be_looked_at(here: Here, tmp_path: Path, command: str) -> None:
    code, out, err = here(command, "--cfg", "job")
    assert (code, err) == (0, "") and out
    assert list(tmp_path.iterdir()) == []
