"""Each server by itself: what it does is told, within its time."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.support.ports import free_ports
from workers.kafka.servers import ask_bootstrap_servers, unreachable
from workers.settings import load

SECONDS = 0.4


@pytest.fixture
def silent():
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def chatty():
    """Answers with what is no answer of Kafka."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_servers_that_cannot_be_used_are_told_in_their_order_with_the_reason(silent, chatty):
    (closed,) = free_ports(1)
    servers = [f"127.0.0.1:{each}" for each in (closed, silent, chatty, silent)]
    started = time.monotonic()

    found = ask_bootstrap_servers(load(bootstrap_servers=", ".join(servers)), SECONDS)

    assert [each.address for each in found] == servers
    assert found[0].problem == "nothing listens there (connection refused)"
    assert found[1].problem == found[3].problem == "takes connections and does not answer within 0 s"
    assert "is not Kafka" in found[2].problem
    assert time.monotonic() - started < 5, "side by side"


def test_advertised_addresses_that_cannot_be_reached_are_named(silent):
    (closed,) = free_ports(1)

    assert unreachable([("127.0.0.1", silent), ("127.0.0.1", closed)], SECONDS) == {
        f"127.0.0.1:{closed}": "nothing listens there (connection refused)"
    }
    assert unreachable([], SECONDS) == {}
