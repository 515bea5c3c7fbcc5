"""What is said of a fleet of several topics: sentences, verdict, events, marks, takeovers and hangs name the topic."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from tests.support.many_topics import OWNS, PARTITIONS, TOPICS, judged, look
from tests.support.statuses import TIME
from workers.fleet.event_words import words
from workers.fleet.sentences import which
from workers.fleet.status.group import compact_partitions, describe_partitions
from workers.fleet.timeline.marks import Marks
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts
from workers.fleet.watchdog.hang_detector import HangDetector, WorkerObservation
from workers.fleet.watchdog.takeovers import Takeovers
from workers.kafka.partition_offsets import PartitionOffsets
from workers.state.event_log import Hang
from workers.state.heartbeat import Beat, State
from workers.types import TopicPartition

NOW = datetime.fromisoformat(TIME).timestamp()
ORDERS = [TopicPartition("orders", number) for number in (0, 1, 2)]
LINES = TopicPartition("lines", 5)


def said(holes=None, **facts):
    found = verdict(Facts(judged(**facts), NOW, holes or {}))
    return str(found.level), found.text


def test_partitions_in_a_sentence_and_in_a_table():
    assert which(ORDERS) == "partitions 0, 1 and 2"
    assert which(ORDERS, named=True) == "partitions 0, 1 and 2 of orders"
    assert which([*ORDERS, LINES]) == "partitions 5 of lines and 0-2 of orders"
    assert which(PARTITIONS) == describe_partitions(PARTITIONS) == "120 partitions of 20 topics"
    assert compact_partitions([LINES]) == "5"
    assert compact_partitions([LINES], named=True) == "lines:5"
    assert compact_partitions(PARTITIONS) == "120 of 20 topics"


def test_the_verdict_names_the_topic():
    assert said() == ("calm", "3 workers read 120 partitions of 20 topics; 1,200 records wait")
    level, text = said(holes={ORDERS[1]: 70.0})
    assert (level, text.split(" for ")[0]) == ("act", "Partition 1 of orders has not been stored")
    assert said(kafka=look(unroutable={"log.both": "two match it"})) == (
        "act",
        "The topic log.both is halted: no route can have it; 1,200 records wait",
    )
    assert said(kafka=look(refused={"orders": "x", "refunds": "y"}))[1] == (
        "Kafka does not let this client see the topic orders and 1 more topic"
    )
    assert said(kafka=look(missing=["later"]))[1].startswith("There is no topic later yet")
    nothing = said(kafka=look(offsets=None, missing=["orders", "refunds"]))
    assert nothing == ("attention", "There are no topics orders, refunds yet")


def test_an_event_names_the_topic_where_there_are_several():
    event = {"time": TIME, "event": "taken_over", "process": "worker_01", "partitions": {"worker_00": {"orders": [0]}}}

    assert words(event) == "partition 0 taken over by worker_00"
    assert words(event, named=True) == "partition 0 of orders taken over by worker_00"
    moved = {"event": "rebalanced", "partitions": {"worker_00": {topic: [0] for topic in TOPICS}}}
    assert words(moved, named=True) == "rebalanced: 00 20 of 20 topics"
    marks = Marks()
    marks.tell([event], 0.0, named=True)
    assert marks.between(0, NOW + 1)[0].text == "partition 0 of orders taken over by worker_00"


def test_a_takeover_is_complete_when_the_partitions_of_all_topics_have_owners():
    takeovers, mine = Takeovers(), OWNS["worker_01"]
    takeovers.died("worker_01", Beat(7, 70, State.READING, 0.0, 99.9, assigned=50.0, partitions=mine), 100.0)
    others = Beat(8, 80, assigned=101.0, partitions=tuple(each for each in mine if each.topic != "refunds"))
    assert takeovers.observe({"worker_00": others}, 101.0) == [], "those of one topic have none yet"
    last = Beat(9, 90, assigned=102.0, partitions=tuple(each for each in mine if each.topic == "refunds"))

    (done,) = takeovers.observe({"worker_00": others, "worker_02": last}, 102.0)
    assert sorted(partition for owned in done.owners.values() for partition in owned) == sorted(mine)


@pytest.mark.parametrize("stands", ["orders", "refunds"])
def test_a_worker_hangs_that_commits_nothing_of_one_topic_while_the_same_number_of_another_is_read(stands):
    """Partition 0 of both: what is known of one is not known of the other."""
    detector = HangDetector(60.0, 60.0)
    beat = Beat(1, 1, State.READING, 0.0, 0.0, partitions=(TopicPartition("orders", 0), TopicPartition("refunds", 0)))
    found = {}
    for now in (0.0, 30.0, 61.0, 66.0):
        offsets = {
            TopicPartition(topic, 0): PartitionOffsets(0, 100, 9 if topic == stands else 10 + int(now))
            for topic in ("orders", "refunds")
        }
        seen = {"worker_00": WorkerObservation(1, 1, "S", replace(beat, iterated=now))}
        found = detector.detect(seen, offsets, now)

    assert found["worker_00"].hang is Hang.NO_PROGRESS
    assert found["worker_00"].partitions == (TopicPartition(stands, 0),)
