"""The verdict of a drill is about the records that it sent: each kind of damage counts, and what had no effect does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.batches import tp
from tests.support.fake_broker import FakeRecord
from workers.drill.effects import Effects
from workers.drill.load import BAD
from workers.drill.proof import Proof
from workers.drill.report import DrillReport, FaultReport
from workers.settings import Settings, load
from workers.settings.route import Route, RouteTable
from workers.types import TopicPartition
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import PartitionReport, VerifyReport
from workers.verification.routes_report import RoutesReport, TopicVerdict

GOOD = b'{"number": 1}'
FIRST = 100
"""Years of history stand before it."""


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The report of a drill that sent these values, of which `verify` counted so many of each outcome."""

    def judge(
        *values: bytes | None,
        interrupted: str | None = None,
        gone: int = 0,
        hidden: int = 0,
        settings: Settings | None = None,
        **counts: int,
    ) -> DrillReport:
        """Args: gone: acknowledged, and not in the log; hidden: acknowledged, and behind the last that can be read."""

        def verify(_settings, _since, _progress, from_offsets, on_records):
            assert from_offsets == {tp(0): FIRST}
            on_records(tp(0), [FakeRecord(0, FIRST + gone + place, value) for place, value in enumerate(values)])
            account = PartitionReport(tp(0))
            account.counts.update(counts)
            return VerifyReport("numtest", "counters", [account])

        monkeypatch.setattr("workers.drill.proof.verify", verify)
        acknowledged = OffsetBitmap(FIRST)
        for place in range(gone + len(values) + hidden):
            acknowledged.add(FIRST + place)
        report = DrillReport(7, {"kill a worker": 1}, [FaultReport(1.0, "kill a worker")], interrupted=interrupted)
        report.acknowledged = len(values) + gone
        Proof(settings or load(), {tp(0): FIRST}).prove(report, {tp(0): acknowledged}, lambda *_: None)
        return report

    return judge


def test_good_records_stored_and_bad_ones_dead_letters_have_passed(judged):
    report = judged(GOOD, None, BAD + b"7", GOOD, stored=2, dead_lettered=2)

    assert report.passed
    assert (report.stored, report.dead_letters, report.dead_letters_expected) == (2, 2, 2)


def test_what_is_bad_is_for_the_format_of_the_topic_to_say(judged):
    """Everything that is UTF-8 can be stored as text."""
    text = load(value_format="text")

    assert judged(GOOD, BAD, None, stored=2, dead_lettered=1, settings=text).passed
    assert judged(GOOD, BAD, stored=1, dead_lettered=1, settings=text).unexplained == 1
    assert judged(GOOD, BAD, stored=1, dead_lettered=1).passed


def test_several_topics_are_told_apart_only_where_something_is_wrong(monkeypatch):
    routes = RouteTable((Route(topics=("orders", "refunds")),))
    parts = {topic: PartitionReport(TopicPartition(topic, 0)) for topic in ("orders", "refunds")}
    parts["orders"].counts.update(kafka=5, stored=5)
    parts["refunds"].counts.update(kafka=5, stored=4, missing=1)
    verdicts = [TopicVerdict(t, t, t, VerifyReport(t, "counters", [part])) for t, part in parts.items()]
    monkeypatch.setattr("workers.drill.proof.verify_routes", lambda *_: RoutesReport("counters", verdicts))
    report = DrillReport(7)

    Proof(load().with_routes(routes), {}).prove(report, {}, lambda *_: None)

    assert (report.stored, report.lost, report.remarks) == (9, 1, ["refunds: 1 missing"])


def test_ignored_tombstones_are_accounted_for(judged):
    assert judged(GOOD, None, None, BAD, stored=1, dead_lettered=1, ignored=2).passed


@pytest.mark.parametrize(
    ("counts", "lost", "twice", "unexplained"),
    [
        ({"missing": 2}, 2, 0, 0),
        ({"twice": 1}, 0, 1, 0),
        ({"conflicting": 1, "unexpected": 2, "pending": 4}, 0, 0, 7),
        ({"dead_lettered": 2}, 0, 0, 1),
    ],
)
def test_what_is_wrong_fails_the_drill(judged, counts, lost, twice, unexplained):
    report = judged(GOOD, GOOD, None, stored=1, **counts)

    assert not report.passed
    assert (report.lost, report.twice, report.unexplained) == (lost, twice, unexplained)


def test_what_kafka_acknowledged_and_does_not_hold_is_lost(judged):
    assert (judged(GOOD, gone=3, stored=1).lost, judged(GOOD, stored=1).lost) == (3, 0)


def test_what_stands_behind_an_open_transaction_is_neither_lost_nor_proven(judged):
    report = judged(GOOD, hidden=3, stored=1)

    assert (report.lost, report.unstable, report.unexplained, report.broken, report.passed) == (0, 3, 0, False, False)


def test_dead_letters_of_good_records_are_named(judged):
    report = judged(GOOD, GOOD, None, dead_lettered=3)

    assert (report.good_dead_lettered, report.broken) == (2, True)


def test_somebody_elses_records_are_judged_by_what_they_are(judged):
    """They are not ours to know, but what is not JSON is bad, whoever has sent it."""
    report = judged(GOOD, b"hello", b'{"order": 7}', stored=2, dead_lettered=1)

    assert (report.passed, report.dead_letters_expected) == (True, 1)
    refused = judged(GOOD, b'{"a": [[1]]}', stored=1, dead_lettered=1)
    assert refused.passed
    assert any("somebody else" in line for line in refused.remarks)


def test_what_an_interrupted_drill_has_not_waited_for_is_no_failure(judged):
    report = judged(GOOD, GOOD, interrupted="SIGINT", stored=1, pending=1)

    assert (report.broken, report.passed, report.pending) == (False, False, 1)


class Counters:
    def __init__(self, *, seen: bool = True, **counts: float) -> None:
        self.seen, self.counts = seen, counts

    def count(self, name: str) -> float:
        return self.counts.get(name, 0)


def effects(counters: Counters) -> Iterator[Any]:
    """Of two kills, of which the first came before the count of 5, and of a fault that is its own effect."""
    judge = Effects(counters)
    first, second, own = (FaultReport(1, kind) for kind in ("kill the database", "kill the database", "hang"))
    judge.expect(first, "workers_write_retries_total", 0)
    judge.expect(second, "workers_write_retries_total", 5)
    judge.expect(own, "", 0)
    judge.judge()
    yield from (judge, first.bit, second.bit, own.bit)


def test_a_fault_has_bitten_if_its_counter_rose_after_it():
    judge, *bit = effects(Counters(workers_write_retries_total=5))

    assert bit == [True, False, True]
    assert judge.remarks() == []


def test_a_kind_that_never_bit_is_a_remark_and_no_verdict():
    judge, *bit = effects(Counters())

    assert bit == [False, False, True]
    (remark,) = judge.remarks()
    assert "kill the database (2 of them) had no effect" in remark
    report = DrillReport(7, {"kill the database": 2}, verified=True, remarks=[remark])
    assert report.passed


def test_without_metrics_nothing_is_claimed_about_effects():
    judge, *bit = effects(Counters(seen=False))

    assert bit == [None, None, True]
    assert "not known" in judge.remarks()[0]


@pytest.mark.parametrize(
    "report",
    [
        DrillReport(7),
        DrillReport(7, verified=True, void=["no fault was injected"]),
        DrillReport(7, verified=True, interrupted="SIGTERM"),
        DrillReport(7, verified=True, lost=1),
    ],
)
def test_a_drill_that_proves_nothing_or_found_something_has_not_passed(report):
    assert not report.passed
    assert report.as_dict()["passed"] is False
