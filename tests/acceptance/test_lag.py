"""`workers lag` beside a real fleet: its numbers, when there is nobody else, and its page in a real Chromium."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import scrape
from tests.support.browser import Browser, chromium
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
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
    slot = "document.querySelector('#slots [data-name=worker_01]')"

    def shown() -> str:
        return str(browser.value(f"{slot} ? {slot}.textContent : ''"))

    def verdict() -> str:
        return str(browser.value("document.getElementById('verdict').textContent"))

    browser.open(f"http://127.0.0.1:{fleet.lag_port}/")
    wait_until(lambda: f"pid {fleet.pid(1)}" in shown() and verdict() == "healthy", 20, "the fleet is shown")
    assert browser.value("document.querySelectorAll('#slots li').length") == len(fleet.slots())
    browser.value("window.states = new Set()")
    browser.value(
        f"new MutationObserver(() => window.states.add({slot}.querySelector('.state').textContent))"
        ".observe(document.getElementById('slots'), {childList: true})"
    )
    old = fleet.kill(1)
    wait_until(lambda: browser.value("[...window.states].some((state) => state !== 'reading')"), 10, "the kill is seen")
    fleet.wait_restarted(1, old)
    back = f"pid {fleet.pid(1)}"
    wait_until(lambda: back in shown() and "reading" in shown(), 30, "the worker is seen to be back")
    owners = "[...document.querySelectorAll('#partitions tr')].map((row) => row.cells[1].textContent)"
    wait_until(
        lambda: len(browser.value(owners)) == PARTITIONS and "unassigned" not in browser.value(owners), 20, "owners"
    )
    wait_until(lambda: "worker_01" in browser.value("document.getElementById('events').textContent"), 10, "the event")
    wait_until(lambda: verdict() == "healthy", 20, "it is healthy again")

    asked = {line.removeprefix("request ") for line in browser.told if line.startswith("request http")}
    assert all(url.startswith(f"http://127.0.0.1:{fleet.lag_port}/") for url in asked), "nothing comes from elsewhere"
    assert [line for line in browser.told if line.startswith("error")] == []


def test_the_page_shows_what_cannot_be_read_and_whose_figures_are_missing(fleet: Fleet, browser: Browser) -> None:
    """A hanging transaction in partition 0, and no answer for partition 1, put into what the fleet says."""
    data = json.loads(scrape.page(fleet.lag_port, "/fleet.json")[1])
    data["partitions"][0] |= {"unstable": 40, "unstable_seconds": 75.0, "unstable_source": "record"}
    data["partitions"][0] |= {"records": 2, "readable": 0}
    nothing = dict.fromkeys(
        ("start", "end", "committed", "records", "readable", "seconds", "high_watermark", "unstable")
    )
    data["partitions"][1] |= nothing
    name = f"{fleet.topic}-1"
    data["points"] = [data["points"][-1] | {"lag": 7, "seconds": 2.0, "unanswered": [name], "age_unknown": [name]}]
    browser.open(f"http://127.0.0.1:{fleet.lag_port}/")
    wait_until(lambda: browser.value("Boolean(document.body?.dataset.shown)"), 20, "it is shown")

    shown = browser.value(
        f"(() => {{ show({json.dumps(data)});"
        "const text = (selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent);"
        "return [...text('#partitions tr:nth-child(-n+2) td:last-child'), ...text('#sums dd').slice(0, 2),"
        " ...text('#partitions tr:nth-child(-n+2) td:nth-child(3)')]; })()"
    )
    assert shown == ["40, for 75 s", "no answer", f"7 without {name}", f"2.0 s without {name}", "0", "?"]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone_and_the_dark(fleet: Fleet, browser: Browser, dark: bool) -> None:
    browser.open(f"http://127.0.0.1:{fleet.lag_port}/", width=360, height=740, dark=dark)
    wait_until(lambda: browser.value("Boolean(document.body?.dataset.shown)"), 20, "it is shown")

    assert browser.value("document.documentElement.scrollWidth") == 360
    lightness = "getComputedStyle(document.body).{}.match(/\\d+/g).reduce((sum, part) => sum + Number(part), 0)"
    back, text = browser.value(lightness.format("backgroundColor")), browser.value(lightness.format("color"))
    assert (back < 150 and text > 600) if dark else (back > 600 and text < 150)


def test_the_page_says_when_nobody_answers_it_any_more(fleet: Fleet, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{fleet.lag_port}/")
    wait_until(lambda: browser.value("Boolean(document.body?.dataset.shown)"), 20, "it is shown")
    pid = fleet.supervisor("getProcessInfo", "lag")["pid"]
    fleet.supervisor("stopProcess", "lag")
    try:
        assert not Path(f"/proc/{pid}").exists()
        wait_until(lambda: browser.value("document.body.classList.contains('silent')"), 20, "it says so")
        assert browser.value("document.querySelectorAll('#slots li').length") == len(fleet.slots())
    finally:
        fleet.supervisor("startProcess", "lag")
    wait_until(lambda: not browser.value("document.body.classList.contains('silent')"), 20, "it goes on by itself")


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
