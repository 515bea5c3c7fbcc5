"""The judgement of the whole fleet: healthy only where everything is, and what is wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest

from tests.support.batches import tp, tps
from tests.support.statuses import NOW, OWNS, TIME, WATCHDOG, WHERE, answers, judged, kafka, process, seen, with_slot
from workers.errors import ExitCode
from workers.fleet.status.group import compact_partitions
from workers.fleet.status.model import Answers, SupervisordAnswer, build_status
from workers.fleet.status.poller import Down
from workers.fleet.supervisor import Process
from workers.kafka.admin import GroupDescription, Member
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.state.audit_file import Audit
from workers.state.heartbeat import State
from workers.types import TopicPartition

MEMBERS = kafka().group.members
WITHOUT_3 = {partition: each for partition, each in kafka().offsets.items() if partition != tp(3)}


def moved(**owners: list[int]):
    return kafka(
        group=GroupDescription(
            "Stable", {f"{name}-m": Member(name, "h", [*tps(*owned)]) for name, owned in owners.items()}
        )
    )


def test_a_fleet_that_is_well_is_healthy():
    status = judged()

    assert (status.healthy, status.problems, status.exit_code) == (True, [], ExitCode.OK)
    assert [service.up for service in status.services.values()] == [True] * 3
    assert status.services["supervisord"].detail == "4 of 4 workers running, watchdog up; pid 77"
    assert [slot.partitions for slot in status.slots] == list(OWNS.values())
    assert (status.group.lag, status.group.unowned, status.group.partitions) == (60, [], 6)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"supervisord": Down("does not run here")}, "supervisord: does not run here"),
        ({"kafka": Down("no broker answered")}, "Kafka: no broker answered"),
        ({"mongodb": Down("does not answer")}, "MongoDB: does not answer"),
        (with_slot("worker_02", kernel="T"), "worker_02: stopped by a signal"),
        (with_slot("worker_02", process=process("worker_02", state="STOPPED", pid=None)), "worker_02: stopped"),
        (
            with_slot("worker_02", beat=replace(seen("worker_02").beat, state=State.FENCED, partitions=())),
            "worker_02: fenced: another process is in the group with its static id; stop that fleet, or give each fleet",
        ),
        (with_slot("worker_07", process=None), "worker_07: pid 107 is not a process of this supervisord"),
        ({"supervisord": SupervisordAnswer(77, [replace(WATCHDOG, state="FATAL")])}, "program watchdog is FATAL"),
        ({"slots": {}, "supervisord": SupervisordAnswer(77, [WATCHDOG])}, "supervisord has no workers"),
        ({"kafka": kafka(offsets=None)}, "there is no topic numtest yet"),
        ({"kafka": kafka(group=GroupDescription("PreparingRebalance", MEMBERS))}, "the group counters is rebalancing"),
        (
            {"kafka": kafka(group=GroupDescription("Empty", {}))},
            "partitions 0-5 of numtest not assigned to any live member",
        ),
        ({"kafka": moved(worker_00=[0, 1, 3])}, "partitions 2,4-5 of numtest not assigned to any live member"),
        (
            {"kafka": moved(worker_00=[0, 1], worker_01=[1, 2, 3, 4, 5])},
            "partition 1 of numtest assigned to more than one member",
        ),
        ({"kafka": kafka(offsets=WITHOUT_3, unanswered=[tp(3)])}, "Kafka does not answer for partition 3 of numtest"),
        (
            {"kafka": kafka(open_transactions={tp(2): OpenTransaction(1_000, 40, 75.0, "record")})},
            "partition 2 of numtest: a transaction has been open at offset 1,000 for 75 s, by the timestamp of its first",
        ),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named_and_ends_with_1(facts, words):
    status = judged(**facts)

    assert any(words in problem for problem in status.problems), status.problems
    assert (status.healthy, status.exit_code) == (False, ExitCode.FAILED)


def test_a_service_that_is_down_is_not_blamed_on_the_workers():
    assert judged(kafka=Down("no broker answered")).problems == ["Kafka: no broker answered"]
    assert judged(supervisord=Down("is shutting down")).problems == ["supervisord: is shutting down"]


def test_workers_that_wait_for_a_missing_topic_are_not_blamed_and_the_topic_is_what_is_wrong():
    waiting = {
        name: replace(seen(name), beat=replace(seen(name).beat, state=State.WAITING_FOR_KAFKA, partitions=()))
        for name in OWNS
    }
    status = judged(kafka=kafka(offsets=None, group=GroupDescription("Dead", {})), slots=waiting)

    assert status.problems == ["there is no topic numtest yet; `workers doctor` says how to make it"]
    assert {(slot.state, slot.text) for slot in status.slots} == {("waiting for Kafka", "waiting for the topic")}
    assert "--create --topic numtest" in status.as_dict()["group"]["create_topic"]
    assert judged().as_dict()["group"]["create_topic"] is None


def test_partitions_of_a_member_that_is_dead_are_read_by_nobody_although_the_broker_has_not_noticed():
    """Its slot is down, or its successor has not joined yet: the member file still has the dead one's id."""
    gone = process("worker_01", state="EXITED", pid=None, exit_status=-1)
    status = judged(**with_slot("worker_01", process=gone, kernel=None))

    assert status.group.unowned == [*tps(2, 3)]
    assert status.problems == [
        "worker_01: killed; see /log/worker_01.log",
        "partitions 2-3 of numtest not assigned to any live member",
    ]


def test_no_fleet_at_all_is_said_first_and_is_not_judged():
    answers = Answers(Down("does not run here"), kafka(), None, {})
    status = build_status(WHERE._replace(start="`make demo` starts one"), answers, NOW, TIME)

    assert status.problems == ["no fleet runs in /srv/fleet; `make demo` starts one"]
    assert status.exit_code is ExitCode.UNCHECKED


def test_a_supervisord_that_may_not_be_asked_is_not_taken_for_none():
    why = "cannot be reached at /srv/fleet/var/run/supervisord.sock: Permission denied"
    status = build_status(WHERE, Answers(Down(why), kafka(), None, {}), NOW, TIME)

    assert (status.problems, status.exit_code) == ([f"supervisord: {why}"], ExitCode.UNCHECKED)


def test_workers_that_live_without_a_supervisord_are_shown():
    slots = {name: replace(seen(name), process=None) for name in OWNS}
    status = build_status(WHERE, answers(supervisord=Down("does not run here"), slots=slots), NOW, TIME)

    first = status.slots[0]
    assert (first.name, first.state, first.pid, first.supervised) == ("worker_00", "reading", 100, False)
    assert (status.problems, status.exit_code) == (["supervisord: does not run here"], ExitCode.FAILED)


def test_lag_counts_from_what_is_committed_or_from_what_kafka_still_has():
    spans = {
        tp(0): PartitionOffsets(0, 100, 40),
        tp(1): PartitionOffsets(50, 100, None),
        tp(2): PartitionOffsets(50, 100, 10),
        tp(3): PartitionOffsets(0, 5, 9),
        tp(4): PartitionOffsets(0, 0, None),
    }
    status = judged(kafka=kafka(offsets=spans))

    assert status.group.lag == 60 + 50 + 50
    assert status.slot("worker_00").lag == 110
    assert status.slot("worker_01").lag == 50


def test_a_partition_without_an_answer_is_missing_in_the_sums_and_they_say_so():
    status = judged(kafka=kafka(offsets=WITHOUT_3, unanswered=[tp(3)]))
    found = json.loads(json.dumps(status.as_dict()))

    assert (status.group.partitions, status.group.lag, status.group.unowned) == (6, 50, [])
    assert (found["group"]["unanswered"], found["group"]["lag_partial"]) == ({"numtest": [3]}, True)
    assert [(slot["lag"], slot["lag_partial"]) for slot in found["slots"]] == [
        (20, False), (10, True), (10, False), (10, False),
    ]  # fmt: skip
    alone = judged(kafka=kafka(offsets={tp(0): PartitionOffsets(0, 9, 9)}, unanswered=tps(1, 2, 3, 4, 5)))
    assert (alone.slot("worker_01").lag, alone.slot("worker_01").lag_partial) == (None, True), "unknown is not 0"


def test_a_transaction_that_is_open_for_a_moment_is_shown_and_is_no_problem():
    status = judged(kafka=kafka(open_transactions={tp(2): OpenTransaction(1_000, 40, 3.0, "observed", 3.0)}))
    found = json.loads(json.dumps(status.as_dict()))["group"]

    assert status.healthy
    assert (found["unstable"], found["lag"]) == (40, 60)
    assert found["open_transactions"] == [
        {
            "topic": "numtest",
            "partition": 2,
            "first_offset": 1_000,
            "offsets": 40,
            "seconds": 3.0,
            "source": "observed",
            "standing_seconds": 3.0,
            "hanging": False,
        }
    ]


def test_everything_is_in_the_json():
    status = judged(**with_slot("worker_02", kernel="T"), events=[{"event": "exited", "process": "worker_02"}])
    found = json.loads(json.dumps(status.as_dict()))

    keys = {"healthy", "time", "problems", "services", "slots", "group", "events", "fleet", "audit", "routes", "pauses"}
    assert set(found) == keys
    assert found["slots"][2]["state"] == "stopped (SIGSTOP)"
    assert [slot["healthy"] for slot in found["slots"]] == [True, True, False, True]
    assert found["group"]["members"][3] == {
        "member_id": "worker_03-m",
        "client_id": "worker_03",
        "host": "10.0.0.1",
        "partitions": {"numtest": [5]},
        "static_id": None,
    }
    assert found["slots"][0]["partitions"] == {"numtest": [0, 1]}
    assert found["events"] == [{"event": "exited", "process": "worker_02"}]


def test_the_programs_beside_the_workers_fit_in_eighty_columns():
    slots = {each: seen(each) for each in OWNS}
    beside = [Process(name, name, "RUNNING", pid=9) for name in ("auditor", "lag", "watchdog")]

    def detail(*programs: Process) -> str:
        processes = [*programs, *(each.process for each in slots.values())]
        return judged(supervisord=SupervisordAnswer(1_234_567, processes)).services["supervisord"].detail

    assert detail(*beside) == "4 of 4 workers running, auditor, lag, watchdog up; pid 1234567"
    assert len(f"supervisord  up   {detail(*beside)}") <= 80
    assert detail(beside[0], replace(beside[1], state="FATAL")).startswith(
        "4 of 4 workers running, auditor up, lag fatal; pid "
    )
    assert detail(replace(beside[1], state="FATAL")).startswith("4 of 4 workers running, lag fatal; pid ")


def test_a_fleet_with_a_record_that_is_not_accounted_for_is_not_healthy():
    now = datetime.fromisoformat(TIME).timestamp()
    clean = Audit(now - 1, until=now - 2, unstable=7)
    found = judged(audit=clean._replace(missing=2, unexplained=1, found=(("numtest", 3, 42, "missing"),)))

    assert judged(audit=clean).healthy, "what cannot be read yet is no failure"
    assert found.problems == [
        "records are not accounted for: 2 missing, 1 unexplained; `workers peek numtest/3/42` shows more"
    ]
    assert json.loads(json.dumps(found.as_dict()))["audit"]["missing"] == 2


@pytest.mark.parametrize(
    ("numbers", "shown"), [([], ""), ([3], "3"), ([0, 1, 2, 5], "0-2,5"), ([4, 2, 3], "2-4"), ([1, 3, 5], "1,3,5")]
)
def test_partitions_in_few_characters(numbers, shown):
    assert compact_partitions(tps(*numbers)) == shown


def test_partitions_of_several_topics_are_told_apart():
    assert compact_partitions([TopicPartition("orders", 1), *tps(0, 1, 4)]) == "numtest:0-1,4 orders:1"


def test_an_auditor_that_is_not_to_run_here_is_no_problem():
    """One is enough for a group: `autostart=false` on the other hosts."""
    workers = [each.process for each in (seen(name) for name in OWNS)]

    def problems(state: str) -> list[str]:
        auditor = Process("auditor", "auditor", state)
        return judged(supervisord=SupervisordAnswer(77, [WATCHDOG, auditor, *workers])).problems

    assert problems("STOPPED") == []
    assert problems("FATAL") == ["program auditor is FATAL"]
