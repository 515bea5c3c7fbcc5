"""One table for everything that MongoDB can fail with: what kind of error it is, and so what happens next."""

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

from workers.errors import RetryReason, SinkUnavailableError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

DUPLICATE_KEY = 11000


class ErrorClass(Enum):
    """What an error is about."""

    UNAVAILABLE = "the database cannot take writes now: wait, try the same again, however long it takes"
    RECORD = "this record cannot be stored: a dead letter"
    UNKNOWN = "the database answers, but not to this: find out by writing the records one by one"
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
"""What FerretDB says under that code when SQLite cannot write. Where there is room for a dead letter, and none for its
document, the record would be blamed.
"""


def classify_code(code: int | None) -> Classification:
    """The class of a code that the server gave for a command or for one document of it."""
    if code in UNAVAILABLE_CODES:
        return Classification(ErrorClass.UNAVAILABLE, UNAVAILABLE_CODES[code])
    if code in RECORD_CODES:
        return Classification(ErrorClass.RECORD, RetryReason.REFUSED)
    return Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)


def classify(error: PyMongoError) -> Classification:
    """The class of the error of a command that failed as a whole."""
    unavailable = ErrorClass.UNAVAILABLE
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
        # Some servers answer a document that they cannot take by closing the connection (FerretDB does for NaN).
        return Classification(ErrorClass.UNKNOWN, RetryReason.CONNECTION_LOST)
    if isinstance(error, OperationFailure):
        if error.code == INTERNAL_ERROR and DISK.search(str(error)):
            return Classification(unavailable, RetryReason.DISK_ERROR)
        found = classify_code(error.code)
        # About a command rather than a document, so it proves nothing about a record.
        unknown = Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)
        return unknown if found.error_class is ErrorClass.RECORD else found
    return Classification(ErrorClass.UNKNOWN, RetryReason.ERROR)


@contextmanager
def translated() -> Iterator[None]:
    """For writes: turn what the driver raises into the one error that the loop knows, unless it is fatal.

    Raises:
        SinkUnavailableError: the driver raised anything but `ErrorClass.FATAL`, which is raised as it is.
    """
    try:
        yield
    except PyMongoError as error:
        found = classify(error)
        if found.error_class is ErrorClass.FATAL:
            raise
        raise SinkUnavailableError(found.reason, one_line(str(error)) or type(error).__name__) from error


@contextmanager
def explained() -> Iterator[None]:
    """For questions: turn what the driver raises into one line that says what to do.

    Raises:
        UnavailableError: for everything that the driver raises.
    """
    try:
        yield
    except PyMongoError as error:
        if classify(error).reason is RetryReason.NOT_AUTHORIZED:
            raise UnavailableError("MongoDB refused the user or the password of WORKERS_MONGODB_URI") from error
        if isinstance(error, OperationFailure):
            raise UnavailableError(f"MongoDB refused to answer: code {error.code}") from error
        raise UnavailableError(
            f"MongoDB does not answer ({type(error).__name__}): is it running, is WORKERS_MONGODB_URI right?"
        ) from error


def one_line(text: str) -> str:
    """A server's message, short enough for a log line and a dead letter."""
    return " ".join(text.split())[:200]
