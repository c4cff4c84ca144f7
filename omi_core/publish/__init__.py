"""The last stage's library: checked part files in, a dataset that `datasets.load_dataset` opens out.

`PartWriter` and `read_part` are the hand-over from reduce, `publish` makes the directory, `verify` checks
one. Importing this package costs no pyarrow; it is imported when rows are written.
"""

from omi_core.publish.card import CardInfo
from omi_core.publish.dataset import NothingToPublish, publish, read_stats, recover
from omi_core.publish.parts import (
    PartError,
    PartWriter,
    manifest_path,
    merge_counts,
    part_path,
    read_part,
)
from omi_core.publish.rows import SCHEMAS, clean_text
from omi_core.publish.styles import Styles
from omi_core.publish.verify import verify

__all__ = [
    "SCHEMAS",
    "CardInfo",
    "NothingToPublish",
    "PartError",
    "PartWriter",
    "Styles",
    "clean_text",
    "manifest_path",
    "merge_counts",
    "part_path",
    "publish",
    "read_part",
    "read_stats",
    "recover",
    "verify",
]
