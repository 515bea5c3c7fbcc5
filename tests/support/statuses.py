"""A fleet that is well, as `workers.fleet.status.model` is told of it: tests break one thing of it at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.batches import tp, tps
from workers.fleet.status.model import Answers, FleetInfo, Status, SupervisordAnswer, build_status
from workers.fleet.status.slot_facts import SlotFacts
from workers.fleet.supervisor import Process
from workers.kafka.admin import GroupDescription, Member, PartitionOffsets
from workers.kafka.kafka_look import KafkaLook
from workers.kafka.topics import create_command
from workers.state.heartbeat import Beat, State

NOW = 1_000.0
TIME = "2026-11-22T20:00:00.000+00:00"
WHERE = FleetInfo(
    "/srv/fleet",
    "numtest",
    "counters",
    "kafka-1:9092",
    "mongodb://db:27017",
    40.0,
    create_command("numtest", "kafka-1:9092"),
    "`supervisord -c deploy/supervisord.conf` starts one",
)
OWNS = {"worker_00": tps(0, 1), "worker_01": tps(2, 3), "worker_02": tps(4), "worker_03": tps(5)}
WATCHDOG = Process("watchdog", "watchdog", "RUNNING", pid=9)


def process(name: str, **facts: Any) -> Process:
    pid = 100 + int(name[-2:])
    return replace(Process(name, "worker", "RUNNING", pid, 3_725.0, log=f"/log/{name}.log"), **facts)


def seen(name: str, **facts: Any) -> SlotFacts:
    pid = 100 + int(name[-2:])
    beat = Beat(pid, 7, State.READING, 500.0, 999.9, 999.0, OWNS.get(name, ()), (), 12_345, 0, 3)
    return replace(SlotFacts(process(name), beat, "S", f"{name}-m", 2, 1_234.5), **facts)


def kafka(**facts: Any) -> KafkaLook:
    members = {f"{name}-m": Member(name, "10.0.0.1", list(owned)) for name, owned in OWNS.items()}
    return replace_tuple(
        KafkaLook(GroupDescription("Stable", members), {tp(p): PartitionOffsets(0, 1_000, 990) for p in range(6)}),
        **facts,
    )


def replace_tuple(value: Any, **facts: Any) -> Any:
    return value._replace(**facts)


def answers(**facts: Any) -> Answers:
    slots = {name: seen(name) for name in OWNS}
    processes = [WATCHDOG, *(each.process for each in slots.values() if each.process)]
    return replace(Answers(SupervisordAnswer(77, processes), kafka(), None, slots), **facts)


def judged(time: str = TIME, **facts: Any) -> Status:
    return build_status(WHERE, answers(**facts), NOW, time)


def with_slot(name: str, **facts: Any) -> dict[str, Any]:
    """Slots and supervisord's list, with one slot that is not as the others."""
    slots = {each: seen(each) for each in OWNS} | {name: seen(name, **facts)}
    return {
        "slots": slots,
        "supervisord": SupervisordAnswer(77, [WATCHDOG, *(s.process for s in slots.values() if s.process)]),
    }
