"""What a worker says about itself over HTTP, and when it says that it is not well."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from workers.errors import SinkUnavailableError, UnavailableError
from workers.monitoring.http import Health, HealthServer


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(max_iteration_seconds=40, clock=clock)


@pytest.fixture
def server(health):
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    server = HealthServer("127.0.0.1", 0, registry, health).start()
    yield server
    server.close()


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_alive_as_long_as_the_loop_turns(health, server, clock):
    clock.now += 40
    assert get(server, "/healthz") == (200, "ok\n")
    clock.now += 1
    assert get(server, "/healthz") == (503, "no iteration of the loop for 41 s\n")

    health.iterated()
    assert get(server, "/healthz") == (200, "ok\n")


def test_ready_when_in_the_group_and_the_database_answers(health, server):
    assert get(server, "/readyz") == (503, "not in the consumer group yet\n")

    health.connected = lambda: True
    health.ping = lambda: None

    assert get(server, "/readyz") == (200, "ok\n")


def test_not_ready_without_the_database_but_alive(health, server):
    def no_answer():
        raise SinkUnavailableError("unreachable", "nobody there")

    health.connected = lambda: True
    health.ping = no_answer

    assert get(server, "/readyz") == (503, "MongoDB: unreachable: nobody there\n")
    assert get(server, "/healthz") == (200, "ok\n")


def test_not_ready_when_the_loop_stands_still(health, server, clock):
    health.connected = lambda: True
    clock.now += 41

    assert get(server, "/readyz")[0] == 503


@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_metrics_are_served(server, path):
    status, text = get(server, path)

    assert status == 200
    assert "things_total 3.0" in text


def test_any_other_page_names_those_that_there_are(server):
    assert get(server, "/nothing") == (404, "no such page; there are /metrics, /healthz, /readyz\n")


def test_a_port_that_is_taken_is_one_clear_error(health):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}.*WORKERS_METRICS_PORT"):
            HealthServer("127.0.0.1", port, CollectorRegistry(), health).start()


def test_a_port_is_free_again_when_its_server_is_closed(health):
    first = HealthServer("127.0.0.1", 0, CollectorRegistry(), health).start()
    first.close()

    again = HealthServer("127.0.0.1", first.port, CollectorRegistry(), health).start()
    again.close()
    assert again.port == first.port
