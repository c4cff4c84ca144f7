"""Write a page that shows every problem beside the test questions that it hits or comes nearest to.

    python -m jobs.decontaminate input=problems.jsonl test=[gsm8k=gsm8k_test.jsonl]
    python -m jobs.explore input=contamination.jsonl             # writes explore.html
    python -m jobs.explore . out=worst.html limit=1000

Give the files that jobs.decontaminate wrote as input= and nearest=, or give a directory to read every
contamination.jsonl and nearest.jsonl in and below it. The page is one file that needs no network.
"""

from omi_core.commands.explore import Explore, main
from omi_core.commands.shell import run_on_words

if __name__ == "__main__":
    run_on_words("explore", Explore, main, __doc__ or "")
