"""A database that is too busy for seconds: a proxy that answers inserts in the server's place, as one under load does.

with BusyMongo(upstream=27017) as mongo:
    mongo.begin() ... mongo.end()

FerretDB has no overload of its own, so the refusals are those that servers with one give (Cosmos DB, MongoDB 8).
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import struct
import threading
from typing import Any, Self

import bson

OP_MSG = 2013
REFUSALS: list[dict[str, Any]] = [
    {"code": 16500, "errmsg": "Request rate is large. RetryAfterMs=40"},
    {"code": 462, "codeName": "IngressRequestRateLimitExceeded", "errmsg": "rate limit exceeded"},
    {"code": 202, "codeName": "NetworkInterfaceExceededTimeLimit", "errmsg": "timed out"},
]


class BusyMongo:
    """Passes everything through, but refuses inserts into the documents' collection while it is busy: whole commands,
    and each document of a bulk, in turns. What it refuses never reaches the server."""

    def __init__(self, upstream: int, collection: str = "numtest") -> None:
        self.refused = 0
        self._upstream, self._collection = upstream, collection
        self._busy = threading.Event()
        self._turns = itertools.count()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def begin(self) -> str:
        """A fault for `Drill`: be busy."""
        self._busy.set()
        return "the way to the database"

    def end(self) -> None:
        self._busy.clear()

    def _serve(self, client: socket.socket) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._upstream), timeout=5) as server:
                server.settimeout(None)
                # Answers of the server and of this proxy never overlap: the driver has one command at a time under way.
                threading.Thread(target=_copy, args=[server, client], daemon=True).start()
                while message := _message(client):
                    refusal = self._refusal(message) if self._busy.is_set() else None
                    if refusal:
                        client.sendall(refusal)
                    else:
                        server.sendall(message)
        except OSError:
            pass
        finally:
            _close(client)

    def _refusal(self, message: bytes) -> bytes | None:
        """The answer to an insert; None: to be passed on."""
        _, request, _, operation = struct.unpack_from("<iiii", message)
        if operation != OP_MSG:
            return None
        command, documents = _parse(message)
        if command.get("insert") != self._collection:
            return None
        self.refused += 1
        turn = next(self._turns)
        refusal = REFUSALS[turn % len(REFUSALS)]
        if turn % 2:
            answer = {"ok": 1, "n": 0, "writeErrors": [{"index": index, **refusal} for index in range(documents)]}
        else:
            answer = {"ok": 0, **refusal}
        body = struct.pack("<iB", 0, 0) + bson.encode(answer)
        return struct.pack("<iiii", 16 + len(body), 0, request, OP_MSG) + body


def _parse(message: bytes) -> tuple[dict[str, Any], int]:
    """The command, and the number of documents beside it."""
    place, command, documents = 20, {}, 0
    while place + 5 < len(message):
        section, place = message[place], place + 1
        (size,) = struct.unpack_from("<i", message, place)
        if section == 0:
            command = bson.decode(message[place : place + size])
        else:
            at, end = message.index(b"\0", place + 4) + 1, place + size
            while at < end:
                at += struct.unpack_from("<i", message, at)[0]
                documents += 1
        place += size
    return command, documents or len(command.get("documents", ()))


def _message(connection: socket.socket) -> bytes:
    header = _exactly(connection, 4)
    return header and header + _exactly(connection, struct.unpack("<i", header)[0] - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count > 0:
        if not (more := connection.recv(min(count, 1 << 16))):
            return b""
        parts.append(more)
        count -= len(more)
    return b"".join(parts)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    _close(target)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
