"""The auditor on a log and a sink that are lists: what it proves, what it finds, and how it goes on after anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from tests.support.batches import TOPIC, tp
from tests.support.fake_audit import AGAIN, BEGINNING, begin, round_at, whole_pass
from workers.auditor import backlog, findings
from workers.auditor.auditor import Auditor
from workers.auditor.findings import SETTLE_SECONDS
from workers.auditor.full_pass import FullPass, Span
from workers.auditor.positions import PositionsFile
from workers.errors import UnavailableError
from workers.identity import OffsetRange
from workers.state.write_failures import WriteFailures
from workers.types import Truncation


def test_everything_that_is_committed_is_verified_and_until_follows(auditor, servers, clock):
    begin(auditor, servers, clock)
    assert auditor.audit.until == BEGINNING
    servers.end, servers.committed = 30, 25
    round_at(auditor, servers, clock, 5)
    assert servers.asked == [Span(tp(0), 10, 25)]
    assert auditor.audit.until == BEGINNING, "five records of this moment are not committed yet"
    assert auditor.audit.records == 25

    servers.committed = 30
    round_at(auditor, servers, clock, 10)
    assert auditor.audit.until == BEGINNING + 10
    assert (auditor.audit.is_clean, auditor.audit.problem, auditor.audit.unverified) == (True, None, 0)
    assert auditor.behind_seconds == 0


def test_what_was_there_before_is_left_to_the_first_pass(auditor, servers, clock):
    servers.end = servers.committed = 5_000
    round_at(auditor, servers, clock, 0)
    assert servers.asked == []
    assert (auditor.audit.since, auditor.audit.passed) == (BEGINNING, None)
    assert (auditor.audit.until, auditor.audit.recent) == (None, BEGINNING), "nobody knows yet what is older"

    clock.now += 60
    whole_pass(auditor, servers)
    assert [(span.first, span.end) for span in servers.asked] == [(0, 2_000), (2_000, 4_000), (4_000, 5_000)]
    assert (auditor.audit.since, auditor.audit.passed) == (None, BEGINNING + 60)
    assert (auditor.audit.until, auditor.audit.recent) == (BEGINNING, None)
    assert auditor.verified == {"new": 5_000, "again": 0}
    whole_pass(auditor, servers)
    assert auditor.verified == {"new": 5_000, "again": 5_000}


def test_a_missing_record_is_told_when_it_has_settled_and_until_it_is_mended(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    servers.missing = {13}
    with capture_logs() as logs:
        round_at(auditor, servers, clock, 5)
        assert (auditor.audit.missing, auditor.audit.until) == (0, BEGINNING), "a suspicion holds the time back"
        round_at(auditor, servers, clock, 5 + SETTLE_SECONDS)
        round_at(auditor, servers, clock, 15)
    assert auditor.audit.missing == 1
    assert auditor.audit.found == (("numtest", 0, 13, "missing"),)
    assert auditor.audit.until == BEGINNING - 1_000 + 13, "when it was written"
    (told,) = [each for each in logs if each["log_level"] == "error"]
    assert (told["partition"], told["offset"], told["look"]) == (0, 13, "workers peek numtest/0/13")

    servers.missing = set()
    with capture_logs() as logs:
        round_at(auditor, servers, clock, 20)
    assert (auditor.audit.is_clean, auditor.audit.until) == (True, BEGINNING + 20)
    assert [each["event"] for each in logs] == ["a record is accounted for again"]


def test_what_is_stored_within_seconds_was_never_missing(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    servers.missing = {13}
    with capture_logs() as logs:
        round_at(auditor, servers, clock, 5)
        servers.missing = set()
        round_at(auditor, servers, clock, 5 + SETTLE_SECONDS)
    assert logs == []
    assert auditor.audit.until == BEGINNING + 5 + SETTLE_SECONDS


def test_what_is_damaged_later_is_found_by_the_next_pass(auditor, servers, clock):
    round_at(auditor, servers, clock, 0)
    whole_pass(auditor, servers)
    servers.missing = {3}
    whole_pass(auditor, servers)
    round_at(auditor, servers, clock, SETTLE_SECONDS)

    assert auditor.audit.missing == 1


def test_the_next_process_goes_on_where_this_one_was_killed(auditor, servers, clock, tmp_path):
    servers.end = servers.committed = 5_000
    round_at(auditor, servers, clock, 0)
    auditor.step_full_pass(servers)
    servers.missing = {5_003}
    servers.end = servers.committed = 5_010
    round_at(auditor, servers, clock, 5)
    round_at(auditor, servers, clock, 5 + SETTLE_SECONDS)
    assert auditor.audit.missing == 1

    servers.asked.clear()
    following = Auditor("numtest", PositionsFile(tmp_path / "run", "counters", WriteFailures()))
    with capture_logs() as logs:
        round_at(following, servers, clock, 12)
    assert servers.asked == [Span(tp(0), 5_003, 5_004)], "nothing but what was found is read again"
    assert following.audit.missing == 1
    assert following.audit.since == BEGINNING
    assert [each for each in logs if each["log_level"] == "error"] == [], "it was told"
    servers.asked.clear()
    following.step_full_pass(servers)
    assert servers.asked == [Span(tp(0), 2_000, 4_000)]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 99}', b'{"version": 1, "topic_id": 3}'])
def test_a_file_that_cannot_be_read_is_no_file(auditor, servers, clock, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/counters.audit-positions").write_bytes(content)
    round_at(auditor, servers, clock, 0)

    assert auditor.audit.since == BEGINNING


def test_a_topic_that_was_made_again_is_verified_from_its_beginning(auditor, servers, clock):
    round_at(auditor, servers, clock, 0)
    servers.topic, servers.end, servers.committed = AGAIN, 4, 4
    round_at(auditor, servers, clock, 5)

    assert servers.asked == [Span(tp(0), 0, 4)]
    assert (auditor.audit.until, auditor.audit.since) == (BEGINNING + 5, None)


def test_a_partition_that_was_added_is_verified_from_its_beginning(auditor, servers, clock):
    round_at(auditor, servers, clock, 0)
    servers.partitions = 2
    round_at(auditor, servers, clock, 5)

    assert servers.asked == [Span(tp(1), 0, 10)]


def test_without_a_topic_there_is_nothing_to_verify_and_it_says_so(auditor, servers, clock):
    servers.topic = None
    round_at(auditor, servers, clock, 0)
    assert (auditor.audit.problem, auditor.audit.until) == ("there is no topic numtest yet", None)
    assert not auditor.step_full_pass(servers)


def test_records_that_are_not_committed_prove_nothing(auditor, servers, clock):
    servers.committed = None
    round_at(auditor, servers, clock, 0)
    assert (auditor.audit.until, servers.asked) == (None, [])


def test_transaction_markers_at_the_end_hold_nothing_back(auditor, servers, clock):
    servers.end, servers.markers = 11, {10}
    begin(auditor, servers, clock)
    assert auditor.audit.until is None
    round_at(auditor, servers, clock, 5)
    assert auditor.audit.until == BEGINNING + 5


def test_an_open_transaction_holds_the_time_back_and_is_counted(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.unstable = 3
    round_at(auditor, servers, clock, 5)
    assert (auditor.audit.until, auditor.audit.unstable, auditor.audit.is_clean) == (BEGINNING, 3, True)


def test_a_partition_without_an_answer_holds_the_time_back_and_nothing_else(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.unanswered = [tp(1)]
    servers.end = servers.committed = 20
    round_at(auditor, servers, clock, 5)
    assert (auditor.audit.until, auditor.audit.records) == (BEGINNING, 20)
    assert auditor.audit.problem == "Kafka does not answer for numtest-1: is every broker up?"


def test_what_retention_has_removed_is_told_and_passed(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.start, servers.end, servers.committed = 15, 20, 20
    with capture_logs() as logs:
        round_at(auditor, servers, clock, 5)
    assert servers.asked == [Span(tp(0), 15, 20)]
    assert [(each["first_offset"], each["next_offset"]) for each in logs] == [(10, 15)]
    assert auditor.audit.until == BEGINNING + 5


def test_a_truncated_log_is_verified_again_from_where_it_parts(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end, servers.truncation = 12, Truncation(10, 6, 5, 7)
    round_at(auditor, servers, clock, 5)
    assert servers.asked == [], "no worker has read on from there yet"
    assert auditor.audit.until == BEGINNING
    servers.truncation, servers.committed = None, 12
    round_at(auditor, servers, clock, 10)

    assert servers.asked == [Span(tp(0), 6, 12)]
    assert auditor.audit.until == BEGINNING + 10


def test_a_truncation_that_the_workers_saw_first_is_known_by_the_commit(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end, servers.committed, servers.reused = 12, 12, [OffsetRange(6, 30)]
    round_at(auditor, servers, clock, 5)
    assert servers.asked == [Span(tp(0), 6, 12)]

    round_at(auditor, servers, clock, 10)
    assert servers.asked == [Span(tp(0), 6, 12)], "once"


def test_what_was_missing_when_retention_came_is_told_once_more_and_forgotten(auditor, servers, clock):
    round_at(auditor, servers, clock, 0)
    servers.end = servers.committed = 20
    servers.missing = {13}
    round_at(auditor, servers, clock, 5)
    round_at(auditor, servers, clock, 5 + SETTLE_SECONDS)
    assert auditor.audit.missing == 1
    servers.start = 15
    with capture_logs() as logs:
        round_at(auditor, servers, clock, 15)
    assert auditor.audit.is_clean
    assert [(each["log_level"], each["offset"]) for each in logs] == [("error", 13)]
    assert auditor.audit.removed == 1, "and stays counted as what nobody can account for any more"


def test_a_group_that_was_sent_back_verifies_again_what_was_missing(auditor, servers, clock):
    round_at(auditor, servers, clock, 0)
    whole_pass(auditor, servers)
    servers.missing = {4}
    whole_pass(auditor, servers)
    round_at(auditor, servers, clock, SETTLE_SECONDS)
    assert auditor.audit.missing == 1

    servers.committed = 2
    round_at(auditor, servers, clock, 10)
    assert auditor.audit.missing == 0, "it is to be stored again"
    assert auditor.audit.until is None, "nothing is proven until it is"
    servers.committed = 10
    round_at(auditor, servers, clock, 15)
    round_at(auditor, servers, clock, 15 + SETTLE_SECONDS)
    assert auditor.audit.missing == 1, "and it was not"


def test_an_error_in_the_middle_of_a_round_loses_nothing(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 20
    compare = servers.compare
    servers.compare = lambda *_: (_ for _ in ()).throw(UnavailableError("MongoDB is away"))
    with pytest.raises(UnavailableError):
        round_at(auditor, servers, clock, 5)
    auditor.tell_problem("MongoDB is away")
    assert (auditor.audit.until, auditor.audit.problem) == (BEGINNING, "MongoDB is away")

    servers.compare = compare
    round_at(auditor, servers, clock, 10)
    assert (auditor.audit.until, auditor.audit.problem) == (BEGINNING + 10, None)


def test_much_that_is_new_is_verified_in_several_rounds(auditor, servers, clock):
    begin(auditor, servers, clock)
    servers.end = servers.committed = 50_000
    round_at(auditor, servers, clock, 5)
    assert auditor.is_behind
    assert max(span.end - span.first for span in servers.asked) <= backlog.PIECE_OFFSETS
    assert auditor.audit.unverified > 20_000
    assert auditor.behind_seconds == 5
    while auditor.is_behind:
        round_at(auditor, servers, clock, 6)
    assert auditor.audit.until == BEGINNING + 6


def test_with_too_many_findings_nothing_new_is_verified_until_some_are_mended(auditor, servers, clock, monkeypatch):
    monkeypatch.setattr(findings, "MOST", 5)
    round_at(auditor, servers, clock, 0)
    servers.end = servers.committed = 20
    servers.missing = set(range(10, 20))
    round_at(auditor, servers, clock, 5)
    servers.end = servers.committed = 30
    round_at(auditor, servers, clock, 5 + SETTLE_SECONDS)
    assert auditor.audit.missing == 10
    assert auditor.audit.unverified == 10
    assert "nothing new is verified" in str(auditor.audit.problem)
    assert not auditor.step_full_pass(servers)

    servers.missing = set()
    round_at(auditor, servers, clock, 20)
    assert (auditor.audit.is_clean, auditor.audit.unverified, auditor.audit.problem) == (True, 0, None)


def test_a_full_pass_that_is_asked_for_begins_anew(auditor, servers, clock):
    servers.end = servers.committed = 5_000
    round_at(auditor, servers, clock, 0)
    auditor.step_full_pass(servers)
    auditor.begin_full_pass()
    assert auditor.is_catching_up
    servers.asked.clear()
    auditor.step_full_pass(servers)
    assert servers.asked == [Span(tp(0), 0, 2_000)]


def test_a_pass_goes_through_every_partition_and_past_what_is_gone():
    full_pass = FullPass(0.0, {tp(0): 3_000, tp(1): 10, tp(2): 500}, {})
    starts = {tp(0): 900, tp(1): 20, tp(2): 0}
    found = []
    while span := full_pass.next(starts, 2_000):
        found.append(span)
        full_pass.finish(span)

    assert found == [Span(tp(0), 900, 2_900), Span(tp(0), 2_900, 3_000), Span(tp(2), 0, 500)]
    assert full_pass.left(starts) == 0


def test_a_partition_without_an_answer_is_left_for_later():
    full_pass = FullPass(0.0, {tp(0): 10, tp(1): 10}, {})
    assert full_pass.next({tp(1): 0}, 100) == Span(tp(1), 0, 10)
    full_pass.finish(Span(tp(1), 0, 10))
    assert full_pass.next({tp(1): 0}, 100) is None
    assert full_pass.left({tp(1): 0}) == 10


def test_what_is_written_is_read(auditor, servers, clock, file):
    round_at(auditor, servers, clock, 0)
    positions = replace(auditor._positions, full_pass=FullPass(5.0, {tp(0): 9}, {tp(0): 4}), passed=7.0)
    file.write(positions)
    found = file.read(TOPIC)

    assert (found.verified, found.until, found.since, found.passed) == ({tp(0): 10}, BEGINNING, BEGINNING, 7.0)
    assert (found.full_pass.begun, found.full_pass.ends, found.full_pass.done) == (5.0, {tp(0): 9}, {tp(0): 4})
    assert file.read(AGAIN) is None


def test_a_folder_that_cannot_be_written_stops_nothing(clock, servers, tmp_path):
    failures = WriteFailures(tell=lambda _line: None)
    auditor = Auditor("numtest", PositionsFile(tmp_path / "no/such/run", "counters", failures))
    begin(auditor, servers, clock)

    assert auditor.audit.until == BEGINNING
    assert failures.problem() is not None
