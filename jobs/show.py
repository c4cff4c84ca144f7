"""Show a record of a run with all of its samples: answer, class in the vote, and why each was kept or not.

python -m jobs.show runs/mine 2
python -m jobs.show runs/mine 2 sample=3        # the whole text, the place of a mistake marked
python -m jobs.show runs/mine 2 json=true

A record is named by its number, from 0, or by how its id begins.
"""

from omi_core.commands.shell import run_on_words
from omi_core.commands.show import Show, main

if __name__ == "__main__":
    run_on_words("show", Show, main, __doc__ or "")
