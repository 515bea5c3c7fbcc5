"""Coverage-guided fuzzing of decode: nothing it is given may raise, what it accepts BSON must give back, and what the plain
way takes the strict way must store as the same bytes.

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

    from workers.formats.json import Json, parse_json_strict, parse_plain
    from workers.formats.limits import Limits
    from workers.identity import TopicIdentity
    from workers.pipeline.decoder import Decoder
    from workers.sinks.mongodb.encoding import as_raw, documents_equal, encode, encode_plain
    from workers.types import Insert, Reject

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


def check(value: bytes) -> None:
    plain, others = parse_plain([value, b"{}"], LIMITS)
    if 0 not in others:
        strict = encode(f"{PREFIX}1", parse_json_strict(value, LIMITS))
        assert as_raw(encode_plain(PREFIX, [1, 2], plain)[0]).raw == strict.raw
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
