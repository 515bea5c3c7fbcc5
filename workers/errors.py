"""The errors that leave a module, and the exit codes of the commands."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """The exit codes of every process of this package. Part of the interface: docs/reference/exit-codes.md is made of them."""

    OK = 0
    """The command did its work, and the answer is yes. A worker: it was asked to stop, and has stopped."""
    FAILED = 1
    """The command did its work, and its result is negative: a record failed, something is missing."""
    UNCHECKED = 2
    """The command could not get its result: a service was unavailable, or there is no fleet to ask. It claims nothing."""
    USAGE = 64
    """The command line is wrong."""
    UNAVAILABLE = 69
    """Something that the process needs is not available: Kafka refused the client, another process holds the slot or the port."""
    BUG = 70
    """A bug in this package. The message asks to report it."""
    STALLED = 75
    """A worker stood still for its stall timeout, or did not finish its batch within its drain timeout. It is restarted."""
    CUT_OFF = 76
    """The process could not reach Kafka any more, though Kafka could be reached: only a restart helps."""
    CONFIGURATION = 78
    """A setting is wrong or would break the promise, or kafka-python is not the version that this package is written for."""


class WorkersError(Exception):
    """An error with a message for the user: what happened, and what to do next."""

    exit_code = ExitCode.BUG


class BadConfigurationError(WorkersError):
    """Settings that cannot be used, or that would break the delivery guarantee. Lists all of them."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class UnavailableError(WorkersError):
    """A dependency refuses or does not answer, and this command does not wait for it."""

    exit_code = ExitCode.UNAVAILABLE


class FencedError(UnavailableError):
    """Another process joined the group with the static id of this member, which is not in the group any more."""

    def __init__(self, worker: str) -> None:
        super().__init__(
            f"another process joined this group as {worker}; use another WORKERS_SLOT: give each fleet slots of its own, "
            f"with numprocs_start in local.d/, or set WORKERS_STATIC_MEMBERSHIP=false"
        )


class CutOffError(UnavailableError):
    """A process finds no way to a service that a new process would find. It ends, to be restarted."""

    exit_code = ExitCode.CUT_OFF


class LoginRefusedError(UnavailableError):
    """A server knows no such user, or another password. Trying it often locks the account, so it is tried seldom."""


class BadUsageError(WorkersError):
    """The arguments of a command contradict each other, or make no sense."""

    exit_code = ExitCode.USAGE


class NotFoundError(WorkersError):
    """What the user named does not exist: a topic, an id, a file."""

    exit_code = ExitCode.USAGE


class RetryReason(StrEnum):
    """Why a write is retried. A closed set, the same for all sinks: it is a metric label."""

    BUSY = "busy"
    CONNECTION_LOST = "connection_lost"
    DEAD_LETTERS = "dead_letters"
    """A dead letter was refused."""
    DISK_ERROR = "disk_error"
    DISK_FULL = "disk_full"
    ERROR = "error"
    """An error of the server that does not name its cause."""
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_AUTHORIZED = "not_authorized"
    NOT_PRIMARY = "not_primary"
    REFUSED = "refused"
    SHUTTING_DOWN = "shutting_down"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


class SinkUnavailableError(WorkersError):
    """The sink cannot take a write now, and no record is known to be the cause.

    Nothing of the batch counts as written. The caller keeps its membership and rewinds, so the records are redelivered.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, reason: RetryReason, detail: str, retry_after: float = 0.0) -> None:
        """Args: retry_after: seconds that the sink asks to wait before the next attempt, at least."""
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"{reason}: {detail}")


class SinkRefusesError(SinkUnavailableError):
    """The sink refuses this client, or cannot be found; the text has the reason, and what to change."""

    def __init__(self, reason: RetryReason, detail: str, *, is_login: bool = False) -> None:
        """Args: is_login: trying it often locks the account, so it is tried seldom."""
        self.detail = detail
        self.is_login = is_login
        super().__init__(reason, detail)
