"""A fleet of twenty topics of six partitions in three routes, as `workers.fleet.status` is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.statuses import NOW, TIME, WATCHDOG, WHERE, process, replace_tuple
from workers.fleet.status.model import Answers, FleetInfo, Status, SupervisordAnswer, build_status
from workers.fleet.status.slot_facts import SlotFacts
from workers.kafka.group_description import GroupDescription, Member
from workers.kafka.kafka_look import KafkaLook
from workers.kafka.partition_offsets import PartitionOffsets
from workers.settings.route import Route, RouteTable
from workers.state.heartbeat import Beat, State
from workers.types import TopicPartition

LOGS = [
    f"log.{name}"
    for name in [
        "api",
        "auth",
        "billing",
        "cart",
        "cdn",
        "cron",
        "edge",
        "mail",
        "media",
        "pay",
        "push",
        "queue",
        "search",
        "ship",
        "sms",
        "web",
        "wiki",
    ]
]
TOPICS = ["orders", "refunds", *LOGS, "audit.eu"]
ROUTES = RouteTable(
    (
        Route(topics=("orders", "refunds")),
        Route(name="logs", topic_pattern=r"log\..*", collection="logs"),
        Route(topics=("audit.eu",)),
    )
)
PARTITIONS = [TopicPartition(topic, number) for topic in TOPICS for number in range(6)]
WORKERS = [f"worker_{slot:02d}" for slot in range(3)]
OWNS = {name: tuple(PARTITIONS[slot::3]) for slot, name in enumerate(WORKERS)}
EVERYTHING = {partition: PartitionOffsets(0, 1_000, 990) for partition in PARTITIONS}
INFO: FleetInfo = WHERE._replace(topic=ROUTES.names, routes=ROUTES)


def look(**facts: Any) -> KafkaLook:
    members = {f"{name}-m": Member(name, "10.0.0.1", list(owned)) for name, owned in OWNS.items()}
    return replace_tuple(KafkaLook(GroupDescription("Stable", members), EVERYTHING, at=NOW), **facts)


def slot(name: str, **facts: Any) -> SlotFacts:
    pid = 100 + int(name[-2:])
    beat = Beat(pid, 7, State.READING, 500.0, 999.9, 999.0, OWNS[name], (), 12_345, 0, 3)
    return replace(SlotFacts(process(name), beat, "S", f"{name}-m", 2, 1_234.5), **facts)


def answers(**facts: Any) -> Answers:
    slots = {name: slot(name) for name in WORKERS}
    processes = [WATCHDOG, *(each.process for each in slots.values() if each.process)]
    rates = dict.fromkeys(TOPICS, 62.5)
    return replace(Answers(SupervisordAnswer(77, processes), look(), None, slots, rates=rates), **facts)


def judged(info: FleetInfo = INFO, **facts: Any) -> Status:
    return build_status(info, answers(**facts), NOW, TIME)
