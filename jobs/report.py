"""Draw runs: one HTML page with charts, to look at in a browser, to print and to pass on.

    python -m jobs.generate teacher=rehearsal data.size=40 samples=8 run.dir=runs/drawn
    python -m jobs.report runs/drawn                                 # writes report.html
    python -m jobs.report drawn 'runs/*' out=both.html     # side by side, then each of them

The page needs no network and holds no scripts. Runs at any stage can be drawn, also while they work; a
chart for which there is nothing yet is left out. Times come from the tasks that ended by themselves.
"""

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
    from omi_core.report.facts import gather
    from omi_core.report.page import render
    from omi_core.store.files import write_atomic

    out = finding.page_to_write(config.out)
    try:
        page = render([gather(run) for run in runs], config.rows)
    except ConfigError:
        raise
    except ValueError as error:  # a file of a run is damaged
        raise OSError(str(error)) from error
    write_atomic(out, page.encode())
    print(f"{out}: {len(runs)} run{'s' if len(runs) > 1 else ''}, {len(page.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    finding.runs_command("report", Report, main, __doc__ or "")
