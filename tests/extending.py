"""The package on docs/extending.md, made and installed as the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/extending.md"


def sources(replaced: dict[str, str] | None = None, folder: str = ".") -> dict[str, str]:
    """The files of a folder that the page shows, by name; with texts in them replaced."""
    blocks = re.findall(r"(?ms)^```(?:python|toml)\n# (\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"))
    files = {Path(path).name: text for path, text in blocks if str(Path(path).parent) == folder}
    for old, new in (replaced or {}).items():
        assert any(old in text for text in files.values()), old
        files = {name: text.replace(old, new) for name, text in files.items()}
    return files


def install(place: Path, replaced: dict[str, str] | None = None, folder: str = ".") -> Path:
    """Installs the package of a folder with pip; returns the folder to be put on PYTHONPATH."""
    project, site = place / "project", place / "site"
    project.mkdir(parents=True)
    for name, text in sources(replaced, folder).items():
        (project / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--no-build-isolation", "--no-index", "--target", str(site), str(project)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return site
