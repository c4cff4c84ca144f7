"""`jobs.check`: a line for each check of a site as it ends, then a table, and the report beside the runs."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from omi_core.checks.check_lines import FAILED, OK, SKIPPED, CheckLine
from omi_core.checks.check_options import Inspection
from omi_core.options import ConfigError
from omi_core.terminal import plain_table, terminal

if TYPE_CHECKING:
    from omi_core.checks.probing import Probing

_WIDEST_NAME = 15


def check(asked: Inspection) -> int:
    """Checks a site. Returns the exit code: 0 where it is ready, 1 where it is not.

    Raises:
        ConfigError: there is no Slurm on this machine.
    """
    from omi_core.checks.site_report import report_path, write_report
    from omi_core.slurm import commands

    cluster = asked.generate.cluster
    lines: list[CheckLine] = []
    try:
        with closing(_lines(asked)) as found:
            for line in found:
                lines.append(line)
                _tell(line)
    except commands.NotInstalled as error:
        raise ConfigError(f"+cluster={cluster.name}: {error}") from error
    report = write_report(asked.base, cluster, lines)
    if asked.json:
        import orjson

        sys.stdout.buffer.write(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.flush()
    else:
        _show(lines)
        print(f"{_verdict(lines, report['ready'])}; report: {report_path(asked.base, cluster)}", flush=True)
    return 0 if report["ready"] else 1


def _lines(asked: Inspection) -> Generator[CheckLine, None, None]:
    """Every line, as soon as it is known."""
    from omi_core.checks import login_node
    from omi_core.checks.installed import environment
    from omi_core.checks.judges import JUDGES
    from omi_core.checks.model_files import hub_refuses
    from omi_core.checks.probing import Probing, jobs_of

    config = asked.generate
    yield (profile := login_node.ask_profile(config, asked.base / "check/logs"))
    if profile.outcome != OK:
        for name in (*login_node.OF_SLURM, *JUDGES):
            yield CheckLine(name, SKIPPED, "the profile is not complete")
        return
    jobs = jobs_of(config, asked.base / "check")
    skipped: dict[str, str] = {}
    for line in login_node.ask_slurm(config, jobs["gpu"], jobs["cpu"]):
        yield line
        if line.outcome == FAILED:
            for probe in login_node.SENT_IF.get(line.name, ()):
                skipped[probe] = f"not sent, see {line.name}"
    with Probing(config, asked.base, environment()) as probing:
        if config.data.origin == "hub" and not config.data.path:
            wrong = hub_refuses("dataset", config.data.hub or "", config.data.revision)
            probing.evidence.dataset_refused = wrong
        probing.send(skipped, asked.sample)
        yield from _judged(probing, asked.patience_s)


def _judged(probing: Probing, patience_s: float) -> Iterator[CheckLine]:
    """The lines that jobs answer."""
    from omi_core.checks.judges import JUDGES, judge

    unanswered = list(JUDGES)
    for evidence in probing.look(patience_s):
        for name in list(unanswered):
            if (line := judge(name, evidence)) is not None:
                unanswered.remove(name)
                yield line
        if not unanswered:
            return


def _tell(line: CheckLine) -> None:
    """A line for people who wait; standard output has the table, or JSON."""
    words = f"{line.outcome:<7}  {line.name:<{_WIDEST_NAME}}  {line.found}"
    print(words, file=sys.stderr, flush=True)


def _show(lines: Sequence[CheckLine]) -> None:
    """The table of all lines, with what to do."""
    from rich.text import Text

    table = plain_table(columns=("check", "outcome", "found", "what to do"))
    for line in lines:
        table.add_row(*map(Text, (line.name, line.outcome, line.found, line.advice)))
    terminal().print(table)


def _verdict(lines: Sequence[CheckLine], ready: bool) -> str:
    counts = {
        "failed": sum(line.outcome == FAILED for line in lines),
        "could not be asked": sum(line.outcome == SKIPPED and line.needed for line in lines),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return (
        f"ready: {sum(line.outcome == OK for line in lines)} checks are ok" if ready else f"not ready: {said}"
    )
