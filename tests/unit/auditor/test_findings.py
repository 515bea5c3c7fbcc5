"""A finding is told when it has settled, once, and for as long as it stands."""

from __future__ import annotations

from tests.support.batches import tp
from workers.auditor import findings as module
from workers.auditor.findings import RUNS, SETTLE_SECONDS, Findings, Unaccounted, next_runs, runs
from workers.auditor.full_pass import Span

PLACE = (tp(3), 42)
MISSING = {"missing": [42]}


def suspected(at: float = 100.0) -> Findings:
    found = Findings()
    found.suspect(tp(3), MISSING, at)
    return found


def test_what_is_there_some_seconds_later_was_never_missing():
    found = suspected()
    assert found.due(100.0 + SETTLE_SECONDS - 1, {tp(3)}) == [], "it is given its time"
    assert found.counts() == {}
    assert found.due(100.0 + SETTLE_SECONDS, {tp(3)}) == [PLACE]

    assert found.looked([PLACE], {}, {PLACE: 77.0}, 100.0 + SETTLE_SECONDS) == ({}, {}, {})
    assert not found


def test_what_stays_missing_is_told_once_until_it_is_mended():
    found = suspected()
    told = found.looked([PLACE], MISSING, {PLACE: 77.0}, 106.0).told
    assert list(told) == [PLACE]
    assert (found.counts(), found.oldest()) == ({"missing": 1}, 77.0)

    assert found.looked([PLACE], MISSING, {PLACE: None}, 107.0) == ({}, {}, {}), "told already"
    assert found.oldest() == 77.0
    found.suspect(tp(3), MISSING, 108.0)
    assert found.counts() == {"missing": 1}

    _, mended, gone = found.looked([PLACE], {}, {PLACE: 77.0}, 109.0)
    assert (list(mended), gone) == ([PLACE], {})
    assert not found


def test_what_is_not_read_any_more_is_gone_and_not_mended():
    found = suspected()
    found.looked([PLACE], MISSING, {PLACE: 77.0}, 106.0)
    told, mended, gone = found.looked([PLACE], {}, {}, 107.0)
    assert (told, mended, list(gone)) == ({}, {}, [PLACE])

    # A document that had no record has none when it is removed.
    found.suspect(tp(3), {"unexpected": [42]}, 110.0)
    found.looked([PLACE], {"unexpected": [42]}, {}, 116.0)
    told, mended, gone = found.looked([PLACE], {}, {}, 117.0)
    assert (told, list(mended), gone) == ({}, [PLACE], {})


def test_what_becomes_worse_in_another_way_is_told_again():
    found = suspected()
    found.looked([PLACE], MISSING, {}, 106.0)

    told, mended, _ = found.looked([PLACE], {"conflicting": [42]}, {PLACE: 77.0}, 107.0)

    assert (list(told), mended, found.counts()) == ([PLACE], {}, {"conflicting": 1})


def test_a_look_that_comes_too_early_tells_nothing():
    found = suspected()

    assert found.looked([PLACE], MISSING, {}, 101.0) == ({}, {}, {})
    assert len(found) == 1


def test_what_the_log_does_not_hold_any_more_is_forgotten():
    found = suspected()
    found.looked([PLACE], MISSING, {}, 106.0)
    found.suspect(tp(3), {"missing": [50]}, 106.0)

    assert found.forget_outside({tp(1): (60, 70), tp(3): (0, 60)}) == {}
    found.suspect(tp(3), {"unexpected": [51]}, 106.0)
    gone = found.forget_outside({tp(3): (60, 70)})
    assert list(gone) == [PLACE, (tp(3), 50)], (
        "of a document that was only suspected to have no record there is nothing to tell"
    )
    assert not found


def test_those_that_were_not_looked_at_for_the_longest_time_come_first():
    found = Findings()
    found.suspect(tp(0), {"missing": [1, 2, 3]}, 0.0)
    found.looked([(tp(0), 1)], {"missing": [1]}, {}, 10.0)

    assert [offset for _, offset in found.due(10.0, {tp(0)})] == [2, 3, 1]


def test_there_is_a_bound(monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    found = Findings()
    found.suspect(tp(0), {"missing": [1, 2]}, 0.0)
    assert not found.is_full
    found.suspect(tp(0), {"missing": [3]}, 0.0)
    assert found.is_full


def test_those_of_an_earlier_process_are_told_already():
    found = Findings({PLACE: Unaccounted("missing", 0.0, told=True)})

    assert found.counts() == {"missing": 1}
    assert found.looked([PLACE], MISSING, {}, 1.0) == ({}, {}, {})


def test_places_that_are_close_together_are_read_at_once():
    places = [(tp(1), 900), (tp(0), 10), (tp(0), 12), (tp(0), 1_000), (tp(1), 905)]

    assert list(runs(places)) == [
        (Span(tp(0), 10, 13), [(tp(0), 10), (tp(0), 12)]),
        (Span(tp(0), 1_000, 1_001), [(tp(0), 1_000)]),
        (Span(tp(1), 900, 906), [(tp(1), 900), (tp(1), 905)]),
    ]
    assert list(runs([])) == []


def test_no_run_is_longer_than_what_is_read_at_once():
    spans = [span for span, _ in runs((tp(0), offset) for offset in range(0, 10_000, 100))]

    assert max(span.end - span.first for span in spans) <= module.RUN_OFFSETS
    assert spans[0].first == 0
    assert spans[-1].end == 9_901


def test_each_finding_has_its_turn_though_few_places_are_read_in_a_round():
    found, seen = Findings(), set()
    places = {(tp(p), 10_000 * n) for p in range(2) for n in range(RUNS)}
    for partition, offset in places:
        found.suspect(partition, {"missing": [offset]}, 0.0)

    for now in (10.0, 11.0):
        for span, run in next_runs(found.due(now, {tp(0), tp(1)})):
            found.looked(run, {"missing": [span.first]}, {}, now)
            seen.update(run)

    assert seen == places


def test_those_of_a_partition_that_cannot_be_read_take_no_turn():
    found = Findings()
    found.suspect(tp(0), {"missing": range(2_000)}, 0.0)
    found.suspect(tp(1), MISSING, 0.0)

    assert [run for _, run in next_runs(found.due(10.0, {tp(1)}))] == [[(tp(1), 42)]]
