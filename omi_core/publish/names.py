"""What published files are called: split, number, and a piece of the split's content hash.

`datasets.load_dataset` recognises a local dataset by the name of its folder and the patterns in its card, and
`data_files` by paths and times, never by bytes. The former are alike for any two runs, the latter may be for
a copy. So the rows' own hash is in the names and in the patterns: other rows have another key in its cache.
"""

from __future__ import annotations

import re

_TAG = 16  # hex digits, 64 bits


def file_name(split: str, number: int, suffix: str, content_hash: str) -> str:
    """`train-00000-0123456789abcdef.parquet`: the `number`-th file of a split of this hash."""
    return f"{split}-{number:05d}-{content_hash[:_TAG]}{suffix}"


def pattern(split: str, suffix: str, content_hash: str) -> str:
    """A glob of all the files that `file_name` names, and of no others."""
    return f"{split}-*-{content_hash[:_TAG]}{suffix}"


def pattern_of(name: str) -> str:
    """A glob of the series that a file is of; datasets published earlier have no hash in their names."""
    return re.sub(r"-\d{5,}", "-*", name, count=1)
