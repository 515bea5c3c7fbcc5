"""Reports as people read them: what is wrong is named, and every number is there."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from tests.support.batches import tp
from workers.cli import render as show
from workers.kafka.producer import ProduceReport, numbers
from workers.verification.report import PartitionReport, VerifyReport


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=160, color_system=None)


def text(console):
    return console.file.getvalue()


def account(partition: int, **counts: int) -> PartitionReport:
    return PartitionReport(tp(partition), Counter(counts))


def test_a_good_verdict_is_a_row_a_partition_a_sum_and_one_line(console):
    partitions = [account(0, kafka=1_200, stored=1_199, dead_lettered=1), account(1, kafka=300, stored=290, pending=10)]

    show.verify_report(console, VerifyReport("numtest", "counters", partitions))

    lines = text(console).splitlines()
    assert "1,200" in lines[1]
    assert lines[2].split() == ["1", "300", "290", "0", "10", "0", "0"]
    assert [line.split()[:3] for line in lines if line.strip().startswith("all")] == [["all", "1,500", "1,489"]]
    assert lines[-1] == "every record is accounted for; 10 are pending"


def test_damage_is_named_by_partition_and_offset(console):
    bad = PartitionReport(tp(3))
    for offset in range(4, 18):
        bad.add("missing", offset)
    bad.add("twice", 0)

    show.verify_report(console, VerifyReport("numtest", "counters", [bad], foreign=12))

    assert "missing in partition 3: offsets 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, ..." in text(console)
    assert "twice in partition 3: offsets 0\n" in text(console)
    assert "12 documents are not of this topic" in text(console)
    assert text(console).splitlines()[-1] == "not every record is accounted for"


def test_what_is_stored_under_lossy_policies_is_said_before_the_verdict(console):
    report = VerifyReport(
        "numtest", "counters", [account(1)], foreign=0, lossy_policies=["nan=null", "surrogates=replace"]
    )
    show.verify_report(console, report)

    *_, said, verdict = text(console).splitlines()
    assert said == "under lossy policies: nan=null, surrogates=replace; `workers config` says what they lose"
    assert verdict.startswith("every record is accounted for")
    assert report.as_dict()["lossy_policies"] == ["nan=null", "surrogates=replace"]


def test_where_documents_conflict_the_policies_are_said_to_be_a_possible_cause(console):
    bad = PartitionReport(tp(3), Counter(kafka=20, stored=19))
    bad.add("conflicting", 7)
    lines = "what was stored under other policies than field_names=escape is conflicting, too"
    show.verify_report(console, VerifyReport("numtest", "counters", [bad], foreign=0, policies=["field_names=escape"]))
    assert lines in text(console)
    show.verify_report(quiet := Console(file=io.StringIO()), VerifyReport("numtest", "counters", [bad], foreign=0))
    assert "policies" not in quiet.file.getvalue()


def test_where_to_look_next_is_named_before_the_verdict(console):
    bad = PartitionReport(tp(3), Counter(kafka=20, dead_lettered=9))
    bad.add("missing", 4)
    bad.add("missing", 5)
    bad.add("conflicting", 7)

    show.verify_report(console, VerifyReport("numtest", "counters", [bad]))

    assert text(console).splitlines()[-4:] == [
        "9 are dead letters: `workers dead-letters list`",
        "what is missing, beside what is stored: `workers peek numtest/3/4`",
        "what is conflicting, beside what is stored: `workers peek numtest/3/7`",
        "not every record is accounted for",
    ]


def test_no_number_is_cut_however_narrow_the_terminal_is():
    narrow = Console(file=io.StringIO(), width=60, color_system=None)
    bad = PartitionReport(tp(3), Counter(kafka=20_000_000, stored=19_999_990, dead_lettered=9, expired=4))
    bad.add("missing", 4)

    show.verify_report(narrow, VerifyReport("numtest", "counters", [bad, account(4)]))

    assert " ".join(text(narrow).split()).startswith(
        "3: kafka 20,000,000, stored 19,999,990, dead 9, expired 4, missing 1 4: empty "
        "all: kafka 20,000,000, stored 19,999,990, dead 9, expired 4, missing 1 "
    )


def test_dead_letters_are_pointed_to_where_all_is_well(console):
    show.verify_report(console, VerifyReport("numtest", "counters", [account(0, kafka=2, stored=1, dead_lettered=1)]))

    assert text(console).splitlines()[-2:] == [
        "1 is a dead letter: `workers dead-letters list`",
        "every record is accounted for",
    ]


def test_records_that_expired_are_told(console):
    show.verify_report(console, VerifyReport("numtest", "counters", [account(0, expired=25)]))

    assert "25 offsets were deleted from Kafka before they were read" in text(console)


def test_the_end_of_a_production_names_what_failed_and_how_often(console):
    report = ProduceReport(
        acknowledged=1_500,
        failed=3,
        seconds=0.5,
        by_partition={tp(0): 700, tp(1): 800},
        errors={"Rare: b": 1, "Many: [a]": 2},
    )

    show.produced(console, "numtest", report)

    assert text(console).splitlines() == [
        "acknowledged 1,500, failed 3 in 0.5 s (3,000/s), in 2 partitions of numtest",
        "  2 x Many: [a]",
        "  1 x Rare: b",
    ]


def test_without_a_terminal_progress_is_plain_lines_and_passes_every_value(console):
    with show.counting(console, "produced", 5) as counted:
        passed = list(counted(numbers(7, 3)))

    assert passed == [b'{"number": 7}', b'{"number": 8}', b'{"number": 9}']
    assert text(console).startswith("produced 3 (")
    assert text(console).count("\n") == 1


def test_nothing_to_produce_is_no_line(console):
    with show.counting(console, "produced", 0) as counted:
        assert list(counted(numbers(0, 0))) == []

    assert text(console) == ""


def test_a_rate_of_nothing_in_no_time_is_zero():
    assert ProduceReport().rate == 0.0
