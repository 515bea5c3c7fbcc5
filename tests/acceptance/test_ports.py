"""Whoever can reach the ports of a fleet cannot stop it: 500 clients that do not behave, beside one that works."""

from __future__ import annotations

import contextlib

import psutil
import pytest

from tests.support import scrape
from tests.support.embedded import wait_until
from tests.support.hostile import HostileClients

pytestmark = pytest.mark.acceptance

CLIENTS = 500
RECORDS = 3_000


@pytest.mark.slow
def test_clients_that_do_not_behave_change_nothing_on_any_port(running_fleet):
    fleet = running_fleet
    ports = [
        *(fleet.metrics_port + slot for slot in fleet.slots()),
        fleet.watchdog_port,
        fleet.lag_port,
        fleet.auditor_port,
    ]
    processes = {each["name"]: each["pid"] for each in fleet.supervisor("getAllProcessInfo")}
    threads = {name: psutil.Process(pid).num_threads() for name, pid in processes.items()}
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(HostileClients(port, CLIENTS // len(ports))) for port in ports]
        wait_until(lambda: all(each.connections >= CLIENTS // len(ports) for each in crowds), 30, "all have come")
        fleet.produce("--count", str(RECORDS), "--interval", "0.002")
        fleet.wait_committed()
        pages = [scrape.page(port, "/metrics")[0] for port in ports for _ in range(3)]
        ready = [fleet.page(slot, "/readyz") for slot in fleet.slots()]
        status, _ = scrape.page(fleet.lag_port, "/fleet.json")

    assert pages == [200] * len(pages)
    assert ready == [(200, "ok\n")] * 4
    assert status == 200
    assert {each["name"]: each["pid"] for each in fleet.supervisor("getAllProcessInfo")} == processes
    # Those of clients that connected again, and of the page's own; each crowd is larger.
    now = {name: psutil.Process(pid).num_threads() for name, pid in processes.items()}
    assert {name: count for name, count in now.items() if count > threads[name] + 15} == {}
    verdict = fleet.verify()
    assert verdict.code == 0, verdict
    assert len(fleet.documents()) == RECORDS
