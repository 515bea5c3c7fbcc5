"""One connection to a service that may be down for hours: the pattern of everybody who watches one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


class Closable(Protocol):
    """A client of some service."""

    def close(self) -> object: ...


C = TypeVar("C", bound=Closable)
A = TypeVar("A")


class KeptConnection(Generic[C]):
    """Connects when it is asked something, keeps the connection while it works, and drops it on any error.

    It has no thread, no wait and no retry: whoever asks does so at an interval of its own, which is the backoff, and
    `connect` has a deadline of its own. Not thread-safe: `ask` and `close` belong to one thread.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        on_unavailable: Callable[[Exception], None] = lambda _error: None,
        on_available: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:

        on_unavailable: called with the first error after the service worked, or at the start; not with those that follow.
        on_available: called when a question is answered after that, not when the first ever is.
        """
        self._connect = connect
        self._on_unavailable = on_unavailable
        self._on_available = on_available
        self._connection: C | None = None
        self._unavailable = False

    def ask(self, question: Callable[[C], A]) -> A:
        """The answer to one question.

        Raises:
            Exception: whatever `connect` or the question raised. The next question connects anew.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            answer = question(self._connection)
        except Exception as error:  # whatever it is, it is raised again
            self.close()
            if not self._unavailable:
                self._unavailable = True
                self._on_unavailable(error)
            raise
        if self._unavailable:
            self._unavailable = False
            self._on_available()
        return answer

    def close(self) -> None:
        """Let the connection go. A later question connects anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # What is given up because its service is gone may fail to say goodbye to it.
            with suppress(Exception):
                connection.close()
