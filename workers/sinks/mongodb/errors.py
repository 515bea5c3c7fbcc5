"""One table for everything that a write to MongoDB can fail with: whose fault it is, and so what happens next."""

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

from workers.errors import SinkUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

DUPLICATE_KEY = 11000


class ErrorClass(Enum):
    """Whose fault an error is."""

    UNAVAILABLE = "the database cannot take writes now: wait, try the same again, however long it takes"
    RECORD = "this record cannot be stored: a dead letter"
    UNKNOWN = "the database answers, but not to this: find out by writing the records one by one"
    FATAL = "configuration, or a bug: stop"


class Classification(NamedTuple):
    """Whose fault, and a short name for it that can be counted."""

    fault: ErrorClass
    reason: str


# The server's own codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
UNAVAILABLE_CODES = {
    6: "unreachable",
    7: "unreachable",
    13: "not_authorized",
    18: "not_authorized",
    24: "busy",
    50: "timeout",
    64: "not_acknowledged",
    89: "timeout",
    91: "shutting_down",
    100: "not_acknowledged",
    112: "busy",
    189: "not_primary",
    262: "timeout",
    8000: "not_authorized",
    9001: "unreachable",
    10107: "not_primary",
    11600: "shutting_down",
    11602: "not_primary",
    13388: "busy",
    13435: "not_primary",
    13436: "not_primary",
    14031: "disk_full",
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


RETRY_REASONS = {
    *UNAVAILABLE_CODES.values(),
    "connection_lost",
    "dead_letters",
    "disk_error",
    "error",
    "not_acknowledged",
    "refused",
}
"""Every reason for which a write is tried again. A closed set: it is a metric label."""


def classify_code(code: int | None) -> Classification:
    """The verdict on a code that the server gave for a command or for one document of it."""
    if code in UNAVAILABLE_CODES:
        return Classification(ErrorClass.UNAVAILABLE, UNAVAILABLE_CODES[code])
    if code in RECORD_CODES:
        return Classification(ErrorClass.RECORD, "refused")
    return Classification(ErrorClass.UNKNOWN, "error")


def classify(error: PyMongoError) -> Classification:
    """The verdict on a write that failed as a whole."""
    if isinstance(error, (ConfigurationError, InvalidOperation)):
        return Classification(ErrorClass.FATAL, "misuse")
    if isinstance(error, NotPrimaryError):
        return Classification(ErrorClass.UNAVAILABLE, "not_primary")
    if isinstance(error, (ServerSelectionTimeoutError, WaitQueueTimeoutError)):
        return Classification(ErrorClass.UNAVAILABLE, "unreachable")
    if isinstance(error, WTimeoutError):
        return Classification(ErrorClass.UNAVAILABLE, "not_acknowledged")
    if isinstance(error, NetworkTimeout) or error.timeout:
        return Classification(ErrorClass.UNAVAILABLE, "timeout")
    if isinstance(error, AutoReconnect):
        # Some servers answer a document that they cannot take by closing the connection (FerretDB does for NaN).
        return Classification(ErrorClass.UNKNOWN, "connection_lost")
    if isinstance(error, OperationFailure):
        if error.code == INTERNAL_ERROR and DISK.search(str(error)):
            return Classification(ErrorClass.UNAVAILABLE, "disk_error")
        verdict = classify_code(error.code)
        # About a command rather than a document, so it proves nothing about a record.
        return Classification(ErrorClass.UNKNOWN, "error") if verdict.fault is ErrorClass.RECORD else verdict
    return Classification(ErrorClass.UNKNOWN, "error")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises into the one error that the loop knows, unless it is ours to fix.

    Raises:
        SinkUnavailableError: the driver raised anything but `ErrorClass.FATAL`, which is raised as it is.
    """
    try:
        yield
    except PyMongoError as error:
        fault, reason = classify(error)
        if fault is ErrorClass.FATAL:
            raise
        raise SinkUnavailableError(reason, one_line(str(error)) or type(error).__name__) from error


def one_line(text: str) -> str:
    """A server's message, short enough for a log line and a dead letter."""
    return " ".join(text.split())[:200]
