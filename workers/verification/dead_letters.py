"""The dead letters of a collection, for people: find them, try them again, throw them away.

A dead letter accounts for its record, so it never just disappears: one that was replayed goes when its document is
there; one that is thrown away loses its payload and stays as the note that there was one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bson import json_util
from pymongo import MongoClient

from workers.errors import NotFoundError, SinkUnavailableError, UnavailableError
from workers.formats.json_strict import decode_as
from workers.formats.limits import Limits
from workers.sinks.mongodb.dead_letters import EPOCH, SUFFIX
from workers.sinks.mongodb.reader import connect, explained
from workers.sinks.mongodb.sink import MongoSink
from workers.types import Document, Reject, RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.settings import Settings


@dataclass(frozen=True)
class Filter:
    """Which dead letters are meant; what is None does not restrict."""

    ids: tuple[str, ...] = ()
    reason: RejectReason | None = None
    partition: int | None = None
    since: datetime | None = None
    """Rejected at this time or later."""
    until: datetime | None = None
    """Rejected before this time."""

    def query(self) -> dict[str, Any]:
        """As MongoDB takes it."""
        query: dict[str, Any] = {}
        if self.ids:
            query["_id"] = {"$in": list(self.ids)}
        if self.reason is not None:
            query["reason"] = str(self.reason)
        if self.partition is not None:
            query["partition"] = self.partition
        times = {"$gte": self.since, "$lt": self.until}
        if any(times.values()):
            query["rejected_at"] = {word: time for word, time in times.items() if time}
        return query


class Outcome(NamedTuple):
    """What a replay came to: the new error, or None where the record is a document now."""

    id: str
    error: str | None


class _Kept(NamedTuple):
    """The record of a dead letter, as far as it was kept."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class DeadLetters:
    """The dead letters of the settings' collection. Use it with `with`."""

    def __init__(self, settings: Settings) -> None:
        """Connect.

        Raises:
            UnavailableError: the database does not answer, or refuses this client.
        """
        self._limits = Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)
        self._store = MongoSink(settings)
        self._client: MongoClient[Any] = connect(settings)
        self._letters = self._client[settings.database].get_collection(settings.collection + SUFFIX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._store.close()

    def count(self, chosen: Filter) -> int:
        """How many there are, thrown away ones too."""
        with explained():
            return int(self._letters.count_documents(chosen.query()))

    def find(self, chosen: Filter, most: int = 0) -> Iterator[dict[str, Any]]:
        """The dead letters, oldest first; all of them for `most` 0."""
        with explained():
            yield from self._letters.find(chosen.query()).sort("rejected_at", 1).limit(most)

    def get(self, letter_id: str) -> dict[str, Any]:
        """One dead letter, whole.

        Raises:
            NotFoundError: there is none under this id.
        """
        with explained():
            found = self._letters.find_one({"_id": letter_id})
        if found is None:
            raise NotFoundError(
                f"there is no dead letter {letter_id}; `workers dead-letters list` shows those there are"
            )
        return dict(found)

    def replay(self, letter: dict[str, Any]) -> Outcome:
        """Run the record through today's decode and store, under its own id: so a replay too stores it once.

        One that fails again stays, with its new reason and error. Interrupted anywhere, a replay can be repeated.
        """
        again = self._try(letter)
        change: dict[str, Any] = {"$inc": {"attempts": 1}}
        if again is None:
            change["$set"] = {"replayed_at": datetime.now(UTC)}
        else:
            change["$set"] = {"reason": str(again.reason), "error": again.error}
        with explained():
            self._letters.update_one({"_id": letter["_id"]}, change)
        return Outcome(letter["_id"], again and again.error)

    def try_out(self, letter: dict[str, Any]) -> Outcome:
        """What decode says today. Nothing is written, so what only the database would refuse is not found."""
        decoded = self._decode(letter)
        return Outcome(letter["_id"], decoded.error if isinstance(decoded, Reject) else None)

    def purge(self, letter: dict[str, Any]) -> None:
        """Delete a dead letter that was replayed; of any other, delete the payload and keep the note."""
        with explained():
            if letter.get("replayed_at"):
                self._letters.delete_one({"_id": letter["_id"]})
                return
            payload = {"value": "", "key": "", "headers": ""}
            self._letters.update_one(
                {"_id": letter["_id"]}, {"$unset": payload, "$set": {"purged_at": datetime.now(UTC)}}
            )

    def _try(self, letter: dict[str, Any]) -> Reject | None:
        decoded = self._decode(letter)
        if isinstance(decoded, Reject):
            return decoded
        try:
            return self._store.insert(decoded)
        except SinkUnavailableError as error:
            raise UnavailableError(f"MongoDB takes no writes now ({error}); try again later") from error

    def _decode(self, letter: dict[str, Any]) -> Document | Reject:
        record = _kept(letter)
        if letter.get("purged_at"):
            return Reject(letter["_id"], RejectReason(letter["reason"]), "its payload was thrown away", record)
        if letter["value_bytes"] is not None and len(letter["value"]) < letter["value_bytes"]:
            return Reject(letter["_id"], RejectReason.TOO_LARGE, "only the beginning of its value was kept", record)
        return decode_as(letter["_id"], record, self._limits)


def _kept(letter: dict[str, Any]) -> _Kept:
    time = letter["timestamp"]
    return _Kept(
        letter["partition"],
        letter["offset"],
        -1 if time is None else int((time - EPOCH).total_seconds() * 1000),
        letter.get("key"),
        letter.get("value"),
        [(header["key"], header["value"]) for header in letter.get("headers", ())],
    )


def as_json(letter: dict[str, Any]) -> str:
    """A dead letter as extended JSON, bytes in base64."""
    return str(json_util.dumps(letter, json_options=json_util.RELAXED_JSON_OPTIONS))
