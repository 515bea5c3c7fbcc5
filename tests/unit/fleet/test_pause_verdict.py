"""What people are told of a fleet in which something is paused: who, when and why; and it is nobody's fault."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.batches import tp, tps
from tests.support.statuses import judged, kafka, seen, with_slot
from workers.cli.render_pauses import pause_lines
from workers.cli.render_status import summary
from workers.drill.unpaused import require_unpaused
from workers.errors import UnavailableError
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts
from workers.kafka.partition_offsets import PartitionOffsets
from workers.pauses import Pause, Pauses
from workers.settings import load
from workers.settings.paths import StatePaths
from workers.state.audit_file import Audit
from workers.state.pause_file import change_pauses, pause_file

NOW = datetime(2026, 11, 22, 14, 2, 33, tzinfo=UTC).timestamp()
SINCE = datetime.fromtimestamp(NOW - 3_600).astimezone().strftime("%H:%M:%S")
ALL = Pause("nightly backup", "ann@db1", NOW - 3_600)
ONE = Pause("a bad producer", "bob@db1", NOW - 60, "numtest", 2)
DONE = kafka(offsets={tp(p): PartitionOffsets(0, 1_000, 1_000) for p in range(6)})


def said(*pauses, holes=None, **facts):
    found = verdict(Facts(judged(pauses=Pauses(pauses), **facts), NOW, holes or {}))
    return str(found.level), found.text, found.detail


def test_a_pause_of_everything_is_the_headline():
    assert said(ALL) == (
        "attention",
        f"Everything is paused since {SINCE} by ann@db1: nightly backup",
        "60 records wait; `workers resume` ends it",
    )


def test_what_covers_more_is_told_first():
    level, text, detail = said(ONE, ALL)
    assert (level, text.partition(" is ")[0]) == ("attention", "Everything")
    assert "1 more pause, see `workers pause --list`" in detail


def test_a_pause_of_one_partition_says_how_to_end_it():
    _, text, detail = said(ONE)
    assert text.startswith("Partition 2 of numtest is paused since ")
    assert "`workers resume --topic numtest --partition 2` ends it" in detail


def test_nothing_waits_so_it_is_calm():
    assert said(ALL, kafka=DONE)[0] == "calm"


def test_what_is_paused_is_no_hole_and_what_is_beside_it_is():
    holes = {tp(2): 3_600.0}
    assert said(ONE, holes=holes)[1].startswith("Partition 2 of numtest is paused")
    assert said(ONE, holes=holes | {tp(4): 20.0})[1].startswith("Partition 4 has not been stored for 20 s")
    assert said(holes=holes)[0] == "act"


def test_what_is_worse_is_told_before_it():
    assert "not every" in said(ALL, audit=Audit(NOW, missing=2, done=NOW))[1].lower() or "missing" in str(
        said(ALL, audit=Audit(NOW, missing=2, done=NOW))
    )
    assert said(ALL, **with_slot("worker_01", kernel="T"))[1].startswith("worker_01: stopped by a signal")


def test_a_fleet_in_which_all_is_paused_is_healthy_and_says_so_of_each_worker():
    beat = replace(seen("worker_01").beat, paused=tps(2, 3))
    status = judged(pauses=Pauses((ALL,)), **with_slot("worker_01", beat=beat))
    slot = status.slot("worker_01")

    assert status.healthy
    assert (slot.state, slot.text, slot.problem) == ("paused", "paused", None)
    assert slot.as_dict()["paused_partitions"] == {"numtest": [2, 3]}
    assert status.as_dict()["pauses"][0]["by"] == "ann@db1"


def test_a_worker_of_which_a_part_is_paused_reads():
    beat = replace(seen("worker_01").beat, paused=tps(3, 5))
    slot = judged(**with_slot("worker_01", beat=beat)).slot("worker_01")

    assert slot.state == "reading"
    assert slot.paused_partitions == tps(3), "not that of another"


def test_a_file_that_cannot_be_read_is_a_problem():
    status = judged(pauses=Pauses((Pause("torn", "?", 1.0),), "var/run/counters.pauses is torn"))

    assert not status.healthy
    assert "is torn" in status.problems[-1]


def test_the_screen_has_a_line_for_each_pause_and_each_limit():
    beat = replace(seen("worker_01").beat, limited="WORKERS_MAX_RATE")
    status = judged(pauses=Pauses((ONE, ALL)), **with_slot("worker_01", beat=beat))

    lines = [(label, text.plain) for label, text in pause_lines(status)]
    assert [label for label, _ in lines] == ["paused", "paused", "limited"]
    assert lines[0][1].startswith("everything since ")
    assert lines[0][1].endswith(" by ann@db1: nightly backup")
    assert lines[2][1] == "01 by WORKERS_MAX_RATE"
    assert "limited by WORKERS_MAX_RATE" in str(verdict(Facts(judged(**with_slot("worker_01", beat=beat)), NOW)))


def test_a_drill_says_at_once_that_it_would_wait_for_ever(tmp_path):
    settings, paths = load(), StatePaths(tmp_path, tmp_path)
    require_unpaused(settings, paths, "nothing was killed")
    change_pauses(pause_file(tmp_path, settings.group), lambda _before: [ONE])

    with pytest.raises(UnavailableError, match=r"nothing was killed: partition 2 of numtest is paused since .* by bob"):
        require_unpaused(settings, paths, "nothing was killed")


def test_who_is_paused_does_not_count_as_reading():
    beat = replace(seen("worker_01").beat, paused=tps(2, 3))
    status = judged(pauses=Pauses((ALL,)), **with_slot("worker_01", beat=beat))

    assert summary(status).plain == "healthy: 3 workers read 6 partitions, lag 60, 1 pause"
