"""Clients that mean harm, or are broken: they hold connections to one port and never behave.

with HostileClients(port, 500) as hostile:
    ... hostile.connected, hostile.sent ...
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Self

PAUSE_SECONDS = 0.05
"""Between two rounds in which every client does what it does."""
RECONNECTS_PER_ROUND = 20
"""400 a second: a client whose connection was closed comes back."""
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
"""The beginning of a TLS handshake."""


@dataclass(frozen=True)
class Kind:
    """What a client sends once, and then again in every round; whether it reads."""

    first: bytes = b""
    again: bytes = b""
    reads: bool = True


GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
KINDS = {
    "silent": Kind(),
    "half a request": Kind(b"GET /metrics HTTP/1.1\r\nHost: loc"),
    "a byte now and then": Kind(b"GET ", b"x"),
    "endless headers": Kind(b"GET /metrics HTTP/1.1\r\n", b"X-More: " + b"y" * 500 + b"\r\n"),
    "reads nothing": Kind(GET, reads=False),
    "many requests at once": Kind(GET * 300, GET, reads=False),
    "HTTP/0.9": Kind(b"GET /metrics\r\n"),
    "TLS": Kind(HELLO),
    "garbage": Kind(bytes(range(256)) * 4, bytes(range(256))),
    "no request": Kind(b"\r\n\r\n\r\n"),
    "HEAD": Kind(b"HEAD /healthz HTTP/1.1\r\n\r\n"),
    "POST with a body": Kind(b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"body" * 1000),
    "asks for the database": Kind(b"GET /readyz HTTP/1.1\r\n\r\n", reads=False),
    "proxies": Kind(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n"),
    "wrong length": Kind(b"POST /readyz HTTP/1.1\r\nContent-Length: -5\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n"),
}


def connect(port: int, kind: Kind) -> socket.socket:
    """Blocks only while the port's queue is full."""
    client = socket.socket()
    client.settimeout(5)
    if not kind.reads:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # Thousands of closed connections would use up the ports of this machine.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        client.connect(("127.0.0.1", port))
    except OSError:
        client.close()
        raise
    client.setblocking(False)
    return client


class HostileClients:
    """`count` clients of all kinds in turn, on one thread. One that is thrown out comes back."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._kinds = list(itertools.islice(itertools.cycle(KINDS.values()), count))
        self._clients: dict[int, socket.socket] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.connections = 0
        """That were made since the beginning."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for client in self._clients.values():
            client.close()

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self._connect()
            for number, client in list(self._clients.items()):
                if not self._act(client, self._kinds[number]):
                    client.close()
                    del self._clients[number]

    def _connect(self) -> None:
        missing = [number for number in range(len(self._kinds)) if number not in self._clients]
        for number in missing[: RECONNECTS_PER_ROUND if self.connections >= len(self._kinds) else None]:
            if self._stop.is_set():
                return
            with contextlib.suppress(OSError):
                client = connect(self._port, self._kinds[number])
                self._clients[number] = client
                self.connections += 1
                client.send(self._kinds[number].first)

    @staticmethod
    def _act(client: socket.socket, kind: Kind) -> bool:
        """Whether it is still connected."""
        try:
            if kind.reads and client.recv(65_536) == b"":
                return False
            if kind.again:
                client.send(kind.again)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
