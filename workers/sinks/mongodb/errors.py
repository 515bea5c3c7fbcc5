"""The class of every error of MongoDB and its driver, which decides what happens next."""

from __future__ import annotations

import re
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from workers.errors import (
    BadConfigurationError,
    RetryReason,
    SinkRefusesError,
    SinkUnavailableError,
    UnavailableError,
)
from workers.sinks.mongodb import connecting
from workers.sinks.mongodb.codes import COMMAND_TOO_LARGE, DUPLICATE_KEYS, RECORD, UNAVAILABLE
from workers.sinks.mongodb.messages import describe_error, one_line, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator


class ErrorClass(Enum):
    """The cause of an error, and what is done about it."""

    UNAVAILABLE = "the database cannot take writes now: back off and redeliver, without a limit"
    RECORD = "this record cannot be stored: a dead letter"
    COMMAND = "the command was refused for what is in it: divide it at once"
    UNKNOWN = "the cause is unknown: the server's own fault until it was tried with patience"
    FATAL = "configuration, or a bug: stop"


class Classification(NamedTuple):
    """The class of an error, and the reason under which its retries are counted."""

    error_class: ErrorClass
    reason: RetryReason


UNAVAILABLE_CODES = {code: each.reason for code, each in UNAVAILABLE.items()}
RECORD_CODES = set(RECORD)
OVERLOAD_LABELS = ("SystemOverloadedError", "RetryableError", "RetryableWriteError")
"""MongoDB's labels of an answer that is to be asked for again, whatever its code."""
INTERNAL_ERROR = 1
DISK = re.compile(
    r"(disk I/O error|database or disk is full|attempt to write a readonly database|database is locked) \(\d+\)"
)
"""FerretDB's messages under that code when SQLite cannot write. They are no fault of the record, even if there is space
for its dead letter and not for its document.
"""


def classify_code(code: int | None) -> Classification:
    """The class of a server's error code, as the answer for one document."""
    if code in UNAVAILABLE_CODES:
        return Classification(ErrorClass.UNAVAILABLE, UNAVAILABLE_CODES[code])
    if code in RECORD_CODES:
        return Classification(ErrorClass.RECORD, RetryReason.REFUSED)
    return Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)


def classify_failure(code: int | None, message: str) -> Classification:
    """The class of the answer for one document of a bulk."""
    if code == INTERNAL_ERROR and DISK.search(message):
        return Classification(ErrorClass.UNAVAILABLE, RetryReason.DISK_ERROR)
    return classify_code(code)


def classify(error: PyMongoError) -> Classification:
    """The class of the error of a command that failed as a whole."""
    unavailable = ErrorClass.UNAVAILABLE
    if connecting.is_unresolved(error):
        return Classification(unavailable, RetryReason.UNREACHABLE)
    if isinstance(error, (ConfigurationError, InvalidOperation)):
        return Classification(ErrorClass.FATAL, RetryReason.ERROR)
    if isinstance(error, NotPrimaryError):
        return Classification(unavailable, RetryReason.NOT_PRIMARY)
    if isinstance(error, (ServerSelectionTimeoutError, WaitQueueTimeoutError)):
        return Classification(unavailable, RetryReason.UNREACHABLE)
    if isinstance(error, WriteConcernError):
        return Classification(unavailable, RetryReason.NOT_ACKNOWLEDGED)
    if isinstance(error, NetworkTimeout) or error.timeout:
        return Classification(unavailable, RetryReason.TIMEOUT)
    if isinstance(error, AutoReconnect):
        if error.has_error_label("SystemOverloadedError"):
            # The driver's own label of a connection that the server did not take: nothing was sent.
            return Classification(unavailable, RetryReason.UNREACHABLE)
        # Some servers close the connection on a document that they cannot store (FerretDB does for NaN). Other labels
        # are the driver's too, and say only that the connection was lost.
        return Classification(ErrorClass.UNKNOWN, RetryReason.CONNECTION_LOST)
    if isinstance(error, OperationFailure):
        return _classify_command(error)
    return Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)


def _classify_command(error: OperationFailure) -> Classification:
    """The error of a command, not of a document, so no record is known to be the cause."""
    message = str((error.details or {}).get("errmsg", "")) or str(error)
    found = classify_failure(error.code, message)
    if found.error_class is ErrorClass.UNAVAILABLE:
        return found
    if any(map(error.has_error_label, OVERLOAD_LABELS)):
        return Classification(ErrorClass.UNAVAILABLE, RetryReason.BUSY)
    if error.code in RECORD_CODES | COMMAND_TOO_LARGE.keys() | DUPLICATE_KEYS:
        return Classification(ErrorClass.COMMAND, RetryReason.ERROR)
    return found


@contextmanager
def translate_write_errors() -> Iterator[None]:
    """Raise the driver's errors as the error that the loop handles, except fatal ones.

    Raises:
        SinkUnavailableError: the driver raised an error that is not `ErrorClass.FATAL`.
    """
    try:
        yield
    except PyMongoError as error:
        _require_usable(error)
        found = classify(error)
        if found.error_class is ErrorClass.FATAL:
            raise
        # The cause is not chained for an answer of the server: its text holds the whole answer, with documents perhaps.
        cause = None if isinstance(error, OperationFailure) else error
        if detail := connecting.reason(error):
            raise SinkRefusesError(found.reason, detail, is_login=connecting.is_login_refused(error)) from cause
        wait = retry_after(error.details if isinstance(error, OperationFailure) else None)
        raise SinkUnavailableError(found.reason, describe_error(error), wait) from cause


@contextmanager
def translate_read_errors() -> Iterator[None]:
    """Raise the driver's errors with a message for the user.

    Raises:
        UnavailableError: the driver raised any error.
    """
    try:
        yield
    except PyMongoError as error:
        _require_usable(error)
        if detail := connecting.reason(error):
            raise UnavailableError(detail if detail.startswith("MongoDB") else f"MongoDB: {detail}") from error
        if isinstance(error, OperationFailure):
            raise UnavailableError(f"MongoDB refused to answer: {describe_error(error)}") from error
        raise UnavailableError(connecting.unanswered(error)) from error


def _require_usable(error: PyMongoError) -> None:
    """Refuse what only the driver knows when it connects: a part of it is not installed, or the server is too old."""
    if isinstance(error, ConfigurationError) and not connecting.is_unresolved(error):
        raise BadConfigurationError([f"WORKERS_MONGODB_URI: {one_line(str(error))}"]) from error
