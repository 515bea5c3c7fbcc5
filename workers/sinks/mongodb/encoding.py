"""Documents as MongoDB has them: from fields to BSON, and whether two of them are the same."""

from __future__ import annotations

from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from workers.types import RejectedError, RejectReason

MAX_BSON_BYTES = 16 * 1024 * 1024
"""What a MongoDB server accepts as one document (its `maxBsonObjectSize`)."""


def encode(document_id: str, fields: dict[str, Any]) -> RawBSONDocument:
    """The document of these fields under this id.

    As the driver takes it: it costs as much to make as to send, and is made while the batch before is written.

    Raises:
        RejectedError: BSON cannot hold it, or no server takes it.
    """
    try:
        encoded = bson.encode({"_id": document_id, **fields})
    except UnicodeEncodeError:
        raise RejectedError(RejectReason.BAD_STRING, "a string holds half of a surrogate pair") from None
    except (BSONError, OverflowError, RecursionError) as error:
        raise RejectedError(RejectReason.REFUSED_BY_SERVER, f"BSON cannot hold it: {type(error).__name__}") from None
    if len(encoded) > MAX_BSON_BYTES:
        raise RejectedError(
            RejectReason.TOO_LARGE, f"the document has {len(encoded)} bytes; MongoDB takes {MAX_BSON_BYTES}"
        )
    return RawBSONDocument(encoded)


def documents_equal(stored: RawBSONDocument, ours: RawBSONDocument) -> bool:
    """Whether two documents are the same: fields, order, types and values.

    A server may give back -0.0 as 0.0 (FerretDB 1 does), so those two count as one.
    """
    return stored.raw == ours.raw or _alike(bson.decode(stored.raw), bson.decode(ours.raw))


def _alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_alike, one.values(), other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
