"""Whatever clients do to a port, its process goes on and others are answered: bounds on number, bytes, time and work."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client import CollectorRegistry, Gauge

from tests.support import scrape
from tests.support.embedded import wait_until
from tests.support.hostile import KINDS, HostileClients, connect
from workers.errors import SinkUnavailableError
from workers.monitoring import http_connection, http_server
from workers.monitoring.http import Health, HealthServer
from workers.monitoring.http_connection import is_readable


@pytest.fixture
def health():
    health = Health(max_iteration_seconds=40)
    health.connected = lambda: True
    return health


@pytest.fixture
def server(health) -> Iterator[HealthServer]:
    registry = CollectorRegistry()
    many = Gauge("many", "Many.", ["name"], registry=registry)
    for number in range(100):
        many.labels(str(number)).set(number)
    server = HealthServer("127.0.0.1", 0, registry, health).start()
    yield server
    server.close()


@pytest.fixture
def large_server(health) -> Iterator[HealthServer]:
    """Its page is more than the buffers of the kernel hold: a client that does not read leaves some of it unsent."""
    registry = CollectorRegistry()
    large = Gauge("large", "Large.", ["name"], registry=registry)
    for number in range(100):
        large.labels("x" * 60_000 + str(number)).set(number)
    server = HealthServer("127.0.0.1", 0, registry, health).start()
    yield server
    server.close()


def descriptors() -> int:
    return psutil.Process().num_fds()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_client_that_does_not_behave_is_thrown_out_in_time_and_others_are_answered_meanwhile(
    large_server, kind, monkeypatch
):
    server = large_server
    for name in ("REQUEST_SECONDS", "ANSWER_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(http_connection, name, 0.5)
    before = descriptors()
    client = connect(server.port, kind)
    began = time.monotonic()
    with client, contextlib.suppress(BlockingIOError, ConnectionError):
        client.send(kind.first)
        assert scrape.page(server.port, "/healthz") == (200, "ok\n")
        wait_until(lambda: _act(client, kind) or descriptors() <= before + 1, 10, "it is thrown out")
        assert time.monotonic() - began < 5
    assert scrape.page(server.port, "/healthz") == (200, "ok\n")


def _act(client: socket.socket, kind) -> bool:
    """Whether it was thrown out."""
    with contextlib.suppress(BlockingIOError):
        if kind.reads and client.recv(65_536) == b"":
            return True
        if kind.again:
            client.send(kind.again)
    return False


def test_five_hundred_of_them_cost_neither_threads_nor_memory_nor_descriptors_and_scrapes_succeed(server):
    threads, before, memory = threading.active_count(), descriptors(), psutil.Process().memory_info().rss
    with HostileClients(server.port, 500) as hostile:
        wait_until(lambda: hostile.connections >= 500, 30, "all have been there")
        answers = [scrape.page(server.port, path) for path in ("/metrics", "/healthz", "/readyz") * 5]
        # The clients are of this process too.
        ours = descriptors() - before - 500
        # The one of the clients; a thread of an earlier test may have ended meanwhile.
        assert threading.active_count() <= threads + 1
    assert [status for status, _ in answers] == [200] * len(answers)
    assert ours <= http_server.MAX_CONNECTIONS
    assert psutil.Process().memory_info().rss - memory < 200 << 20
    assert scrape.page(server.port, "/healthz") == (200, "ok\n")


def test_clients_that_do_not_read_large_pages_hold_little_memory(large_server):
    before = psutil.Process().memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            client = stack.enter_context(connect(large_server.port, KINDS["reads nothing"]))
            client.send(KINDS["reads nothing"].first)
        assert scrape.page(large_server.port, "/healthz") == (200, "ok\n")
        assert scrape.page(large_server.port, "/metrics")[0] == 200
        assert psutil.Process().memory_info().rss - before < 100 << 20, "60 answers are 360 MB"


def all_of(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65_536), b""))


def test_a_body_that_follows_does_not_destroy_the_answer(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /healthz HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
        answered = all_of(client)
    assert answered.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answered.endswith(b"\r\n\r\nok\n")


def test_of_requests_in_a_row_the_first_is_answered_and_no_more(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 3)
        answered = all_of(client)
    assert answered.count(b"HTTP/1.0 200 OK") == 1


def test_a_database_that_does_not_answer_delays_nobody_else_and_is_asked_once_for_a_hundred(server, health):
    asked, go_on = [], threading.Event()

    def ping():
        asked.append(time.monotonic())
        go_on.wait(10)
        raise SinkUnavailableError("unreachable", "nobody there")

    health.ping = ping
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(60)]
    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
            client.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        wait_until(lambda: asked, 5, "the database is asked")
        threads = threading.active_count()
        assert scrape.page(server.port, "/healthz") == (200, "ok\n")
        assert scrape.page(server.port, "/metrics")[0] == 200
        assert threading.active_count() == threads
        go_on.set()
        answers = [all_of(client) for client in clients]

    assert len(asked) == 1
    assert {each.split(b"\r\n")[0] for each in answers} == {b"HTTP/1.0 503 Service Unavailable"}


def test_an_application_that_fails_is_a_500_and_told(health, capsys):
    class Broken:
        def collect(self):
            raise ValueError("a collector is broken")

    server = HealthServer("127.0.0.1", 0, Broken(), health).start()
    try:
        assert scrape.page(server.port, "/metrics")[0] == 500
        assert scrape.page(server.port, "/healthz") == (200, "ok\n")
    finally:
        server.close()
    assert "a collector is broken" in capsys.readouterr().out


FEW_DESCRIPTORS = """
import os, resource, sys, time
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector
from workers.monitoring.http import Health, HealthServer
registry = CollectorRegistry()
ProcessCollector(registry=registry)
server = HealthServer("127.0.0.1", 0, registry, Health(1000)).start()
taken = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    print(server.port, flush=True)
sys.stdin.readline()
print(time.process_time(), flush=True)
for each in taken:
    os.close(each)
sys.stdin.readline()
"""


@contextlib.contextmanager
def process(text: str) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", text], text=True, **pipes) as started:
        try:
            yield started
        finally:
            started.kill()


def test_without_a_file_descriptor_scrapes_are_still_answered_and_nothing_spins():
    with process(FEW_DESCRIPTORS) as other:
        port = int(other.stdout.readline())
        used = psutil.Process(other.pid).cpu_times().user
        idle = []
        for _ in range(20):
            # One that has to make room at once may see even its connecting fail.
            with contextlib.suppress(ConnectionError):
                idle.append(connect(port, KINDS["silent"]))
        answers = [scrape.page(port, path)[0] for path in ("/healthz", "/metrics") * 3]
        other.stdin.write("\n")
        other.stdin.flush()
        spent = next(float(line) for line in other.stdout if line[0].isdigit() and line.count(" ") == 0)
        assert spent - used < 2
        for client in idle:
            client.close()
        assert answers == [200] * 6
        wait_until(lambda: scrape.page(port, "/healthz") == (200, "ok\n"), 5, "it answers again")


def test_without_a_file_descriptor_a_client_whose_request_is_late_keeps_its_connection():
    """The one that took the last descriptor is not closed for another one that is not there."""
    with process(FEW_DESCRIPTORS) as other:
        port = int(other.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            wait_until(lambda: is_accepted(other.pid) or is_readable(client), 5, "it is accepted")
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert all_of(client).split(b"\r\n")[0] == b"HTTP/1.0 200 OK"


def is_accepted(pid: int) -> bool:
    return any(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process(pid).net_connections("tcp"))


NO_THREAD = """
import resource
from pathlib import Path
from workers.monitoring import http_server
# A limit that objects do not meet, and a stack does.
http_server.SMALL_STACK = 64 << 20
used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (16 << 20), used + (16 << 20)))
"""


def test_without_a_thread_serving_is_one_clear_error():
    lines = [
        "from prometheus_client import CollectorRegistry",
        "from workers.monitoring.http import Health, HealthServer",
        "from workers.process import NoThreadError",
        NO_THREAD,
        "try:",
        "    HealthServer('127.0.0.1', 0, CollectorRegistry(), Health(1)).start()",
        "except NoThreadError as error:",
        "    print(error)",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False, timeout=50
    )

    assert ended.stdout.startswith("the system gives no thread for http: raise WORKERS_MEMORY_LIMIT, or")
    assert (ended.returncode, ended.stderr) == (0, "")
