"""The formats of values, and the metadata, for docs/reference/payloads.md."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bson
from bson import json_util

from docs.generate.markdown import as_code, code, table
from workers.decoding import open_decoder
from workers.formats.extended_json import ExtendedJson
from workers.formats.json import parse_json
from workers.formats.limits import Limits
from workers.settings import Settings
from workers.sinks.mongodb import encoding

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "numtest-08b40071/3/42"
BSON = {
    0x01: "double",
    0x02: "string",
    0x03: "object",
    0x04: "array",
    0x05: "binary",
    0x07: "object id",
    0x08: "bool",
    0x09: "date",
    0x0A: "null",
    0x0B: "regular expression",
    0x0D: "JavaScript",
    0x10: "int (32 bits)",
    0x11: "timestamp",
    0x12: "long (64 bits)",
    0x13: "Decimal128",
    0x7F: "maxKey",
    0xFF: "minKey",
}
"""The names of BSON's types, by the byte that stands before an element: https://bsonspec.org/spec.html"""
EXTENDED = (
    '{"$oid": "65a1b2c3d4e5f60718293a4b"}',
    '{"$date": "2026-11-27T12:00:00.120Z"}',
    '{"$date": {"$numberLong": "1795780800120"}}',
    '{"$date": 1795780800120}',
    '{"$date": "2026-11-27T12:00:00.1234Z"}',
    '{"$date": "2026-11-27T12:00:00"}',
    '{"$numberDecimal": "19.90"}',
    '{"$numberDecimal": "1.0000000000000000000000000000000000001"}',
    '{"$numberLong": "7"}',
    '{"$numberLong": "9223372036854775808"}',
    '{"$numberInt": "7"}',
    '{"$numberDouble": "1.5"}',
    '{"$numberDouble": "NaN"}',
    '{"$binary": {"base64": "/w==", "subType": "00"}}',
    '{"$binary": "/w==", "$type": "00"}',
    '{"$uuid": "c8edabc3-f738-4ca3-b68d-ab92a91478a3"}',
    '{"$timestamp": {"t": 0, "i": 0}}',
    '{"$regularExpression": {"pattern": "^a", "options": "i"}}',
    '{"$code": "f()"}',
    '{"$minKey": 1}',
    '{"$ref": "orders", "$id": 7}',
    '{"$symbol": "a"}',
    '{"$undefined": true}',
    '{"$inc": 1}',
    "7",
    '"text"',
)
EXTENDED_NOTES = {
    EXTENDED[3]: "the form of version 1, milliseconds: Kafka Connect's source for MongoDB writes it by default",
    EXTENDED[4]: "finer than a millisecond, which no document can hold",
    EXTENDED[5]: "without a zone it could be many times",
    EXTENDED[7]: "more than 34 digits",
    EXTENDED[12]: "exact in BSON; so are `Infinity` and `-Infinity`",
    EXTENDED[14]: "the form of version 1",
    EXTENDED[16]: "at the top of a document a server replaces it by its own time; elsewhere it is stored",
    EXTENDED[20]: "a DBRef; its names must be the first, in this order",
    EXTENDED[
        21
    ]: "deprecated: the driver has no such type, and a text is another one. So are `$undefined`, `$dbPointer` and `$scope`",
    EXTENDED[23]: "any other name that begins with `$`",
    EXTENDED[24]: "what is JSON is what it is with `json`",
}
FORMATS = """
## Other formats

`WORKERS_VALUE_FORMAT`, or `value_format` of a route, says what the values of a topic are:

| value | what a value is | the document |
|---|---|---|
| `json` | one object of JSON | its fields |
| `extended_json` | one object of [MongoDB's Extended JSON](https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/), version 2, canonical or relaxed | its fields; dates, object ids, decimals and integers of 64 bits exactly |
| `text` | text in UTF-8 | the text, in the field `value` |
| `bytes` | anything | the bytes, in the field `value` |

`WORKERS_VALUE_FIELD` is another name for that field. An empty value is an empty text; a value that is null is a tombstone, as with
JSON.

## Types of extended JSON

"""
TYPES_NOTE = """
FerretDB 1, the database of the demo, does not hold all of these: Decimal128, NaN and infinity, minKey and maxKey, JavaScript and
DBRefs are dead letters there, `refused_by_server`. On most of them it closes the connection, so that it takes
`WORKERS_REFUSAL_PATIENCE` until such a record is one.
"""
METADATA = """
## Metadata

`WORKERS_METADATA` names what else of a record is stored: any of `place`, `timestamp`, `key`, `headers`, with commas between
them. It goes into one field, the last of the document, `_kafka` or what `WORKERS_METADATA_FIELD` says. With all four:
"""
METADATA_RULES = """
- `timestamp` is a date, and null where the record has none, or a number that is no time in milliseconds: less than 0, or after the
  year 6429. With `message.timestamp.type=LogAppendTime` it is the broker's time.
- `key` is what `WORKERS_KEY_FORMAT` says: `bytes`, `text` in UTF-8, `json` or `extended_json` (any value, not only an
  object). **A key that is something else is stored as its bytes**: it never makes a record a dead letter. Without a key: null. Policies
  are for values, and change nothing about keys.
- `headers` is a list, since a name may be there twice. A value is binary, or null; bytes of a name that are not UTF-8 are
  escaped (`\\xff`).
- A value that already has the field is a dead letter, `reserved_field`: choose another name. The whole document counts for MongoDB's
  limit of 16 MiB.
- Dead letters are the same with and without it. One whose key or headers were too large to be kept whole cannot be replayed into a
  document that needs them; the error says so.

Metadata may be **switched on** for a collection that is in use, or more of it be asked for: a document that is stored already
stays as it is, and counts as stored for a redelivery and for `workers verify`, which compare what both have (`verify` looks up each
such document by itself, which takes longer). It cannot be
**switched off** in the same way, nor the field renamed, nor the format of keys be changed: documents with the former metadata would be
conflicts. Verify such a collection with the former setting, which accepts both: `WORKERS_METADATA=place workers verify`.
"""


def sections() -> list[str]:
    """Of the page, one after the other."""
    types = [
        [code(each), becomes(each, ExtendedJson().parse), as_code(EXTENDED_NOTES.get(each, ""))] for each in EXTENDED
    ]
    return [
        FORMATS,
        table(("value of a field", "becomes in BSON", "note"), types),
        TYPES_NOTE,
        METADATA,
        f"```json\n{with_metadata()}\n```",
        METADATA_RULES,
    ]


def settings_limits() -> Limits:
    settings = Settings()
    return Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)


def becomes(value: str, parse: Callable[[bytes, Limits], dict[str, Any]] = parse_json) -> str:
    """The type in BSON of a field with this value; or the reason why there is no document."""
    try:
        fields = parse(f'{{"n": {value}}}'.encode(), settings_limits())
    except Exception as error:  # noqa: BLE001 a RejectedError, and anything else is worse: it is shown
        return f"dead letter, {code(str(getattr(error, 'reason', error)))}"
    raw = encoding.encode("x", fields).raw
    # Behind the length (4), the `_id` (1 + 4 + 4 + 2) comes the byte of the next element's type.
    return BSON[raw[4 + 11]]


def with_metadata() -> str:
    """A document with all of it, in extended JSON."""
    settings = Settings(metadata=("place", "timestamp", "key", "headers"), key_format="text")
    record: Any = SimpleNamespace(
        topic="numtest",
        partition=3,
        offset=42,
        timestamp=1_795_780_800_120,
        key=b"customer-7",
        value=b'{"number": 41}',
        headers=[("trace", b"\x01\x02")],
    )
    decoded: Any = open_decoder(settings, encoding).decode(ID, record)
    options = json_util.RELAXED_JSON_OPTIONS
    return json.dumps(json.loads(json_util.dumps(bson.decode(decoded.document.raw), json_options=options)), indent=2)
