"""What is not there is known at once, what is silent holds up nobody, and everybody is asked at the same time."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.support.embedded import wait_until
from tests.support.ports import free_ports
from workers.fleet.status.collector import StatusCollector
from workers.fleet.status.listening import nobody_listens
from workers.settings import Settings
from workers.settings.paths import StatePaths

PATIENT = 30.0


class Silent:
    """Takes connections, and never answers."""

    def __init__(self, family: int, address: object) -> None:
        self._socket = socket.socket(family)
        self._socket.bind(address)
        self._socket.listen()
        self._taken: list[socket.socket] = []
        self.asked = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def _take(self) -> None:
        try:
            while True:
                self._taken.append(self._socket.accept()[0])
                self.asked.set()
        except OSError:
            return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENT)
        for each in (self._socket, *self._taken):
            each.close()


@pytest.fixture
def here():
    with ExitStack() as stack:

        def open_silent(family=socket.AF_INET, address=("127.0.0.1", 0)):
            silent = Silent(family, address)
            stack.callback(silent.close)
            return silent

        yield open_silent


@pytest.fixture
def lost():
    """An address whose packets are dropped: a queue of connections that is full."""
    with socket.socket() as server, ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(server.getsockname())
        yield server.getsockname()


def test_where_nobody_listens_the_reason_is_told_before_the_time_is_over():
    (port,) = free_ports(1)
    started = time.monotonic()

    assert nobody_listens([("127.0.0.1", port), ("127.0.0.1", port)], PATIENT) == "Connection refused"
    assert time.monotonic() - started < PATIENT / 2


def test_one_that_takes_a_connection_is_enough_and_none_of_the_others_is_waited_for(here, lost):
    (closed,) = free_ports(1)
    started = time.monotonic()

    assert nobody_listens([lost, ("127.0.0.1", closed), ("127.0.0.1", here().port)], PATIENT) is None
    assert time.monotonic() - started < PATIENT / 2


def test_who_does_not_answer_is_waited_for_no_longer_than_was_said(lost):
    started = time.monotonic()

    assert nobody_listens([lost, lost], 0.2) == "no answer within 0.2 s"
    assert time.monotonic() - started < PATIENT


def test_nor_is_a_name_server(monkeypatch):
    over = threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        over.wait(PATIENT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    started = time.monotonic()
    try:
        assert nobody_listens([("kafka.example", 9092)], 0.2) == "no answer within 0.2 s"
        assert time.monotonic() - started < PATIENT / 2
    finally:
        over.set()


def test_a_name_that_is_not_known_is_told():
    said = nobody_listens([("no-such-host.invalid", 1)], PATIENT)

    assert said is not None
    assert said.startswith("the name no-such-host.invalid is not known: ")


def test_supervisord_kafka_and_mongodb_are_asked_side_by_side(tmp_path, here):
    """All three are under way before any of them is given up."""
    paths = StatePaths(tmp_path)
    paths.supervisord_socket.parent.mkdir(parents=True)
    kafka, mongodb = here(), here()
    supervisord = here(socket.AF_UNIX, str(paths.supervisord_socket))
    settings = Settings(bootstrap_servers=f"127.0.0.1:{kafka.port}", mongodb_uri=f"mongodb://127.0.0.1:{mongodb.port}/")

    with StatusCollector(settings, paths) as collector:
        wait_until(lambda: all(each.asked.is_set() for each in (supervisord, kafka, mongodb)), PATIENT, "all are asked")
        services = collector.collect().as_dict()["services"]

    assert {name: each["detail"] for name, each in services.items()} == dict.fromkeys(
        ("supervisord", "Kafka", "MongoDB"), "has not answered yet"
    )
