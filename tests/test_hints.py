"""Printed commands and tables: pasted into a shell they mean the same run; no letter of a path is lost."""

from __future__ import annotations

import io
import shlex
import subprocess
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omi_core.commands import finding, shell, status
from omi_core.commands.status import one_pipeline, one_run
from omi_core.hints import hint
from omi_core.options import ConfigError
from omi_core.pipeline.state import PipelineStatus, StepStatus
from omi_core.slurm.reasons import WaitingGroup
from omi_core.slurm.run_status import Status
from omi_core.store.layout import check_root
from omi_core.terminal import terminal

ODD = (
    "a b", "it's", 'say "x"', "100%", "%j", "%%A_%a", "[b]bold[/b]", "[/]", ":100:", ":smile:", "a=b,c",
    "tasks=4", "root=x", "cluster.time=4", "-dash", "--help", "--", "$HOME", "`x`", "{a}", "${x}", "a\\b",
    "a;b", "*", "?[a]", "~", "~root", "#x", "é☃😀", "!x", "null", " lead", "trail ", "a|b&c", "<x>",
    "x.old-1x",
)  # fmt: skip
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/"),
    min_size=1,
    max_size=30,
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)


def odd(test: Callable[..., None]) -> Callable[..., None]:
    """For each odd name, and for drawn ones."""
    for name in ODD:
        test = example(name)(test)
    return settings(deadline=None)(given(NAMES)(test))


@odd
def test_a_hint_that_is_pasted_into_a_shell_means_the_run_that_it_names(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    place = tmp_path_factory.mktemp("x")
    run = place / name
    run.mkdir(parents=True)
    (run / "plan.json").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for root in (Path(name), run):
            for command, schema in (
                ("resume", finding.Resume),
                ("status", status.Options),
                ("cancel", finding.Where),
            ):
                words = shlex.split(hint(command, root))
                assert words[:3] == ["python", "-m", f"jobs.{command}"]
                values, given_words = shell.parse(command, schema, words[3:])
                assert values == {}
                (found,) = finding.resolve(given_words, Path("runs"))
                assert found.resolve() == run.resolve()


@pytest.mark.parametrize("name", ODD)
def test_a_real_shell_takes_a_hint_apart_as_it_was_meant(name: str, tmp_path: Path) -> None:
    printed = subprocess.run(
        ["bash", "-c", f"python() {{ printf '%s\\0' \"$@\"; }}; {hint('resume', tmp_path / name)}"],
        capture_output=True,
        check=True,
    ).stdout
    assert printed.decode().split("\0")[:-1] == ["-m", "jobs.resume", str(tmp_path / name)]


@odd
def test_pages_show_every_letter_of_a_path(name: str) -> None:
    root = f"runs/{name}"
    group = WaitingGroup(
        "generate", 2, "JobHeldUser", "held", "held by its user", f"release: {hint('resume', root)}"
    )
    run = Status(
        root, "stopped", note=f"{root}: damaged", waiting=[group], tasks={"generate": {"PENDING": 2}}
    )
    step = StepStatus("solve", "generate", "failed", reason=f"see {root}")
    shown = [*one_run(run), *one_pipeline(PipelineStatus(root, "stopped", "r", [step], note=root))]
    with redirect_stdout(io.StringIO()) as out:
        terminal(width=400).print(*shown, sep="\n", soft_wrap=True)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    for line in (
        f"{root}: stopped",
        f"to continue: {hint('resume', root)}",
        f"solve: see {root}",
        f"{root}: damaged",
    ):
        assert line.strip() in lines
    assert f"generate: release: {hint('resume', root)}".strip() in lines


def test_a_printed_command_is_one_line_however_narrow_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    root = "runs/" + "a b" * 40
    with redirect_stdout(io.StringIO()) as out:
        status._screen(False)([Status(root, "stopped")], True)
    assert f"to continue: {hint('resume', root)}" in out.getvalue().splitlines()


@pytest.mark.parametrize(
    "name", ["a\nb", "a\rb", "a\tb", "a\x1b[1mb", "a\udcffb", "a\u2028b", "a\x7f", "a\x85b"]
)
def test_a_path_that_is_not_one_line_of_text_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^run\.dir: .*; choose another$") as error:
        check_root(Path("runs") / name)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ODD)
def test_any_other_path_is_taken(name: str) -> None:
    check_root(Path("runs") / name)
