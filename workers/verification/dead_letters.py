"""Dead letters for the operator: find, replay and purge them.

A dead letter accounts for its record. So purging deletes it only if its record is stored by now; any other loses its
payload, and its reason, offset and hash are kept.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from workers.decoding import open_decoder
from workers.errors import NotFoundError, SinkUnavailableError, UnavailableError
from workers.settings.files import shown
from workers.sinks.registry import open_dead_letters, open_sink
from workers.types import Reject, RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.pipeline.decoder import Decoder
    from workers.settings import Settings
    from workers.sinks.base import DeadLetter, DeadLetterFilter
    from workers.sinks.dead_letter_store import DeadLetterStore


KEPT_KEY_BYTES = (64 * 1024, 16 * 1024)
"""As long is a key that was cut."""
NEARLY_CUT = 48 * 1024
"""Headers of which so many bytes were kept may not be all."""


class ReplayResult(NamedTuple):
    """The result of a replay: the new error; None: the record is stored now."""

    id: str
    error: str | None


class Purged(StrEnum):
    """What a purge did with one dead letter."""

    DELETED = "deleted"
    """Its record is stored, so nothing is left to account for."""
    PAYLOAD_DELETED = "payload deleted"
    """Its record is not stored: the note stays, for `verify`."""
    BEFORE = "purged before"
    """Nothing: another purge had done it."""


class DeadLetters:
    """The dead letters of the settings' collection. Use it with `with`, which connects.

    Entering raises `UnavailableError` if the database does not answer, or refuses this client.
    """

    def __init__(self, settings: Settings) -> None:
        self._sink = open_sink(settings)
        self._store = open_dead_letters(settings)
        self._decoder = open_decoder(settings, self._sink)

    def __enter__(self) -> Self:
        try:
            self.connect()
        except UnavailableError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Raises: UnavailableError."""
        self._store.connect()

    def close(self) -> None:
        self._store.close()
        self._sink.close()

    def count(self, chosen: DeadLetterFilter) -> int:
        """The number of dead letters, including purged ones."""
        return self._store.count(chosen)

    def find(self, chosen: DeadLetterFilter, limit: int = 0) -> Iterator[DeadLetter]:
        """The dead letters, oldest first. Args: limit: return no more; 0: all."""
        return self._store.find(chosen, limit)

    def get(self, letter_id: str) -> DeadLetter:
        """One dead letter, with its payload.

        Raises:
            NotFoundError: there is none with this id.
        """
        found = self._store.get(letter_id)
        if found is None:
            raise NotFoundError(
                f"there is no dead letter {shown(letter_id)}; `workers dead-letters list` shows the existing ones"
            )
        return found

    def replay(self, letter: DeadLetter) -> ReplayResult:
        """Decode and write the record again, with the current settings. It keeps its id, so a replay is idempotent.

        A dead letter that fails again stays, with its new reason and error.
        """
        decoded = self._decode(letter)
        reject = decoded if isinstance(decoded, Reject) else self._write(decoded)
        self._store_of(letter).record_replay(letter.id, reject)
        return ReplayResult(letter.id, reject and reject.error)

    def try_out(self, letter: DeadLetter) -> ReplayResult:
        """Decode the record, without writing it: a document that only the database would refuse is not found."""
        decoded = self._decode(letter)
        return ReplayResult(letter.id, decoded.error if isinstance(decoded, Reject) else None)

    def purge(self, letter: DeadLetter) -> Purged:
        """Delete a dead letter whose record is stored by now; of any other, delete only the payload."""
        store = self._store_of(letter)
        if letter.replayed_at:
            return Purged.DELETED if store.delete(letter.id) else Purged.BEFORE
        return Purged.PAYLOAD_DELETED if store.drop_payload(letter.id) else Purged.BEFORE

    def unrouted(self, topic: str) -> str | None:
        """Why dead letters of this topic cannot be replayed: no route has it any more; None: they can."""
        return None

    def _decoder_of(self, letter: DeadLetter) -> Decoder:
        return self._decoder

    def _store_of(self, letter: DeadLetter) -> DeadLetterStore:
        return self._store

    def _write(self, operation: Any) -> Reject | None:
        try:
            return self._sink.write_one(operation)
        except SinkUnavailableError as error:
            raise UnavailableError(f"MongoDB cannot take writes now ({error}); try again later") from error

    def _decode(self, letter: DeadLetter) -> Any:
        if letter.purged_at:
            return Reject(letter.id, RejectReason(letter.reason), "its payload was purged", letter.record)
        if letter.value_bytes is not None and len(letter.value or b"") < letter.value_bytes:
            return Reject(letter.id, RejectReason.TOO_LARGE, "only the beginning of its value was kept", letter.record)
        decoder = self._decoder_of(letter)
        if missing := [part for part in _cut(letter) if part in decoder.metadata_parts]:
            said = f"only the beginning of its {' and '.join(missing)} was kept, which is part of the metadata"
            return Reject(letter.id, RejectReason.TOO_LARGE, said, letter.record)
        return decoder.decode(letter.id, letter.record)


def _cut(letter: DeadLetter) -> Sequence[str]:
    """What of key and headers was not kept whole. Versions before metadata did not say so: then the size does."""
    if letter.cut:
        return letter.cut
    key = len(letter.key or b"")
    headers = sum(len(name) + len(value or b"") for name, value in letter.headers)
    return [name for name, is_cut in (("key", key in KEPT_KEY_BYTES), ("headers", headers >= NEARLY_CUT)) if is_cut]


def open_letters(settings: Settings, route: str | None = None) -> DeadLetters:
    """The dead letters of the one topic, or of all routes. Args: route: see `RoutedDeadLetters`."""
    if not settings.route_table.has_several_topics:
        (topic,) = settings.route_table.topics
        return DeadLetters(settings.for_topic(topic))
    from workers.verification.routed_dead_letters import RoutedDeadLetters

    return RoutedDeadLetters(settings, route)


def as_json(letter: DeadLetter) -> str:
    """A dead letter as MongoDB's relaxed extended JSON, the form that `mongoexport` gives: bytes in base64."""
    fields = {"_id": letter.id} | {
        name: value
        for name, value in vars(letter).items()
        if name not in ("id", "collection", "replayed_at", "purged_at")
    }
    if letter.collection:
        fields["collection"] = letter.collection
    fields["headers"] = [{"key": key, "value": value} for key, value in letter.headers]
    if letter.purged_at:
        for name in ("key", "value", "headers"):
            del fields[name]
    if not letter.cut:
        del fields["cut"]
    fields |= {name: at for name in ("replayed_at", "purged_at") if (at := getattr(letter, name))}
    return json.dumps(fields, default=extended)


def extended(value: Any) -> dict[str, Any]:
    """Bytes and times in MongoDB's relaxed extended JSON."""
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        return {"$date": text.replace("+00:00", "Z")}
    raise TypeError(f"{type(value).__name__} has no form in JSON")
