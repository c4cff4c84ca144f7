"""Mix chat messages of several inputs into one shuffled dataset for supervised fine-tuning.

    python -m jobs.mix inputs.math.path=math_chat.jsonl inputs.code.path=code_chat.jsonl
    python -m jobs.mix 'inputs={math: {path: math_chat.jsonl}, code: {path: code_chat.jsonl, share: 0.3}}'

An input is a file (or a glob) with a column messages, a run or dataset with chat messages (publish.chat), or
another mixture. All rows of each are taken, limit= of them, or a share= of the mixture. The same command
again continues one that was killed, and does nothing when the dataset is there.
"""

from __future__ import annotations

from omi_core.combine.finishing import mix_datasets
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("mix", mix_datasets, __doc__ or "")
