"""What the verdict says of the proof: the cause that is true, calm only where something is proven, and nothing forgotten."""

from __future__ import annotations

import pytest

from tests.support.statuses import WATCHDOG, answers, judged, kafka, process
from tests.unit.fleet.test_verdict import CLEAN, LOST, NOW, PROVEN, TAKEN, UNTIL, at, killed, said
from workers.fleet.sentences import clock
from workers.fleet.status.audit import audit_now
from workers.fleet.status.model import SupervisordAnswer
from workers.fleet.supervisor import Process
from workers.kafka.partition_offsets import PartitionOffsets
from workers.state.audit_file import Audit

AUDITOR = Process("auditor", "auditor", "RUNNING", pid=8)
WITH_AUDITOR = {"supervisord": SupervisordAnswer(77, [WATCHDOG, AUDITOR, *(process(f"worker_0{n}") for n in range(4))])}
MISSING = CLEAN._replace(missing=2, found=(("numtest", 3, 42, "missing"), ("numtest", 3, 43, "missing")))
BEHIND = CLEAN._replace(until=NOW - 300)
OLD = f"Nothing newer than {clock(NOW - 300, NOW)} is proven to be accounted for"
FIRST_PASS = CLEAN._replace(until=None, since=NOW - 3_600, recent=NOW - 2, done=NOW - 1)


@pytest.mark.parametrize(
    ("audit", "facts", "detail"),
    [
        (BEHIND._replace(problem="Kafka stopped answering"), {}, "Kafka stopped answering"),
        (BEHIND._replace(unverified=1), {}, "the auditor has 1 record to verify"),
        (BEHIND._replace(unverified=12_345, unstable=7), {}, "the auditor has 12,345 records to verify"),
        (BEHIND._replace(unstable=7), {}, "7 records stand behind an open transaction"),
        (BEHIND, {"kafka": LOST}, "73,860 records wait"),
        (BEHIND._replace(time=NOW - 290), {}, "the auditor has not answered for 5 min"),
        (
            BEHIND._replace(time=NOW - 290, problem="Kafka is away"),
            {},
            "the auditor has not answered for 5 min; it said last: Kafka is away",
        ),
    ],
)
def test_what_keeps_the_proof_back_is_named(audit, facts, detail):
    assert said(audit, **facts) == ("attention", OLD, detail)


def test_an_auditor_that_never_proves_anything_is_no_reason_to_be_calm():
    refused = Audit(NOW - 1, problem="MongoDB refuses the password")

    assert said(refused)[:2] == ("attention", "Nothing is proven yet: MongoDB refuses the password")
    assert said(Audit(NOW - 90), **WITH_AUDITOR)[:2] == (
        "attention",
        "Nothing is proven yet: the auditor has not answered for 90 s",
    )
    waits = Audit(NOW - 1, done=NOW - 1)
    assert said(waits) == (
        "calm",
        "4 workers read 6 partitions; 60 records wait",
        "Nothing is proven yet: 60 records wait.",
    )


def test_while_the_first_pass_goes_on_it_says_from_when_on_everything_is_proven():
    text = f"Every record from {clock(NOW - 3_600, NOW)} until {UNTIL} is accounted for"

    assert said(FIRST_PASS) == (
        "calm",
        text,
        "4 workers read 6 partitions; 60 records wait. Older ones are still being verified.",
    )
    told = said(FIRST_PASS, events=killed(41, TAKEN))[2]
    assert told.endswith("were taken over after 1.00 s. Older ones are still being verified.")
    assert said(FIRST_PASS._replace(recent=NOW - 300))[:2] == ("attention", OLD)


def test_a_group_that_was_set_back_is_told_until_all_is_proven_again():
    back = CLEAN._replace(until=None, set_back=NOW - 60, done=NOW - 1)
    text = f"The group was set back at {clock(NOW - 60, NOW)}: nothing is proven until all is read again"

    assert said(back, kafka=LOST) == ("attention", text, "73,860 records wait")


def test_what_kafka_removed_unverified_is_never_called_accounted_for():
    removed = CLEAN._replace(removed=1_000, removed_since=NOW - 60)
    text = f"1,000 records were removed by Kafka before they were accounted for (since {clock(NOW - 60, NOW)})"
    rest = f"every other record until {UNTIL} is accounted for; the runbook RecordsRemoved says how to acknowledge that"

    assert said(removed) == ("attention", text, rest)
    assert "Nothing lost" not in " ".join(said(removed, events=killed(41, TAKEN)))
    level, _, detail = said(MISSING._replace(removed=1, removed_since=NOW - 60))
    assert level == "act"
    assert "1 record was removed by Kafka before it was accounted for" in detail


@pytest.mark.parametrize("facts", [{}, WITH_AUDITOR])
@pytest.mark.parametrize(("seconds", "ago"), [(540, "9 min"), (660, "11 min"), (10_800, "3 h")])
def test_what_is_missing_stays_so_however_long_ago_it_was_said(seconds, ago, facts):
    audit = MISSING._replace(time=NOW - seconds, until=NOW - seconds - 1)
    level, text, _ = said(audit, **facts)

    assert (level, text) == (
        "act",
        f"2 records are missing (said {ago} ago; no auditor has looked since): `workers peek numtest/3/42` shows the first",
    )
    problem = (
        f"records are not accounted for: 2 missing (said {ago} ago; no auditor has looked since); "
        "`workers peek numtest/3/42` shows more"
    )
    assert judged(at(0), audit=audit, **facts).problems == [problem]


def test_one_that_speaks_seldom_because_it_was_told_so_is_not_silent():
    seldom = CLEAN._replace(time=NOW - 800, until=NOW - 810, interval=300.0)

    assert said(seldom, **WITH_AUDITOR)[0] == "calm"
    assert said(seldom._replace(time=NOW - 910, until=NOW - 920), **WITH_AUDITOR)[0] == "attention"


def test_an_auditor_that_is_to_run_and_is_dead_is_never_calm():
    for seconds in (130, 540, 660, 86_400):
        dead = CLEAN._replace(time=NOW - seconds, until=NOW - seconds)
        level, text, detail = said(dead, **WITH_AUDITOR)
        assert (level, text) == (
            "attention",
            f"Nothing newer than {clock(NOW - seconds, NOW)} is proven to be accounted for",
        )
        assert detail.startswith("the auditor has not answered for ")


def test_one_that_was_taken_out_of_use_is_forgotten_when_it_has_found_nothing():
    gone = CLEAN._replace(time=NOW - 660, until=NOW - 660)

    assert said(gone)[0] == "calm"
    assert said(gone)[2] == "No auditor runs: `workers verify` proves that nothing is missing."
    assert judged(at(0), audit=gone).healthy
    assert said(gone._replace(removed=3, removed_since=NOW - 700))[0] == "attention"


def test_a_word_from_the_future_proves_nothing():
    future = CLEAN._replace(time=NOW + 3_600, until=NOW + 3_600)
    level, text, _ = said(future)

    assert level == "attention"
    assert text == (
        "Nothing is proven yet: the clock was set back: what the auditor said last is of a time that is still to come"
    )
    assert said(CLEAN._replace(time=NOW + 1))[:2] == ("calm", PROVEN), "the clocks of two hosts"


def test_the_fleet_without_anything_to_prove_is_what_it_was():
    nothing = kafka(offsets={partition: PartitionOffsets(0, 0, 0) for partition in answers().kafka.offsets})

    assert said(CLEAN, kafka=nothing)[:2] == ("calm", PROVEN)


def test_the_word_of_an_auditor_with_other_routes_proves_nothing():
    """It was not restarted after they changed: it looks at topics of before."""
    ours = audit_now(CLEAN._replace(routes="1a2b3c4d"), NOW, is_expected=True, routes="1a2b3c4d")
    other = audit_now(CLEAN._replace(routes="1a2b3c4d", missing=2), NOW, is_expected=True, routes="00000000")
    older = audit_now(CLEAN, NOW, is_expected=True, routes="00000000")

    assert ours
    assert ours.until == older.until == CLEAN.until
    assert other
    assert (other.until, other.missing) == (None, 2)
    assert "restart it" in (other.problem or "")
