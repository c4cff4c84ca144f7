"""Reading the input: a hub dataset, local files or the rows of a world become a stream of records.

Input is read as it stands: a number is the text that the file holds, and nothing is written by `str()` of a
list or a mapping. Rows that cannot be used are never silently dropped: `Skipped` stops at the first bad one,
or counts them by reason with their places, and the plan keeps that account.
"""

from omi_core.inputs.cells import cell, described, last_answer, one_text, only_item, problem_text
from omi_core.inputs.columns import RowReader, read_records
from omi_core.inputs.numbers import Number, json_form
from omi_core.inputs.origins import HubUnreadable, hub_rows, read_rows
from omi_core.inputs.row_files import Row, file_rows, local_files
from omi_core.inputs.skipped import BadRow, OnBad, Skipped, refuse

__all__ = [
    "BadRow",
    "HubUnreadable",
    "Number",
    "OnBad",
    "Row",
    "RowReader",
    "Skipped",
    "cell",
    "described",
    "file_rows",
    "hub_rows",
    "json_form",
    "last_answer",
    "local_files",
    "one_text",
    "only_item",
    "problem_text",
    "read_records",
    "read_rows",
    "refuse",
]
