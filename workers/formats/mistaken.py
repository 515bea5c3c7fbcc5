"""What bytes that are no JSON seem to be: so that who reads the reason knows which producer, or which setting, is wrong."""

from __future__ import annotations

SEEN = 64
"""Bytes at the beginning that are looked at."""
FRAME_BYTES = 5
MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
"""Byte order marks."""
COMPRESSED = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def seems_to_be(value: bytes) -> str | None:
    """What the bytes begin like, as the begin of a sentence; None: like nothing that is known here."""
    begin = value[:SEEN]
    for mark, name in COMPRESSED:
        if begin.startswith(mark):
            return f"the value is compressed ({name})"
    for mark, name in MARKS:
        if begin.startswith(mark):
            return f"the value is {name}, by its byte order mark"
    if len(begin) >= 4 and (_alternates(begin[1::2], begin[::2]) or _alternates(begin[::2], begin[1::2])):
        return "the value is UTF-16: every second byte is NUL"
    if len(value) > FRAME_BYTES and begin[0] == 0:
        number = int.from_bytes(begin[1:FRAME_BYTES], "big")
        return f"the value begins like a schema registry's frame (magic byte 0, schema id {number})"
    return None


def _alternates(one: bytes, other: bytes) -> bool:
    return not any(one) and all(other)
