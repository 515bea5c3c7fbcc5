"""The page of a fleet of twenty topics, in a real Chromium: all of them at once, and one route or topic by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embedded_stack.failure import Failure
from tests.support.axe import source, violations
from tests.support.browser import Browser, chromium
from tests.support.many_topics import LOGS, TOPICS
from tests.support.page_scenes import SCENES
from tests.support.page_server import PageServer
from tests.support.page_view import PageView

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SHOWN = "[...document.querySelectorAll('#plot .heading')].map((each) => each.textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageView]:
    if chromium() is None:
        pytest.skip("no Chromium here: the page is not looked at; on Debian: apt install chromium")
    with Browser(tmp_path_factory.mktemp("page") / "profile") as browser:
        yield PageView(browser)


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer(SCENES["topics"]) as server:
        yield server


def choose(page: PageView, value: str) -> None:
    page.browser.value(
        f"(() => {{ const select = document.querySelector('#choice select'); select.value = {value!r};"
        " select.dispatchEvent(new Event('change')); })()"
    )


def test_all_topics_at_once_and_one_route_or_topic_by_itself(page: PageView, server: PageServer) -> None:
    page.open(server.url, width=1280, height=1000)
    page.wait(f"{SHOWN}.length === 20", "each topic has its name")
    assert page.browser.value(SHOWN) == TOPICS
    assert page.box("#plot")["height"] < 1_000
    assert "Routes" in page.text("#routes-title")
    rows = page.text("#routes tr").splitlines()
    assert [row.split("reading")[0][:4] for row in rows] == ["orde", "logs", "audi", "log."]
    assert rows[3].endswith("unroutable")
    assert page.text("#slots .chip").splitlines() == ["40 of 20 topics"] * 3
    assert page.browser.value("document.getElementById('of-all').hidden")

    page.click("#routes tr:nth-child(2) button")
    page.wait(f"{SHOWN}.length === {len(LOGS)}", "those of the route")
    assert len(page.boxes("#routes tr")) == len(LOGS)
    assert not page.browser.value("document.getElementById('of-all').hidden"), "the charts are of all"
    assert page.text("#slots .chip").splitlines() == ["34 of 17 topics"] * 3

    choose(page, "topic=orders")
    page.wait("document.querySelectorAll('#plot .layer-labels text').length === 6", "its six partitions, with numbers")
    # Not by a click, which misses while the page still moves: test_page.py clicks.
    page.browser.value("document.getElementById('figures').open = true")
    page.wait("document.querySelectorAll('#partitions tr').length === 6", "its figures")
    assert page.text("#slots .chip").splitlines() == ["0", "3", "1", "4", "2", "5"]

    choose(page, "all")
    page.wait(f"{SHOWN}.length === 20", "all again")
    assert page.errors() == []


def test_the_choice_is_in_the_address_and_one_that_is_gone_hides_nothing(page: PageView, server: PageServer) -> None:
    page.open(f"{server.url}#route%3Dlogs", width=1280, height=1000)
    page.wait(f"{SHOWN}.length === {len(LOGS)}", "those of the route")
    assert page.browser.value("document.querySelector('#choice select').value") == "route=logs"
    page.browser.open("about:blank")
    page.open(f"{server.url}#topic%3Dgone", width=1280, height=1000)
    page.wait(f"{SHOWN}.length === 20", "all of them")


def test_with_one_topic_there_is_nothing_of_it(page: PageView, server: PageServer) -> None:
    server.scene = SCENES["calm"]
    page.open(server.url, width=1280, height=1000)
    assert page.boxes("#choice")[0]["width"] == page.boxes("#routes-panel")[0]["width"] == 0
    assert page.text("#plot .layer-labels text").splitlines() == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_axe_finds_nothing(page: PageView, server: PageServer, width: int, dark: bool) -> None:
    try:
        axe = source()
    except Failure as failure:
        pytest.skip(f"axe-core cannot be fetched: {failure}")
    page.open(server.url, width=width, dark=dark)
    page.wait("document.querySelectorAll('#routes tr').length === 4", "the routes")
    assert violations(page.browser, axe) == []
    assert page.browser.value("document.documentElement.scrollWidth") == width
