"""What takes a proof back, or makes one impossible: a group that is set back, logs that lose records, a clock, a restart."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.support.batches import tp
from tests.support.fake_audit import AGAIN, BEGINNING, begin, round_at, whole_pass
from workers.auditor import auditor as module
from workers.auditor.findings import SETTLE_SECONDS
from workers.auditor.full_pass import Span
from workers.errors import UnavailableError
from workers.identity import OffsetRange
from workers.types import Truncation


def rounds(auditor, servers, clock, *seconds: float) -> None:
    for each in seconds:
        round_at(auditor, servers, clock, each)


def test_a_group_that_is_set_back_proves_nothing_until_all_is_read_and_verified_again(auditor, servers, clock):
    servers.end = servers.committed = 1_000
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 1)
    assert auditor.audit.until == BEGINNING + 1

    # An ordinary replay: the collection was dropped, and the group set to the beginning.
    servers.missing, servers.committed = set(range(1_000)), 0
    with capture_logs() as logs:
        rounds(auditor, servers, clock, 5, 10)
        whole_pass(auditor, servers)
        rounds(auditor, servers, clock, 15)
    assert (auditor.audit.until, auditor.audit.set_back) == (None, BEGINNING + 5)
    assert [each["partitions"] for each in logs if each["log_level"] == "warning"] == ["0"], "told once"

    # Half of it is committed again, and lost.
    servers.committed = 500
    rounds(auditor, servers, clock, 20, 20 + SETTLE_SECONDS)
    assert (auditor.audit.missing, auditor.audit.until) == (500, None)

    servers.missing, servers.committed = set(), 1_000
    rounds(auditor, servers, clock, 30, 35)
    assert (auditor.audit.is_clean, auditor.audit.until, auditor.audit.set_back) == (True, BEGINNING + 35, None)


def test_commits_that_are_lost_are_a_group_that_was_set_back(auditor, servers, clock, following):
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 1)
    servers.committed = None
    next_one = following()
    rounds(next_one, servers, clock, 60)
    assert next_one.audit.until is None, "also where no auditor ran meanwhile"

    servers.committed = 10
    rounds(next_one, servers, clock, 65)
    assert next_one.audit.until == BEGINNING + 65
    assert servers.asked == [Span(tp(0), 0, 10)]


def test_what_was_missing_is_not_mended_by_setting_the_group_back(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    servers.missing = {13}
    rounds(auditor, servers, clock, 5, 5 + SETTLE_SECONDS)
    assert auditor.audit.missing == 1

    servers.committed = 12
    with capture_logs() as logs:
        rounds(auditor, servers, clock, 15)
    assert (auditor.audit.missing, auditor.audit.until) == (0, None)
    assert "a record that was not accounted for is read again: the group was set back" in [e["event"] for e in logs]
    assert "a record is accounted for again" not in [each["event"] for each in logs]
    servers.missing, servers.committed = set(), 20
    rounds(auditor, servers, clock, 20)
    assert (auditor.audit.is_clean, auditor.audit.until) == (True, BEGINNING + 20)


def test_a_suspicion_outlives_a_restart(auditor, servers, clock, following):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    servers.missing = {13}
    rounds(auditor, servers, clock, 5)
    assert auditor.audit.missing == 0, "it has not settled yet"

    next_one = following()
    rounds(next_one, servers, clock, 7)
    assert next_one.audit.until == BEGINNING
    with capture_logs() as logs:
        rounds(next_one, servers, clock, 7 + SETTLE_SECONDS)
    assert next_one.audit.missing == 1
    assert [each["offset"] for each in logs if each["log_level"] == "error"] == [13], "it is told: it never was"


def test_a_suspicion_of_a_full_pass_outlives_a_restart(auditor, servers, clock, following):
    begin(auditor, servers, clock)
    servers.missing = {4}
    rounds(auditor, servers, clock, 1)
    whole_pass(auditor, servers)
    rounds(auditor, servers, clock, 3)

    next_one = following()
    rounds(next_one, servers, clock, 10, 10 + SETTLE_SECONDS)
    assert next_one.audit.missing == 1


def test_the_first_pass_proves_nothing_over_a_suspicion(auditor, servers, clock):
    servers.missing = {4}
    rounds(auditor, servers, clock, 0)
    whole_pass(auditor, servers)
    assert (auditor.audit.since, auditor.audit.until, auditor.audit.passed) == (BEGINNING, None, None)

    rounds(auditor, servers, clock, SETTLE_SECONDS)
    whole_pass(auditor, servers)
    assert (auditor.audit.missing, auditor.audit.since) == (1, None)
    assert auditor.audit.until == BEGINNING - 1_000 + 4, "not later than the record"


def test_what_retention_removes_unverified_is_counted_until_somebody_knows_of_it(auditor, servers, clock, following):
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 1)
    servers.start, servers.end = 900, 1_000
    with capture_logs() as logs:
        rounds(auditor, servers, clock, 5)
    assert [(each["first_offset"], each["next_offset"]) for each in logs] == [(10, 900)], "though it was not committed"
    assert (auditor.audit.removed, auditor.audit.removed_since, auditor.audit.is_clean) == (890, BEGINNING + 5, True)

    servers.start, servers.committed = 950, 1_000
    rounds(auditor, servers, clock, 10, 15)
    assert (auditor.audit.removed, auditor.audit.removed_since) == (940, BEGINNING + 5)
    next_one = following()
    assert not next_one.acknowledge_removed(), "nothing is known yet: it is asked for again"
    rounds(next_one, servers, clock, 20)
    assert (next_one.audit.removed, next_one.audit.removed_since) == (940, BEGINNING + 5)
    assert next_one.acknowledge_removed()
    rounds(next_one, servers, clock, 25)
    assert (next_one.audit.removed, next_one.audit.removed_since) == (0, None)


def test_a_truncation_that_the_workers_saw_while_no_auditor_ran_is_verified(auditor, servers, clock, following):
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 1)
    servers.end, servers.committed, servers.reused = 20, 20, [OffsetRange(6, 30)]
    servers.missing = {7, 8}
    next_one = following()
    rounds(next_one, servers, clock, 60, 60 + SETTLE_SECONDS)

    assert servers.asked[0] == Span(tp(0), 6, 20)
    assert next_one.audit.missing == 2
    servers.asked.clear()
    rounds(following(), servers, clock, 70)
    assert servers.asked == [Span(tp(0), 7, 9)], "once: of the next one only what was found is read"


@pytest.mark.parametrize("seen", ["truncation", "reused"])
def test_a_group_that_goes_on_where_the_log_parts_was_not_set_back(auditor, servers, clock, seen):
    servers.end = servers.committed = 20
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 1)
    servers.end = 12
    if seen == "truncation":
        servers.truncation = Truncation(20, 6, 5, 7)
        rounds(auditor, servers, clock, 5)
    servers.truncation, servers.committed, servers.reused = None, 8, [OffsetRange(6, 20)]
    rounds(auditor, servers, clock, 10)
    assert (auditor.audit.set_back, auditor.audit.until) == (None, BEGINNING + 1)

    servers.committed = 2
    rounds(auditor, servers, clock, 15)
    assert (auditor.audit.set_back, auditor.audit.until) == (BEGINNING + 15, None)


def test_a_clock_that_is_set_back_leaves_no_proof_of_the_future(auditor, servers, clock):
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 3_600)
    servers.end = servers.committed = 20
    servers.missing, servers.no_timestamps = {13}, True
    rounds(auditor, servers, clock, 3_601)

    rounds(auditor, servers, clock, 5, 20)
    assert len(auditor._positions.findings) == 1
    assert auditor.audit.until == BEGINNING + 5


def test_nor_does_one_while_a_partition_does_not_answer(auditor, servers, clock):
    begin(auditor, servers, clock)
    rounds(auditor, servers, clock, 3_600)
    servers.unanswered = [tp(1)]
    rounds(auditor, servers, clock, 5, 20)

    assert auditor.audit.until == BEGINNING + 5


def test_what_compaction_takes_away_is_not_mended(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    servers.missing = {13}
    rounds(auditor, servers, clock, 5, 5 + SETTLE_SECONDS)
    servers.markers = {13}
    with capture_logs() as logs:
        rounds(auditor, servers, clock, 15)

    assert [(each["log_level"], each["offset"]) for each in logs] == [("error", 13)]
    assert (auditor.audit.missing, auditor.audit.removed) == (0, 1)


def test_a_full_pass_ends_where_a_truncated_log_ends(auditor, servers, clock):
    servers.end = servers.committed = 5_000
    rounds(auditor, servers, clock, 0)
    auditor.step_full_pass(servers)
    servers.end, servers.truncation = 1_000, Truncation(5_000, 900, 5, 7)
    rounds(auditor, servers, clock, 5)
    servers.asked.clear()
    whole_pass(auditor, servers)

    assert servers.asked == [], "there is nothing behind the end"
    assert auditor.audit.passed == BEGINNING + 5


def test_a_commit_behind_the_end_of_the_log_stops_no_round(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.committed = 500
    rounds(auditor, servers, clock, 5, 10)
    assert servers.asked == []
    assert (auditor.audit.unverified, auditor.behind_seconds, auditor.audit.until) == (0, 0, BEGINNING + 10)

    servers.end = 20
    rounds(auditor, servers, clock, 15)
    assert servers.asked == [Span(tp(0), 10, 20)]
    assert auditor.audit.until == BEGINNING + 15


def test_findings_of_a_partition_without_a_leader_do_not_starve_others(auditor, servers, clock):
    servers.partitions = 2
    begin(auditor, servers, clock)
    servers.end = servers.committed = 2_000
    servers.missing = set(range(10, 1_510))
    servers.unanswered = [tp(1)]
    rounds(auditor, servers, clock, 5)
    servers.unanswered, servers.missing = [tp(0)], {13}
    rounds(auditor, servers, clock, 6, 6 + SETTLE_SECONDS)

    assert auditor.audit.missing == 1, "that of the other partition"


def test_a_failed_round_leaves_what_is_known_and_says_when_that_was(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    servers.compare = lambda *_: (_ for _ in ()).throw(UnavailableError("MongoDB is away"))
    with pytest.raises(UnavailableError):
        rounds(auditor, servers, clock, 5)
    auditor.tell_problem("MongoDB is away")

    assert (auditor.audit.time, auditor.audit.done, auditor.audit.topic) == (BEGINNING + 5, BEGINNING, "numtest")


def test_a_topic_that_was_made_again_does_not_count_as_set_back(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.topic, servers.end, servers.committed = AGAIN, 4, 4
    rounds(auditor, servers, clock, 5)

    assert auditor.audit.set_back is None
    assert auditor.audit.until == BEGINNING + 5


def test_the_limits_of_one_round_hold_after_a_group_was_set_back(auditor, servers, clock):
    servers.end = servers.committed = 100_000
    begin(auditor, servers, clock)
    servers.committed = 0
    rounds(auditor, servers, clock, 5)
    servers.asked.clear()
    servers.committed = 100_000
    rounds(auditor, servers, clock, 10)

    assert sum(span.end - span.first for span in servers.asked) <= module.ROUND_OFFSETS
    assert (auditor.is_behind, auditor.audit.until) == (True, None)
