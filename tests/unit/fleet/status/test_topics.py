"""The status by route and by topic: sums, states, rates, and one route by itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.many_topics import (
    EVERYTHING,
    INFO,
    LOGS,
    OWNS,
    PARTITIONS,
    ROUTES,
    TOPICS,
    answers,
    judged,
    look,
    slot,
)
from tests.support.statuses import NOW, TIME
from tests.support.statuses import judged as judged_one_topic
from workers.fleet.status.model import build_status
from workers.fleet.status.one_route import OneRoute
from workers.fleet.status.topic_rates import TopicRates
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.pauses import Pause, Pauses
from workers.types import TopicPartition

ORDERS = TopicPartition("orders", 1)


def states(**facts):
    return {topic.topic: str(topic.state) for route in judged(**facts).routes for topic in route.topics}


def changed(**facts):
    """The topics whose state is not what it is when all is well."""
    return {name: state for name, state in states(**facts).items() if state != "reading"}


def test_every_topic_is_in_its_route_and_all_of_them_in_the_sums():
    status = judged()

    assert status.healthy
    assert [(route.label, len(route.topics), route.partitions, route.lag) for route in status.routes] == [
        ("orders", 2, 12, 120),
        ("logs", 17, 102, 1_020),
        ("audit.eu", 1, 6, 60),
    ]
    assert [route.records_per_second for route in status.routes] == [125.0, 1_062.5, 62.5]
    assert status.group.partitions == 120
    assert status.group.lag == 1_200
    assert status.routes[0].topics[0].owners == {"worker_00": [0, 3], "worker_01": [1, 4], "worker_02": [2, 5]}
    assert json.loads(json.dumps(status.as_dict()))["routes"][1]["topics"][0]["topic"] == "log.api"


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"refused": {"orders": "not authorized"}}, "refused"),
        ({"offsets": {p: each for p, each in EVERYTHING.items() if p != ORDERS}, "unanswered": [ORDERS]}, "no answer"),
        ({"open_transactions": {ORDERS: OpenTransaction(5, 40, 75.0, "record")}}, "open transaction"),
    ],
)
def test_what_stands_in_the_way_of_one_topic_is_its_state_only(facts, state):
    assert changed(kafka=look(**facts)) == {"orders": state}


def test_a_halted_partition_and_one_without_an_owner():
    halted = slot("worker_01", beat=replace(slot("worker_01").beat, halted=(ORDERS,)))
    slots = {name: slot(name) for name in OWNS} | {"worker_01": halted}
    assert changed(slots=slots) == {"orders": "halted"}

    group = look().group
    nobody = {name: each for name, each in group.members.items() if name != "worker_01-m"}
    assert set(states(kafka=look(group=group._replace(members=nobody))).values()) == {"unassigned"}
    assert set(states(kafka=look(group=group._replace(state="PreparingRebalance", members={}))).values()) == {"reading"}


def test_a_topic_of_which_a_person_has_paused_something():
    pauses = Pauses((Pause("backup", "ann@db1", 5.0, "orders", 3),))
    assert changed(pauses=pauses) == {"orders": "paused"}
    assert set(states(pauses=Pauses((Pause("backup", "ann@db1", 5.0),))).values()) == {"paused"}


def test_what_is_missing_and_what_no_route_can_have_are_told_and_hide_nothing():
    status = judged(kafka=look(missing=["refunds2", "audit.eu"], unroutable={"log.both": "two routes match it"}))

    assert [(route.label, str(route.state)) for route in status.routes] == [
        ("orders", "reading"),
        ("logs", "reading"),
        ("audit.eu", "missing"),
        ("", "unroutable"),
    ]
    assert status.group.partitions == 120
    assert status.problems == [
        "the topic log.both is halted: two routes match it; correct WORKERS_ROUTES, and restart the workers",
        "there are no topics audit.eu, refunds2 yet; `workers doctor` says how to make it",
    ]


def test_partitions_of_a_topic_that_is_not_read_make_no_lag_partial():
    held = (*OWNS["worker_00"], TopicPartition("log.both", 0))
    slots = {name: slot(name) for name in OWNS} | {
        "worker_00": slot("worker_00", beat=replace(slot("worker_00").beat, partitions=held))
    }
    found = judged(slots=slots, kafka=look(unroutable={"log.both": "x"})).slot("worker_00")

    assert (found.lag, found.lag_partial) == (400, False)


def test_members_with_other_routes_are_told():
    members = look().group.members
    changed = members | {"worker_02-m": members["worker_02-m"]._replace(routes="others")}
    same = {name: each._replace(routes="ours") for name, each in members.items()}
    info = INFO._replace(fingerprint="ours")

    assert judged(info, kafka=look(group=look().group._replace(members=same))).healthy
    assert judged(info, kafka=look(group=look().group._replace(members=changed))).problems == [
        "worker_02 at 10.0.0.1 has other routes than this folder: give all the same WORKERS_ROUTES, and restart them"
    ]


def test_one_route_by_itself_has_its_topics_only_and_all_workers():
    one = OneRoute(ROUTES, "orders")
    found = one.of(answers(kafka=look(missing=["audit.eu"], unroutable={"x": "y"}, unanswered=[PARTITIONS[-1]])))
    status = build_status(INFO._replace(routes=one.table), found, NOW, TIME)

    assert status.problems == []
    assert [topic.topic for route in status.routes for topic in route.topics] == ["orders", "refunds"]
    assert [len(each.partitions) for each in status.slots] == [4, 4, 4]
    assert (status.group.partitions, status.group.lag) == (12, 120)
    assert {partition.topic for member in status.group.members for partition in member.partitions} == {
        "orders",
        "refunds",
    }
    assert OneRoute(ROUTES, "logs").has("log.later")
    assert set(LOGS) == {topic for topic in TOPICS if OneRoute(ROUTES, "logs").has(topic)}


def test_a_rate_is_what_was_committed_between_two_looks_and_never_negative():
    rates = TopicRates()
    rates.add(
        look(offsets={ORDERS: PartitionOffsets(0, 900, 100), PARTITIONS[30]: PartitionOffsets(0, 900, 500)}, at=10.0)
    )
    assert rates.now == {}
    later = {ORDERS: PartitionOffsets(0, 900, 300), PARTITIONS[30]: PartitionOffsets(0, 900, 0)}
    rates.add(look(offsets=later, at=12.0))
    rates.add(look(offsets=None, at=12.5))

    assert rates.now == {"orders": 100.0, PARTITIONS[30].topic: 0.0}


def test_with_one_topic_it_is_one_route_with_one_topic_and_the_rest_is_as_ever():
    status = judged_one_topic()

    assert not status.has_several_topics
    assert status.problems == []
