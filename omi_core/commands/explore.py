"""`jobs.explore`: which files the page is made from, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omi_core.commands import finding
from omi_core.options import ConfigError, option


@dataclass
class Explore(finding.Where):
    input: str | None = option(None, "contamination.jsonl of jobs.decontaminate, a file or a glob")
    nearest: str | None = option(None, "nearest.jsonl of jobs.decontaminate, a file or a glob")
    out: str = option("explore.html", "the page to write")
    limit: int | None = option(20_000, "problems on the page, the worst first; null: all", ge=1)


def main(config: Explore, words: list[str]) -> int:
    """Writes the page. Returns the exit code."""
    from omi_core.explore import join, render_explorer
    from omi_core.store.files import write_atomic

    out = finding.page_to_write(config.out)
    pairs, nearest = _files(config, words)
    found = join(pairs, nearest, config.limit)
    page = render_explorer(found, f"From {', '.join(map(str, [*pairs, *nearest]))}").encode()
    write_atomic(out, page)
    shown = f"{len(found.problems):,} of {found.total:,} problems"
    print(f"{out}: {shown}, {found.total - found.clean:,} contaminated, {len(page):,} bytes")
    return 0


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
        raise ConfigError(f"{words[0]}: no such directory; give one, or its name below {config.root}")
    pairs, nearest = find_files(directory)
    if not pairs and not nearest:
        raise ConfigError(f"{directory}: holds neither {PAIRS} nor {NEAREST}; jobs.decontaminate writes them")
    return pairs, nearest
