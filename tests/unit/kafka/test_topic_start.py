"""When a member decides where a topic begins, and what it offers to be committed. The races are in tests/model."""

from __future__ import annotations

import pytest

from workers.kafka.beginning import Beginning
from workers.kafka.commit_mark import Commit
from workers.kafka.log_history import EpochEnd, LogHistory
from workers.kafka.record_epochs import EpochBegin, epochs_before
from workers.kafka.topic_start import LEADER_PATIENCE_SECONDS, TopicStart
from workers.types import TopicPartition

P0, P1 = TopicPartition("numtest", 0), TopicPartition("numtest", 1)
BOTH = (P0, P1)
GENERATION = 7


def at(**offsets: int) -> dict[TopicPartition, Beginning]:
    return {TopicPartition("numtest", int(p[1:])): Beginning(offset, LogHistory()) for p, offset in offsets.items()}


def test_it_offers_all_partitions_at_once_and_only_once():
    start = TopicStart()
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5, p1=0), 0)

    assert start.take(BOTH, 0) == {P0: 5, P1: 0}
    assert start.take(BOTH, 0) == {}


def test_what_was_not_committed_is_offered_again_and_is_not_asked_for_again():
    start = TopicStart()
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5, p1=0), 0)
    start.take(BOTH, 0)

    assert start.ended(P0, 5)
    start.decide(GENERATION, BOTH, lambda _asked: pytest.fail("asked again"), 1)

    assert start.take(BOTH, 1) == {P0: 5, P1: 0}


def test_an_offset_of_another_batch_says_nothing_about_it():
    start = TopicStart()
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5, p1=0), 0)
    start.take(BOTH, 0)

    assert not start.ended(P0, 4)
    assert start.take(BOTH, 0) == {}


def test_nothing_is_offered_once_there_is_a_commit():
    start = TopicStart()
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5, p1=0), 0)

    assert start.see([None, Commit(3, LogHistory())])
    assert start.take(BOTH, 0) == {}


def test_in_a_new_generation_it_asks_again():
    start = TopicStart()
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5, p1=0), 0)
    start.forget()
    assert start.take(BOTH, 0) == {}

    start.decide(GENERATION + 1, BOTH, lambda _asked: at(p0=9, p1=1), 0)

    assert start.take(BOTH, 0) == {P0: 9, P1: 1}


def test_a_partition_without_a_leader_is_waited_for_and_not_for_ever():
    start = TopicStart()
    start.decide(GENERATION, BOTH, lambda _asked: {}, 100)
    assert start.take(BOTH, 1000) == {}
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5), 1000)
    assert start.take(BOTH, 1000) == {}

    assert start.take(BOTH, 1000 + LEADER_PATIENCE_SECONDS) == {P0: 5}


def test_what_was_resolved_stays_while_another_partition_is_waited_for():
    start, asked = TopicStart(), []
    start.decide(GENERATION, BOTH, lambda _asked: at(p0=5), 0)
    start.decide(GENERATION, BOTH, lambda missing: asked.append(list(missing)) or at(p1=2), 3)

    assert asked == [[P1]]
    assert start.take(BOTH, 3) == {P0: 5, P1: 2}


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(100, (0, 0)), (40, (0, 0)), (101, (3, 100)), (150, (3, 100)), (151, (5, 150)), (200, (5, 150))],
)
def test_the_epoch_of_the_record_before_an_offset(offset, expected):
    """A log of epoch 0 up to 100, of 3 up to 150, of 5 up to 200; its leader of epoch 6 has taken nothing yet."""
    begins = {0: 0, 3: 100, 5: 150, 6: 200}

    def ask(asked):
        answers = {}
        for partition, epoch in asked.items():
            higher = [first for each, first in begins.items() if each > epoch]
            answers[partition] = EpochEnd(max(each for each in begins if each <= epoch), min(higher, default=200))
        return answers

    assert epochs_before({P0: offset}, {P0: 6}, ask) == {P0: EpochBegin(*expected)}


def test_without_an_answer_or_an_epoch_nothing_is_known():
    assert epochs_before({P0: 5, P1: 5}, {P0: 3, P1: -1}, lambda _asked: {}) == {}


def test_a_leader_that_always_names_another_epoch_is_not_asked_for_ever():
    assert epochs_before({P0: 5}, {P0: 10_000}, lambda asked: {p: EpochEnd(e, 5) for p, e in asked.items()}) == {}
