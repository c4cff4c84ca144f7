"""What the site needs beyond mkdocs: README.md as its first page, and no links to files that are no pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
# Of files of the repository that are not pages the site keeps the words alone.
_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://|#)((?:\.\./|[\w./-]+/)[^)]*|[A-Z]\w+\.md)\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds README.md as index.md, its links turned to go from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](").replace('="docs/', '="')
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    return _OUTSIDE.sub(r"\1", markdown)
