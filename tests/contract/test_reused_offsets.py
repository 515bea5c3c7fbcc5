"""What a sink does where a truncated log uses an offset twice: both records are stored, and a conflict stays a conflict."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.batches import TOPIC, batch_of, document, reject, tp
from tests.support.sink_sides import FakeSide, RealSide, Side, WireSide
from workers.identity import OffsetRange, second_id
from workers.types import Batch, Insert, Reject, WriteResult

NEW = 7
"""The leader epoch of the records that took the place of others."""


@pytest.fixture(params=["fake", "wire", pytest.param("real", marks=pytest.mark.integration)])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    made: Side
    if request.param == "real":
        made = RealSide(request.getfixturevalue("stack"))
    else:
        made = FakeSide() if request.param == "fake" else WireSide()
    yield made
    made.close()


def of_new_log(item: Insert | Reject) -> Insert | Reject:
    return item._replace(record=item.record._replace(leader_epoch=NEW))


def write(side: Side, *items: Insert | Reject, reused: bool = True) -> tuple[WriteResult, Batch]:
    inserts = [item for item in items if isinstance(item, Insert)]
    batch = batch_of(*inserts, rejects=[item for item in items if isinstance(item, Reject)])
    if reused:
        batch.partitions[tp()].reused = [OffsetRange(0, 100)]
    return side.sink.write(batch), batch


def own(offset: int) -> str:
    return TOPIC.document_id(0, offset)


def beside(offset: int) -> str:
    return second_id(own(offset), NEW)


def test_a_record_whose_id_has_another_document_is_stored_beside_it(side):
    write(side, document(1), document(2), reused=False)

    result, batch = write(side, *[of_new_log(document(offset, number=100 + offset)) for offset in (1, 2, 3)])

    assert {key: found["number"] for key, found in side.documents().items()} == {
        own(1): 1, own(2): 2, beside(1): 101, beside(2): 102, own(3): 103,
    }  # fmt: skip
    assert side.dead_letters() == {}
    assert (+result.stored[tp()], sum(result.duplicates.values()), dict(result.dead_letters)) == (3, 0, {})
    assert batch.partitions[tp()].replaced == OffsetRange(1, 3)


def test_redelivered_it_is_a_duplicate_whoever_delivers_it(side):
    write(side, document(1), reused=False)
    new = of_new_log(document(1, number=101))
    write(side, new)

    for reused in (True, False):
        result, _ = write(side, new, reused=reused)
        assert (result.stored[tp()], result.duplicates[tp()]) == (0, 1)
    assert side.dead_letters() == {}
    assert len(side.documents()) == 2


def test_the_same_content_at_the_same_offset_is_stored_once(side):
    write(side, document(1), reused=False)

    result, batch = write(side, of_new_log(document(1)))

    assert (result.stored[tp()], result.duplicates[tp()]) == (0, 1)
    assert batch.partitions[tp()].replaced is None


def test_elsewhere_another_content_is_a_conflict_as_ever(side):
    write(side, document(1), reused=False)

    write(side, of_new_log(document(1, number=101)), reused=False)

    assert side.dead_letters() == {own(1): "conflict"}
    assert len(side.documents()) == 1


def test_a_third_content_of_the_same_leader_is_a_conflict(side):
    write(side, document(1), reused=False)
    write(side, of_new_log(document(1, number=101)))

    write(side, of_new_log(document(1, number=201)))

    assert list(side.dead_letters().values()) == ["conflict"]
    assert sorted(found["number"] for found in side.documents().values()) == [1, 101]


def test_the_dead_letter_of_another_record_does_not_stand_for_it(side):
    write(side, reject(1, value=b"old"), reused=False)

    result, _ = write(side, of_new_log(reject(1, value=b"new")))
    again, _ = write(side, of_new_log(reject(1, value=b"new")))

    assert side.dead_letters().keys() == {own(1), beside(1)}
    assert (sum(result.dead_letters.values()), sum(again.dead_letters.values()), again.duplicates[tp()]) == (1, 0, 1)


def test_its_own_dead_letter_does(side):
    write(side, of_new_log(reject(1, value=b"new")))

    again, _ = write(side, of_new_log(reject(1, value=b"new")))

    assert side.dead_letters().keys() == {own(1)}
    assert again.duplicates[tp()] == 1


def test_a_dead_letter_beside_the_document_of_another_record_is_told(side):
    """What stands there is of a log that is not there any more: `verify` must know, and what follows is compared."""
    write(side, document(1), document(3), reused=False)

    _, batch = write(side, of_new_log(reject(1)), of_new_log(reject(2)))

    assert batch.partitions[tp()].replaced == OffsetRange(1, 2)
    assert side.dead_letters().keys() == {own(1), own(2)}
