"""The id of a stored document, read from its bytes where that is possible."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from workers.sinks.mongodb.client import id_of


@pytest.mark.parametrize(
    "fields",
    [
        {"_id": "numtest-08b40071/3/42", "number": 1},
        {"_id": ""},
        {"_id": "größer/0/1", "number": 1},
        {"_id": 42, "number": 1},
        {"_id": bson.ObjectId()},
        {"_id": b"\x02_id\0"},
        {"number": 1, "_id": "last"},
        {"_idle": "no", "_id": "last"},
    ],
)
def test_it_is_what_the_decoder_says(fields: dict[str, Any]) -> None:
    # Of a document inside another one, since the encoder writes `_id` first at the top.
    document = RawBSONDocument(bson.encode({"d": fields})[len(bson.encode({})) + len("d\0") : -1])
    found = id_of(document)
    assert (type(found), found) == (type(document["_id"]), document["_id"])
