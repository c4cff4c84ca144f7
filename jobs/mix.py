"""Mix chat messages of several inputs into one shuffled dataset for supervised fine-tuning.

    python -m jobs.mix inputs.math.path=math_chat.jsonl inputs.code.path=code_chat.jsonl
    python -m jobs.mix 'inputs={math: {path: math_chat.jsonl}, code: {path: code_chat.jsonl, share: 0.3}}'

An input is a file (or a glob) with a column messages, a run or dataset with chat messages (publish.chat), or
another mixture. Takes all rows of each input, limit= of them, or a share= of the mixture. Run the same
command again to continue after a kill; it does nothing once the dataset is complete.
"""

from omi_core.combine.finishing import mix_datasets
from omi_core.commands.shell import run_composed

if __name__ == "__main__":
    run_composed("mix", mix_datasets, __doc__ or "")
