"""The segments of a topic, as text and as offsets: each offset and each id is in exactly one."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from tests.support.batches import TOPIC, tp
from workers.identity import OffsetRange, second_id
from workers.sinks.id_range import IdRange
from workers.verification.segments import Segment, plan, rest, split

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

    parts = plan(ranges, 200, by_index=by_index)

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
    assert [part.has_rest for part in plan({}, 10, by_index=True)] == [True]
    assert [part.has_rest for part in plan({}, 10, by_index=False)] == [True]
    (whole, _) = plan({tp(0): OffsetRange(5, 5)}, 10, by_index=True)
    assert whole.segments == (Segment(tp(0)),)


def test_the_rest_is_every_text_that_no_piece_has() -> None:
    partitions = [tp(0), tp(1), tp(10), tp(2)]
    taken = [Segment(partition).ids(TOPIC) for partition in partitions]
    left = rest(TOPIC, partitions)

    for text in (
        "",
        "a",
        "zzz",
        TOPIC.prefix,
        f"{TOPIC.prefix}3/7",
        f"{TOPIC.prefix}10",
        f"{TOPIC.prefix}1/:",
        "\U0010ffff",
    ):
        assert sum(inside(text, ids) for ids in left) == 1, text
    for text in (TOPIC.document_id(1, 5), TOPIC.document_id(10, 0), f"{TOPIC.prefix}0/", f"{TOPIC.prefix}2/9@9"):
        assert sum(inside(text, ids) for ids in left) == 0, text
        assert sum(inside(text, ids) for ids in taken) == 1, text


def test_a_partition_of_billions_is_split_at_once() -> None:
    start, end = 8_999_999_123, 9_001_000_456

    segments = split(tp(0), start, end, 500_000)

    assert len(segments) < 12
    assert sum(b - a for segment in segments for a, b in segment.ranges(start, end)) == end - start
