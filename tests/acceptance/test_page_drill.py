"""The page beside a real fleet under load, at the moments that matter: what it must show then, and pictures of it.

    pytest tests/acceptance/test_page_drill.py --pictures FOLDER

docs/fleet-page.png is the picture `back` of such a run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, chromium
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.kafka_view import KafkaView
from tests.support.page_view import PageView, is_red

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SETTINGS = {"WORKERS_LAG_INTERVAL": "1", "WORKERS_MAX_POLL_RECORDS": "200"}
SIZE = {"width": 1280, "height": 1100}
FEW = 6
PHONE = {"width": 360, "height": 1400}
CALM_SECONDS = 95.0
"""Of load before the first fault: a picture is to begin calm."""
BEGINS = 3
"""A hole of a second is open in one answer or two: if no picture caught it, another worker is killed."""
LEVEL = "document.getElementById('verdict').dataset.level"
LAST_HOLE = """
(() => {
  const holes = [...document.querySelectorAll('#plot .band.waiting')].map((each) => each.getBoundingClientRect());
  const right = document.querySelector('#plot .track').getBoundingClientRect().right;
  return holes.some((hole) => hole.width && right - hole.right < 2);
})()
"""
"""Whether a hole reaches the right edge: it is open now."""


class Pictures:
    """Into the folder of `--pictures`; without it none are kept."""

    def __init__(self, page: PageView, folder: str | None) -> None:
        self._page, self._folder = page, Path(folder) if folder else None
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        if self._folder:
            (self._folder / f"{name}.png").write_bytes(self._page.browser.picture())


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageView]:
    if chromium() is None:
        pytest.skip("no Chromium here: the page is not looked at; on Debian: apt install chromium")
    with Browser(tmp_path / "profile") as browser:
        yield PageView(browser)


@pytest.fixture
def pictures(page: PageView, request: pytest.FixtureRequest) -> Pictures:
    return Pictures(page, request.config.getoption("--pictures"))


@pytest.fixture
def new_fleet(stack: EmbeddedStack, request: pytest.FixtureRequest) -> Iterator[Callable[[int], Fleet]]:
    """With so many partitions, and numbers that flow until the test ends."""
    started: list[Fleet] = []

    def start(partitions: int) -> Fleet:
        fleet = Fleet(stack, SETTINGS)
        started.append(fleet)
        if request.config.getoption("--pictures") and partitions == FEW:
            name_as_in_the_tutorial(fleet, stack)
        fleet.kafka.create(partitions)
        fleet.start()
        fleet.wait_assigned(partitions, 60)
        produce(fleet)
        return fleet

    yield start
    for fleet in started:
        fleet.remove()


def name_as_in_the_tutorial(fleet: Fleet, stack: EmbeddedStack) -> None:
    """For the picture that opens the README; a run for pictures has a stack of its own."""
    fleet.kafka.close()
    fleet.topic, fleet.group, fleet.database = "numtest", "counters", "numtest"
    fleet.environment |= {"WORKERS_TOPIC": "numtest", "WORKERS_GROUP": "counters", "WORKERS_DATABASE": "numtest"}
    fleet.kafka = KafkaView(stack.bootstrap_servers, fleet.topic, fleet.group)


def produce(fleet: Fleet) -> list[subprocess.Popen[str]]:
    """Some thousand records a second, in the background."""
    return [fleet.producing("--count", "10000000", "--start", str(i), "--interval", "0.001") for i in range(3)]


def url(fleet: Fleet) -> str:
    return f"http://127.0.0.1:{fleet.lag_port}/"


def test_the_moments_that_matter(
    new_fleet: Callable[[int], Fleet], page: PageView, pictures: Pictures, stack: EmbeddedStack
) -> None:
    fleet = new_fleet(FEW)
    page.open(url(fleet), **SIZE)

    page.wait("document.querySelectorAll('#plot .band.storing').length === 4", "four workers store", 60)
    wait_until(lambda: stored_for(page) > CALM_SECONDS, CALM_SECONDS + 60, "it is calm for a while")
    assert page.browser.value(LEVEL) != "act"
    pictures.take("calm")

    kill_and_catch_the_hole(fleet, page, pictures)
    page.wait_text("#plot .mark-text", "stored again +", 30)
    pictures.take("taken-over")
    page.wait_text("#plot .mark-text", "back +", 30)
    page.wait_text("#slots-well", "4 of 4 healthy", 30)
    wait_until(lambda: page.browser.value(LEVEL) == "calm", 60, "it is calm again")
    wait_until(lambda: since_the_last_mark(page) > 15, 60, "the story is in the picture")
    holes = page.boxes("#plot .band.waiting")
    colours = page.colours(holes[0]["x"] + 1, holes[0]["y"] + 4, round(max(4, holes[0]["width"])), 3)
    assert any(map(is_red, colours)), "the hole is red"
    pictures.take("back")
    page.open(url(fleet), **SIZE, dark=True)
    pictures.take("back-dark")
    page.open(url(fleet), **PHONE)
    assert page.browser.value("document.documentElement.scrollWidth") == 360
    pictures.take("back-phone")
    page.open(url(fleet), **SIZE)

    for slot in (0, 1, 3):
        fleet.kill(slot)
    page.wait(
        "[...document.querySelectorAll('.mark-text')].filter((each) => each.textContent.includes('killed')).length > 2",
        "three deaths are told",
        30,
    )
    page.wait_text("#slots-well", "4 of 4 healthy", 60)
    pictures.take("chaos")

    stack.stop_program("ferretdb")
    try:
        page.wait_text("#services [data-name=MongoDB] .state", "down", 30)
        page.wait(LAST_HOLE, "nothing is stored", 30)
        page.wait("document.querySelector('#verdict-text').textContent.includes('database')", "it is said", 60)
        pictures.take("database-down")
    finally:
        stack.start_program("ferretdb")
    page.wait_text("#services [data-name=MongoDB] .state", "up", 60)
    page.wait_text("#slots-well", "4 of 4 healthy", 90)

    fleet.supervisor("stopProcessGroup", "worker")
    page.wait_text("#slots-well", "0 of 4 healthy", 60)
    page.wait_text("#verdict-text", "All workers are stopped", 60)
    assert page.browser.value(LEVEL) != "calm"
    page.wait(LAST_HOLE, "nobody stores", 60)
    pictures.take("stopped")
    assert page.errors() == []


def test_120_partitions(new_fleet: Callable[[int], Fleet], page: PageView, pictures: Pictures) -> None:
    fleet = new_fleet(120)
    page.open(url(fleet), **SIZE)
    page.wait("document.querySelectorAll('#plot .band.storing').length === 4", "four workers store", 60)
    old = fleet.kill(2)
    fleet.wait_restarted(2, old)
    page.wait_text("#plot .mark-text", "stored again +", 60)
    page.wait_text("#slots-well", "4 of 4 healthy", 60)
    page.wait("document.querySelector('#plot .band.waiting')", "the hole", 10)
    assert page.box("#plot")["height"] < 900
    pictures.take("partitions-120")
    page.click("#order [data-order=worker]")
    page.wait("document.querySelector('#plot .heading')", "by worker")
    page.browser.value("window.scrollTo(0, 0)")
    pictures.take("partitions-120-by-worker")
    assert page.errors() == []


def kill_and_catch_the_hole(fleet: Fleet, page: PageView, pictures: Pictures) -> None:
    """worker_01 first: the best picture has one death only."""
    for slot in (1, 2, 3)[:BEGINS]:
        fleet.kill(slot)
        try:
            page.wait(LAST_HOLE, "the hole is open", 4)
        except TimeoutError:
            continue
        pictures.take("hole")
        return
    pytest.fail("no hole was seen while it was open")


def stored_for(page: PageView) -> float:
    """Seconds of the widest band that is stored, of 120 in the whole width."""
    widths = [box["width"] for box in page.boxes("#plot .band.storing")]
    return 120 * max(widths, default=0.0) / page.box("#plot .track")["width"]


def since_the_last_mark(page: PageView) -> float:
    track, marks = page.box("#plot .track"), page.boxes("#plot .mark-shape")
    return 120 * (track["right"] - max(box["right"] for box in marks)) / track["width"]
