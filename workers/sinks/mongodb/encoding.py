"""BSON documents: encodes fields, and compares two documents."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion, TypeRegistry
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from workers.types import RejectedError, RejectReason, Remedy

if TYPE_CHECKING:
    from collections.abc import Sequence

DATES: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""Those that Python's type cannot hold are compared, and shown, as well."""
MAX_BSON_BYTES = 16 * 1024 * 1024
"""The largest document that a MongoDB server accepts (its `maxBsonObjectSize`)."""


def _to_bson(value: Any) -> Any:
    """A value of a type that BSON does not know: an exact decimal number is the only one."""
    if not isinstance(value, Decimal):
        return value
    try:
        return Decimal128(value)
    except DecimalException:
        raise RejectedError(
            RejectReason.NUMBER_OUT_OF_RANGE, "a number has more digits, or a larger exponent, than Decimal128 holds"
        ) from None


CODEC: CodecOptions[dict[str, Any]] = CodecOptions(type_registry=TypeRegistry(fallback_encoder=_to_bson))
"""Asked for a type only after BSON was found to have none for it, so that no other value pays for it."""


def encode(document_id: str, fields: dict[str, Any]) -> RawBSONDocument:
    """The document of these fields under this id.

    Raises:
        RejectedError: BSON has no form for it, or no server accepts it.
    """
    try:
        encoded = bson.encode({"_id": document_id, **fields}, codec_options=CODEC)
    except UnicodeEncodeError:
        raise RejectedError(
            RejectReason.BAD_STRING, "a string holds half of a surrogate pair", Remedy("surrogates", "replace")
        ) from None
    except (BSONError, OverflowError, RecursionError) as error:
        raise RejectedError(
            RejectReason.REFUSED_BY_SERVER, f"BSON has no form for it: {type(error).__name__}"
        ) from None
    if len(encoded) > MAX_BSON_BYTES:
        raise RejectedError(
            RejectReason.TOO_LARGE, f"the document has {len(encoded)} bytes; MongoDB accepts {MAX_BSON_BYTES}"
        )
    return RawBSONDocument(encoded)


def encode_plain(prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """See `Encoder.encode_plain`: documents that the driver encodes while it sends them, which costs least.

    Nothing in a plain value can make that fail: see `workers.formats.plain_json.parse_plain`.
    """
    return [{"_id": f"{prefix}{offset}", **fields} for offset, fields in zip(offsets, values, strict=True)]


def as_raw(document: RawBSONDocument | dict[str, Any]) -> RawBSONDocument:
    """The document as it is stored. Args: document: from `encode` or `encode_plain`."""
    return document if isinstance(document, RawBSONDocument) else RawBSONDocument(bson.encode(document))


def documents_equal(stored: RawBSONDocument, document: RawBSONDocument, metadata_field: str | None = None) -> bool:
    """Whether two documents are equal: fields, order, types and values.

    A server may return -0.0 as 0.0 (FerretDB 1 does), so these two are equal; and NaN is equal to itself, unlike in Python.

    Args: metadata_field: into which metadata goes now; None: there is none. A document of the same value that was stored when
        there was no metadata, or when it had other parts, is equal: what both have of it must be.
    """
    if stored.raw == document.raw:
        return True
    one, other = bson.decode(stored.raw, DATES), bson.decode(document.raw, DATES)
    if metadata_field is not None:
        before, now = one.pop(metadata_field, {}), other.pop(metadata_field, {})
        if not _parts_equal(before, now):
            return False
    return _values_equal(one, other)


def _parts_equal(before: Any, now: Any) -> bool:
    return (
        isinstance(before, dict)
        and isinstance(now, dict)
        and all(_values_equal(before[part], now[part]) for part in before.keys() & now.keys())
    )


def _values_equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, DBRef):
        # As the driver compares them, types and order within do not count.
        return _values_equal(dict(one.as_doc()), dict(other.as_doc()))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_values_equal, one.values(), other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_values_equal, one, other))
    return bool(one == other) or (type(one) is float and one != one and other != other)
