"""A page on which a person looks at each problem beside the test questions it hits, or is nearest to.

    found = gather([Path("contamination.jsonl")], [Path("nearest.jsonl")], limit=20_000)
    html = render(found, "What of my problems is in GSM8K?")

It reads what `jobs.decontaminate` writes and writes nothing itself.
"""

from omi_core.explore.explorer import render_explorer
from omi_core.explore.joining import Explored, join

__all__ = ["Explored", "join", "render_explorer"]
