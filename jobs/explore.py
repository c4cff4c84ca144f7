"""Look at the records of a run with all of their samples, or at problems beside the test questions they hit.

    python -m jobs.explore runs/mine out=records.html limit=100 order=hardest    # a page to pass on
    python -m jobs.decontaminate input=problems.jsonl test=[gsm8k=gsm8k_test.jsonl]
    python -m jobs.explore input=contamination.jsonl             # writes explore.html
    python -m jobs.explore . out=worst.html limit=1000

Of a run and without out=, it serves all records to your browser, on this machine alone, until Ctrl-C: why
each sample was kept or not, with search and filters. Else give the files that jobs.decontaminate wrote as
input= and nearest=, or a directory to read every contamination.jsonl and nearest.jsonl in and below it. A
page is one file that needs no network.
"""

from omi_core.commands.explore import Explore, main
from omi_core.commands.shell import run_on_words

if __name__ == "__main__":
    run_on_words("explore", Explore, main, __doc__ or "")
