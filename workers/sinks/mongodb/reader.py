"""Reads what MongoDB has stored, for `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion

from workers.sinks.mongodb.client import IDS_PER_QUERY, READING, Collections
from workers.sinks.mongodb.encoding import documents_equal, encode, encode_plain
from workers.sinks.mongodb.errors import translate_read_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from workers.settings import Settings

REASON = {"reason": 1, "replayed_at": 1}
DATES: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""Those that Python's type cannot hold are shown as well."""


class MongoReader:
    """See `SinkReader`."""

    def __init__(self, settings: Settings) -> None:
        self._collections = Collections(settings, **READING)

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
        return documents_equal(stored, document)

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

    def ids(self) -> Iterator[object]:
        for collection in (self._collections.documents, self._collections.dead_letters):
            with translate_read_errors():
                for document in collection.find({}, {"_id": 1}, batch_size=10_000):
                    yield document["_id"]

    def close(self) -> None:
        self._collections.client.close()


def _reasons(letters: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {letter["_id"]: letter["reason"] for letter in letters if not letter.get("replayed_at")}
