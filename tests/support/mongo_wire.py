"""MongoDB's wire protocol, as far as the servers of the tests speak it: their frame, and their messages."""

from __future__ import annotations

import socketserver
import struct
import threading
from typing import Any, NamedTuple, Self

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
Document = dict[str, Any]


class WireServer:
    """A thread for each connection, which `_serve` speaks with. Use it with `with`; listens on a free port of the loopback."""

    def __init__(self) -> None:
        frame = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                frame._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)

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

    def _serve(self, connection: Any) -> None:
        raise NotImplementedError


class Message(NamedTuple):
    """One message of a client."""

    whole: bytes
    request: int
    kind: int

    def parse(self) -> tuple[Document, list[Document]]:
        """The command, and the documents that came beside it."""
        body = self.whole[16:]
        if self.kind == OP_QUERY:
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

    def reply(self, answer: Document) -> bytes:
        """The message that answers this one."""
        body, kind = bson.encode(answer), OP_REPLY if self.kind == OP_QUERY else OP_MSG
        body = struct.pack("<iqii", 8, 0, 0, 1) + body if kind == OP_REPLY else struct.pack("<iB", 0, 0) + body
        return struct.pack("<iiii", 16 + len(body), 0, self.request, kind) + body


def read_message(connection: Any) -> Message | None:
    """The next message; None: the client has closed the connection."""
    if not (header := _read(connection, 16)):
        return None
    length, request, _, kind = struct.unpack("<iiii", header)
    return Message(header + _read(connection, length - 16), request, kind)


def _read(connection: Any, count: int) -> bytes:
    parts = []
    while count > 0:
        if not (more := connection.recv(min(count, 1 << 16))):
            return b""
        parts.append(more)
        count -= len(more)
    return b"".join(parts)
