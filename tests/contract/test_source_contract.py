"""What the loop may rely on in any source: the fake one of the model and the real one must agree, test by test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.kafka_sides import FakeKafka, Member, RealKafka, wait
from workers.types import CommitResult

Side = FakeKafka | RealKafka
A, B, C, D = b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4}'


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.integration)])
def kafka(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Side]]:
    made: list[Side] = []

    def make(partitions: int = 1) -> Side:
        real = request.param == "real"
        made.append(RealKafka(request.getfixturevalue("stack"), partitions) if real else FakeKafka(partitions))
        return made[-1]

    yield make
    for side in made:
        side.close()


def settle(members: list[Member], condition: Callable[[], bool]) -> None:
    """Poll them all until the group is as it should be; there is nothing to read yet."""

    def settled() -> bool:
        assert [record for member in members for record in member.poll()] == []
        return all(member.told.joined for member in members) and condition()

    wait(settled, f"the group settles; now {[member.told.owned for member in members]}")


def test_records_come_in_order_with_the_identity_of_their_topic(kafka):
    side = kafka(2)
    side.produce(0, A, B)
    side.produce(1, C)
    member = side.member()

    taken = member.take(3)

    assert sorted(taken) == [(0, A), (0, B), (1, C)]
    assert taken.index((0, A)) < taken.index((0, B))
    assert member.topics == {side.topic}
    assert member.told.owned == [0, 1]
    assert member.told.rebalances == ["assigned"]


def test_no_more_records_than_asked_for(kafka):
    side = kafka()
    side.produce(0, A, B, C)
    member = side.member()
    taken: list[tuple[int, bytes | None]] = []

    def polled() -> bool:
        taken.extend(polled := member.poll(most=2))
        assert len(polled) <= 2
        return len(taken) == 3

    wait(polled, "three records")


def test_an_uncommitted_batch_is_redelivered_to_the_next_member(kafka):
    side = kafka()
    side.produce(0, A, B)
    first = side.member()
    first.take(2)
    first.source.close()

    assert side.member().take(2) == [(0, A), (0, B)]
    assert side.committed() == {}


def test_the_next_member_goes_on_behind_the_commit(kafka):
    side = kafka()
    side.produce(0, A, B)
    first = side.member()
    first.take(2)

    assert first.commit({0: 1}) is CommitResult.OK
    first.source.close()

    assert side.member().take(1) == [(0, B)]
    assert side.committed() == {0: 1}


def test_after_a_rewind_the_records_are_redelivered(kafka):
    side = kafka(2)
    side.produce(0, A, B)
    side.produce(1, C)
    member = side.member()
    member.take(3)

    member.rewind({0: 1, 99: 5})

    assert member.take(1) == [(0, B)]


def test_without_waiting_only_what_has_arrived_is_taken(kafka):
    side = kafka()
    member = side.member()
    settle([member], lambda: member.told.owned == [0])
    assert member.source.poll(10, wait=False) is None

    side.produce(0, A, B)
    taken: list[bytes | None] = []

    def arrived() -> bool:
        fetched = member.source.poll(10, wait=False)
        taken.extend(record.value for record in fetched.records[member.tp(0)]) if fetched else None
        return taken == [A, B]

    wait(arrived, "they have arrived")


def test_a_member_on_hold_takes_nothing_and_stays(kafka):
    side = kafka()
    side.produce(0, A)
    member = side.member()
    member.take(1)
    member.rewind({0: 0})

    member.source.hold(0.5)

    assert member.take(1) == [(0, A)]
    assert member.commit(member.next_offsets) is CommitResult.OK
    assert member.told.rebalances == ["assigned"]


def test_records_that_come_while_on_hold_come_afterwards(kafka):
    side = kafka()
    side.produce(0, A)
    member = side.member()
    member.take(1)

    side.produce(0, B)
    member.source.hold(0.5)

    assert member.take(1) == [(0, B)]


def test_a_halted_partition_is_paused_and_the_others_are_read(kafka):
    side = kafka(2)
    side.produce(0, A)
    side.produce(1, A)
    member = side.member()
    member.take(2)

    member.rewind({0: 0})
    member.halt(0)
    side.produce(0, B)
    side.produce(1, C)

    assert member.take(1) == [(1, C)]
    member.source.hold(0.3)
    assert [record for _ in range(3) for record in member.poll()] == []
    assert member.told.owned == [0, 1]


def test_a_second_member_takes_over_its_half_and_nothing_is_read_by_both(kafka):
    side = kafka(4)
    one, two = side.member(), side.member()

    settle([one, two], lambda: len(one.told.owned) == len(two.told.owned) == 2)
    for partition in range(4):
        side.produce(partition, A)
    taken_by_one = one.take(2, two)

    assert sorted(one.told.owned + two.told.owned) == [0, 1, 2, 3]
    assert sorted(p for p, _ in taken_by_one) == one.told.owned


def test_a_member_that_leaves_is_replaced_at_once(kafka):
    side = kafka(2)
    one, two = side.member(), side.member()
    settle([one, two], lambda: len(one.told.owned) == len(two.told.owned) == 1)

    one.source.close()
    started = time.monotonic()
    settle([two], lambda: len(two.told.owned) == 2)

    assert time.monotonic() - started < 8, "it took the session timeout, not the leave"


def test_the_commit_of_an_evicted_member_is_refused_and_its_records_come_to_another(kafka):
    """A zombie: it has a batch in hand, the group has given it up, and its successor is further than it."""
    side = kafka()
    zombie, heir = side.member(), side.member()
    settle([zombie, heir], lambda: zombie.told.owned + heir.told.owned == [0])
    if heir.told.owned:
        zombie, heir = heir, zombie
    side.produce(0, A, B, C)
    zombie.take(3, heir)
    zombie.evict()
    assert heir.take(3) == [(0, A), (0, B), (0, C)]
    assert heir.commit({0: 3}) is CommitResult.OK

    assert zombie.commit({0: 1}) is CommitResult.REBALANCED

    assert side.committed() == {0: 3}
    side.produce(0, D)
    wait(lambda: (0, D) in heir.poll() + zombie.poll(), "the group goes on")


def test_a_commit_with_a_rebalance_under_way_is_refused_or_counts(kafka):
    side = kafka()
    side.produce(0, A, B)
    member = side.member()
    member.take(2)
    newcomer = side.member()
    newcomer.poll()

    result = member.commit({0: 2})

    assert result in {CommitResult.OK, CommitResult.REBALANCED}
    assert side.committed() == ({0: 2} if result is CommitResult.OK else {})


def test_what_was_in_flight_during_a_rebalance_is_not_committed_and_comes_again(kafka):
    """Not by the one that has it in hand, though it may still own the partition, and even if it polls again first."""
    side = kafka(2)
    side.produce(0, A, B)
    side.produce(1, A, B)
    member = side.member()
    member.take(4)
    in_flight, assignment_epoch = member.next_offsets, member.assignment_epoch
    newcomer = side.member()
    taken: list[tuple[int, bytes | None]] = []

    def have_all() -> bool:
        taken.extend(newcomer.poll() + member.poll())
        return len(taken) >= 4

    wait(have_all, "all of it came again")

    assert sorted(taken) == [(0, A), (0, B), (1, A), (1, B)]
    assert member.commit(in_flight, assignment_epoch) is CommitResult.REBALANCED
    member.rewind(dict.fromkeys(in_flight, 0), assignment_epoch)
    assert member.poll() == []
    assert side.committed() == {}


def test_records_removed_before_they_were_read_are_told(kafka):
    side = kafka()
    side.produce(0, A, B, C)
    first = side.member()
    first.take(3)
    first.commit({0: 1})
    first.source.close()

    side.expire(0, before=2)
    member = side.member()

    assert member.take(1) == [(0, C)]
    assert member.told.gone == [(0, 1, 1)]


def test_behind_lost_records_a_commit_is_asked_for_until_it_is_made(kafka):
    side = kafka()
    side.produce(0, A, B)
    first = side.member()
    first.take(2)
    first.commit({0: 1})
    first.source.close()
    side.expire(0, before=2)
    member = side.member()

    def skipped() -> bool:
        fetched = member.source.poll(10, wait=True)
        member.assignment_epoch = fetched.assignment_epoch if fetched else 0
        return fetched is not None and (fetched.records, fetched.skipped) == ({}, {member.tp(0): 2})

    wait(skipped, "the loss is found")
    member.rewind({0: 2})
    wait(skipped, "it comes again, since it was not committed")
    assert member.commit({0: 2}) is CommitResult.OK

    assert member.poll() == []
    assert member.told.gone == [(0, 1, 1)]


def test_offsets_without_a_record_are_not_told_as_lost(kafka):
    side = kafka()
    side.produce(0, A)
    member = side.member()
    assert member.take(1) == [(0, A)]

    side.abort(0)
    side.produce(0, B)

    assert member.take(1) == [(0, B)]
    assert member.told.gone == []


@pytest.mark.parametrize("count", [1, 4], ids=["shorter", "longer"])
def test_a_topic_made_again_while_nobody_reads_is_read_from_its_beginning(kafka, count):
    side = kafka()
    side.produce(0, A, A)
    first = side.member()
    first.take(2)
    first.commit({0: 2})
    first.source.close()
    before = side.topic

    side.recreate()
    side.produce(0, *[B, C, D, D][:count])
    member = side.member()

    assert member.take(count) == [(0, value) for value in [B, C, D, D][:count]]
    assert member.topics == {side.topic}
    assert side.topic != before


@pytest.mark.parametrize("count", [1, 4], ids=["shorter", "longer"])
def test_a_topic_made_again_under_a_running_member_is_read_from_its_beginning(kafka, count):
    side = kafka()
    side.produce(0, A, A)
    member = side.member()
    member.take(2)
    member.commit({0: 2})

    before = member.assignment_epoch
    side.recreate()
    # What is sent before the client knows may be read twice, under both ids: see docs/explanation/promise.md.
    wait(lambda: member.poll() == [] and member.source.assignment_epoch != before, "it is noticed")
    side.produce(0, *[B, C, D, D][:count])

    assert member.take(count) == [(0, value) for value in [B, C, D, D][:count]]
    assert member.commit({0: 2}, before) is CommitResult.REBALANCED
    member.commit(member.next_offsets)
    assert side.committed() == {0: count}


def test_a_paused_partition_is_not_read_and_goes_on_at_its_next_record(kafka):
    side = kafka(2)
    side.produce(0, A)
    member = side.member()
    assert member.take(1) == [(0, A)]

    side.pause(0)
    side.produce(0, B, C)
    side.produce(1, D)
    assert member.take(1) == [(1, D)]
    for _ in range(4):
        assert member.poll() == []
    assert member.told.resting == [0]
    assert member.told.rebalances == ["assigned"]

    side.resume()
    assert member.take(2) == [(0, B), (0, C)]
    assert member.told.resting == []


def test_what_was_in_flight_when_it_was_paused_is_committed_or_comes_again(kafka):
    side = kafka(2)
    side.produce(0, A)
    side.produce(1, B)
    member = side.member()
    member.take(2)

    side.pause()
    assert member.poll() == []
    assert member.told.resting == [], "what was polled before may be in flight"
    assert member.commit({0: 1}) is CommitResult.OK
    member.rewind({1: 0})
    assert member.poll() == []
    assert member.told.resting == [0, 1]

    side.resume()
    assert member.take(1) == [(1, B)]
    assert side.committed() == {0: 1}


def test_a_pause_outlives_rebalances_and_members(kafka):
    side = kafka(2)
    side.produce(0, A)
    side.produce(1, B)
    side.pause(0)
    first = side.member()
    assert first.take(1) == [(1, B)]

    second = side.member()

    def shared() -> bool:
        assert [record for member in (first, second) for record in member.poll() if record[0] == 0] == []
        return len(first.told.owned) == len(second.told.owned) == 1

    wait(shared, "each has one")
    first.source.close()
    taken: list[tuple[int, bytes | None]] = []

    def has_both() -> bool:
        taken.extend(second.poll())
        return second.told.owned == [0, 1] and second.told.resting == [0]

    wait(has_both, "the second has both, and rests one")
    assert [record for record in taken if record[0] == 0] == []

    side.resume()
    wait(lambda: taken.extend(second.poll()) or (0, A) in taken, "it goes on")
    assert taken.count((0, A)) == 1


def test_a_hold_and_a_rewind_end_no_pause(kafka):
    side = kafka(2)
    side.produce(0, A)
    side.produce(1, B)
    member = side.member()
    member.take(2)
    side.pause(0)
    member.poll()

    member.rewind({0: 0, 1: 0})
    member.source.hold(0.3)

    assert member.take(1) == [(1, B)]
    assert member.poll() == []
    side.resume()
    assert member.take(1) == [(0, A)]


def test_what_is_halted_and_paused_stays_halted_when_it_is_resumed(kafka):
    side = kafka(2)
    member = side.member()
    settle([member], lambda: member.told.owned == [0, 1])
    side.pause()
    member.poll()
    member.halt(0)
    side.produce(0, A)
    side.produce(1, B)

    side.resume()
    assert member.take(1) == [(1, B)]
    for _ in range(3):
        assert member.poll() == []
