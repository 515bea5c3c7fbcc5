"""One connection to a service that may be unavailable for hours, for a process that asks it at an interval."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from workers.errors import LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Closable(Protocol):
    """A client of some service."""

    def close(self) -> object: ...


C = TypeVar("C", bound=Closable)
A = TypeVar("A")
LOGIN_SECONDS = 30.0
"""Between two logins after one was refused: every attempt counts where accounts are locked."""


class KeptConnection(Generic[C]):
    """Connects at the first question, keeps the connection while it works, and drops it on any error.

    It has no thread, no wait and no retry: the caller's own interval is the backoff, and `connect` must have a timeout.
    Not thread-safe: call `ask` and `close` on one thread.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        on_unavailable: Callable[[Exception], None] = lambda _error: None,
        on_available: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:

        on_unavailable: called with the first error of an outage, not with those that follow.
        on_available: called with the first answer after an outage.
        """
        self._connect = connect
        self._on_unavailable = on_unavailable
        self._on_available = on_available
        self._connection: C | None = None
        self._unavailable = False
        self._clock = clock
        self._refused: tuple[LoginRefusedError, float] | None = None
        """The last refusal of a login, and until when it is not tried again."""

    def ask(self, question: Callable[[C], A]) -> A:
        """The answer to one question.

        Raises:
            Exception: what `connect` or the question raised. The next question reconnects.
        """
        if self._refused and self._clock() < self._refused[1]:
            raise self._refused[0]
        try:
            if self._connection is None:
                self._connection = self._connect()
            answer = question(self._connection)
        except Exception as error:  # whatever it is, it is raised again
            self.close()
            self._refused = (error, self._clock() + LOGIN_SECONDS) if isinstance(error, LoginRefusedError) else None
            if not self._unavailable:
                self._unavailable = True
                self._on_unavailable(error)
            raise
        if self._unavailable:
            self._unavailable = False
            self._on_available()
        return answer

    def close(self) -> None:
        """Close the connection. A later question reconnects."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # The service may be gone, and closing may need an answer from it.
            with suppress(Exception):
                connection.close()
