"""A browser for all tests of pages here, and pages made of a few problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.explore import join, render_explorer
from tests.browser import CHROMIUM, NONE_HERE, Browser

Show = Callable[..., Browser]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NONE_HERE)
    browser = Browser(tmp_path_factory.mktemp("chromium") / "profile")
    yield browser
    browser.close()


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Show:
    """Opens the page of lines of pairs and of nearest questions: show(pairs, nearest, limit=…)."""

    def opened(
        pairs: list[dict[str, Any]], nearest: list[dict[str, Any]], limit: int | None = None
    ) -> Browser:
        files = []
        for name, rows in (("contamination.jsonl", pairs), ("nearest.jsonl", nearest)):
            files.append(tmp_path / name)
            files[-1].write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        page = tmp_path / "explore.html"
        page.write_text(render_explorer(join(files[:1], files[1:], limit), "From here"), encoding="utf-8")
        chromium.resize(1400, 900)
        chromium.media()
        chromium.open(page)
        return chromium

    return opened
