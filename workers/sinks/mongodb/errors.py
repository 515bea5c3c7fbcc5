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
    WTimeoutError,
)

from workers.errors import (
    BadConfigurationError,
    RetryReason,
    SinkRefusesError,
    SinkUnavailableError,
    UnavailableError,
)
from workers.sinks.mongodb import connecting

if TYPE_CHECKING:
    from collections.abc import Iterator

DUPLICATE_KEY = 11000


class ErrorClass(Enum):
    """The cause of an error, and what is done about it."""

    UNAVAILABLE = "the database cannot take writes now: back off and redeliver, without a limit"
    RECORD = "this record cannot be stored: a dead letter"
    UNKNOWN = "the cause is unknown: find it by writing the documents one by one"
    FATAL = "configuration, or a bug: stop"


class Classification(NamedTuple):
    """The class of an error, and the reason under which its retries are counted."""

    error_class: ErrorClass
    reason: RetryReason


# The server's own codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
UNAVAILABLE_CODES = {
    6: RetryReason.UNREACHABLE,
    7: RetryReason.UNREACHABLE,
    13: RetryReason.NOT_AUTHORIZED,
    18: RetryReason.NOT_AUTHORIZED,
    24: RetryReason.BUSY,
    50: RetryReason.TIMEOUT,
    64: RetryReason.NOT_ACKNOWLEDGED,
    89: RetryReason.TIMEOUT,
    91: RetryReason.SHUTTING_DOWN,
    100: RetryReason.NOT_ACKNOWLEDGED,
    112: RetryReason.BUSY,
    189: RetryReason.NOT_PRIMARY,
    262: RetryReason.TIMEOUT,
    8000: RetryReason.NOT_AUTHORIZED,
    9001: RetryReason.UNREACHABLE,
    10107: RetryReason.NOT_PRIMARY,
    11600: RetryReason.SHUTTING_DOWN,
    11602: RetryReason.NOT_PRIMARY,
    13388: RetryReason.BUSY,
    13435: RetryReason.NOT_PRIMARY,
    13436: RetryReason.NOT_PRIMARY,
    14031: RetryReason.DISK_FULL,
}
RECORD_CODES = {
    2,  # BadValue
    9,  # FailedToParse
    14,  # TypeMismatch
    15,  # Overflow (nested too deep)
    22,  # InvalidBSON
    52,  # DollarPrefixedFieldName
    53,  # InvalidIdField
    56,  # EmptyFieldName
    57,  # DottedFieldName
    121,  # DocumentValidationFailure
    171,  # CannotIndexParallelArrays
    10334,  # BSONObjectTooLarge
    16755,  # a value that a geo index cannot take
    17280,  # KeyTooLong
}
INTERNAL_ERROR = 1
DISK = re.compile(
    r"(disk I/O error|database or disk is full|attempt to write a readonly database|database is locked) \(\d+\)"
)
"""FerretDB's messages under that code when SQLite cannot write. They are no fault of the record, even if there is space
for its dead letter and not for its document.
"""


def classify_code(code: int | None) -> Classification:
    """The class of a server's error code, for a command or for one document of it."""
    if code in UNAVAILABLE_CODES:
        return Classification(ErrorClass.UNAVAILABLE, UNAVAILABLE_CODES[code])
    if code in RECORD_CODES:
        return Classification(ErrorClass.RECORD, RetryReason.REFUSED)
    return Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)


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
    if isinstance(error, WTimeoutError):
        return Classification(unavailable, RetryReason.NOT_ACKNOWLEDGED)
    if isinstance(error, NetworkTimeout) or error.timeout:
        return Classification(unavailable, RetryReason.TIMEOUT)
    if isinstance(error, AutoReconnect):
        # Some servers close the connection on a document that they cannot store (FerretDB does for NaN).
        return Classification(ErrorClass.UNKNOWN, RetryReason.CONNECTION_LOST)
    if isinstance(error, OperationFailure):
        if error.code == INTERNAL_ERROR and DISK.search(str(error)):
            return Classification(unavailable, RetryReason.DISK_ERROR)
        found = classify_code(error.code)
        # The error of a command, not of a document, so no record is known to be the cause.
        unknown = Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)
        return unknown if found.error_class is ErrorClass.RECORD else found
    return Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)


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
        if detail := connecting.reason(error):
            raise SinkRefusesError(found.reason, detail, is_login=connecting.is_login_refused(error)) from error
        raise SinkUnavailableError(found.reason, one_line(str(error)) or type(error).__name__) from error


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
            raise UnavailableError(f"MongoDB refused to answer: code {error.code}") from error
        raise UnavailableError(connecting.unanswered(error)) from error


def _require_usable(error: PyMongoError) -> None:
    """Refuse what only the driver knows when it connects: a part of it is not installed, or the server is too old."""
    if isinstance(error, ConfigurationError) and not connecting.is_unresolved(error):
        raise BadConfigurationError([f"WORKERS_MONGODB_URI: {one_line(str(error))}"]) from error


def one_line(text: str) -> str:
    """A server's message, short enough for a log line and a dead letter."""
    return " ".join(text.split())[:200]
