"""Headers whose keys are not UTF-8: a broker takes them from any client that does not look."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers
from workers.header_keys import tolerate

pytestmark = pytest.mark.integration


class RawKey(str):
    """What a client in another language sends."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfekey"


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_every_codec_gives_the_same_headers(codec: int) -> None:
    tolerate()
    builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 16)
    for number in range(3):
        builder.append(number, 1, None, b"%d" % number * 200, [(RawKey("x"), b"1"), ("caf\xe9", b"2")])

    records = list(DefaultRecordBatch(bytes(builder.build())))

    assert [record.value for record in records] == [b"%d" % number * 200 for number in range(3)]
    assert [record.headers for record in records] == [[("\\xff\\xfekey", b"1"), ("caf\xe9", b"2")]] * 3


def test_a_header_key_that_is_not_utf8_stops_nobody(stack: EmbeddedStack, tmp_path: Path) -> None:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.create(1)
        odd = [(RawKey("x"), b"\x00value"), ("plain", b"")]
        workers.numbers(0, 0, 5)
        workers.send(0, b'{"number": 5}', b"poison", headers=odd)
        workers.numbers(0, 7, 5)
        workers.start()
        workers.wait_committed({0: 12})

        documents, (letter,) = workers.contents()
        assert [each["number"] for each in documents] == sorted([*range(6), *range(7, 12)], key=str)
        assert (letter["reason"], bytes(letter["value"])) == ("not_json", b"poison")
        assert [(each["key"], each["value"]) for each in letter["headers"]] == [
            ("\\xff\\xfekey", b"\x00value"),
            ("plain", b""),
        ]
        assert workers.verify().code == 0
        assert workers.alive()
