"""One attempt to insert documents, and what became of each: stored, found stored, refused, or suspected.

A suspect is a document that was refused and is not known to be the cause: `workers.sinks.refusals` says what happens to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import DocumentTooLarge, PyMongoError

from workers.errors import RetryReason, SinkUnavailableError
from workers.operations import Operations
from workers.sinks.mongodb.codes import DUPLICATE_KEYS
from workers.sinks.mongodb.errors import ErrorClass, classify, classify_failure
from workers.sinks.mongodb.insert_command import InsertCommand
from workers.sinks.mongodb.messages import describe_error, describe_failure, one_line, retry_after
from workers.sinks.refusals import Refusal
from workers.types import Insert, Reject, RejectReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.sinks.mongodb.client import Collections

ANOTHER_INDEX = "a unique index other than _id's refuses it"


@dataclass(slots=True)
class InsertOutcomes:
    """What became of the documents of one write. One that is in none of these is stored."""

    duplicates: set[str] = field(default_factory=set)
    """Ids under which the same content was stored before."""
    refused: dict[str, Reject] = field(default_factory=dict)
    """By id."""
    suspects: dict[str, Refusal] = field(default_factory=dict)
    """By id."""
    as_a_whole: bool = False
    """Whether a command of several documents was refused as a whole: nothing is known of any of them."""

    def refuse(self, insert: Insert, reason: RejectReason, error: str) -> None:
        self.refused[insert.id] = Reject(insert.id, reason, error, insert.record)

    def add(self, part: InsertOutcomes) -> None:
        """Add what became of some of these documents in a later attempt."""
        self.duplicates |= part.duplicates
        self.refused |= part.refused

    def stored_behind_a_suspect(self, inserts: Sequence[Insert]) -> bool:
        """Whether a document that was not there before was stored, and one before it refused.

        Only then did the server take documents while it refused others: it may have been well, and then not any more.
        """
        ids = iter([insert.id for insert in inserts])
        return any(each in self.suspects for each in ids) and any(
            each not in self.suspects and each not in self.duplicates and each not in self.refused for each in ids
        )


class Inserter:
    """Inserts into the collection of documents. Its methods raise the driver's errors, and `SinkUnavailableError`."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._command = InsertCommand(collections)

    def insert(self, inserts: Sequence[Insert], *, divide: bool = False) -> InsertOutcomes:
        """Insert them. Args: divide: halve what is refused as a whole, until the document that is refused is alone."""
        outcome = InsertOutcomes()
        self._insert_into(outcome, inserts, divide)
        return outcome

    def _insert_into(self, outcome: InsertOutcomes, inserts: Sequence[Insert], divide: bool) -> None:
        if not inserts:
            return
        try:
            failures = self._send(inserts)
        except DocumentTooLarge as error:
            if len(inserts) > 1:
                self._insert_halves(outcome, inserts, divide)
            else:
                outcome.refuse(inserts[0], RejectReason.TOO_LARGE, one_line(str(error)))
        except PyMongoError as error:
            self._command_refused(outcome, inserts, error, divide)
        else:
            self._sort_failures(outcome, inserts, failures)

    def _send(self, inserts: Sequence[Insert]) -> Sequence[Mapping[str, Any]]:
        if isinstance(inserts, Operations):
            return self._command.send(
                inserts.documents, inserts.values, may_grow=inserts.may_grow, other_bytes=inserts.other_bytes
            )
        return self._command.send([insert.document for insert in inserts])

    def _insert_halves(self, outcome: InsertOutcomes, inserts: Sequence[Insert], divide: bool) -> None:
        middle = len(inserts) // 2
        self._insert_into(outcome, inserts[:middle], divide)
        self._insert_into(outcome, inserts[middle:], divide)

    def _sort_failures(
        self, outcome: InsertOutcomes, inserts: Sequence[Insert], failures: Sequence[Mapping[str, Any]]
    ) -> None:
        """Handle the failure of each document by its code. Never log its text: it contains the document."""
        duplicates = []
        for failure in failures:
            insert, code = inserts[failure["index"]], failure.get("code")
            if code in DUPLICATE_KEYS:
                duplicates.append((insert, failure))
                continue
            found = classify_failure(code, str(failure.get("errmsg", "")))
            if found.error_class is ErrorClass.UNAVAILABLE:
                said = describe_failure(code, failure.get("errmsg"), insert.document)
                wait = max(map(retry_after, failures))
                raise SinkUnavailableError(found.reason, f"the database answered a write with {said}", wait)
            if found.error_class is ErrorClass.RECORD:
                said = describe_failure(code, failure.get("errmsg"), insert.document)
                outcome.refuse(insert, RejectReason.REFUSED_BY_SERVER, said)
            else:
                # One description is enough for the log of them all; a dead letter's is of a refusal alone.
                first = next(iter(outcome.suspects.values()), None)
                said = first.error if first else describe_failure(code, failure.get("errmsg"), insert.document)
                outcome.suspects[insert.id] = Refusal(
                    f"code {code}", RejectReason.REFUSED_BY_SERVER, said, found.reason, retry_after(failure)
                )
        self._compare(outcome, duplicates)

    def _command_refused(
        self, outcome: InsertOutcomes, inserts: Sequence[Insert], error: PyMongoError, divide: bool
    ) -> None:
        """Handle the refusal of a whole command: it says nothing about a document, unless there is only one."""
        found = classify(error)
        if found.error_class in (ErrorClass.UNAVAILABLE, ErrorClass.FATAL):
            raise error
        code, details = getattr(error, "code", None), getattr(error, "details", None)
        if len(inserts) > 1 and (divide or found.error_class is ErrorClass.COMMAND):
            self._insert_halves(outcome, inserts, divide)
        elif len(inserts) == 1 and code in DUPLICATE_KEYS:
            self._compare(outcome, [(inserts[0], details or {})])
        else:
            answer = details if isinstance(details, dict) else {}
            if len(inserts) > 1:
                said = describe_error(error)
            elif found.reason is RetryReason.CONNECTION_LOST:
                said = "the server closes the connection on it"
            else:
                said = describe_failure(code, answer.get("errmsg"), inserts[0].document)
            cause = str(found.reason) if code is None else f"code {code}"
            refusal = Refusal(cause, RejectReason.REFUSED_BY_SERVER, said, found.reason, retry_after(answer))
            outcome.suspects |= dict.fromkeys((insert.id for insert in inserts), refusal)
            outcome.as_a_whole |= len(inserts) > 1

    def _compare(self, outcome: InsertOutcomes, failed: Sequence[tuple[Insert, Mapping[str, Any]]]) -> None:
        """Compare inserts that failed with a duplicate key with what is stored under their ids."""
        stored = self._collections.find([insert.id for insert, _ in failed]) if failed else {}
        for insert, failure in failed:
            found = stored.get(insert.id)
            if found is None:
                self._not_found(outcome, insert, failure.get("keyPattern"))
            elif self._collections.equal(found, insert.document):
                outcome.duplicates.add(insert.id)
            else:
                outcome.refuse(insert, RejectReason.CONFLICT, "another document is stored under this id")

    def _not_found(self, outcome: InsertOutcomes, insert: Insert, index: Mapping[str, Any] | None) -> None:
        """A duplicate key, and no document under this id. Args: index: as the server names it; many do not."""
        if index and list(index) == ["_id"]:
            # Deleted since, or not to be read yet: the next attempt stores it, or finds it. Never the record's fault.
            raise SinkUnavailableError(
                RetryReason.ERROR, "the database says that an id is taken, and finds no document under it"
            )
        if index:
            outcome.refuse(insert, RejectReason.DUPLICATE_KEY, ANOTHER_INDEX)
        else:
            # Perhaps the record's own document, which a server that lags does not find yet.
            outcome.suspects[insert.id] = Refusal("duplicate key", RejectReason.DUPLICATE_KEY, ANOTHER_INDEX)
