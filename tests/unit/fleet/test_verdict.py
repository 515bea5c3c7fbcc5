"""The verdict: one sentence that is true, whatever happens, and red only when a person must do something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.batches import tp, tps
from tests.support.statuses import WHERE, judged, kafka, process, seen, with_slot
from workers.errors import ExitCode
from workers.fleet.status.model import Answers, build_status
from workers.fleet.status.poller import Down
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts, Level
from workers.kafka.group_description import GroupDescription
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.state.audit_file import Audit
from workers.state.heartbeat import State

NOW = datetime(2026, 11, 22, 14, 2, 33, tzinfo=UTC).timestamp()
CLEAN = Audit(NOW - 1, NOW - 2, 711_502)
UNTIL = datetime.fromtimestamp(NOW - 2).astimezone().strftime("%H:%M:%S")
PROVEN = f"Every record until {UNTIL} is accounted for"
BEAT = seen("worker_01").beat
LOST = kafka(offsets={tp(p): PartitionOffsets(0, 13_300, 990) for p in range(6)})


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, UTC).isoformat(timespec="milliseconds")


def killed(seconds: float, *then: dict, process: str = "worker_01", **facts):
    exited = {
        "time": at(seconds),
        "event": "exited",
        "process": process,
        "pid": 9,
        "expected": False,
        "signal": "SIGKILL",
    }
    return [exited | facts, *({"time": at(seconds - 1), "process": process} | event for event in then)]


TAKEN = {
    "event": "taken_over",
    "seconds": 1.0,
    "partitions": {"worker_00": {"numtest": [2]}, "worker_02": {"numtest": [3]}},
}
AGAIN = TAKEN | {"event": "stored_again", "seconds": 1.04}


def said(audit=CLEAN, holes=None, **facts):
    found = verdict(Facts(judged(at(0), audit=audit, **facts), NOW, holes or {}))
    return str(found.level), found.text, found.detail


def test_when_all_is_well_it_says_until_when_everything_is_accounted_for():
    assert said() == ("calm", PROVEN, "4 workers read 6 partitions; 60 records wait")


def test_without_an_auditor_it_says_what_is_known_and_how_to_know_more():
    nothing = "No auditor runs: `workers verify` proves that nothing is missing."

    assert said(None) == ("calm", "4 workers read 6 partitions; 60 records wait", nothing)
    assert said(CLEAN._replace(time=NOW - 700))[2] == nothing, "what one has left behind that does not run any more"
    assert said(Audit(NOW))[1:] == ("4 workers read 6 partitions; 60 records wait", "The auditor has just begun.")


def test_a_kill_that_is_over_is_told_and_is_no_reason_to_worry():
    assert said(events=killed(41, TAKEN, AGAIN)) == (
        "calm",
        PROVEN,
        "worker_01 was killed 41 s ago; its partitions were stored again after 1.04 s. Nothing lost, nothing twice.",
    )
    assert "Nothing lost" not in said(CLEAN._replace(until=NOW - 50), events=killed(41, TAKEN))[2], "not proven yet"
    assert said(events=killed(700, TAKEN))[2] == "4 workers read 6 partitions; 60 records wait"


@pytest.mark.parametrize(
    ("holes", "then", "text"),
    [
        (tps(2, 3), (), "worker_01 was killed 3 s ago; partitions 2 and 3 wait"),
        (tps(2), (), "worker_01 was killed 3 s ago; partition 2 waits"),
        ((), (TAKEN,), "worker_01 was killed 3 s ago; its partitions are with worker_00 and worker_02"),
        ((), (), "worker_01 was killed 3 s ago; it starts again"),
    ],
)
def test_a_worker_that_died_a_moment_ago(holes, then, text):
    starting = with_slot("worker_01", beat=None, process=process("worker_01", uptime=1.0))
    level, found, _ = said(holes=dict.fromkeys(holes, 3.0), events=killed(3, *then), **starting)

    assert (level, found) == ("attention", text)


def test_an_end_is_told_before_the_watchdog_tells_of_it():
    ended = with_slot("worker_01", kernel="Z")

    assert said(holes={tp(2): 0.3}, **ended)[:2] == ("attention", "worker_01 died 0 s ago; partition 2 waits")


def test_it_is_not_known_of_every_death_that_it_was_a_kill():
    events = [{**event, "signal": None} for event in killed(3)]
    del events[0]["signal"]

    assert said(holes={tp(2): 3.0}, events=events)[1] == "worker_01 died 3 s ago; partition 2 waits"


def test_two_deaths_at_once():
    events = [*killed(4), *killed(3, process="worker_02")]

    assert said(holes=dict.fromkeys(tps(2, 3, 4), 3.0), events=events)[1] == (
        "worker_01 and worker_02 died in the last 4 s; partitions 2, 3 and 4 wait"
    )


@pytest.mark.parametrize(("seconds", "level", "text"), [(42, "attention", "42 s"), (180, "act", "3 min")])
def test_a_database_that_does_not_answer(seconds, level, text):
    found = said(kafka=LOST, mongodb=Down("does not answer (mongodb://db)"), down_seconds={"MongoDB": seconds})

    assert found == (
        level,
        f"The database has not answered for {text}; nothing is lost, 73,860 records wait",
        "does not answer (mongodb://db)",
    )


def test_a_database_that_refuses_the_password_needs_a_person_at_once():
    assert (
        said(mongodb=Down("refuses the user or the password (mongodb://db)"), down_seconds={"MongoDB": 1.0})[0] == "act"
    )


def test_a_database_that_answers_and_takes_no_writes_is_known_by_the_workers():
    facts = with_slot("worker_01", beat=replace(BEAT, state=State.SINK_UNAVAILABLE, since=958.0))

    assert said(**facts)[:2] == (
        "attention",
        "The database has taken no write for 42 s; nothing is lost, 60 records wait",
    )


def test_kafka_that_does_not_answer():
    assert said(kafka=Down("has not answered for 12 s"), down_seconds={"Kafka": 12.0}) == (
        "attention",
        "Kafka has not answered for 12 s; nothing is lost, the workers wait for it",
        "has not answered for 12 s",
    )


def test_an_open_transaction_that_hides_records():
    found = said(kafka=kafka(open_transactions={tp(4): OpenTransaction(1_000, 51, 125.0, "record")}))

    assert found[:2] == ("act", "Partition 4 has stood still for 2 min: an open transaction hides 51 records")
    assert said(kafka=kafka(open_transactions={tp(4): OpenTransaction(1_000, 51, 2.0, "record")}))[0] == "calm"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"missing": 12}, "12 records are missing: `workers peek numtest/3/42` shows the first"),
        ({"missing": 1}, "1 record is missing: `workers peek numtest/3/42` shows it"),
        (
            {"missing": 1_200, "twice": 3},
            "1,200 records are missing and 3 records are there twice: `workers peek numtest/3/42` shows the first",
        ),
        ({"missing": 2, "found": ()}, "2 records are missing: `workers verify` names them"),
    ],
)
def test_what_is_missing_comes_first_whatever_else_there_is(found, text):
    audit = CLEAN._replace(**({"found": (("numtest", 3, 42, "missing"),)} | found))
    level, said_text, _ = said(audit, mongodb=Down("does not answer"), events=killed(3))

    assert (level, said_text) == ("act", text)


def test_a_partition_without_an_answer_says_nothing_of_what_is_stored():
    assert said(kafka=kafka(unanswered=tps(4)))[:2] == (
        "attention",
        "Kafka does not answer for partition 4; the others are read",
    )


def test_a_partition_that_is_halted_needs_a_person():
    halted = with_slot("worker_01", beat=replace(BEAT, halted=tps(3)))

    assert said(**halted)[:2] == ("act", "Partition 3 is halted; 60 records wait")


def test_a_fleet_elsewhere_is_judged_by_its_group_and_by_the_auditor():
    """A pod of Kubernetes, or a machine from which somebody looks, has no supervisord."""
    here = build_status(WHERE, Answers(Down("does not run here"), kafka(), None, {}), 1_000.0, at(0))

    def elsewhere(audit=CLEAN, **facts):
        return verdict(Facts(replace(here, audit=audit, **facts), NOW))[:2]

    assert elsewhere() == (Level.CALM, PROVEN)
    assert elsewhere(audit=None) == (Level.CALM, "4 workers elsewhere read 6 partitions; 60 records wait")
    assert elsewhere(audit=CLEAN._replace(missing=2, time=NOW))[0] is Level.ACT
    unowned = replace(here.group, unowned=tps(3))
    assert elsewhere(group=unowned)[0] is Level.ATTENTION
    assert here.exit_code == ExitCode.UNCHECKED, "for a script there is none here"


def test_the_workers_of_other_hosts_are_counted():
    here = kafka()
    others = {
        f"{member}-b": each._replace(client_id=each.client_id.replace("_0", "_1"), partitions=[])
        for member, each in here.group.members.items()
    }
    both = here._replace(group=here.group._replace(members=here.group.members | others))

    assert said(audit=None, kafka=both)[1].startswith("8 workers read 6 partitions")


def test_no_fleet_and_no_topic():
    nobody = kafka(group=GroupDescription("Empty", {}))
    none = build_status(WHERE, Answers(Down("does not run here"), nobody, None, {}), 1_000.0, at(0))

    assert verdict(Facts(replace(none, audit=CLEAN), NOW)) == (
        Level.ACT,
        "No fleet runs here",
        "`supervisord -c deploy/supervisord.conf` starts one; 60 records wait",
    )
    assert said(kafka=kafka(offsets=None)) == (
        "attention",
        "There is no topic numtest yet",
        "`workers doctor` shows the command that makes it",
    )


def test_what_else_is_wrong_is_said_as_it_is():
    assert said(**with_slot("worker_02", kernel="T")) == (
        "attention",
        "worker_02: stopped by a signal; `kill -CONT 102` continues it",
        "60 records wait",
    )


@pytest.mark.parametrize(("seconds", "level"), [(3.0, "calm"), (12.0, "attention"), (90.0, "act")])
def test_partitions_that_wait_though_nothing_else_is_wrong(seconds, level):
    found, text, _ = said(holes=dict.fromkeys(tps(2, 3), seconds))

    assert found == level
    assert level == "calm" or text == f"Partitions 2 and 3 have not been stored for {seconds:.0f} s; 60 records wait"


@pytest.mark.parametrize(
    "event", [{}, {"time": "yesterday"}, {"time": at(1), "event": "exited"}, {"time": at(1), "event": "taken_over"}]
)
def test_an_event_of_another_version_is_no_reason_to_fail(event):
    assert said(events=[event])[0] == "calm"
