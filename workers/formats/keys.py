"""The key of a record, as it goes into the metadata of its document: by its format, or as the exact bytes where it is something
else. A key never makes a record a dead letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from workers.formats.limits import Limits
from workers.types import RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits()
"""Of no setting: whoever verifies a document makes the same of the key as who has stored it."""
NAME = "key"


def as_bytes(key: bytes) -> Any:
    return key


def as_text(key: bytes) -> Any:
    """In UTF-8."""
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        return key


def as_json(parse: Callable[[bytes, Limits], dict[str, Any]]) -> Callable[[bytes], Any]:
    """Any value of JSON, also one that is no object. Args: parse: that of the format, which takes objects only."""

    def decode(key: bytes) -> Any:
        try:
            fields = parse(b'{"%b":%b}' % (NAME.encode(), key), LIMITS)
        except RejectedError:
            return key
        # `1,"another":2` is no JSON, though it has made some of the object around it.
        if fields.keys() != {NAME} or (b"\\u" in key and not _is_unicode(fields)):
            return key
        return fields[NAME]

    return decode


def _is_unicode(fields: Any) -> bool:
    """Whether no string has half of a surrogate pair, which no document can hold."""
    try:
        orjson.dumps(fields, default=str)
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return False
    return True
