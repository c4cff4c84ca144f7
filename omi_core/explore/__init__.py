"""What a person looks at in a browser: the records of a run, or problems beside the test questions they hit.

    found = join([Path("contamination.jsonl")], [Path("nearest.jsonl")], limit=20_000)
    html = render_explorer(found, "What of my problems is in GSM8K?")

    index = open_index(run, place_of(run, None))
    html, shown, total = RecordPages(run, index).chosen(Selection(pass_rate=(0, 0.3)), limit=300)

The first reads what `jobs.decontaminate` writes and writes nothing itself. The second makes an index.
"""

from omi_core.explore.explorer import render_explorer
from omi_core.explore.joining import Explored, join

__all__ = ["Explored", "join", "render_explorer"]
