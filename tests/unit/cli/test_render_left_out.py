"""What is left out on purpose, and where a group is moved, as people read it. Reasons are texts of a person: nothing in them is obeyed."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from tests.support.batches import tp
from workers.cli import render, render_seek
from workers.kafka.group_move import Move, Note
from workers.kafka.partition_offsets import PartitionOffsets
from workers.verification.report import BegunAt, PartitionReport, SkipNote, VerifyReport

NOTE = Note(1_764_257_659, "ada@host", "a [red]test\x1b[31m")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=160, color_system=None)


def text(console):
    return " ".join(console.file.getvalue().split())


def verified(**counts: int) -> VerifyReport:
    return VerifyReport("numtest", "counters", [PartitionReport(tp(each), Counter(counts)) for each in (0, 1)])


def test_what_came_before_the_start_is_told_with_the_offsets(console):
    report = verified(kafka=1_100, before_start=1_000, stored=100)
    report.starts = [BegunAt(tp(0), 1_000, "latest"), BegunAt(tp(1), 1_000, "latest")]

    render.verify_report(console, report)

    assert "2,000 records came before the start of the group (latest), and are left out on purpose" in text(console)
    assert "partition 0 at 1,000, 1 at 1,000" in text(console)
    assert text(console).endswith("every record is accounted for")


def test_one_call_of_seek_is_one_line_with_who_when_and_why(console):
    report = verified(kafka=100, skipped=50, stored=50)
    report.skips = [SkipNote(tp(0), 5, 55, *NOTE), SkipNote(tp(1), 1_005, 1_055, *NOTE)]

    render.verify_report(console, report)

    assert "skipped on purpose by ada@host on 2025-11-2" in text(console)
    assert r"because: a [red]test\x1b[31m; partition 0: 5 to 54, 1: 1,005 to 1,054" in text(console)


def test_of_many_notes_some_are_named_and_the_rest_counted(console):
    report = verified(skipped=50)
    report.skips = [SkipNote(tp(0), first, first + 1, *NOTE) for first in range(25)]

    render.verify_report(console, report)

    assert "0: 19 to 19, and 5 more" in text(console)


def moves(*to: int) -> list[Move]:
    return [Move(tp(number), PartitionOffsets(0, 100, 50), each) for number, each in enumerate(to)]


def test_a_move_is_shown_and_says_that_nothing_was_changed(console):
    render_seek.show(console, "counters", moves(20, 80, 50), NOTE._replace(because=""), executed=False, members=4)

    assert "at most 30 records are read again; those that are stored are found stored" in text(console)
    assert "at most 30 records are skipped: `workers verify` counts them as skipped" in text(console)
    assert 'nothing was changed; the same with --execute and --because "why" does it' in text(console)
    assert "has 4 members: stop the workers before that" in text(console)


def test_a_move_that_was_made_says_why(console):
    render_seek.show(console, "counters", moves(80, 50), NOTE, executed=True, members=0)

    assert r"moved the group counters in 1 partition, because: a [red]test\x1b[31m" in text(console)


def test_a_group_that_is_there_already_is_left_alone(console):
    render_seek.show(console, "counters", moves(50), NOTE, executed=True, members=0)

    assert "the group counters is there already: nothing to change" in text(console)


def test_as_json_it_has_the_way_back():
    report = render_seek.as_dict("counters", moves(20, 80, 50), NOTE, executed=True)

    assert report["undo"] == {"numtest": {"0": 50, "1": 50}}
    assert (report["read_again"], report["skipped"], report["at"]) == (30, 30, "2025-11-27T15:34:19Z")
