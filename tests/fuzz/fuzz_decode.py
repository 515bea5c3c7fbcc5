"""Coverage-guided fuzzing of decode: nothing it is given may raise, what it accepts BSON must give back, and what the plain
way takes the strict way must store as the same bytes, under policies as well as without any.

Not a test of the suite. In an environment with atheris (`pip install atheris`):

    python tests/fuzz/fuzz_decode.py -max_total_time=180 -max_len=4096 [a folder to keep the corpus in]
"""

from __future__ import annotations

import json
import sys
from typing import NamedTuple
from uuid import UUID

import atheris

with atheris.instrument_imports(include=["workers", "json", "json.decoder", "json.scanner"]):
    import bson
    from bson.raw_bson import RawBSONDocument

    from workers.formats.json import Json
    from workers.formats.limits import Limits
    from workers.formats.policies import NO_POLICY, Policies
    from workers.identity import TopicIdentity
    from workers.pipeline.decoder import Decoder
    from workers.sinks.mongodb.encoding import as_raw, documents_equal, encode, encode_plain
    from workers.types import Insert, Reject, RejectedError

TOPIC = TopicIdentity("fuzz", UUID(int=7))
LIMITS = Limits(value_bytes=2048, depth=8, fields=100)
PREFIX = TOPIC.partition_prefix(0)


class Encoding:
    encode = staticmethod(encode)
    encode_plain = staticmethod(encode_plain)


DECODER = Decoder(Json(), Encoding(), LIMITS)


class Record(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "fuzz"


FORMATS = [
    Json(each)
    for each in (
        NO_POLICY,
        Policies(field_names="escape", empty_names="keep", nan="double", id_field="rename:id", decimals="decimal128"),
        Policies(
            field_names="replace:_", id_field="rename:a", big_integers="string", duplicate_names="last", bom="strip"
        ),
        Policies(
            field_names="keep", big_integers="decimal128", not_an_object="wrap:value", surrogates="replace", nan="null"
        ),
    )
]


def check(value: bytes) -> None:
    for each in FORMATS:
        plain, others = each.parse_plain([value, b"{}"], LIMITS)
        try:
            strict = encode(f"{PREFIX}1", each.parse_strict(value, LIMITS))
        except RejectedError:
            assert 0 in others
        else:
            assert 0 in others or as_raw(encode_plain(PREFIX, [1, 2], plain)[0]).raw == strict.raw
    outcome = DECODER.decode(TOPIC.document_id(0, 1), Record(0, 1, 0, None, value))
    if isinstance(outcome, Reject):
        assert outcome.error
        assert "\n" not in outcome.error
        return
    assert isinstance(outcome, Insert)
    stored = bson.decode(outcome.document.raw)
    assert stored.pop("_id") == "fuzz-00000000/0/1"
    sent = json.loads(value.decode("utf-8"))
    assert stored == sent, (stored, sent)
    assert documents_equal(outcome.document, RawBSONDocument(bson.encode({"_id": "fuzz-00000000/0/1", **sent})))


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
