"""How a group begins a topic with a `start`: the source of the model and the real one must agree, test by test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.kafka_sides import FakeKafka, Member, RealKafka, wait
from workers.types import CommitResult

Side = FakeKafka | RealKafka
A, B, C, D = b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4}'


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.integration)])
def kafka(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Side]]:
    monkeypatch.setenv("WORKERS_INTERNAL_METADATA_MAX_AGE", "1")
    made: list[Side] = []

    def make(partitions: int = 1) -> Side:
        real = request.param == "real"
        made.append(RealKafka(request.getfixturevalue("stack"), partitions) if real else FakeKafka(partitions))
        return made[-1]

    yield make
    for side in made:
        side.close()


def begin(member: Member, *others: Member) -> None:
    """Poll until this member asks for the first commit of the topic, and make it. Nobody has read anything until then."""

    asks(member, *others)
    assert member.commit(member.skipped) is CommitResult.OK


def asks(member: Member, *others: Member) -> None:
    def asked() -> bool:
        assert [record for each in (member, *others) for record in each.poll()] == []
        return bool(member.skipped)

    wait(asked, "the member asks for a commit")


def test_latest_is_committed_before_the_first_record_is_read(kafka):
    side = kafka(2)
    side.produce(0, A, B)
    member = side.member("latest")

    begin(member)
    side.produce(0, C)
    side.produce(1, D)

    assert side.committed() == {0: 2, 1: 0}
    assert sorted(member.take(2)) == [(0, C), (1, D)]


def test_a_member_that_crashes_behind_the_commit_and_before_a_batch_has_skipped_nothing_more(kafka):
    side = kafka()
    side.produce(0, A)
    first = side.member("latest")
    begin(first)
    side.produce(0, B, C)
    first.evict()

    assert side.member("latest").take(2) == [(0, B), (0, C)]


def test_a_commit_that_was_not_made_is_asked_for_again_and_is_the_same(kafka):
    side = kafka()
    side.produce(0, A)
    member = side.member("latest")
    asks(member)
    before, epoch = member.skipped, member.assignment_epoch
    member.skipped = {}
    side.produce(0, B)

    # The sink is unavailable: the loop rewinds.
    member.rewind(before, epoch)

    assert before == {0: 1}
    asks(member)
    assert member.skipped == before
    assert member.commit(member.skipped) is CommitResult.OK
    assert member.take(1) == [(0, B)]


def test_one_member_begins_all_partitions_and_the_others_wait_for_it(kafka):
    side = kafka(2)
    side.produce(0, A)
    side.produce(1, B)
    members = [side.member("latest"), side.member("latest")]
    wait(
        lambda: [each.poll() for each in members] and all(len(each.told.owned) == 1 for each in members),
        "each has one partition",
    )
    decides, waits = sorted(members, key=lambda each: each.told.owned)
    begin(decides, waits)
    assert waits.skipped == {}
    side.produce(1, C)

    assert side.committed() == {0: 1, 1: 1}
    assert waits.take(1, decides) == [(1, C)]


def test_a_partition_that_is_added_later_begins_with_its_first_record(kafka):
    side = kafka()
    side.produce(0, A)
    member = side.member("latest")
    begin(member)
    side.grow()
    side.produce(1, B, C)

    assert member.take(2) == [(1, B), (1, C)]


def test_a_topic_that_is_made_again_begins_with_its_first_record(kafka):
    side = kafka()
    side.produce(0, A)
    member = side.member("latest")
    begin(member)
    member.skipped = {}
    side.recreate()
    side.produce(0, B, C)

    asks(member)
    assert member.skipped == {0: 0}
    assert member.commit(member.skipped) is CommitResult.OK
    assert member.take(2) == [(0, B), (0, C)]


@pytest.mark.parametrize("start", ["latest"])
def test_where_the_group_has_a_commit_start_means_nothing(kafka, start):
    side = kafka(2)
    side.produce(0, A, B)
    side.produce(1, C)
    before = side.member()
    before.take(3)
    before.commit({0: 1})
    before.source.close()

    # Also in partition 1, of which nothing is committed.
    assert sorted(side.member(start).take(2)) == [(0, B), (1, C)]
