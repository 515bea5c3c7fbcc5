"""A database that is too busy for seconds: a proxy that answers inserts in the server's place, as one under load does.

with BusyMongo(upstream=27017) as mongo:
    mongo.begin() ... mongo.end()

FerretDB has no overload of its own, so the refusals are those that servers with one give (Cosmos DB, MongoDB 8).
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading

from tests.support.mongo_wire import OP_MSG, Document, Message, WireServer, read_message

REFUSALS: list[Document] = [
    {"code": 16500, "errmsg": "Request rate is large. RetryAfterMs=40"},
    {"code": 462, "codeName": "IngressRequestRateLimitExceeded", "errmsg": "rate limit exceeded"},
    {"code": 202, "codeName": "NetworkInterfaceExceededTimeLimit", "errmsg": "timed out"},
]


class BusyMongo(WireServer):
    """Passes everything through, but refuses inserts into the documents' collection while it is busy: whole commands,
    and each document of a bulk, in turns. What it refuses never reaches the server."""

    def __init__(self, upstream: int, collection: str = "numtest") -> None:
        super().__init__()
        self.refused = 0
        self._upstream, self._collection = upstream, collection
        self._busy = threading.Event()
        self._turns = itertools.count()

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
                while message := read_message(client):
                    refusal = self._refusal(message) if self._busy.is_set() else None
                    client.sendall(message.reply(refusal)) if refusal else server.sendall(message.whole)
        except OSError:
            pass
        finally:
            _close(client)

    def _refusal(self, message: Message) -> Document | None:
        """The answer to an insert; None: to be passed on."""
        if message.kind != OP_MSG:
            return None
        command, documents = message.parse()
        if command.get("insert") != self._collection:
            return None
        self.refused += 1
        turn = next(self._turns)
        refusal = REFUSALS[turn % len(REFUSALS)]
        if turn % 2 == 0:
            return {"ok": 0, **refusal}
        count = len(documents or command.get("documents", ()))
        return {"ok": 1, "n": 0, "writeErrors": [{"index": index, **refusal} for index in range(count)]}


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
