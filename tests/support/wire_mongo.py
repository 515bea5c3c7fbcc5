"""A server that speaks just enough of MongoDB's protocol to answer the real driver as a test scripts it.

Unscripted, it keeps documents by `_id` and answers duplicates as MongoDB does. `script` holds what the next inserts
into a collection are answered with instead, so that every error reaches the store through the driver itself.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Self

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = {
    "helloOk": True,
    "ismaster": True,
    "isWritablePrimary": True,
    "maxWireVersion": 21,
    "minWireVersion": 0,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "ok": 1,
}
Document = dict[str, Any]


class CloseConnection:
    """Answer nothing and close, as a server that is killed does, or one that chokes on a document."""


class StaySilent:
    """Take the command and never answer."""


class AsUsual:
    """No script for this one."""


Answer = Document | type[CloseConnection] | type[StaySilent] | type[AsUsual]


class WireMongo:
    """Use it with `with`; listens on a free port of the loopback."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[Any, Document]] = defaultdict(dict)
        self.script: dict[str, deque[Answer | Callable[[list[Document]], Answer]]] = defaultdict(deque)
        self.chokes_on: Callable[[Document], bool] = lambda _document: False
        self.answers_ping = True
        self.up = True
        self.unique_field: str | None = None
        self.inserts: list[tuple[str, int, Document]] = []
        """Every insert command: collection, number of documents, the command without them."""
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                server._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._silence = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._silence.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, connection: Any) -> None:
        try:
            while header := _read(connection, 16):
                length, request, _, kind = struct.unpack("<iiii", header)
                command, documents = _parse(kind, _read(connection, length - 16))
                if not self.up:
                    return
                answer = self._answer(command, documents)
                if answer is StaySilent:
                    self._silence.wait()
                if not isinstance(answer, dict):
                    return
                body = bson.encode(answer)
                reply = struct.pack("<iqii", 8, 0, 0, 1) + body if kind == OP_QUERY else struct.pack("<iB", 0, 0) + body
                operation = OP_REPLY if kind == OP_QUERY else OP_MSG
                connection.sendall(struct.pack("<iiii", 16 + len(reply), 0, request, operation) + reply)
        except OSError:
            return

    def _answer(self, command: Document, documents: list[Document]) -> Answer:
        name = next(iter(command))
        if name == "insert":
            return self._insert(command, documents)
        if name == "find":
            stored = self.collections[command["find"]]
            wanted = command["filter"].get("_id", {}).get("$in", stored)
            found = [stored[document_id] for document_id in wanted if document_id in stored]
            batch = found[: command.get("limit") or None]
            return {"cursor": {"id": 0, "ns": f"test.{command['find']}", "firstBatch": batch}, "ok": 1}
        if name == "listCollections":
            collections = [{"name": each, "type": "collection", "options": {}} for each in self.collections]
            return {"cursor": {"id": 0, "ns": "test.$cmd.listCollections", "firstBatch": collections}, "ok": 1}
        if name == "ping":
            return {"ok": 1} if self.answers_ping else CloseConnection
        return HELLO if name.lower() in ("hello", "ismaster") else {"ok": 1}

    def _insert(self, command: Document, documents: list[Document]) -> Answer:
        collection = command["insert"]
        self.inserts.append((collection, len(documents), command))
        scripted = self.script[collection].popleft() if self.script[collection] else AsUsual
        if callable(scripted) and not isinstance(scripted, type):
            scripted = scripted(documents)
        if scripted is not AsUsual:
            return scripted
        if any(self.chokes_on(document) for document in documents):
            return CloseConnection
        errors = []
        for index, document in enumerate(documents):
            stored = self.collections[collection]
            if document["_id"] in stored or self._taken(document, stored):
                errors.append(write_error(index, 11000, f"E11000 duplicate key {document}"))
            else:
                stored[document["_id"]] = document
        return {"n": len(documents) - len(errors), "ok": 1, **({"writeErrors": errors} if errors else {})}

    def _taken(self, document: Document, stored: dict[Any, Document]) -> bool:
        field = self.unique_field
        return field in document and any(other.get(field) == document[field] for other in stored.values())


def write_error(index: int, code: int, message: str = "refused") -> Document:
    return {"index": index, "code": code, "errmsg": message}


def _read(connection: Any, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := connection.recv(count - len(data))):
            return b""
        data += more
    return data


def _parse(kind: int, body: bytes) -> tuple[Document, list[Document]]:
    """The command, and the documents that came beside it."""
    if kind == OP_QUERY:
        return bson.decode(body[body.index(b"\0", 4) + 9 :]), []
    place, command, documents = 4, {}, []
    while place < len(body):
        section, place = body[place], place + 1
        (size,) = struct.unpack_from("<i", body, place)
        if section == 0:
            command = bson.decode(body[place : place + size])
        else:
            documents = bson.decode_all(body[body.index(b"\0", place + 4) + 1 : place + size])
        place += size
    return command, documents
