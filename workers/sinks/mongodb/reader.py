"""Reads what MongoDB has stored, for `verify`."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

import bson
import pymongo
from bson import json_util
from pymongo.errors import OperationFailure

from workers.sinks.id_range import IdRange
from workers.sinks.mongodb.client import IDS_PER_QUERY, READING, Collections, raw_id
from workers.sinks.mongodb.encoding import DATES, encode, encode_plain
from workers.sinks.mongodb.errors import translate_read_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient
    from pymongo.collection import Collection

    from workers.settings import Settings

IDS_AT_ONCE = 10_000
BY_INDEX = ("IXSCAN", "USING INDEX")
"""In the plan of a range of ids: MongoDB (also of a clustered collection), and SQLite below FerretDB."""
NO_TEXT = {
    "$type": [
        "number",
        "object",
        "binData",
        "objectId",
        "bool",
        "date",
        "null",
        "timestamp",
        "javascript",
        "minKey",
        "maxKey",
    ]
}
"""The types of an `_id` but text; an array or a regular expression cannot be one."""
LONGEST_SECONDS = 900.0
REASON = {"reason": 1, "replayed_at": 1}


class MongoReader:
    """See `SinkReader`."""

    def __init__(self, settings: Settings, client: MongoClient[Any] | None = None) -> None:
        """Args: client: where several readers share one; whoever closes one of them closes it. None: one of its own."""
        self._collections = Collections(settings, client, **READING)

    def connect(self) -> None:
        with translate_read_errors():
            self._collections.client.admin.command("ping")

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        return encode_plain(prefix, offsets, values)

    def encode(self, document_id: str, value: dict[str, Any]) -> RawBSONDocument:
        return encode(document_id, value)

    def documents(self, ids: Sequence[str]) -> Mapping[str, RawBSONDocument]:
        with translate_read_errors():
            return self._collections.find(list(ids))

    def equal(self, stored: RawBSONDocument, document: RawBSONDocument) -> bool:
        return self._collections.equal(stored, document)

    def as_json(self, document: RawBSONDocument, *, exact: bool = False) -> str:
        options = json_util.CANONICAL_JSON_OPTIONS if exact else json_util.RELAXED_JSON_OPTIONS
        return json_util.dumps(bson.decode(document.raw, DATES), json_options=options, ensure_ascii=False)

    def dead_letters(self, ids: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with translate_read_errors():
            for first in range(0, len(ids), IDS_PER_QUERY):
                query = {"_id": {"$in": list(ids[first : first + IDS_PER_QUERY])}}
                found |= _reasons(self._collections.dead_letters.find(query, REASON, batch_size=IDS_PER_QUERY))
        return found

    def all_dead_letters(self, limit: int = 100_000) -> Mapping[str, str] | None:
        with translate_read_errors():
            found = _reasons(self._collections.dead_letters.find({}, REASON, limit=limit + 1))
        return found if len(found) <= limit else None

    def content(self, document: RawBSONDocument | dict[str, Any]) -> bytes:
        return bson.encode(document) if isinstance(document, dict) else bytes(document.raw)

    def finds_ranges(self) -> bool:
        """A server that explains another plan than an index, or that cannot explain, is not asked for ranges."""
        with translate_read_errors():
            try:
                if any("collation" in each.options() for each in self._both()):
                    # It would compare ids by a language's rules, not by their characters.
                    return False
            except OperationFailure:
                return False
            return self._is_by_index(_between(IdRange("a", "b")))

    def scan(self, ids: IdRange, most: int) -> Iterator[Sequence[tuple[Any, bytes]]]:
        with translate_read_errors():
            for batch in self._collections.documents.find_raw_batches(_between(ids), batch_size=most):
                yield [(raw_id(raw), raw) for raw in _split(batch)]

    def scan_dead_letters(self, ids: IdRange) -> Iterator[Sequence[tuple[Any, str | None]]]:
        with translate_read_errors():
            cursor = self._collections.dead_letters.find(_between(ids), REASON, batch_size=IDS_AT_ONCE)
            while letters := list(islice(cursor, IDS_AT_ONCE)):
                yield [(each["_id"], None if each.get("replayed_at") else each["reason"]) for each in letters]

    def scan_ids(self, ids: IdRange | None) -> Iterator[Sequence[Any]]:
        if ids is not None:
            query = _between(ids)
        else:
            with translate_read_errors():
                # MongoDB has no index for what a type is not, and the embedded FerretDB is quick in nothing else.
                query = (
                    {"_id": NO_TEXT} if self._is_by_index({"_id": NO_TEXT}) else {"_id": {"$not": {"$type": "string"}}}
                )
        for collection in self._both():
            with translate_read_errors():
                cursor = collection.find(query, {"_id": 1}, batch_size=IDS_AT_ONCE)
                # There may be none in millions: then no answer comes before all were looked at.
                with pymongo.timeout(LONGEST_SECONDS) if ids is None else nullcontext():
                    found = [each["_id"] for each in islice(cursor, IDS_AT_ONCE)]
                while found:
                    yield found
                    found = [each["_id"] for each in islice(cursor, IDS_AT_ONCE)]

    def _both(self) -> tuple[Collection[Any], Collection[Any]]:
        return self._collections.documents, self._collections.dead_letters

    def _is_by_index(self, query: dict[str, Any]) -> bool:
        documents = self._collections.documents
        try:
            answer = documents.database.command(
                "explain", {"find": documents.name, "filter": query}, verbosity="queryPlanner"
            )
        except OperationFailure:
            return False
        planner = answer.get("queryPlanner", {})
        return any(sign in str(planner.get("winningPlan", planner)) for sign in BY_INDEX)

    def close(self) -> None:
        self._collections.client.close()


def _reasons(letters: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {letter["_id"]: letter["reason"] for letter in letters if not letter.get("replayed_at")}


def _between(ids: IdRange) -> dict[str, Any]:
    """MongoDB compares text with text only: a bound excludes every id that is none."""
    bounds = {"$gte": ids.first, "$lt": ids.end}
    given = {operator: bound for operator, bound in bounds.items() if bound is not None}
    return {"_id": given} if given else {}


def _split(batch: bytes) -> Iterator[bytes]:
    """The documents of a batch, one after the other as the server sent them: each begins with its size."""
    first = 0
    while first < len(batch):
        end = first + int.from_bytes(batch[first : first + 4], "little")
        yield batch[first:end]
        first = end
