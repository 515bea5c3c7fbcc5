"""Twenty topics on a terminal: no line is longer than it, and what is wrong is named with its topic."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from rich.console import Console

from tests.support.many_topics import (
    EVERYTHING,
    INFO,
    LOGS,
    PARTITIONS,
    ROUTES,
    TOPICS,
    WORKERS,
    answers,
    judged,
    look,
)
from tests.support.page_story import Story
from tests.support.statuses import NOW, TIME
from workers.cli import cells
from workers.cli import render_status as show_status
from workers.cli.render_watch import WatchScreen
from workers.fleet.status.model import build_status
from workers.fleet.status.one_route import OneRoute
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts
from workers.kafka.open_transactions import OpenTransaction

UNIX = datetime.fromisoformat(TIME).timestamp()
EVENTS = [
    {
        "time": TIME,
        "event": "rebalanced",
        "partitions": {name: {topic: [0, 1] for topic in TOPICS} for name in WORKERS},
    },
    {
        "time": TIME,
        "event": "taken_over",
        "process": "worker_01",
        "seconds": 1.2,
        "partitions": {"worker_00": {"orders": [1, 2]}, "worker_02": {"orders": [4]}},
    },
]
BAD = look(
    missing=["later"],
    unroutable={"log.both.of.several": "the routes logs and eu both match it"},
    refused={"audit.eu": "not authorized"},
    offsets={each: offsets for each, offsets in EVERYTHING.items() if each != PARTITIONS[3]},
    unanswered=[PARTITIONS[3]],
    open_transactions={PARTITIONS[1]: OpenTransaction(100, 40, 75.0, "record")},
)


def drawn(part, width, height=None):
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(part)
    return console.file.getvalue()


def screen(width, **facts):
    status = judged(events=EVENTS, **facts)
    return drawn(show_status.screen(status, width, verdict(Facts(status, UNIX))), width)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("facts", [{}, {"kafka": BAD}])
def test_no_line_is_longer_than_the_terminal_and_all_fits_a_screen(width, facts):
    lines = screen(width, **facts).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) < 60
    assert any(line.startswith("logs") and "17" in line and "1,020" in line for line in lines)


def test_partitions_are_named_with_their_topic():
    said = screen(200, kafka=BAD)
    assert "\nlog.both.of.several " in said

    for part in (
        "partitions 1, 2 and 4 of orders taken over by 00 and 02",
        "no answer    partition orders:3",
        "partition orders-1: 40 unstable",
        "topic log.both.of.several: the routes logs and eu both match it; correct WORKERS_ROUTES",
        "topic audit.eu: not authorized",
        "there is no topic later yet",
        "00 40 of 20 topics",
    ):
        assert part in said


def test_one_route_has_a_line_for_each_of_its_topics_with_the_owners():
    one = OneRoute(ROUTES, "logs")
    status = build_status(INFO._replace(routes=one.table), one.of(answers()), NOW, TIME)
    wide, narrow = (drawn(show_status.screen(status, width), width) for width in (120, 80))

    assert [topic for topic in LOGS if f"\n{topic} " in wide] == LOGS
    assert "00 0,3, 01 1,4, 02 2,5" in wide
    assert max(map(len, narrow.splitlines())) <= 80


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 50), (60, 20)])
def test_watch_fits_its_screen_and_a_kill_is_seen_in_it(width, height):
    story = Story(partitions=6, workers=3, topics=tuple(TOPICS))
    story.kill("worker_01", at=-41.0, again=1.31, back=3.2)
    status = judged()
    lines = drawn(
        WatchScreen(status, verdict(Facts(status, UNIX)), story.timeline(UNIX, 120), height), width
    ).splitlines()

    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert any("01 killed" in line for line in lines)
    assert sum("\N{QUADRANT UPPER RIGHT AND LOWER LEFT}" in line for line in lines) >= 3


def test_watch_of_one_route_has_its_bands_and_no_charts_of_all():
    one = OneRoute(ROUTES, "orders")
    status = build_status(INFO._replace(routes=one.table), one.of(answers()), NOW, TIME)
    told = Story(partitions=6, workers=3, topics=tuple(TOPICS)).timeline(UNIX, 120)
    own = [each for each in told["partitions"] if one.has(each["topic"])]
    screen = WatchScreen(status, verdict(Facts(status, UNIX)), {**told, "partitions": own, "series": {}}, 40)
    shown = drawn(screen, 100, 40)

    assert "orders:5" in shown
    assert "log." not in shown
    assert "stored/s" not in shown


@pytest.mark.parametrize("most", [3, 7, 20, 24, 60, 120])
def test_bands_are_as_many_lines_as_there_may_be_and_have_all_topics(most):
    told = Story(partitions=6, workers=3, topics=tuple(TOPICS)).timeline(UNIX, 120)
    rows = cells.rows(told, 40, most)

    assert len(rows) <= most
    assert rows[0].label.startswith("orders")
    if most >= len(TOPICS):
        assert [topic for topic in TOPICS if any(row.label.split(":")[0] == topic for row in rows)] == TOPICS


def test_a_line_of_several_workers_is_nobodys_and_one_of_a_single_topic_is_as_ever():
    several = Story(partitions=2, workers=2, topics=("orders", "lines")).timeline(UNIX, 120)
    assert {cell.worker for cell in cells.rows(several, 40, 2)[0].cells} == {None}
    single = Story(partitions=2, workers=2).timeline(UNIX, 120)
    assert {cell.worker for cell in cells.rows(single, 40, 1)[0].cells} == {"worker_00"}
