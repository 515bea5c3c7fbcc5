"""The segments of a topic, as text and as offsets: each offset and each id is in exactly one."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from tests.support.batches import TOPIC, tp
from workers.identity import OffsetRange, second_id
from workers.sinks.id_range import IdRange
from workers.verification.segments import Segment, plan, split

SPANS = [(0, 0), (0, 1), (0, 11), (0, 1_234), (7, 120), (95, 105), (999, 1_001), (9_990, 10_400)]


def inside(document_id: str, ids: IdRange) -> bool:
    return (ids.first is None or document_id >= ids.first) and (ids.end is None or document_id < ids.end)


@pytest.mark.parametrize("most", [2, 3, 10, 100, 10_000])
@pytest.mark.parametrize(("start", "end"), SPANS)
def test_every_offset_is_in_one_piece_and_no_piece_has_too_many(start: int, end: int, most: int) -> None:
    segments = split(tp(0), start, end, most)
    ranges = [segment.ranges(start, end) for segment in segments]

    assert Counter(o for each in ranges for part in each for o in range(*part)) == Counter(range(start, end))
    # Offsets that begin each other, 1 and 10 and 100, are not to be parted.
    assert all(sum(last - first for first, last in each) <= max(most, len(str(end))) for each in ranges)
    assert (segments[0].low, segments[-1].high) == ("", ":")
    assert all(one.high == other.low for one, other in pairwise(segments))


@pytest.mark.parametrize("most", [2, 10, 100])
@pytest.mark.parametrize(("start", "end"), SPANS)
def test_the_ids_of_a_piece_are_those_of_its_offsets(start: int, end: int, most: int) -> None:
    for segment in split(tp(0), start, end, most):
        own = [offset for first, last in segment.ranges(start, end) for offset in range(first, last)]
        scanned = [segment.ids(TOPIC), *segment.other_ids(TOPIC)]
        for offset in range(max(0, start - 50), end + 50):
            document_id = TOPIC.document_id(0, offset)
            assert inside(document_id, scanned[0]) == segment.has(offset)
            assert segment.has(offset) or offset not in own
            times = sum(inside(second_id(document_id, 7), ids) for ids in scanned)
            assert times == 1 if segment.has(offset) else times <= 1


@pytest.mark.parametrize("by_index", [False, True])
def test_a_plan_has_every_offset_once_in_parts_of_a_bounded_size(by_index: bool) -> None:
    random = Random(1)
    ranges = {
        tp(number): OffsetRange(first := random.randrange(500), first + random.randrange(900)) for number in range(20)
    }

    parts = plan(TOPIC, ranges, 200, by_index=by_index)

    found = Counter(
        (segment.partition, offset)
        for part in parts
        for segment in part.segments
        for each in segment.ranges(*ranges[segment.partition])
        for offset in range(*each)
    )
    assert found == Counter((partition, offset) for partition, each in ranges.items() for offset in range(*each))
    assert all(sum(b - a for p in part.segments for a, b in p.ranges(*ranges[p.partition])) <= 200 for part in parts)
    assert sum(part.has_rest for part in parts) == 1


def test_a_topic_without_partitions_or_records_still_has_its_rest() -> None:
    assert [part.has_rest for part in plan(TOPIC, {}, 10, by_index=True)] == [True]
    assert [part.has_rest for part in plan(TOPIC, {}, 10, by_index=False)] == [True]
    (whole, _) = plan(TOPIC, {tp(0): OffsetRange(5, 5)}, 10, by_index=True)
    assert whole.segments == (Segment(tp(0)),)


@pytest.mark.parametrize("most", [40, 10_000])
def test_every_id_is_read_with_one_part_and_many_partitions_by_few_questions(most: int) -> None:
    ranges = {tp(number): OffsetRange(0, 90) for number in (0, 1, 2, 10, 11, 100, 200)}
    parts = plan(TOPIC, ranges, most, by_index=True)
    first = [part.scanned[0] for part in parts[:-1]] + [*parts[-1].scanned]

    texts = ["", "a", "zzz", TOPIC.prefix, "\U0010ffff"]
    texts += [f"{TOPIC.prefix}{rest}" for rest in ("3/7", "10", "1/:", "1/", "10/12x", "0/", "2/9", "1000/5", "100/89")]
    for text in texts:
        assert sum(inside(text, ids) for ids in first) == 1, text
    for number, part in enumerate(parts):
        for segment in part.segments:
            for offset in range(90):
                if segment.has(offset):
                    document_id = TOPIC.document_id(segment.partition.partition, offset)
                    assert inside(document_id, first[number])
                    assert any(inside(second_id(document_id, 7), ids) for ids in part.scanned)
    if most == 10_000:
        assert [len(part.scanned) for part in parts] == [1, 2]


def test_a_partition_of_billions_is_split_at_once() -> None:
    start, end = 8_999_999_123, 9_001_000_456

    segments = split(tp(0), start, end, 500_000)

    assert len(segments) < 12
    assert sum(b - a for segment in segments for a, b in segment.ranges(start, end)) == end - start
