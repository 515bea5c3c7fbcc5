"""A fleet in which a worker has just died is told calmly and truly; anything else that is wrong is told as wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.batches import tp, tps
from tests.support.statuses import OWNS, TIME, judged, kafka, process, seen, with_slot
from workers.fleet.status.poller import Down
from workers.fleet.status.recovery import RECOVERY_SECONDS
from workers.kafka.admin import GroupDescription, Member
from workers.state.heartbeat import State

PID = 902
TOOK = {"worker_00": {"numtest": [4]}, "worker_03": {"numtest": [5]}}
STARTS = {"process": process("worker_02", state="STARTING", uptime=1.0), "kernel": None}
REBALANCES = kafka(group=GroupDescription("PreparingRebalance", {}))


def event(word: str, ago: float, name: str = "worker_02", pid: int = PID, **facts: Any) -> dict[str, Any]:
    then = datetime.fromisoformat(TIME) - timedelta(seconds=ago)
    return {"time": then.isoformat(), "event": word, "process": name, "pid": pid, **facts}


EXITED = event("exited", 2, expected=False)
TAKEN_OVER = event("taken_over", 1, partitions=TOOK, seconds=1.0)


def said(*events: dict[str, Any], name: str = "worker_02", **facts: Any) -> str | None:
    """Of a fleet whose worker_02 is as these facts say."""
    slot = {key: facts.pop(key) for key in ("process", "kernel", "beat", "member") if key in facts} or STARTS
    return judged(**with_slot(name, **slot), events=list(events), **facts).recovering


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([EXITED], "worker_02 died 2 s ago and starts again; its partitions are being taken over"),
        ([EXITED, TAKEN_OVER], "worker_02 died 2 s ago and starts again; 00 and 03 have its partitions"),
        (
            [event("stalled", 2, kind="stopped"), EXITED, TAKEN_OVER],
            "worker_02 hung and was killed 2 s ago; 00 and 03 have its partitions",
        ),
    ],
)
def test_a_death_is_told_with_what_becomes_of_the_partitions(events, words):
    members = {f"{name}-m": Member(name, "h", list(owned)) for name, owned in OWNS.items() if name != "worker_02"}
    group = GroupDescription("Stable", members)

    assert said(*events, kafka=kafka(group=group)) == words


def test_one_that_is_back_rebalances_the_group_once_more():
    status = judged(kafka=REBALANCES, events=[event("exited", 5, expected=False)])

    assert status.recovering == "worker_02 died 5 s ago and is back; the group rebalances"
    assert status.problems == ["the group counters is rebalancing"]
    assert status.exit_code == 1


def test_several_deaths_are_one_sentence():
    slots = with_slot("worker_01", **{**STARTS, "process": process("worker_01", uptime=1.0)})
    slots["slots"]["worker_02"] = seen("worker_02", **STARTS)
    found = judged(**slots, kafka=REBALANCES, events=[event("exited", 4, "worker_01", 7, expected=False), EXITED])

    assert found.recovering == "workers 01 and 02 died 2 s ago and start again; the group rebalances"


@pytest.mark.parametrize(
    "facts",
    [
        {"mongodb": Down("does not answer")},
        {"kafka": Down("does not answer")},
        {"kafka": kafka(unanswered=tps(5))},
        {"process": process("worker_02", state="FATAL", pid=None)},
        {"beat": replace(seen("worker_02").beat, state=State.CRASH_LOOP_BACKOFF, until=1_030.0)},
        {"name": "worker_01"},
    ],
    ids=["database", "Kafka", "a partition", "given up", "it backs off", "it is another one"],
)
def test_anything_else_that_is_wrong_is_no_recovery(facts):
    assert said(EXITED, **facts) is None


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("exited", RECOVERY_SECONDS + 1, expected=False)],
        [event("exited", 2, expected=True)],
        [event("exited", 2, "lag", expected=False)],
        [{"event": "exited", "process": "worker_02", "time": "yesterday", "expected": False}],
    ],
    ids=["no event", "long ago", "it was stopped", "no worker", "another version"],
)
def test_without_a_death_a_moment_ago_it_is_no_recovery(events):
    assert said(*events) is None


def test_the_end_of_another_process_is_no_reason_for_a_rebalance():
    assert judged(kafka=REBALANCES, events=[event("exited", 2, "lag", expected=False)]).recovering is None


def test_a_healthy_fleet_recovers_from_nothing():
    assert judged(events=[EXITED, TAKEN_OVER]).recovering is None


def test_a_partition_with_two_owners_is_no_recovery():
    members = {f"{name}-m": Member(name, "h", [*owned, tp(0)]) for name, owned in OWNS.items()}

    assert said(EXITED, kafka=kafka(group=GroupDescription("Stable", members))) is None
