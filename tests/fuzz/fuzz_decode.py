"""Coverage-guided fuzzing of decode: nothing it is given may raise, and what it accepts BSON must give back.

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

    from workers.formats.json import parse_json
    from workers.formats.limits import Limits
    from workers.identity import TopicIdentity
    from workers.pipeline.reader import RecordReader
    from workers.sinks.mongodb.encoding import documents_equal, encode
    from workers.types import Insert, Reject

TOPIC = TopicIdentity("fuzz", UUID(int=7))
READER = RecordReader(parse_json, encode, Limits(value_bytes=2048, depth=8, fields=100))


class Record(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "fuzz"


def check(value: bytes) -> None:
    outcome = READER.decode(TOPIC.document_id(0, 1), Record(0, 1, 0, None, value))
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
