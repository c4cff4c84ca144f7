"""The tables that JSON lines become: what is refused, and that no machine leaves its mark on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omi_core.publish.rows import column_types, encode_row
from omi_core.publish.shards import arrow_schema, parquet_writer, parse_lines

COLUMNS = ("problem", "generated_solution", "expected_answer", "problem_source", "votes", "agreement")
ROW: dict[str, Any] = dict.fromkeys(COLUMNS[:4], "a") | {"votes": 3, "agreement": 0.5}


def line(**values: Any) -> bytes:
    return orjson.dumps(ROW | values, option=orjson.OPT_APPEND_NEWLINE)


REFUSED = {
    "a column too many": (line(teacher="t"), "lines of the columns .*, teacher, not those"),
    "a column too few": (b'{"problem":"a"}\n', "lines of the columns problem, not those"),
    "null where there is a value always": (line() + line(problem=None), "rows without 'problem'"),
    "a text for a number": (line() + line(votes="many"), "not rows of its columns"),
    "half a line": (line() + line()[:20] + b"\n", "not rows of its columns"),
    "two rows in a line": (line() + line()[:-1] + line(), "not rows of its columns"),
    "a line without a row": (line() + b"\n" + line(), "2 rows in 3 lines"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_lines_that_are_not_rows_are_refused(case: str) -> None:
    block, message = REFUSED[case]
    with pytest.raises(ValueError, match=f"a part holds .*{message}"):
        parse_lines(block, block.count(b"\n"), arrow_schema(COLUMNS))


TEXT = st.text(max_size=9) | st.text(alphabet='",:\\{}[]\n\r\x00\x85\u2028é', max_size=30)
NUMBERS = st.none() | st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@example(rows=[("", "x\\\n" * 3_000_000, None, -0.0), ("null", "1.5", 1, 5e-324)])  # longer than a chunk
@given(rows=st.lists(st.tuples(TEXT, TEXT, NUMBERS, FLOATS), min_size=1, max_size=20))
def test_a_table_holds_what_the_lines_do_to_the_last_bit(
    rows: list[tuple[str, str, int | None, float | None]],
) -> None:
    types = column_types(COLUMNS)
    wanted = [
        ROW | {"problem": p, "generated_solution": s, "votes": v, "agreement": a} for p, s, v, a in rows
    ]
    table = parse_lines(b"".join(encode_row(row, types) for row in wanted), len(rows), arrow_schema(COLUMNS))
    assert repr(table.to_pylist()) == repr(wanted)  # -0.0 is not 0.0


def test_how_the_lines_were_parsed_leaves_no_trace_in_a_file(tmp_path: Path) -> None:
    rows = [ROW | {"generated_solution": "say " * (n % 900)} for n in range(9000)]  # the parser cuts 16 MB
    schema = arrow_schema(COLUMNS)
    block = b"".join(line(**row) for row in rows)
    tables = {"parsed": parse_lines(block, len(rows), schema), "made": pa.Table.from_pylist(rows, schema)}
    for name, table in tables.items():
        with parquet_writer(tmp_path / name, schema) as writer:
            writer.write_table(table)
    assert (tmp_path / "parsed").read_bytes() == (tmp_path / "made").read_bytes()
