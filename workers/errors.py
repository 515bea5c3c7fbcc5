"""The errors that leave a module, and the exit codes they end in."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a process of this package ends with. Part of the interface: supervisord.conf and the README quote it."""

    OK = 0
    FAILED = 1
    """The command did its work and the answer is no: a record failed, something is missing."""
    UNCHECKED = 2
    """The question could not be answered: a service was not there to be asked."""
    USAGE = 64
    UNAVAILABLE = 69
    """A dependency gave up: Kafka refused the client, the slot is taken."""
    BUG = 70
    STALLED = 75
    CONFIGURATION = 78


class WorkersError(Exception):
    """An error with a message for the user: what happened, and what to do next."""

    exit_code = ExitCode.BUG


class BadConfigurationError(WorkersError):
    """Settings that cannot be used, or that would break the promise. Lists every one of them."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class UnavailableError(WorkersError):
    """Something outside this process refuses or is not there, and waiting for it is not this command's business."""

    exit_code = ExitCode.UNAVAILABLE


class BadUsageError(WorkersError):
    """The command line says something that cannot be meant."""

    exit_code = ExitCode.USAGE


class NotFoundError(WorkersError):
    """What the user named is not there: a topic, an id, a file."""

    exit_code = ExitCode.USAGE


class RetryReason(StrEnum):
    """Why a write is tried again. A closed set, of all sinks: it is a metric label."""

    BUSY = "busy"
    CONNECTION_LOST = "connection_lost"
    DEAD_LETTERS = "dead_letters"
    """A dead letter was refused."""
    DISK_ERROR = "disk_error"
    DISK_FULL = "disk_full"
    ERROR = "error"
    """The server answers with an error that says nothing about the cause."""
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_AUTHORIZED = "not_authorized"
    NOT_PRIMARY = "not_primary"
    REFUSED = "refused"
    SHUTTING_DOWN = "shutting_down"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


class SinkUnavailableError(WorkersError):
    """The sink cannot take a write now, and nothing says that a record is to blame.

    Nothing of the batch counts as written. The caller keeps its membership and has the same records redelivered.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, reason: RetryReason, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}")
