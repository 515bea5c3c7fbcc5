"""A server that speaks just enough of MongoDB's protocol to answer the real driver as a test scripts it.

Unscripted, it keeps documents by `_id` and answers duplicates as MongoDB does. `script` holds what the next inserts
into a collection are answered with instead, so that every error reaches the store through the driver itself.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from tests.support.mongo_wire import Document, WireServer, read_message

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


class CloseConnection:
    """Answer nothing and close, as a server that is killed does, or one that chokes on a document."""


class StaySilent:
    """Take the command and never answer."""


class AsUsual:
    """No script for this one."""


Answer = Document | type[CloseConnection] | type[StaySilent] | type[AsUsual]


class WireMongo(WireServer):
    """Use it with `with`."""

    def __init__(self) -> None:
        super().__init__()
        self.collections: dict[str, dict[Any, Document]] = defaultdict(dict)
        self.script: dict[str, deque[Answer | Callable[[list[Document]], Answer]]] = defaultdict(deque)
        self.chokes_on: Callable[[Document], bool] = lambda _document: False
        self.refuses: Callable[[str, Document], Document | None] = lambda _collection, _document: None
        """What is answered for one document of an insert, by collection: code, errmsg and more; None: as usual."""
        self.refusals = 0
        """So many of the next documents are refused, with a code that nobody knows."""
        self.answers: dict[str, Document] = {}
        """What commands other than inserts are answered with, by their name."""
        self.largest_message = HELLO["maxMessageSizeBytes"]
        self.most_documents = HELLO["maxWriteBatchSize"]
        self.answers_ping = True
        self.up = True
        self.unique_field: str | None = None
        self.inserts: list[tuple[str, int, Document]] = []
        """Every insert command: collection, number of documents, the command without them."""
        self._silence = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._silence.set()
        super().__exit__()

    def _serve(self, connection: Any) -> None:
        try:
            while message := read_message(connection):
                command, documents = message.parse()
                if not self.up:
                    return
                answer = self._answer(command, documents)
                if answer is StaySilent:
                    self._silence.wait()
                if not isinstance(answer, dict):
                    return
                connection.sendall(message.reply(answer))
        except OSError:
            return

    def _answer(self, command: Document, documents: list[Document]) -> Answer:
        name = next(iter(command))
        if name == "insert":
            return self._insert(command, documents)
        if name in self.answers:
            return self.answers[name]
        if name == "find":
            stored = self.collections[command["find"]]
            asked = command["filter"].get("_id", {})
            if not isinstance(asked, dict):
                batch = [stored[asked]] if asked in stored else []
                return {"cursor": {"id": 0, "ns": f"test.{command['find']}", "firstBatch": batch}, "ok": 1}
            # Every id here is text.
            low, high = asked.get("$gte", ""), asked.get("$lt", "\U0010ffff")
            texts = [each for each in stored if isinstance(each, str)]
            wanted = asked.get("$in") or [each for each in texts if low <= each < high and "$not" not in asked]
            found = [stored[document_id] for document_id in wanted if document_id in stored]
            batch = found[: command.get("limit") or None]
            return {"cursor": {"id": 0, "ns": f"test.{command['find']}", "firstBatch": batch}, "ok": 1}
        if name == "listCollections":
            collections = [{"name": each, "type": "collection", "options": {}} for each in self.collections]
            return {"cursor": {"id": 0, "ns": "test.$cmd.listCollections", "firstBatch": collections}, "ok": 1}
        if name == "ping":
            return {"ok": 1} if self.answers_ping else CloseConnection
        if name.lower() in ("hello", "ismaster"):
            return {**HELLO, "maxMessageSizeBytes": self.largest_message, "maxWriteBatchSize": self.most_documents}
        return {"ok": 1}

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
            if refusal := self._refusal(collection, document):
                errors.append({"index": index, **refusal})
            elif document["_id"] in stored or self._taken(document, stored):
                errors.append(write_error(index, 11000, f"E11000 duplicate key {document}"))
            else:
                stored[document["_id"]] = document
        return {"n": len(documents) - len(errors), "ok": 1, **({"writeErrors": errors} if errors else {})}

    def _refusal(self, collection: str, document: Document) -> Document | None:
        if self.refusals:
            self.refusals -= 1
            return {"code": 987_654, "errmsg": "not now"}
        return self.refuses(collection, document)

    def _taken(self, document: Document, stored: dict[Any, Document]) -> bool:
        field = self.unique_field
        return field in document and any(other.get(field) == document[field] for other in stored.values())


def write_error(index: int, code: int, message: str = "refused") -> Document:
    return {"index": index, "code": code, "errmsg": message}
