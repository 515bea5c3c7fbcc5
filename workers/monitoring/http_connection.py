"""The connections of HTTP clients: one request each, and its answer, neither of which is ever waited for."""

from __future__ import annotations

import select
import selectors
import socket
import struct
import time
from enum import Enum

from workers.monitoring.http_request import TOO_LARGE, is_complete

BACKLOG = 128
"""Connections that the kernel keeps until they are accepted."""
MAX_REQUEST_BYTES = 32 * 1024
REQUEST_SECONDS = 5.0
"""From the connection to the last byte of the request, however it is divided."""
ANSWER_SECONDS = 15.0
"""From the request until the client has read the whole answer."""
LINGER_SECONDS = 1.0
"""To discard what a client still sends, a body for example: closing before it is read would destroy the answer."""
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER: the kernel drops what was not sent, and keeps nothing for a client that does not read."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. A name of both kinds of address, as localhost, means the IPv4 one.

    Raises:
        OSError: there is no such address, or the port is in use.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def is_readable(each: socket.socket) -> bool:
    """Whether there is something to read, or somebody to accept. Needs no file descriptor of its own."""
    poll = select.poll()
    poll.register(each, select.POLLIN)
    return bool(poll.poll(0))


class ConnectionState(Enum):
    """What a connection does."""

    READING = "reading the request"
    ANSWERING = "waiting for the answer"
    WRITING = "writing the answer"
    LINGERING = "discarding what follows"
    CLOSED = "closed"


class Connection:
    """Used by one thread. Whoever has it closes it when `deadline` has passed."""

    def __init__(self, client: socket.socket, host: str, selector: selectors.BaseSelector) -> None:
        """Args: client: non-blocking; from now on this connection's, which closes it."""
        self._socket = client
        self._selector = selector
        self._received = bytearray()
        self._unsent = memoryview(b"")
        self.host = host
        self.state = ConnectionState.READING
        self.deadline = time.monotonic() + REQUEST_SECONDS
        """In seconds of `time.monotonic`."""
        selector.register(client, selectors.EVENT_READ, self)

    @property
    def unsent(self) -> int:
        """Bytes of the answer that the client has not taken yet."""
        return len(self._unsent)

    def proceed(self) -> bytes | None:
        """Read or write what can be without waiting.

        Returns:
            The request, once, when it is whole: its answer is due. None: there is nothing to answer.
        """
        try:
            if self.state is ConnectionState.WRITING:
                self._send()
                return None
            received = self._socket.recv(MAX_REQUEST_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            self.close()
            return None
        if not received:
            self.close()
        elif self.state is ConnectionState.READING:
            self._received += received
            if is_complete(self._received):
                self.state, self.deadline = ConnectionState.ANSWERING, time.monotonic() + ANSWER_SECONDS
                # What else it sends is not looked at meanwhile, nor that it has no more to send.
                self._selector.unregister(self._socket)
                return bytes(self._received)
            if len(self._received) >= MAX_REQUEST_BYTES:
                self._selector.unregister(self._socket)
                self.write(TOO_LARGE)
        return None

    def write(self, content: bytes) -> None:
        """Answer the request."""
        if self.state is ConnectionState.CLOSED:
            return
        self._selector.register(self._socket, selectors.EVENT_WRITE, self)
        self.state, self._unsent = ConnectionState.WRITING, memoryview(content)
        self.proceed()

    def _send(self) -> None:
        self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if not self._unsent:
            self._socket.shutdown(socket.SHUT_WR)
            self.state, self.deadline = ConnectionState.LINGERING, time.monotonic() + LINGER_SECONDS
            self._selector.modify(self._socket, selectors.EVENT_READ, self)

    def close(self, *, abort: bool = False) -> None:
        """Args: abort: the client has had its time; it gets nothing more."""
        if self.state not in (ConnectionState.ANSWERING, ConnectionState.CLOSED):
            self._selector.unregister(self._socket)
        self.state = ConnectionState.CLOSED
        if abort:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self._socket.close()
