"""Lines of `cluster.setup` in a job's script, run by the shell: the first that fails is the reason."""

from __future__ import annotations

import subprocess

import pytest

from omi_core.options import ConfigError
from omi_core.slurm.retry_policy import SETUP_FAILED
from omi_core.slurm.setup import check_setup, setup_script


def run(*lines: str) -> subprocess.CompletedProcess[str]:
    """A job's script with this setup, whose task prints its name and ends with exit code 5."""
    text = "\n".join([*setup_script(lines), "echo task", "exit 5"])
    return subprocess.run(["bash"], input=text, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("true", "false", "echo later"), "false: exit code 1"),
        (("module load Nowhere",), "module load Nowhere: exit code 127"),
        (("source /no/such/file",), "source /no/such/file: exit code 1"),
        (("exit 3",), "exit 3: exit code 3"),
        (("exit 0",), "exit 0: exit code 0"),
        (("set -e", "ls /no/such/folder >/dev/null 2>&1"), "ls /no/such/folder >/dev/null 2>&1: exit code 2"),
        (("if true; then", "  false", "fi"), "if true; then; false; fi: exit code 1"),
        (("echo 'it''s' | grep -q \"x\"",), "echo 'it''s' | grep -q \"x\": exit code 1"),
    ],
)
def test_a_line_that_fails_ends_the_job_with_that_line(lines: tuple[str, ...], told: str) -> None:
    done = run(*lines)
    assert done.returncode == SETUP_FAILED
    assert done.stderr.splitlines()[-1] == f"failed: cluster.setup: {told}"
    assert done.stdout == ""


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("true", "# a comment", ""),
        ("if false; then", "  false", "else", "  true", "fi"),
        ("for each in 1 2; do", "true", "done"),
        ("echo one \\", "two"),
        ("cat <<END", "a line", "END"),
        ("f() {", "  false", "  true", "}", "f"),
        ("false || true",),
    ],
)
def test_lines_that_do_not_fail_leave_the_job_its_own_exit_code(lines: tuple[str, ...]) -> None:
    done = run(*lines)
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.endswith("task\n")


def test_what_is_no_shell_is_refused_before_it_is_submitted() -> None:
    check_setup(["if true; then", "true", "fi"])
    with pytest.raises(ConfigError, match="cluster.setup: not valid shell: line 2: syntax error"):
        check_setup(["if true; then"])
