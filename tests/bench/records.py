"""What it costs to look at the records of a run: to make the index, to start, to search, and each page.

    python -m tests.bench.records --data ../shared/data                 # 1,000,000 samples
    python -m tests.bench.records --samples 100000 --copies 140         # pages of 14 million

The run is as `tests.bench.synthesise` makes it, 32 samples of each problem. Making the index is measured in a
process of its own. Pages are asked for over HTTP, as a browser does: once, and then eight times more. With
`--copies` they are asked for again of an index in which every record stands so many times; of copies no
record is shown, only the list. Prints a table and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from omi_core.explore.indexing import open_index, place_of
from omi_core.explore.record_page import RecordPages
from omi_core.explore.selection import Selection
from omi_core.explore.serving import PageServer
from omi_core.stages.run import Run, open_run
from omi_core.store.layout import Layout
from tests.bench.journals import measured
from tests.bench.synthesise import synthesise

PAGES = {
    "the first page": "",
    "a search that finds much": "search=how+many",
    "a search that finds nothing": "search=zzzzz",
    "records with a sample that is unfinished": "reason=unfinished",
    "pass rate from 0 to 0.3, hardest first": "pass_rate_from=0&pass_rate_to=0.3&order=hardest",
    "most disagreement first": "order=disagreement",
    "all of these together": "search=how&reason=other_answer&pass_rate_from=0.2&order=easiest",
    "the last record": "at=999999999",
}


TABLES = {
    "records": "ordinal, samples, kept, pass_rate, disagreement",
    "texts": "ordinal, start, folded",
    "outcomes": "outcome, ordinal, samples",
}


def opened(root: Path) -> tuple[Run[Any], RecordPages]:
    run = open_run(Layout(root))
    return run, RecordPages(run, open_index(run, place_of(run, None)))


def start(root: Path) -> dict[str, Any]:
    """Opens the index, which is made if it is not there, and the first page."""
    begun = time.perf_counter()
    run, pages = opened(root)
    pages.served(Selection(), 0)
    size = run.layout.explored.stat().st_size
    return {"seconds": time.perf_counter() - begun, "bytes": size}


def ask(root: Path) -> dict[str, tuple[float, float]]:
    """Milliseconds of each page: (the first time, median of eight more; their number of records is known)."""
    _, pages = opened(root)
    server = PageServer(0, lambda query: pages.served(Selection.of_query(query), int(query.get("at", "0"))))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = {}
    for name, query in PAGES.items():
        times = []
        for _ in range(9):
            begun = time.perf_counter()
            with urlopen(f"{server.address}?{query}") as answer:
                answer.read()
            times.append((time.perf_counter() - begun) * 1000)
        found[name] = times[0], sorted(times[1:])[4]
    server.shutdown()
    return found


def multiply(root: Path, copies: int) -> None:
    """Makes the index that of many times as many records."""
    with closing(sqlite3.connect(root / "explore.sqlite")) as database:
        (records,) = database.execute("select count(*) from records").fetchone()
        for at, (table, columns) in ((at, table) for at in range(1, copies) for table in TABLES.items()):
            moved = columns.replace("ordinal", f"ordinal + {at * records}")
            database.execute(f"insert into {table} select {moved} from {table} where ordinal < {records}")
        database.commit()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="folder with real problems; without: the demo's world")
    parser.add_argument("--copies", type=int, default=1, help="of every record in the second index")
    parser.add_argument("--dir", type=Path, help="where to make (and remove) the run")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.dir, prefix="bench-records-"))
    try:
        run = synthesise(place / "run", "gsm8k", options.samples, per_problem=32, data=options.data).run
        journals = sum(path.stat().st_size for path in run.layout.journals())
        made, started = measured(start, place / "run"), measured(start, place / "run")
        asked = ask(place / "run")
        multiply(place / "run", options.copies)
        again_asked = ask(place / "run") if options.copies > 1 else {}
    finally:
        shutil.rmtree(place)
    each = made["cpu"] / run.plan.keys * 1e6
    print(f"{run.plan.keys:,} samples of {run.plan.records:,} records, {journals / 1e6:,.0f} MB of journals")
    print(f"make the index: {made['cpu']:.0f} s of CPU time, {each:.0f} µs each, {made['seconds']:.0f} s")
    print(f"  {made['bytes'] / 1e6:,.0f} MB, peak memory {made['peak_mb']:.0f} MB")
    print(
        f"start with an index: {started['seconds'] * 1000:.0f} ms, peak memory {started['peak_mb']:.0f} MB\n"
    )
    for times, found in ((1, asked), (options.copies, again_asked)):
        print(f"pages of {times * run.plan.records:,} records:") if found else None
        for name, (first, again) in found.items():
            print(f"  {name:50}{first:8.0f} ms, then {again:.0f}")
    asked = {"pages": asked, "pages_of_copies": again_asked}
    print(json.dumps({"samples": run.plan.keys, "make": made, "start": started, **asked}))


if __name__ == "__main__":
    sys.exit(main())
