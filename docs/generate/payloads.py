"""docs/reference/payloads.md: what a record must be, which types it becomes, and why a record is a dead letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bson
from bson import json_util

from docs.generate import formats
from docs.generate.markdown import as_code, code, page, table
from tests.corpus.corpus import CORPUS
from workers.settings.policies import POLICIES
from workers.sinks.mongodb.dead_letters import to_document
from workers.sinks.mongodb.encoding import encode
from workers.types import Reject, RejectReason

if TYPE_CHECKING:
    pass

ID = "numtest-08b40071/3/42"
SAMPLES = (
    "7",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "1e3",
    "0.1000000000000000000001",
    "1e400",
    '"text"',
    '"2026-11-26T12:00:00Z"',
    "true",
    "null",
    '[1, "a"]',
    '{"a": 1}',
)
NOTES = {
    "0.1000000000000000000001": "rounded to the nearest double, which is what JSON numbers with a fraction mean",
    "1e3": "a number with an exponent or a fraction is a double",
    '"2026-11-26T12:00:00Z"': "dates stay text: JSON has no type for them",
}
MEANINGS = {
    RejectReason.TOMBSTONE: "The record has no value. With WORKERS_ON_TOMBSTONE=ignore it is counted and leaves nothing behind.",
    RejectReason.EMPTY: "The value has no bytes, or only white space.",
    RejectReason.TOO_LARGE: "The value is larger than WORKERS_MAX_VALUE_BYTES, or its document than MongoDB takes (16 MiB).",
    RejectReason.NOT_UTF8: "The value is not text in UTF-8.",
    RejectReason.NOT_JSON: "The value is not JSON as RFC 8259 defines it. Comments, NaN and a byte order mark are not. If it seems to be something else, compressed or UTF-16 for example, the error says so.",
    RejectReason.NOT_AN_OBJECT: "The value is JSON, and not an object: a number, a string, an array, true, false or null.",
    RejectReason.TOO_DEEP: "Objects and arrays stand inside each other more than WORKERS_MAX_DEPTH times.",
    RejectReason.TOO_MANY_FIELDS: "The value has more fields and array elements than WORKERS_MAX_FIELDS.",
    RejectReason.DUPLICATE_FIELD: "An object has two fields of one name. Parsers disagree on which of them counts.",
    RejectReason.FIELD_COLLISION: "Two fields of an object would have one name in the document, by a policy that gives fields other names.",
    RejectReason.BAD_FIELD_NAME: "A field name is empty, begins with `$`, or holds a dot or a NUL: MongoDB could not find the field, or takes it for a command.",
    RejectReason.RESERVED_FIELD: "The object has a field `_id`, and the `_id` of a document is made of the record's place in Kafka, and of nothing else; or it has the field into which the metadata goes.",
    RejectReason.INTEGER_OUT_OF_RANGE: "An integer does not fit into 64 bits, so a document could only hold a rounded one.",
    RejectReason.NUMBER_OUT_OF_RANGE: "A number would become infinity or zero as a double.",
    RejectReason.BAD_STRING: "A string holds half of a surrogate pair, which is no character.",
    RejectReason.NOT_EXTENDED_JSON: "With `extended_json`: an object with a name such as `$date` is not what Extended JSON 2 defines, or has no exact form.",
    RejectReason.REFUSED_BY_SERVER: "MongoDB refused the document, and took others. The dead letter has its code and message.",
    RejectReason.CONFLICT: "Another document is stored under the id of this record. It stays.",
    RejectReason.DUPLICATE_KEY: "Another unique index of the collection has these values already.",
    RejectReason.KILLED_WORKER: "A poison record: it crashed the workers that decoded it, alone, twice. It is not decoded any more.",
}
"""Why a record becomes a dead letter, in words for those who have one."""
LONGEST_EXAMPLE = 40
HEAD = """
The rule: **what a document can hold exactly as it was sent is stored.** What would be changed, is ambiguous, or would be
refused by the server becomes a dead letter, with its raw bytes and the reason, and the worker goes on. [Policies](#policies)
take some of it nevertheless, each of them by a setting.

The value of a record must be one JSON object in UTF-8, or what else [`WORKERS_VALUE_FORMAT`](#other-formats) says. The key and
the headers may be anything: they are not decoded, and not part of the document, unless [metadata](#metadata) is asked for. Every
payload that is tested, with its verdict:
[reliability](../reliability.md#what-each-payload-becomes).
"""
DOCUMENT = """
## The document

The fields of the object, in their order, under an `_id` that is made of the record's place in Kafka: topic, eight hex digits of
the topic's own id, partition, offset. The topic's id is in it because a topic that is deleted and created again counts its
offsets from 0. Where a truncated log uses an offset twice, the second id ends in the leader epoch of its record
(`{ID}@7`).
"""
POLICY = """
## Policies

Each is a setting, `WORKERS_FIELD_NAMES` for example, or a key of a route, `field_names`. The first value of each is the default. A policy is
*exact* if the document tells all that the record has, though perhaps in another form; else it is *lossy*: `workers config` and
`workers verify` say so of those that are in force. What every tested payload becomes under each of them:
[reliability](../reliability.md#under-each-policy).
"""
POLICY_NOTES = """
- `escape` can be taken back by any decoder of URLs: `urllib.parse.unquote("app%2Ekubernetes%2Eio/name")`. It is injective: names that
  differ are stored as names that differ.
- Where two fields of an object would get one name, by `replace:TEXT` or `rename:NAME`, the record is a dead letter, `field_collision`.
- Not every server holds everything. Where a policy needs it, a worker stores a document of that kind in the collection
  `_workers_probe` of its database when it starts, reads it back, and removes it. What the server does not hold is refused then, with exit code
  78 and what to set instead; `workers doctor` says the same. FerretDB 1 holds neither names with a dot or a `$`, nor Decimal128, nor NaN.
- With `decimals = "decimal128"` each value that has such a number is decoded by itself, which takes about 10 us a record more. No other policy
  slows down a value that does not need it; `escape` takes less than a microsecond for a name.
- A policy that is changed holds for records that are read from then on. A document that was stored under another one is `conflicting` for
  `workers verify`, since it is not what its record becomes now.
- Dead letters that a policy would have stored name it. Set it, restart the workers, and replay them:
  [dead letters](../how-to/dead-letters.md).
"""
LETTER = """
## The dead letter

It is in the collection `<collection>_dead_letters`, under the `_id` that the document would have. In MongoDB's extended JSON:
"""


def reasons() -> list[list[str]]:
    found = []
    for reason in RejectReason:
        examples = [
            case.value for case in CORPUS if case.reason is reason and case.value and len(case.value) <= LONGEST_EXAMPLE
        ]
        shown = code(repr(min(examples, key=len))[2:-1]) if examples else ""
        found.append([code(str(reason)), as_code(MEANINGS[reason]), shown])
    return found


def policies() -> list[list[str]]:
    return [
        [
            code(name) if choice is policy.choices[0] else "",
            policy.about if choice is policy.choices[0] else "",
            code(choice.form),
            choice.effect,
            "" if choice is policy.choices[0] else f"lossy: {choice.loss}" if choice.loss else "exact",
        ]
        for name, policy in POLICIES.items()
        for choice in policy.choices
    ]


def dead_letter() -> str:
    record: Any = SimpleNamespace(
        topic="numtest", partition=3, offset=42, timestamp=1_795_000_000_000, key=None, value=b"not json", headers=[]
    )
    reject = Reject(ID, RejectReason.NOT_JSON, "not JSON: Expecting value at character 0", record)
    document = to_document(reject, "worker_00", datetime(2026, 11, 18, 9, 46, 40, tzinfo=UTC))
    return json.dumps(json.loads(json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS)), indent=2)


def make() -> str:
    types = table(
        ("JSON value of a field", "becomes in BSON", "note"),
        [[code(each), formats.becomes(each), NOTES.get(each, "")] for each in SAMPLES],
    )
    document = json.dumps({"_id": ID, **bson.decode(encode(ID, {"number": 41}).raw)})
    return page(
        "Types and payloads",
        HEAD,
        "## Types",
        types,
        DOCUMENT.replace("{ID}", ID),
        f"```json\n{document}\n```",
        POLICY,
        table(
            ("policy", "is about", "value", "what becomes of it", "exact, or lossy: what the document does not tell"),
            policies(),
        ),
        POLICY_NOTES,
        *formats.sections(),
        LETTER,
        f"```json\n{dead_letter()}\n```",
        "`value` and `key` are the raw bytes, 8 MiB of the value at most; `value_bytes` and `value_sha256` are of the whole "
        "value. What to do with dead letters: [the guide](../how-to/dead-letters.md).",
        "## Why a record is a dead letter",
        table(("reason", "meaning", "a value for example"), reasons()),
    )
