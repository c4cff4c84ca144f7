"""`jobs.report`: from runs to the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omi_core.commands import finding
from omi_core.options import ConfigError, option


@dataclass
class Report(finding.Where):
    out: str | None = option(
        None, "the page to write; null: report.html in the run, or here for several of them"
    )
    rows: int = option(2, "rows of each dataset that are shown", ge=0, le=50)


def main(config: Report, runs: list[Path]) -> int:
    """Writes the page. Returns the exit code."""
    from omi_core.report.facts import run_facts
    from omi_core.report.page import MARK, mark_of, render_report
    from omi_core.store.files import write_atomic

    own = runs[0] / "report.html" if len(runs) == 1 else Path("report.html")
    out = own if config.out is None else finding.page_to_write(config.out)
    before = finding.page_there(out, MARK, "jobs.report")
    try:
        facts = [run_facts(run) for run in runs]
        page = render_report(facts, config.rows)
    except ConfigError:
        raise
    except ValueError as error:  # a file of a run is damaged
        raise OSError(str(error)) from error
    write_atomic(out, page.encode())
    others = "; it replaces the page of other runs" if before and f'{mark_of(facts)}"' not in before else ""
    print(f"{out}: {len(runs)} run{'s' if len(runs) > 1 else ''}, {len(page.encode()):,} bytes{others}")
    return 0
