"""The page in a real Chromium, before an invented fleet: what it shows at moments in which no real fleet can be held."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations

import pytest

from embedded_stack.failure import Failure
from tests.support.axe import source, violations
from tests.support.browser import Browser, chromium
from tests.support.embedded import wait_until
from tests.support.page_scenes import MARKUP, SCENES
from tests.support.page_server import PageServer
from tests.support.page_view import PageView, is_red

# That a kill is seen on the page of a real fleet is with the quick ones: test_lag.py.
pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

UNKNOWN = "\N{EN DASH}"


@pytest.fixture(scope="module")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium here: the page is not looked at; on Debian: apt install chromium")
    with Browser(tmp_path_factory.mktemp("page") / "profile") as browser:
        yield browser


@pytest.fixture
def page(_browser: Browser) -> Iterator[PageView]:
    _browser.told.clear()
    yield PageView(_browser)
    _browser.open("about:blank")


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer() as server:
        yield server


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return source()
    except Failure as failure:
        pytest.skip(f"axe-core cannot be fetched: {failure}")


def show(page: PageView, server: PageServer, scene: str, **options: object) -> None:
    server.scene = SCENES[scene]
    page.open(server.url, **options)


def test_a_kill_tells_its_story(page: PageView, server: PageServer) -> None:
    show(page, server, "back", width=1280, height=1000)

    assert page.text("#verdict-text").startswith("Every record until ")
    assert page.browser.value("document.getElementById('verdict').dataset.level") == "calm"
    assert page.text(".mark-text").splitlines() == [
        "worker_01 killed",
        "evicted +0.42 s",
        "taken over +0.73 s",
        "stored again +1.04 s",
        "back +2.63 s",
    ]
    page.wait("document.querySelectorAll('#events li').length === 5", "an event that is a mark is there once")
    events = page.text("#events li").splitlines()
    assert events[0].endswith("worker_01is back+2.63 s")
    assert events[-1].endswith("worker_01killed (SIGKILL)")
    assert [page.text(f"[data-sum={name}] b") for name in ("letters", "total")] == ["0", "711,648"]
    # The hole is a second of 120, in two bands: hatched in red between the colours of two workers.
    hole = page.boxes("#plot .band.waiting")[0]
    plot = page.box("#plot .track")
    width = (hole["width"] / plot["width"]) * 120
    assert 2.5 < width < 3.5, "from the kill to the return of the partitions"
    row = [is_red(each) for each in page.colours(hole["x"], hole["y"] + 11, round(hole["width"]))]
    assert any(row)
    assert not all(row)


def test_calm_has_no_red_and_what_a_person_must_do_is_red(page: PageView, server: PageServer) -> None:
    show(page, server, "calm")
    box = page.box("#verdict")
    assert not any(map(is_red, page.colours(box["x"] + 4, box["y"] + 10, 4, 40)))
    assert page.boxes("#plot .band.waiting") == []

    show(page, server, "database_down")
    box = page.box("#verdict")
    assert all(map(is_red, page.colours(box["x"] + 4, box["y"] + 20, 4, 20)))
    assert "MongoDB: does not answer" in page.text("#problems")
    assert page.text("#services [data-name=MongoDB] .state") == "down"


@pytest.mark.parametrize(("scene", "width"), [("chaos", 1280), ("chaos", 360), ("workers", 800)])
def test_no_two_labels_touch(page: PageView, server: PageServer, scene: str, width: int) -> None:
    """Six things in five seconds, twice."""
    show(page, server, scene, width=width)
    page.wait("document.querySelectorAll('.mark-text').length > 2", "there are labels")
    boxes = page.boxes(".mark-text, .row-label, .heading")

    def touch(one: dict[str, float], two: dict[str, float]) -> bool:
        return (
            one["left"] < two["right"] - 1
            and two["left"] < one["right"] - 1
            and one["top"] + 3 < two["bottom"]
            and two["top"] + 3 < one["bottom"]
        )

    assert [pair for pair in combinations(boxes, 2) if touch(*pair)] == []
    if scene == "chaos":
        assert page.text(".mark-text").count("killed") >= 3, "the deaths come first"
        assert "marks have no label" in page.text("#unlabelled")


def test_everything_at_one_instant_by_mouse_touch_and_keyboard(page: PageView, server: PageServer) -> None:
    show(page, server, "back", width=1280, height=1000)
    track = page.box("#plot .track")
    x, first_row = track["x"] + track["width"] * (120 - 40.5) / 120, track["y"] + 10
    page.browser.move(x, first_row + 2 * 28)
    page.wait_text("#reading", "partition 2: records wait, nobody stores them (worker_01 has it)")
    reading = page.text("#reading")
    for part in ("ago", "stored ", "/s, sent ", "waiting ", "oldest ", "worker_01 killed (SIGKILL)"):
        assert part in reading
    page.browser.move(x, first_row)
    page.wait_text("#reading", "partition 0: worker_00 stores it")
    page.browser.move(5, 5)
    page.wait_text("#reading", "Point at the timeline")

    page.browser.touch(x, first_row + 3 * 28)
    page.wait_text("#reading", "partition 3: records wait")

    page.browser.value("document.getElementById('plot').blur()")
    page.browser.value("document.getElementById('plot').focus()")
    page.browser.press("ArrowLeft")
    page.wait_text("#reading", "6 of 6 partitions stored")
    page.browser.press("p", 4)
    page.wait_text("#reading", "worker_01 removed from the group")
    told = page.browser.value("document.getElementById('plot').getAttribute('aria-valuetext')")
    assert "partitions 2, 3 wait" in told
    assert "worker_01 removed from the group" in told
    page.browser.press("ArrowDown", 3)
    page.wait_text("#reading", "partition 2: records wait")
    page.browser.press("Escape")
    page.wait_text("#reading", "Point at the timeline")
    assert page.errors() == []


def test_from_two_minutes_to_a_day_by_button_and_by_key(page: PageView, server: PageServer) -> None:
    """A hole of a second is still to be seen in a day."""
    show(page, server, "back", width=1280, height=1000)
    page.click("#zoom [data-seconds='86400']")
    page.wait("document.querySelector('#zoom [aria-pressed=true]').dataset.seconds === '86400'", "it is pressed")
    wait_until(lambda: "/timeline.json?seconds=86400" in server.asked, 5, "a day is asked for")
    page.wait("document.querySelector('#plot .axis').textContent.endsWith(':00')", "the axis has hours")
    hole = page.boxes("#plot .band.waiting")[0]
    assert hole["width"] >= 3
    assert any(map(is_red, page.colours(hole["x"], hole["y"] + 10, round(hole["width"]), 2)))
    wait_until(lambda: server.asked.count("/timeline.json?seconds=60") >= 2, 5, "the numbers on top go on")

    page.browser.value("document.getElementById('plot').focus()")
    page.browser.press("+", 2)
    page.wait("document.querySelector('#zoom [aria-pressed=true]').dataset.seconds === '3600'", "an hour")
    wait_until(lambda: "/timeline.json?seconds=3600" in server.asked, 5, "an hour is asked for")


def test_a_pause_holds_the_timeline_and_not_the_verdict(page: PageView, server: PageServer) -> None:
    show(page, server, "calm")
    page.click("#pause")
    page.wait_text("#reading", "Paused at ")
    server.scene = SCENES["hole"]
    page.wait_text("#verdict-text", "worker_01 died 3 s ago")
    assert page.boxes("#plot .band.waiting") == []
    page.click("#pause")
    page.wait("document.querySelector('#plot .band.waiting')", "the hole is shown")


def test_what_is_stale_is_told_as_stale_and_goes_on(page: PageView, server: PageServer) -> None:
    show(page, server, "back")
    server.close()
    page.wait_text("#verdict-text", "No answer from workers lag for ", 15)
    assert "Below is its last answer, of " in page.text("#verdict-detail")
    assert page.text("#live") == "stale"
    assert len(page.boxes("#slots li")) == 4, "the last answer stays"
    assert page.text("#announcement").startswith("No answer from workers lag")
    server.start()
    page.wait_text("#live", "live", 15)
    assert page.text("#verdict-text").startswith("Every record until ")


def test_a_timeline_that_is_refused_takes_nothing_else_away(page: PageView, server: PageServer) -> None:
    server.refuses["/timeline.json"] = "503 Service Unavailable"
    page.browser.open(server.url)
    page.wait_text("#reading", "The timeline cannot be read: 503 refused by the test")
    assert page.text("#verdict-text").startswith("Every record until ")
    assert len(page.boxes("#slots li")) == 4


def test_the_servers_time_counts_and_may_jump(page: PageView, server: PageServer) -> None:
    """Neither a clock that is days ahead nor one that is set back makes anything old."""
    server.clock = lambda: time.time() + 3 * 86_400 + 5_000
    show(page, server, "back")
    assert page.text("#live") == "live"
    shown = page.text("#as-of")
    hour = datetime.fromtimestamp(server.clock()).astimezone()
    assert shown in {f"as of {hour - timedelta(seconds=late):%H:%M:%S}" for late in range(5)}
    page.wait_text("#events time", ":")
    assert not re.search("[A-Z]", page.text("#events time")), "they are of the same day"
    server.clock = lambda: time.time() - 7_200
    page.wait(f"document.getElementById('as-of').textContent !== {shown!r}", "it follows")
    assert page.text("#live") == "live"
    assert page.text(".mark-text").splitlines()[0] == "worker_01 killed"
    assert page.errors() == []


def test_names_are_text_whatever_they_are(page: PageView, server: PageServer) -> None:
    show(page, server, "hostile", width=360)

    assert page.text("#verdict-text") == MARKUP
    assert MARKUP in page.text("#slots")
    assert page.browser.value("document.querySelectorAll('img').length") == 0
    assert page.browser.value("document.title") != "1"
    assert page.browser.value("document.documentElement.scrollWidth") == 360
    assert page.text("[data-sum=letters] b") == "123.5B"
    assert page.text("[data-sum=age] small") == "without a-1, a-2 and 1 more"
    page.click("#figures summary")
    page.wait("document.querySelectorAll('#partitions tr').length === 6", "the table")
    assert page.text("#partitions tr:first-child td").splitlines()[1] == UNKNOWN
    assert "no answer" in page.text("#partitions tr:first-child")
    assert "40, for 75 s" in page.text("#partitions tr:nth-child(2)")
    assert page.errors() == []


def test_what_is_not_known_is_not_zero(page: PageView, server: PageServer) -> None:
    show(page, server, "nothing")
    assert set(page.text("#sums b").splitlines()) == {UNKNOWN}
    assert "no partition is known" in page.text("#plot")
    assert page.text("#slots-well") == "none"

    show(page, server, "first_minute")
    assert "recorded since " in page.text("#plot .note")
    assert page.boxes("#plot .band.waiting") == []


def test_many_partitions_are_read_and_can_be_grouped(page: PageView, server: PageServer) -> None:
    show(page, server, "many", width=1280, height=1000)
    assert page.box("#plot")["height"] < 900
    page.click("#order [data-order=worker]")
    page.wait("document.querySelectorAll('#plot .heading').length === 4", "by worker")
    assert page.text("#plot .heading").splitlines() == ["worker_00", "worker_01", "worker_02", "worker_03"]
    bands = page.browser.value(
        "[...document.querySelectorAll('#plot .band.storing')].map((band) => band.getAttribute('fill'))"
    )
    assert len(bands) == len(set(bands)) == 4

    show(page, server, "workers", width=1280, height=1000)
    fills = page.browser.value(
        "[...document.querySelectorAll('#plot .band.storing')].map((band) => band.getAttribute('fill'))"
    )
    assert len(set(fills)) == 10, "more workers than colours: a pattern tells them apart"
    assert page.text("#plot .band-name").splitlines()[7] == "07"


def test_a_page_that_nobody_sees_asks_little(page: PageView, server: PageServer) -> None:
    show(page, server, "calm")
    page.browser.value(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    wait_until(lambda: server.asked[-1] == "/fleet.json", 3, "what was on its way")
    so_far = len(server.asked)
    began = time.monotonic()
    wait_until(lambda: len(server.asked) >= so_far + 2, 15, "it still asks")
    assert time.monotonic() - began > 3
    assert set(server.asked[so_far:]) == {"/fleet.json"}
    so_far = len(server.asked)
    page.browser.value("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(
        lambda: any(path.startswith("/timeline") for path in server.asked[so_far:]),
        2,
        "it asks at once when it is seen again",
    )


def test_numbers_and_times_in_words(page: PageView, server: PageServer) -> None:
    show(page, server, "calm")

    def said(call: str) -> object:
        return page.browser.value(f"import('/format.js').then((format) => format.{call})")

    assert said("count(711502)") == "711,502"
    assert said("count(12_345_678_901)") == "12.35B"
    assert said("count(null)") == said("count(undefined)") == said("duration(NaN)") == UNKNOWN
    assert [said(f"duration({seconds})") for seconds in (0, 9.94, 9.96, 119, 120, 7_170, 86_400 * 3)] == [
        "0.0 s", "9.9 s", "10 s", "119 s", "2 min", "2 h", "3 days",
    ]  # fmt: skip
    assert (said("after(1.04)"), said("after(42)"), said("after(null)")) == ("+1.04 s", "+42 s", "")
    assert said("ranges([0, 1, 2, 4, 6, 7])") == f"0{UNKNOWN}2, 4, 6, 7"
    assert said("shortened('a'.repeat(50) + 'z'.repeat(205), 12)") == "aaaaaaaa\N{HORIZONTAL ELLIPSIS}zzz"
    today, before = said("clock(1e9, {now: 1e9})"), said("clock(1e9 - 86400 * 2, {now: 1e9})")
    assert str(before).endswith(f" {today}"), "another day is named"


def test_a_second_tab_takes_nothing_from_the_first(page: PageView, server: PageServer) -> None:
    show(page, server, "calm")
    target = page.browser.ask("Target.createTarget", url=server.url)["targetId"]
    try:
        wait_until(lambda: server.asked.count("/") == 2, 10, "it is open")
        shown = page.browser.value("document.body.dataset.shown")
        page.wait(f"document.body.dataset.shown !== {shown!r}", "the first goes on")
        assert page.text("#live") == "live"
    finally:
        page.browser.ask("Target.closeTarget", targetId=target)


@pytest.mark.parametrize(
    ("scene", "width", "dark"),
    [
        ("back", 1280, False),
        ("chaos", 360, True),
        ("database_down", 1280, True),
        ("workers", 1280, False),
        ("hostile", 800, True),
        ("nothing", 360, False),
        ("hole", 1280, False),
    ],
)
def test_axe_finds_nothing(page: PageView, server: PageServer, axe: str, scene: str, width: int, dark: bool) -> None:
    show(page, server, scene, width=width, dark=dark)
    page.browser.value("document.getElementById('figures').open = true")
    page.wait(
        "!document.querySelector('#figures[open] tbody:empty') || !document.getElementById('no-partitions').hidden",
        "the table",
    )

    assert violations(page.browser, axe) == []
    assert page.browser.value("document.documentElement.scrollWidth") == width


def test_axe_would_find_something(page: PageView, server: PageServer, axe: str) -> None:
    show(page, server, "calm")
    page.browser.value("document.getElementById('verdict-detail').style.color = '#aaa'")

    assert any("color-contrast" in line for line in violations(page.browser, axe))


def test_by_keyboard_alone_everything_is_reached(page: PageView, server: PageServer) -> None:
    show(page, server, "many", width=1280)
    page.browser.click(5, 5)
    reached = []
    for _ in range(16):
        page.browser.press("Tab")
        reached.append(page.browser.value("document.activeElement.id || document.activeElement.textContent"))
    assert reached[:11] == [
        "Skip to the timeline", "by partition", "by worker", "2 min", "10 min", "1 h", "6 h", "1 day", "pause", "plot", "events",
    ]  # fmt: skip
    assert {"metrics", "docs", "runbooks"} <= set(reached)


def test_with_the_systems_colours_holes_and_bands_stay(page: PageView, server: PageServer) -> None:
    show(page, server, "hole", width=1280, height=1000, forced_colors=True)
    hole = page.boxes("#plot .band.waiting")[0]
    inside = page.colours(hole["x"] + 2, hole["y"] + 4, 14, 12)
    assert len(set(inside)) > 1, "it is hatched"
    band = page.boxes("#plot .band.storing")[0]
    assert page.colours(band["x"] + 200, band["y"] + 4)[0] != page.colours(band["x"] + 200, band["y"] - 3)[0]


def test_a_minute_of_120_partitions_costs_little_and_keeps_nothing(page: PageView, server: PageServer) -> None:
    """Less than a twentieth of a processor for the whole process of the tab, and no more nodes or memory afterwards."""
    show(page, server, "many", width=1280, height=1000)
    page.browser.ask("Performance.enable")

    def measured() -> dict[str, float]:
        page.browser.ask("HeapProfiler.collectGarbage")
        metrics = {each["name"]: each["value"] for each in page.browser.ask("Performance.getMetrics")["metrics"]}
        return metrics | {"processor": page.browser.tab_seconds()}

    wait_until(lambda: len(server.asked) > 20, 20, "it has settled")
    before, began, asked = measured(), time.monotonic(), len(server.asked)
    wait_until(lambda: time.monotonic() - began > 60, 65, "a minute")
    after = measured()
    grown = {name: after[name] - before[name] for name in ("processor", "JSHeapUsedSize", "Nodes", "JSEventListeners")}
    print(f"in a minute {grown}, requests {len(server.asked) - asked}")  # noqa: T201
    assert len(server.asked) - asked > 90
    assert grown["processor"] < 0.05 * 60
    assert grown["JSHeapUsedSize"] < 1_000_000
    assert grown["Nodes"] < 200
    assert grown["JSEventListeners"] == 0
