"""What it takes to decode a record, counted and not timed: the same on a busy machine as on an idle one.

Counted are, a record: the interpreter's instructions, its calls into C, and the blocks and bytes of memory that the
batch holds. The figures that are in force are in bench/decode_cost.json, by version of Python; a test compares with them.

    python -m bench.decode_cost            shows them beside what is stored
    python -m bench.decode_cost --renew    stores them, for this version of Python
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from bench.backlog import shape
from workers.formats import keys
from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.formats.policies import NO_POLICY, Policies
from workers.identity import TopicIdentity
from workers.kafka.fetched_records import FetchedRecords, Piece
from workers.kafka.record_batch import decode as decode_batch
from workers.pipeline.decoder import Decoder
from workers.pipeline.metadata import Metadata
from workers.pipeline.reader import RecordReader
from workers.sinks.mongodb import encoding
from workers.types import Batch, Fetched, TopicPartition

STORED = Path(__file__).with_suffix(".json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
RECORDS = 200
MOST = 0.10
"""How much a figure may rise."""
TOPIC = TopicIdentity("numbers", UUID(int=1))
NESTED = b'{"order": %d, "at": "2026-11-22T20:37:00Z", "price": 12.5, "paid": true, "note": null, "lines": [{"n": 1}, {"n": 2}]}'
SHAPES: dict[str, Callable[[int], bytes]] = {
    "a number": shape(0),
    "nested, 100 bytes": lambda number: NESTED % number,
    "flat, 1,000 bytes": shape(1_000),
    "nested, a tenth with an escape": lambda number: (
        (NESTED % number).replace(b"Z", b"\\n") if number % 10 == 0 else NESTED % number
    ),
    "nested, a tenth with a large number": lambda number: (
        (NESTED % number).replace(b"12.5", b"1e300") if number % 10 == 0 else NESTED % number
    ),
}
LABELS = b'{"pod": "web-%d", "app_kubernetes_io/name": "web", "app_kubernetes_io/part-of": "shop", "app_kubernetes_io/version": "1", "app_kubernetes_io/managed-by": "helm", "level": "info", "text": "a line of a log"}'
"""Four names of seven are those of Kubernetes' labels, or would be with a dot in place of `_`."""
ESCAPE = Policies(field_names="escape")
WITH_POLICIES: dict[str, tuple[Callable[[int], bytes], Policies]] = {
    "labels without a dot": (lambda number: LABELS % number, NO_POLICY),
    "labels without a dot, field_names = escape": (lambda number: LABELS % number, ESCAPE),
    "labels with dots, field_names = escape": (lambda number: (LABELS % number).replace(b"_", b"."), ESCAPE),
    "a number, field_names = escape": (shape(0), ESCAPE),
}
WITH_METADATA: dict[str, tuple[str, ...]] = {
    "nested, 100 bytes, with place and timestamp": ("place", "timestamp"),
    "nested, 100 bytes, with place, timestamp, key and headers": ("place", "timestamp", "key", "headers"),
}
HEADERS = [("ce_id", b"0123456789"), ("ce_type", b"order.created")]
Figures = dict[str, float]


def measured() -> dict[str, Figures]:
    """By shape of the record and by what is counted: how many, a record."""
    without = {name: _measure(value) for name, value in SHAPES.items()}
    nested = SHAPES["nested, 100 bytes"]
    return (
        without
        | {name: _measure(value, policies) for name, (value, policies) in WITH_POLICIES.items()}
        | {name: _measure(nested, metadata=parts) for name, parts in WITH_METADATA.items()}
    )


def rises(found: Mapping[str, Figures], stored: Mapping[str, Figures]) -> list[str]:
    """One line about every figure that has risen too far."""
    return [
        f"{shape}: {found[shape][what]:g} {what} a record, {found[shape][what] / before - 1:.0%} more than {before:g}"
        for shape, figures in stored.items()
        for what, before in figures.items()
        if found[shape][what] > before * (1 + MOST)
    ]


def stored() -> dict[str, dict[str, Figures]]:
    """By version of Python."""
    found: dict[str, dict[str, Figures]] = json.loads(STORED.read_text())
    return found


def _measure(value: Callable[[int], bytes], policies: Policies = NO_POLICY, metadata: Sequence[str] = ()) -> Figures:
    fetched, reader = prepared(value, policies, metadata)
    partition = TopicPartition(TOPIC.name, 0)

    def decode() -> Batch:
        batch = reader.read(fetched)
        part = batch.partitions[partition]
        assert len(part.operations) == RECORDS, part.rejects[:1]
        return batch

    # What is made once, and kept, is no cost of a record.
    decode()
    # The records anew: their timestamps are decoded once.
    fetched, _ = prepared(value, policies, metadata)
    counted = _count(decode)
    fetched, _ = prepared(value, policies, metadata)
    gc.collect()
    tracemalloc.start()
    bytes_before, blocks_before = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
    decoded = decode()
    blocks, held = sys.getallocatedblocks() - blocks_before, tracemalloc.get_traced_memory()[0] - bytes_before
    tracemalloc.stop()
    del decoded
    total = {"instructions": counted["opcode"], "calls into C": counted["c_call"], "blocks": blocks, "bytes": held}
    return {what: round(count / RECORDS, 1) for what, count in total.items()}


def prepared(
    value: Callable[[int], bytes], policies: Policies = NO_POLICY, metadata: Sequence[str] = ()
) -> tuple[Fetched, RecordReader]:
    """Records of this shape as a poll returns them, and their reader."""
    partition = TopicPartition(TOPIC.name, 0)
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for number in range(RECORDS):
        key, headers = (b"order-42", HEADERS) if "key" in metadata else (None, [])
        builder.append(number, 1_700_000_000_000, key, value(number), headers)
    (decoded,) = decode_batch(DefaultRecordBatch(bytes(builder.build())))
    records = FetchedRecords([Piece(partition, decoded, 0, RECORDS)])
    of_records = Metadata(metadata, "_kafka", keys.as_bytes) if metadata else None
    decoder = Decoder(Json(policies), encoding, Limits(), metadata=of_records)
    return Fetched({TOPIC.name: TOPIC}, {partition: records}), RecordReader(lambda _: decoder)


def _count(work: Callable[[], object]) -> Counter[str]:
    events: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        events[event] += 1
        return trace

    def profile(_frame: FrameType, event: str, _argument: Any) -> None:
        events[event] += 1

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before[1])
        sys.settrace(before[0])
    return events


def main() -> None:
    found, known = measured(), stored() if STORED.exists() else {}
    for shape_, figures in found.items():
        for what, count in figures.items():
            before = known.get(PYTHON, {}).get(shape_, {}).get(what)
            print(f"{shape_:20} {count:10,.1f} {what}" + (f" (stored: {before:,.1f})" if before is not None else ""))
    if "--renew" in sys.argv[1:]:
        STORED.write_text(json.dumps(known | {PYTHON: found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
