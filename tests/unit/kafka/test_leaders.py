"""One question for many partitions: what cannot be answered costs no other answer, and few questions."""

from __future__ import annotations

import pytest
from kafka.errors import (
    KafkaConnectionError,
    KafkaStorageError,
    TopicAuthorizationFailedError,
    UnknownBrokerIdError,
)

from tests.support.batches import tp
from workers.kafka.leaders import NO_LEADER, ask_leaders

MANY = {tp(p): 1 + p % 3 for p in range(300)}


class Cluster:
    """Answers for all partitions of a question or, as the client does, for none of them."""

    def __init__(self, **errors):
        self.errors = {tp(int(name[1:])): error for name, error in errors.items()}
        self.down = {}
        self.asked = []

    def __call__(self, partitions):
        self.asked.append(len(partitions))
        for partition in partitions:
            if error := self.errors.get(partition) or self.down.get(MANY[partition]):
                raise error()
        return dict.fromkeys(partitions, 7)


def test_when_all_is_well_it_is_one_question():
    cluster = Cluster()

    assert ask_leaders(cluster, MANY) == dict.fromkeys(MANY, 7)
    assert cluster.asked == [300]


def test_a_partition_without_a_leader_is_not_asked_for():
    cluster = Cluster(p5=UnknownBrokerIdError)

    assert ask_leaders(cluster, MANY | {tp(5): NO_LEADER}).keys() == MANY.keys() - {tp(5)}
    assert len(cluster.asked) == 1
    assert ask_leaders(cluster, {tp(5): NO_LEADER}) == {}


@pytest.mark.parametrize("error", [KafkaStorageError, UnknownBrokerIdError])
def test_a_partition_with_an_error_is_found_with_few_questions(error):
    cluster = Cluster(p5=error, p77=error)

    assert ask_leaders(cluster, MANY).keys() == MANY.keys() - {tp(5), tp(77)}
    assert len(cluster.asked) < 40


def test_a_leader_that_is_down_costs_its_partitions_and_one_question():
    cluster = Cluster()
    cluster.down[2] = KafkaConnectionError

    assert ask_leaders(cluster, MANY).keys() == {partition for partition, leader in MANY.items() if leader != 2}
    assert len(cluster.asked) == 4


def test_an_outage_and_a_missing_right_are_raised():
    cluster = Cluster()
    cluster.down = dict.fromkeys((1, 2, 3), KafkaConnectionError)
    with pytest.raises(KafkaConnectionError):
        ask_leaders(cluster, MANY)

    refused = Cluster(p0=TopicAuthorizationFailedError)
    with pytest.raises(TopicAuthorizationFailedError):
        ask_leaders(refused, MANY)
    assert len(refused.asked) == 1
