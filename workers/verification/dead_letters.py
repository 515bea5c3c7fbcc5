"""The dead letters, for people: find them, try them again, throw them away.

A dead letter accounts for its record, so it never just disappears: one that was replayed goes when its document is
there; one that is thrown away loses its payload and stays as the note that there was one.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from workers.errors import NotFoundError, SinkUnavailableError, UnavailableError
from workers.formats.json_strict import parse_json
from workers.formats.limits import Limits
from workers.pipeline.reader import RecordReader
from workers.sinks.registry import open_dead_letters, open_sink
from workers.types import Reject, RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.settings import Settings
    from workers.sinks.base import DeadLetter, DeadLetterFilter


class Outcome(NamedTuple):
    """What a replay came to: the new error, or None where the record is a document now."""

    id: str
    error: str | None


class DeadLetters:
    """The dead letters of the settings' collection. Use it with `with`: that connects.

    Entering raises `UnavailableError` where the database does not answer, or refuses this client.
    """

    def __init__(self, settings: Settings) -> None:
        self._sink = open_sink(settings)
        self._store = open_dead_letters(settings)
        limits = Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)
        self._reader = RecordReader(parse_json, self._sink.encode, limits)

    def __enter__(self) -> Self:
        try:
            self._store.connect()
        except UnavailableError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()
        self._sink.close()

    def count(self, chosen: DeadLetterFilter) -> int:
        """How many there are, thrown away ones too."""
        return self._store.count(chosen)

    def find(self, chosen: DeadLetterFilter, most: int = 0) -> Iterator[DeadLetter]:
        """The dead letters, oldest first; all of them for `most` 0."""
        return self._store.find(chosen, most)

    def get(self, letter_id: str) -> DeadLetter:
        """One dead letter, whole.

        Raises:
            NotFoundError: there is none under this id.
        """
        found = self._store.get(letter_id)
        if found is None:
            raise NotFoundError(
                f"there is no dead letter {letter_id}; `workers dead-letters list` shows those there are"
            )
        return found

    def replay(self, letter: DeadLetter) -> Outcome:
        """Run the record through today's decode and sink, under its own id: so a replay too stores it once.

        One that fails again stays, with its new reason and error. Interrupted anywhere, a replay can be repeated.
        """
        decoded = self._decode(letter)
        again = decoded if isinstance(decoded, Reject) else self._write(decoded)
        self._store.record_replay(letter.id, again)
        return Outcome(letter.id, again and again.error)

    def try_out(self, letter: DeadLetter) -> Outcome:
        """What decode says today. Nothing is written, so what only the database would refuse is not found."""
        decoded = self._decode(letter)
        return Outcome(letter.id, decoded.error if isinstance(decoded, Reject) else None)

    def purge(self, letter: DeadLetter) -> None:
        """Delete a dead letter that was replayed; of any other, delete the payload and keep the note."""
        if letter.replayed_at:
            self._store.delete(letter.id)
        else:
            self._store.drop_payload(letter.id)

    def _write(self, operation: Any) -> Reject | None:
        try:
            return self._sink.write_one(operation)
        except SinkUnavailableError as error:
            raise UnavailableError(f"MongoDB takes no writes now ({error}); try again later") from error

    def _decode(self, letter: DeadLetter) -> Any:
        if letter.purged_at:
            return Reject(letter.id, RejectReason(letter.reason), "its payload was thrown away", letter.record)
        if letter.value_bytes is not None and len(letter.value or b"") < letter.value_bytes:
            return Reject(letter.id, RejectReason.TOO_LARGE, "only the beginning of its value was kept", letter.record)
        return self._reader.decode(letter.id, letter.record)


def as_json(letter: DeadLetter) -> str:
    """A dead letter as MongoDB's relaxed extended JSON, the form that `mongoexport` gives: bytes in base64."""
    fields = {"_id": letter.id} | {
        name: value for name, value in vars(letter).items() if name not in ("id", "replayed_at", "purged_at")
    }
    fields["headers"] = [{"key": key, "value": value} for key, value in letter.headers]
    if letter.purged_at:
        for name in ("key", "value", "headers"):
            del fields[name]
    fields |= {name: at for name in ("replayed_at", "purged_at") if (at := getattr(letter, name))}
    return json.dumps(fields, default=_extended)


def _extended(value: Any) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        return {"$date": text.replace("+00:00", "Z")}
    raise TypeError(f"no form in JSON for {type(value).__name__}")
