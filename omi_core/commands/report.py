"""`jobs.report`: from runs to the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omi_core.commands import finding
from omi_core.options import ConfigError, option


@dataclass
class Report(finding.Where):
    out: str = option("report.html", "the page to write")
    rows: int = option(2, "rows of each dataset that are shown", ge=0, le=50)


def main(config: Report, runs: list[Path]) -> int:
    """Writes the page. Returns the exit code."""
    from omi_core.report.facts import run_facts
    from omi_core.report.page import render_report
    from omi_core.store.files import write_atomic

    out = finding.page_to_write(config.out)
    try:
        page = render_report([run_facts(run) for run in runs], config.rows)
    except ConfigError:
        raise
    except ValueError as error:  # a file of a run is damaged
        raise OSError(str(error)) from error
    write_atomic(out, page.encode())
    print(f"{out}: {len(runs)} run{'s' if len(runs) > 1 else ''}, {len(page.encode()):,} bytes")
    return 0
