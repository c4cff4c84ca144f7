"""`jobs.explore`: which files, or which run, the page is made from, and where it goes."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omi_core.commands import finding
from omi_core.options import ConfigError, option

if TYPE_CHECKING:
    from omi_core.explore.record_page import RecordPages
    from omi_core.explore.selection import Selection

_RECORDS, _PROBLEMS = 300, 20_000  # on a page


@dataclass
class Explore(finding.Where):
    input: str | None = option(None, "contamination.jsonl of jobs.decontaminate, a file or a glob")
    nearest: str | None = option(None, "nearest.jsonl of jobs.decontaminate, a file or a glob")
    out: str | None = option(
        None, "the page to write; null: explore.html, or of a run none: its records are served"
    )
    limit: int | None = option(
        None, f"on the page: problems, the worst first, or records; null: {_PROBLEMS:,}, or {_RECORDS}", ge=1
    )
    search: str = option("", "of a run: records whose problem holds each of these words")
    reason: str | None = option(
        None, "records of which a sample became this: row, other_answer, a filter, ..."
    )
    pass_rate: list[float] = option([], "records of which this share of samples is right, [0,0.3]")
    disagreement: list[float] = option([], "records with this share of answers outside the largest class")
    order: str = option(
        "input", "the order of records", choices=("input", "hardest", "easiest", "disagreement")
    )
    port: int = option(
        0, "the port on this machine at which records are served; 0: a free one", ge=0, le=65535
    )
    index: str | None = option(None, "the directory for the index of the records; null: the run's own")


def main(config: Explore, words: list[str]) -> int:
    """Writes the page, or serves the records until it is interrupted. Returns the exit code."""
    if words and (found := _run_of(config, words[0])) is not None:
        if len(words) > 1 or config.input or config.nearest:
            raise ConfigError(f"{words[0]}: is a run; give it alone")
        return _explore_run(config, found)
    for name in ("search", "reason", "pass_rate", "disagreement", "order", "port", "index"):
        if getattr(config, name) != getattr(Explore(), name):
            raise ConfigError(f"{name}: is for the records of a run; give a run, or omit it")
    return _explore_problems(config, words)


def _run_of(config: Explore, word: str) -> Path | None:
    """The run that a word names, None where it is something else."""
    return next(filter(finding.is_run, (Path(word), Path(config.root, word))), None)


def _explore_run(config: Explore, root: Path) -> int:
    from omi_core.explore.indexing import open_index, place_of
    from omi_core.explore.record_page import RecordPages
    from omi_core.explore.selection import EVERY, Selection, bounds
    from omi_core.stages.run import open_run
    from omi_core.store.files import write_atomic
    from omi_core.store.frames import FrameDamaged
    from omi_core.store.layout import Layout

    spans = {name: getattr(config, name) for name in ("pass_rate", "disagreement")}
    selection = Selection(
        config.search,
        config.reason or "",
        **{name: bounds(name, span) if span else EVERY for name, span in spans.items()},
        order=config.order,
    )
    out = None if config.out is None else _page(config.out)
    if name := "limit" if out is None and config.limit else "port" if out is not None and config.port else "":
        raise ConfigError(f"{name}: not used; a page of limit records is written to out=, or all are served")
    run = open_run(Layout(root))
    index = place_of(run, None if config.index is None else Path(config.index))
    try:
        pages = RecordPages(run, open_index(run, index))
        if out is None:
            pages.served(selection, 0)  # what is wrong with it is said here
            return _serve(pages, selection, config.port)
        page, shown, total = pages.chosen(selection, config.limit or _RECORDS)
    except FrameDamaged as error:
        raise OSError(str(error)) from error
    write_atomic(out, page.encode())
    print(f"{out}: {shown:,} of {total:,} records, {len(page.encode()):,} bytes")
    return 0


def _serve(pages: RecordPages, selection: Selection, port: int) -> int:
    from omi_core.explore.selection import Selection
    from omi_core.explore.serving import LOOPBACK, PageServer

    def answer(query: Mapping[str, str]) -> str:
        at = query.get("at", "0")
        try:
            return pages.served(Selection.of_query(query), int(at) if at.isdecimal() and len(at) < 12 else 0)
        except sqlite3.DatabaseError as error:  # somebody has deleted it, say
            raise OSError(f"the index can no longer be read ({error}); start the command again") from error

    try:
        server = PageServer(port, answer)
    except OSError as error:
        raise ConfigError(f"port={port}: {error.strerror}; give another, or 0 for a free one") from error
    with server:
        port = server.server_port
        print(f"{server.address}{selection.query().rstrip('?')}")
        print(
            f"from another machine: ssh -L {port}:{LOOPBACK}:{port} {socket.gethostname()}; Ctrl-C ends it",
            flush=True,
        )
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


def _explore_problems(config: Explore, words: list[str]) -> int:
    from omi_core.explore import join, render_explorer
    from omi_core.store.files import write_atomic

    out = _page(config.out or "explore.html")
    pairs, nearest = _files(config, words)
    found = join(pairs, nearest, config.limit or _PROBLEMS)
    page = render_explorer(found, f"From {', '.join(map(str, [*pairs, *nearest]))}").encode()
    write_atomic(out, page)
    shown = f"{len(found.problems):,} of {found.total:,} problems"
    print(f"{out}: {shown}, {found.total - found.clean:,} contaminated, {len(page):,} bytes")
    return 0


def _page(out: str) -> Path:
    from omi_core.explore.explorer import MARK

    path = finding.page_to_write(out)
    finding.page_there(path, MARK, "jobs.explore")
    return path


def _files(config: Explore, words: list[str]) -> tuple[list[Path], list[Path]]:
    """(files of pairs, files of nearest questions) that the command line means."""
    from omi_core.explore.pair_files import NEAREST, PAIRS, find_files
    from omi_core.inputs import local_files

    if len(words) > 1:
        raise ConfigError(f"{words[1]}: a second directory; give one, or files with input= and nearest=")
    if words and (config.input or config.nearest):
        raise ConfigError(f"{words[0]}: give a directory, or files with input= and nearest=, not both")
    if not words:
        if not config.input and not config.nearest:
            raise ConfigError(f"input: missing; give input={PAIRS} or nearest={NEAREST}, or a directory")
        return (
            local_files("input", config.input) if config.input else [],
            local_files("nearest", config.nearest) if config.nearest else [],
        )
    directory = next((path for path in (Path(words[0]), Path(config.root, words[0])) if path.is_dir()), None)
    if directory is None and Path(words[0]).is_file():
        raise ConfigError(f"{words[0]}: is a file; give it with input= or nearest=")
    if directory is None:
        raise ConfigError(f"{words[0]}: no such run or directory; give one, or its name below {config.root}")
    pairs, nearest = find_files(directory)
    if not pairs and not nearest:
        raise ConfigError(
            f"{directory}: is no run, and holds neither {PAIRS} nor {NEAREST}; give a run, or where "
            "jobs.decontaminate wrote"
        )
    return pairs, nearest
