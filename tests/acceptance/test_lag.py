"""`workers lag` beside a real fleet: its numbers, when there is nobody else, and its page in a real Chromium."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import scrape
from tests.support.browser import Browser, chromium
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.page_view import PageView
from tests.support.shared_fleet import PARTITIONS, SETTINGS

pytestmark = pytest.mark.acceptance

INTERVAL = float(SETTINGS["WORKERS_LAG_INTERVAL"])


@pytest.fixture
def fleet(running_fleet: Fleet) -> Fleet:
    return running_fleet


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium here: the page is not looked at; on Debian: apt install chromium")
    with Browser(tmp_path / "profile") as browser:
        yield browser


def total(fleet: Fleet, name: str, **labels: str) -> float | None:
    """None where there is no such series."""
    series = scrape.metrics(fleet.lag_port)
    return scrape.total(series, name, **labels) if name in series else None


def test_counts_what_waits_while_every_worker_is_down(fleet: Fleet) -> None:
    fleet.supervisor("stopProcessGroup", "worker")
    try:
        before = fleet.kafka.ends()
        fleet.produce("--count", "600")
        sent = {p: end - before.get(p, 0) for p, end in fleet.kafka.ends().items()}
        wait_until(lambda: total(fleet, "workers_lag_records") == 600, 10, "the lag is seen")
        wait_until(lambda: total(fleet, "kafka_consumergroup_members") == 0, 20, "the group is empty")
        for partition, count in sent.items():
            named = {"topic": fleet.topic, "partition": str(partition)}
            assert total(fleet, "workers_lag_records", consumergroup=fleet.group, **named) == count
            assert total(fleet, "workers_partition_unowned", **named) == 1
        first = total(fleet, "workers_lag_seconds") or 0
        wait_until(lambda: (total(fleet, "workers_lag_seconds") or 0) > first > 0, 10, "what waits gets older")
    finally:
        fleet.supervisor("startProcessGroup", "worker")
    fleet.wait_committed()
    wait_until(lambda: total(fleet, "kafka_consumergroup_lag_sum") == 0, 10, "nothing waits any more")
    wait_until(lambda: total(fleet, "workers_partition_unowned") == 0, 20, "each partition is read")
    wait_until(lambda: total(fleet, "kafka_consumergroup_members") == 4, 20, "all are back")
    assert total(fleet, "workers_lag_seconds") == 0
    committed = total(fleet, "kafka_consumergroup_current_offset")
    assert committed == total(fleet, "kafka_topic_partition_current_offset") == sum(fleet.kafka.ends().values())
    assert time.time() - 120 < (total(fleet, "workers_partition_last_commit_timestamp_seconds", partition="0") or 0)


def test_one_look_an_interval_however_many_scrapes(fleet: Fleet) -> None:
    begun = time.monotonic()
    looks = {total(fleet, "workers_lag_last_success_timestamp_seconds") for _ in range(100)}

    assert len(looks) <= 2 + (time.monotonic() - begun) / INTERVAL


def test_says_nothing_of_before_while_kafka_is_away(fleet: Fleet, stack: EmbeddedStack) -> None:
    # Its client would try to connect all the while, and leave sockets behind.
    fleet.kafka.close()
    stack.stop_program("kafka")
    try:
        wait_until(lambda: total(fleet, "workers_lag_up") == 0, 20, "Kafka is seen to be away")
        series = scrape.metrics(fleet.lag_port)
        assert sorted(name for name in series if name.startswith(("kafka_", "workers_"))) == [
            "workers_lag_last_success_timestamp_seconds",
            "workers_lag_up",
        ]
        assert scrape.page(fleet.lag_port, "/healthz") == (200, "ok\n")
        assert scrape.page(fleet.lag_port, "/fleet.json")[0] == 200
    finally:
        stack.start_program("kafka")
    wait_until(lambda: total(fleet, "workers_lag_up") == 1, 30, "it goes on by itself")
    fleet.wait_assigned(PARTITIONS, 60)


def test_a_kill_is_seen_on_the_page_and_so_is_the_return(fleet: Fleet, browser: Browser) -> None:
    """As a hole in its bands, with who took over behind it; in its card; in words. What else the page can show:
    test_page.py, before an invented fleet."""
    page = PageView(browser)
    slot = "#slots [data-name=worker_01]"
    page.open(f"http://127.0.0.1:{fleet.lag_port}/")
    page.wait_text(slot, f"pid {fleet.pid(1)}", 20)
    page.wait_text("#slots-well", "4 of 4 healthy", 20)
    browser.value("document.getElementById('figures').open = true")
    page.wait(f"document.querySelectorAll('#partitions tr').length === {PARTITIONS}", "the partitions", 20)
    browser.value(
        "window.states = new Set(); new MutationObserver("
        f"() => window.states.add(document.querySelector('{slot} .state').textContent))"
        ".observe(document.getElementById('slots'), {childList: true, characterData: true, subtree: true})"
    )
    fleet.producing("--count", "100000", "--interval", "0.002")
    page.wait("document.querySelectorAll('#plot .band.storing').length === 4", "four workers store", 30)
    old = fleet.kill(1)
    page.wait("[...window.states].some((state) => state !== 'reading')", "the kill is seen")
    page.wait("document.querySelector('#plot .band.waiting')", "the hole", 20)
    fleet.wait_restarted(1, old)
    page.wait_text(slot, f"pid {fleet.pid(1)}", 30)
    page.wait_text(f"{slot} .state", "reading", 30)
    page.wait_text("#plot .mark-text", "01 killed", 20)
    # Not by its label: beside those of the tests before, which stopped workers, there may be no room for it on the plot.
    page.wait_text("#events", "stored again, by", 20)
    page.wait_text("#events", "killed (SIGKILL)")
    page.wait("!document.querySelector('#partitions').textContent.includes('unassigned')", "owners", 20)
    page.wait_text("#slots-well", "4 of 4 healthy", 20)
    assert browser.value("document.getElementById('verdict').dataset.level") in ("calm", "attention")

    assert all(url.startswith((f"http://127.0.0.1:{fleet.lag_port}/", "data:")) for url in page.asked()), (
        "all from here"
    )
    assert page.errors() == []


def test_ends_with_its_supervisord(fleet: Fleet) -> None:
    """The last one: it kills supervisord."""
    pid = fleet.supervisor("getProcessInfo", "lag")["pid"]
    fleet.kill_supervisord()
    wait_until(lambda: not _lives(pid), 20, "it gives the port free")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
