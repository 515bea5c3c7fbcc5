"""A log and a database in memory for `verify`, with every kind of damage, and the proof by look-ups to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.identity import OffsetRange, parse_id, second_id
from workers.kafka.left_out import LeftOut, Skip
from workers.kafka.partition_offsets import PartitionOffsets
from workers.settings import load
from workers.sinks.id_range import EVERY_ID, IdRange
from workers.sinks.mongodb.encoding import as_raw, documents_equal, encode, encode_plain
from workers.types import TopicPartition
from workers.verification.comparison import MAX_DISTANCE, Comparison
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.part_check import PartCheck, PartResult
from workers.verification.report import PartitionReport
from workers.verification.segments import Part

Report = dict[TopicPartition, tuple[dict[str, int], dict[str, list[int]]]]
MOST_OFFSETS = 1000
"""Of each failure: all of them, so that not only their number is compared."""


@dataclass
class Store:
    """A `SinkReader`. Its lists may be changed by `on_scan` while it is read."""

    documents_by_id: dict[Any, bytes] = field(default_factory=dict)
    letters: dict[Any, str | None] = field(default_factory=dict)
    """Reasons; None: replayed."""
    on_scan: Callable[[], None] = lambda: None
    looked_up: int = 0
    by_index: bool = True

    def finds_ranges(self) -> bool:
        return self.by_index

    def encode(self, document_id: str, value: dict[str, Any]) -> RawBSONDocument:
        return encode(document_id, value)

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        return encode_plain(prefix, offsets, values)

    def content(self, document: Any) -> bytes:
        return bytes(as_raw(document).raw)

    def equal(self, stored: RawBSONDocument, document: RawBSONDocument) -> bool:
        return documents_equal(stored, document)

    def documents(self, ids: Sequence[str]) -> Mapping[str, Any]:
        self.looked_up += len(ids)
        return {each: RawBSONDocument(self.documents_by_id[each]) for each in ids if each in self.documents_by_id}

    def dead_letters(self, ids: Sequence[str]) -> Mapping[str, str]:
        return {each: reason for each in ids if (reason := self.letters.get(each)) is not None}

    def all_dead_letters(self, _limit: int = 0) -> Mapping[str, str]:
        return {each: reason for each, reason in self.letters.items() if reason is not None}

    def scan(self, ids: IdRange, most: int) -> Iterator[list[tuple[Any, bytes]]]:
        found = [(each, raw) for each, raw in self.documents_by_id.items() if _inside(each, ids)]
        for first in range(0, len(found), most):
            yield found[first : first + most]
        self.on_scan()

    def scan_dead_letters(self, ids: IdRange) -> Iterator[list[tuple[Any, str | None]]]:
        yield [(each, reason) for each, reason in self.letters.items() if _inside(each, ids)]

    def scan_ids(self, ids: IdRange | None) -> Iterator[list[Any]]:
        for held in (self.documents_by_id, self.letters):
            yield [each for each in held if (not isinstance(each, str) if ids is None else _inside(each, ids))]


def _inside(document_id: Any, ids: IdRange) -> bool:
    if ids == EVERY_ID:
        return True
    return isinstance(document_id, str) and (ids.first or "") <= document_id < (ids.end or "\U0010ffff")


@dataclass
class Sides:
    """What is compared."""

    offsets: dict[TopicPartition, PartitionOffsets]
    log: dict[TopicPartition, list[FakeRecord]]
    store: Store
    now: dict[TopicPartition, PartitionOffsets] = field(default_factory=dict)
    """The offsets when everything was read; empty: as before."""
    compacts: bool = False
    progress: Counter[str] = field(default_factory=Counter)

    def read(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[tuple[TopicPartition, ListedRecords]]:
        for partition, (first, end) in ranges.items():
            inside = [record for record in self.log[partition] if first <= record.offset < end]
            for start in range(0, len(inside), 5):
                yield partition, ListedRecords(inside[start : start + 5])

    def comparison(self) -> Comparison:
        return Comparison(
            load(),
            TOPIC,
            self.offsets,
            self.store,  # type: ignore[arg-type]
            lambda _what, _done, _total: None,
            lambda _partition, _records: None,
            read=self.read,
            most_offsets=MOST_OFFSETS,
        )

    def check(self, part: Part) -> PartResult:
        return PartCheck(
            self.comparison(),
            part,
            self.read,
            lambda: self.now or self.offsets,
            lambda: self.compacts,
            lambda what, more: self.progress.update({what: more}),
        ).check()

    def in_parts(self, parts: Sequence[Part]) -> tuple[Report, int]:
        """The report of these parts together, and the number of foreign ids."""
        reports = {partition: PartitionReport(partition, most_offsets=MOST_OFFSETS) for partition in self.offsets}
        before: Counter[TopicPartition] = Counter()
        foreign = 0
        for part in parts:
            result = self.check(part)
            before += result.before
            foreign += result.foreign
            for partition, report in result.reports.items():
                reports[partition].join(report)
        for partition, each in self.offsets.items():
            reports[partition].counts["expired"] = max(0, _to_be_read(each) - before[partition])
        return _plain(reports), foreign

    def by_look_ups(self) -> tuple[Report, int]:
        """The same by looking up every record, and then every id that is stored: as `verify` did it before."""
        comparison = self.comparison()
        in_kafka = comparison.compare_records()
        unmatched = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        before: Counter[TopicPartition] = Counter()
        foreign = 0
        for document_id in [*self.store.documents_by_id, *self.store.letters]:
            parsed = parse_id(document_id, TOPIC)
            partition = tp(parsed.partition) if parsed else None
            if not parsed or partition not in self.offsets:
                foreign += 1
                continue
            offset, is_second, each = parsed.offset, parsed.leader_epoch is not None, self.offsets[partition]
            if is_second and offset < each.next_offset and offset in in_kafka[partition]:
                if document_id not in comparison.second_ids.looked_up:
                    comparison.add_unmatched(partition, offset)
            elif offset < each.start:
                before[partition] += not is_second and not each.left_out.word(offset)
            elif offset > each.end + MAX_DISTANCE:
                comparison.reports[partition].add("unexpected", offset)
            elif offset not in in_kafka[partition]:
                unmatched[partition].add(offset)
        for partition, each in self.offsets.items():
            comparison.reports[partition].counts["expired"] = max(0, _to_be_read(each) - before[partition])
        comparison.classify_unmatched(unmatched, self.now or self.offsets, lambda: self.compacts)
        return _plain(comparison.reports), foreign


def _plain(reports: Mapping[TopicPartition, PartitionReport]) -> Report:
    return {
        partition: (dict(+each.counts), {what: sorted(offsets) for what, offsets in each.offsets.items()})
        for partition, each in reports.items()
    }


VALUES = (
    b'{"number": %d}',
    b'{"number": %d, "text": "\\u00e9", "deep": [{"a": null}, -0.5, 1e300]}',
    b'{"zero": -0.0, "number": %d}',
    b"not json %d",
    None,
)


def random_sides(seed: int, partitions: int = 2, records: int = 140) -> Sides:
    """Mostly in order, as a fleet leaves it, and every kind of damage besides."""
    random = Random(seed)
    offsets, log, store = {}, {}, Store()
    for number in range(partitions):
        start = random.choice((0, 0, 7, 95, 9_990))
        end = start + random.randint(0, records)
        reused = [OffsetRange(start + 5, start + 25)] if random.random() < 0.3 else []
        committed = random.choice((None, start, end, end, random.randint(start, end)))
        offsets[tp(number)] = PartitionOffsets(
            start, end, committed, reused=reused, left_out=_left_out(seed, start, end)
        )
        log[tp(number)] = []
        for offset in range(start, end):
            if random.random() < 0.1:
                _leave_without_record(random, store, number, offset)
                continue
            value = random.choices(VALUES, (70, 10, 3, 5, 3))[0]
            value = value % offset if value and b"%d" in value else value
            record = FakeRecord(number, offset, value, leader_epoch=random.choice((3, 3, 3, -1)))
            log[tp(number)].append(record)
            _store(random, store, record, is_due=committed is not None and offset < committed)
        for offset in [*range(max(0, start - 3), start), *range(end, end + 3), end + MAX_DISTANCE + 1]:
            _leave_without_record(random, store, number, offset)
    for other in (
        7,
        None,
        bson.ObjectId(b"x" * 12),
        "",
        "zzz",
        f"{TOPIC.prefix}0/x",
        f"{TOPIC.prefix}0/012",
        "other-00000000/0/1",
    ):
        if random.random() < 0.3:
            store.documents_by_id[other] = bson.encode({"_id": other})
    sides = Sides(offsets, log, store, compacts=random.random() < 0.3)
    if random.random() < 0.3:
        sides.now = {
            partition: replace_offsets(each, random.randint(0, 9), random.randint(0, 3))
            for partition, each in offsets.items()
        }
    return sides


def _to_be_read(each: PartitionOffsets) -> int:
    """How many of the offsets that Kafka has removed."""
    return sum(not each.left_out.word(offset) for offset in range(each.start))


def _left_out(seed: int, start: int, end: int) -> LeftOut:
    """In some, what came before a start, and what a person skipped."""
    random = Random(f"{seed}/{start}/{end}")
    if random.random() < 0.6:
        return LeftOut()
    begun = random.choice((None, start, start + (end - start) // 3))
    first = random.randint(begun or start, end)
    return LeftOut(begun, "latest", (Skip(first, min(end, first + 20), 0, "ada@host", "a test"),))


def replace_offsets(each: PartitionOffsets, removed: int, added: int) -> PartitionOffsets:
    return each._replace(start=min(each.end, each.start + removed), end=each.end + added)


def _store(random: Random, store: Store, record: FakeRecord, *, is_due: bool) -> None:
    document_id = TOPIC.document_id(record.partition, record.offset)
    is_good = record.value is not None and not record.value.startswith(b"not")
    if not is_due and random.random() < 0.5:
        return
    if is_good:
        store.documents_by_id[document_id] = document_of(record, document_id)
    elif record.value is not None or random.random() < 0.5:
        store.letters[document_id] = "not_json"
    if random.random() > 0.15:
        return
    if not is_good and random.random() < 0.3:
        store.documents_by_id[document_id] = bson.encode({"_id": document_id})
    damage = random.randrange(10)
    second = second_id(document_id, max(0, record.leader_epoch))
    if damage == 0:
        store.documents_by_id.pop(document_id, None)
    elif damage == 1:
        store.documents_by_id[document_id] = bson.encode({"_id": document_id, "number": -1})
    elif damage == 2:
        store.letters[document_id] = random.choice(("not_json", "conflict"))
    elif damage == 3:
        store.letters.pop(document_id, None)
    elif damage == 4:
        store.letters[document_id] = None
    elif damage == 5 and is_good:
        store.documents_by_id[second] = document_of(record, second)
    elif damage == 6 and is_good:
        store.documents_by_id[document_id] = bson.encode({"_id": document_id, "of": "another log"})
        store.documents_by_id[second] = document_of(record, second)
    elif damage == 7:
        store.letters[second] = "not_json"
    elif damage == 8:
        store.documents_by_id[second_id(document_id, 99)] = bson.encode({"_id": second_id(document_id, 99)})
    elif damage == 9 and is_good:
        # As a server may return it: -0.0 as 0.0.
        fields = {key: value + 0.0 if isinstance(value, float) else value for key, value in _fields(record).items()}
        store.documents_by_id[document_id] = bson.encode({"_id": document_id, **fields})


def _leave_without_record(random: Random, store: Store, partition: int, offset: int) -> None:
    document_id = TOPIC.document_id(partition, offset)
    document_id = second_id(document_id, 3) if random.random() < 0.2 else document_id
    if random.random() < 0.2:
        store.documents_by_id[document_id] = bson.encode({"_id": document_id})
    if random.random() < 0.1:
        store.letters[document_id] = random.choice(("not_json", None))


def _fields(record: FakeRecord) -> dict[str, Any]:
    from workers.formats.json import parse_json
    from workers.verification.comparison import NO_LIMITS

    return parse_json(record.value, NO_LIMITS)


def document_of(record: FakeRecord, document_id: str | None = None) -> bytes:
    """What a worker stores."""
    return bytes(encode(document_id or TOPIC.document_id(record.partition, record.offset), _fields(record)).raw)
