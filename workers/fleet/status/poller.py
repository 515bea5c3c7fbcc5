"""Polls a service in the background that may be down or may hang."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from workers.errors import WorkersError
from workers.process import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
HANGING_SECONDS = 3.5
"""A service that has not answered for longer counts as down."""


class Down(NamedTuple):
    """A service that is down."""

    why: str
    """For people, without the name of the service."""


class Poller(Generic[T]):
    """One request, repeated on its own thread, so that a service that hangs delays no other."""

    def __init__(self, request: Callable[[], T], every: float, close: Callable[[], None] = lambda: None) -> None:
        """Args:

        every: seconds from an answer to the next request.
        close: called after the last request, on the same thread.
        """
        self._request, self._every, self._close = request, every, close
        self._last: T | Down = Down("has not answered yet")
        self._down_since: float | None = None
        """When the first request was sent that failed, of those that failed in a row."""
        self._requested: float | None = None
        """When the request was sent that has no answer yet."""
        self._stopping = False
        self._wake = threading.Event()
        """Set when the pause between two requests is to end."""
        self.answered = threading.Event()
        """Set with the first answer, and with the first one after `ask_now`."""

    def start(self) -> None:
        """Raises: NoThreadError."""
        start_thread(self._poll)

    def stop(self) -> None:
        """Stop polling. A request that hangs is not waited for: its thread is a daemon."""
        self._stopping = True
        self._wake.set()

    def ask_now(self) -> None:
        """Send the next request at once. One that is under way counts as that."""
        self.answered.clear()
        self._wake.set()

    def answer(self, now: float) -> T | Down:
        """The last answer; `Down` if the service has not answered the latest request for long. Args: now: `time.monotonic`."""
        requested = self._requested
        if requested is not None and now - requested > HANGING_SECONDS:
            return Down(f"has not answered for {now - requested:.0f} s")
        return self._last

    def down_seconds(self, now: float) -> float | None:
        """For how long it has been down; None: it is up, or was not asked yet. Args: now: `time.monotonic`."""
        if not isinstance(self.answer(now), Down):
            return None
        since = self._down_since or self._requested
        return None if since is None else now - since

    def _poll(self) -> None:
        while not self._stopping:
            began = self._requested = time.monotonic()
            try:
                self._last = self._request()
                self._down_since = None
            except WorkersError as error:
                self._last = Down(str(error))
            except Exception as error:  # noqa: BLE001 whatever a client raises, the service counts as down
                self._last = Down(f"could not be asked: {type(error).__name__}")
            if isinstance(self._last, Down) and self._down_since is None:
                self._down_since = began
            self._requested = None
            self.answered.set()
            self._wake.wait(self._every)
            self._wake.clear()
        self._close()
