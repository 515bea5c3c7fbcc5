"""What `workers lag` answers over HTTP, and to whom."""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

import workers
from tests.support.batches import tp
from tests.support.statuses import judged, with_slot
from workers.errors import UnavailableError
from workers.kafka.admin import GroupDescription, Member
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.monitoring.http import Health
from workers.monitoring.http_server import Server
from workers.monitoring.lag import lag_snapshot
from workers.state.audit_file import Audit
from workers.web.fleet_view import FleetView
from workers.web.page import WAITING, application, is_allowed_host

AUDIT = Audit(1.0, 2.0, missing=12)
PAGE = Path(workers.__file__).parent / "web/static"


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


class Survey:
    """One of a fleet of which one worker is stopped; it counts who uses it."""

    asked = entered = left = 0
    events = ({"event": "exited", "process": "worker_02", "time": "2026-11-22T20:00:00Z", "expected": False},)

    def start(self):
        self.entered += 1

    def close(self):
        self.left += 1

    def wait(self, seconds):
        return self

    def collect(self):
        self.asked += 1
        return judged(**with_slot("worker_02", kernel="T"), events=self.events, audit=AUDIT)


class Sums:
    """What is known of all times; it counts who uses it, too."""

    entered = left = 0

    def start(self):
        self.entered += 1

    def stop(self):
        self.left += 1

    def as_dict(self, snapshot):
        return {"stored": 1_000, "sent": 1_001, "dead_letters": 1}


ABOUT = {"topic": "numtest", "group": "counters", "sink": "MongoDB", "target": "numtest.numtest"}


class Watch:
    interval = 5.0
    snapshot = None
    watched = 0

    def watch(self):
        self.watched += 1

    def current(self):
        return self.snapshot

    def points(self):
        return [None]


@pytest.fixture
def survey():
    return Survey()


class Looked:
    """A timeline; it counts what is asked."""

    def __init__(self):
        self.asked = []

    def as_dict(self, seconds):
        self.asked.append(seconds)
        return {"now": 1.5, "seconds": seconds}

    def holes(self):
        return {}


@pytest.fixture
def sums():
    return Sums()


@pytest.fixture
def timeline():
    return Looked()


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def fleet(survey, timeline, watch, sums):
    return FleetView(watch, lambda: survey, timeline, totals=sums, about=ABOUT)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(fleet, clock):
    app = application("127.0.0.1", CollectorRegistry(), Health(60, clock), fleet)
    server = Server("127.0.0.1", 0, app, "the page", "WORKERS_LAG_PORT", waiting=WAITING).start()
    yield server
    server.close()


def ask(server, path, method="GET", **headers):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def test_what_cannot_be_read_and_what_is_not_known_are_in_the_json(survey, timeline):
    group = GroupDescription("Stable", {"m": Member("worker_00", "h", [tp(0), tp(1)])})
    watch = Watch()
    watch.snapshot = lag_snapshot(
        1_000.0,
        group,
        {tp(0): PartitionOffsets(0, 100, 100, unstable=40)},
        {},
        {},
        open_transactions={tp(0): OpenTransaction(100, 40, 75.0, "record")},
        unanswered=[tp(1)],
    )
    watch.points = lambda: [watch.snapshot.point]
    found = json.loads(FleetView(watch, lambda: survey, timeline, totals=Sums(), about=ABOUT).as_json())

    first, second = found["partitions"]
    assert (first["end"], first["high_watermark"], first["unstable"]) == (100, 140, 40)
    assert (first["unstable_seconds"], first["unstable_source"]) == (75.0, "record")
    assert (second["end"], second["records"], second["owner"]) == (None, None, "worker_00")
    assert (found["points"][0]["unanswered"], found["points"][0]["end"]) == (["numtest-1"], 100)
    assert (found["about"], found["totals"]["dead_letters"]) == (ABOUT, 1)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/fleet.json",
        "/timeline.json",
        "/metrics",
        "/healthz",
        "/docs/",
        "/docs/runbooks/",
        "/docs/runbooks/FleetStuck",
    ],
)
def test_each_page_is_there(server, path):
    assert ask(server, path)[0] == 200


def test_everything_that_the_page_and_its_modules_name_is_there(server):
    """Else a file that is new, or has another name, is missed by a browser only."""
    asked, found = [], ["/"]
    while found:
        path = found.pop()
        status, text, headers = ask(server, path)
        assert status == 200, path
        assert path == "/" or headers["Content-Type"].split(";")[0] in ("text/css", "text/javascript")
        asked.append(path)
        named = re.findall(r"""(?:from "\./|src="|href=")([\w.]+\.(?:js|css))\"""", text)
        found += [each for name in named if (each := f"/{name}") not in asked + found]
    assert sorted(asked) == sorted(["/", *(f"/{path.name}" for path in PAGE.iterdir() if path.suffix != ".html")])


@pytest.mark.parametrize(
    "path",
    [
        "/nonsense",
        "/../etc/passwd",
        "/%2e%2e/settings.py",
        "/fleet.html",
        "/page/fleet.js",
        "/docs",
        "/docs/runbooks/../reliability",
        "/docs/runbooks/%2e%2e%2freliability",
        "/docs/runbooks/NoSuchAlert",
        "/%00",
        "/%ff",
        "/a" * 9000,
    ],
)
def test_a_path_that_is_none_is_a_404_of_one_line(server, path):
    status, text, _ = ask(server, path)

    assert status == 404
    assert text == "no such page; there are /, /fleet.json, /timeline.json, /metrics, /healthz, /docs/\n"


@pytest.mark.parametrize("path", ["/fleet.json", "/timeline.json?seconds=60"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_page_is_only_read(server, method, path):
    assert ask(server, path, method)[:2] == (405, "only GET and HEAD are allowed\n")


def test_head_has_no_body(server):
    status, text, headers = ask(server, "/", "HEAD")

    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) == (PAGE / "fleet.html").stat().st_size


@pytest.mark.parametrize("path", ["/", "/fleet.json", "/metrics", "/nonsense"])
def test_a_foreign_page_that_leads_its_own_name_here_reads_nothing(server, path):
    status, text, _ = ask(server, path, Host="rebound.example:9790")

    assert status == 403
    assert text.count("\n") == 1


@pytest.mark.parametrize("host", ["localhost:9790", "LOCALHOST", "127.0.0.1:9790", "127.0.0.1", "[::1]:9790", "[::1]"])
def test_addresses_and_localhost_are_allowed(host):
    assert is_allowed_host("127.0.0.1", host)


@pytest.mark.parametrize("host", ["", "example.com", "localhost.example.com", "127.0.0.1.example.com:9790", "a:b:c"])
def test_other_names_are_not(host):
    assert not is_allowed_host("127.0.0.1", host)
    assert not is_allowed_host("localhost", host)


def test_on_a_network_any_name_is():
    assert is_allowed_host("192.0.2.7", "fleet.example:9790")


def test_nothing_may_be_loaded_from_elsewhere_or_kept(server):
    _, _, headers = ask(server, "/")

    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    foreign = [
        (path.name, found)
        for path in PAGE.iterdir()
        for found in re.findall(r"https?://[^\s\"']+", path.read_text())
        if found != "http://www.w3.org/2000/svg"
    ]
    assert foreign == []


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_a_file_of_the_page_is_short_and_makes_no_markup_of_data(path):
    """A topic may have the name of an element with a handler."""
    text = path.read_text()

    assert len(text.splitlines()) <= 250
    assert not re.search(r"innerHTML|insertAdjacentHTML|setHTML|document\.write|eval\(|new Function|\bon[a-z]+=", text)


def test_nobody_is_asked_before_somebody_reads_nor_once_nobody_does(fleet, survey, sums):
    assert survey.entered == sums.entered == 0
    answers = {fleet.as_json() for _ in range(50)}

    assert json.loads(answers.pop())["status"]["healthy"] is False
    assert survey.entered == sums.entered == 1
    assert survey.asked < 50, "many open pages cost as much as one"
    fleet.close_if_idle()
    assert survey.left == 0, "somebody has just read"
    fleet.close_if_idle(idle=0)
    assert survey.left == sums.left == 1
    fleet.close_if_idle(idle=0)
    assert survey.left == 1


def test_verdict_audit_and_events_are_told_in_the_words_of_the_commands(server):
    found = json.loads(ask(server, "/fleet.json")[1])

    assert found["verdict"]["level"] == "act"
    assert found["verdict"]["text"].startswith("12 records are missing (said ")
    assert found["status"]["problems"][0].startswith("worker_02: stopped by a signal")
    assert (found["audit"]["missing"], found["audit"]["until"]) == (12, 2.0)
    assert [event["text"] for event in found["status"]["events"]] == ["crashed or was killed"]


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("", 120), ("?", 120), ("?seconds=60", 60), ("?seconds=600", 600), ("?seconds=86400", 86_400)],
)
def test_the_timeline_goes_back_as_far_as_is_asked(server, timeline, watch, query, seconds):
    status, text, headers = ask(server, f"/timeline.json{query}")

    assert (status, json.loads(text)["seconds"], timeline.asked) == (200, seconds, [seconds])
    assert headers["Content-Type"] == "application/json"
    assert watch.watched == 1, "Kafka is asked more often while somebody looks"
    assert ask(server, f"/timeline.json{query}", "HEAD")[:2] == (200, "")


@pytest.mark.parametrize(
    "query",
    [
        "seconds=59",
        "seconds=86401",
        "seconds=-60",
        "seconds=6e3",
        "seconds=120.0",
        "seconds=",
        "seconds",
        "seconds=nan",
        "second=120",
        "seconds=120&seconds=60",
        "seconds=120&x=1",
        "x",
        "%ff=%00",
        "seconds=%C2%B2%C2%B2%C2%B2",
        "s=" + "1" * 200,
    ],
)
def test_another_query_is_refused_in_one_line(server, timeline, query):
    status, text, _ = ask(server, f"/timeline.json?{query}")

    assert (status, text) == (400, "ask for seconds=N, a whole number from 60 to 86400\n")
    assert timeline.asked == []


def test_many_tabs_cost_as_much_as_one(fleet, timeline):
    for _ in range(50):
        for seconds in (120, 600, 3_600, 86_400):
            fleet.timeline_as_json(seconds)

    assert len(timeline.asked) < 20


def test_healthy_while_the_thread_that_looks_does(server, clock):
    clock.now += 61

    assert ask(server, "/healthz")[:2] == (503, "no iteration of the loop for 61 s\n")


def test_a_port_in_use_says_who_has_it_and_what_to_set(server):
    with pytest.raises(UnavailableError) as refused:
        Server("127.0.0.1", server.port, None, "the page", "WORKERS_LAG_PORT").start()

    assert re.fullmatch(
        rf"cannot serve the page on 127\.0\.0\.1:{server.port}: Address already in use by pid \d+ \(.*python.*\)\. "
        "Set WORKERS_LAG_PORT to another port, or stop the process that has this one: another fleet\\?",
        str(refused.value),
    )
