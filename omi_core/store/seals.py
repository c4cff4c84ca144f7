"""Checksums of what is written as JSON: a changed digit is as wrong as a missing brace, and harder to see."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from omi_core.records import digest128

_MARK = b',"check":'


def seal(row: Mapping[str, Any]) -> bytes:
    """`row` as a JSON line whose last member is the CRC-32 of what stands before it."""
    body = orjson.dumps(row)[:-1]
    return body + _MARK + str(zlib.crc32(body)).encode("ascii") + b"}\n"


def unseal(line: bytes) -> dict[str, Any] | None:
    """The row of a line that `seal` made; None for one that is damaged, or has no seal."""
    body, mark, crc = line.rpartition(_MARK)
    if not mark or crc != b"%d}\n" % zlib.crc32(body):
        return None
    return orjson.loads(body + b"}")


def is_sealed(line: bytes) -> bool:
    """Whether a line ends in a seal, right or wrong."""
    return _MARK in line


def with_check(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with a digest of itself as its member `check`."""
    return {**content, "check": _digest(content)}


def without_check(content: Mapping[str, Any]) -> dict[str, Any]:
    """What `with_check` was given. One that has no check, for it was written before there were any, passes.

    Raises ValueError when the digest is another.
    """
    rest = {name: value for name, value in content.items() if name != "check"}
    if "check" in content and content["check"] != _digest(rest):
        raise ValueError("its checksum is wrong")
    return rest


def _digest(content: Mapping[str, Any]) -> str:
    return digest128(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
