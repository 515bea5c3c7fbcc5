"""The counters of a fleet over restarts, and whose pause a pause is."""

from __future__ import annotations

import time

import pytest

from workers.drill.fleet_watch import AFTERMATH_SECONDS, FleetCounters
from workers.drill.report import FaultReport
from workers.settings import load

PAGE = """process_start_time_seconds {start}
workers_records_total{{outcome="stored",partition="0",topic="numtest"}} {stored}
workers_records_total{{outcome="duplicate",partition="1",topic="numtest"}} {duplicates}
workers_rebalances_total{{event="assigned"}} 1.0
"""


@pytest.fixture
def fleet() -> FleetCounters:
    counters = FleetCounters(load(), ["worker_02"])
    assert counters._urls == ["http://127.0.0.1:9802/metrics"]
    return counters


def scrape(fleet: FleetCounters, monkeypatch: pytest.MonkeyPatch, at: float, **page: float) -> None:
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self):
            return PAGE.format(**page).encode()

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer())
    fleet._scrape(fleet._urls[0], at)


def test_a_process_that_was_restarted_counts_on(fleet, monkeypatch):
    scrape(fleet, monkeypatch, 1, start=1, stored=10, duplicates=0)
    scrape(fleet, monkeypatch, 2, start=1, stored=15, duplicates=0)
    scrape(fleet, monkeypatch, 3, start=2, stored=4, duplicates=2)

    assert (fleet.count("stored"), fleet.redelivered, fleet.rebalances) == (19, 2, 2)
    assert fleet.seen


def test_a_pause_is_that_of_the_faults_before_it_and_of_no_later_one(fleet, monkeypatch):
    """Partition 0 stands still from 10.0 to 17.0; partition 1 goes on."""
    before, cause, second, later = (FaultReport(at, "kill a worker") for at in (1, 10, 13, 30))
    for at, fault in ((1.0, before), (10.0, cause), (13.0, second)):
        fleet.blame(fault, at)
    for tenth in range(0, 400, 2):
        at = tenth / 10
        stored = 100 + (tenth if tenth < 100 else 100 if tenth < 170 else tenth)
        scrape(fleet, monkeypatch, at, start=1, stored=stored, duplicates=1 + tenth)
        if tenth == 300:
            fleet.blame(later, 30.0)
        fleet._measure_pauses(at)

    assert before.longest_pause == later.longest_pause == pytest.approx(0, abs=0.5)
    assert cause.longest_pause == pytest.approx(7, abs=0.5)
    assert second.longest_pause == pytest.approx(4, abs=0.5)
    assert fleet._faults == []
    assert AFTERMATH_SECONDS < 3


def test_a_fleet_stores_if_it_stored_a_moment_ago(fleet):
    fleet._stored_at = time.monotonic() - 0.5

    assert fleet.stores(within=1.0)
    assert not fleet.stores(within=0.2)
