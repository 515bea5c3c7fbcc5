"""A question that is asked in the background, again and again, of a service that may be down or may hang."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from workers.errors import WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
HANGING_SECONDS = 2.5
"""A service that has not answered for longer is said to hang."""


class Down(NamedTuple):
    """A service that could not be asked."""

    why: str
    """In words, without its name."""


class Poller(Generic[T]):
    """One question, asked again and again on a thread of its own: a service that hangs holds up nobody else."""

    def __init__(self, question: Callable[[], T], every: float, close: Callable[[], None] = lambda: None) -> None:
        """Args:

        every: seconds from an answer to the next question.
        close: called when no more is asked, on the same thread.
        """
        self._question, self._every, self._close = question, every, close
        self._last: T | Down = Down("has not answered yet")
        self._asked: float | None = None
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answered = threading.Event()
        """Set with the first answer."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A question that hangs is left behind: its thread is a daemon."""
        self._stop_event.set()

    def answer(self, now: float) -> T | Down:
        """The last one; that there is none, if the service has kept us waiting for long."""
        asked = self._asked
        if asked is not None and now - asked > HANGING_SECONDS:
            return Down(f"has not answered for {now - asked:.0f} s")
        return self._last

    def _ask(self) -> None:
        while not self._stop_event.is_set():
            self._asked = time.monotonic()
            try:
                self._last = self._question()
            except WorkersError as error:
                self._last = Down(str(error))
            except Exception as error:  # noqa: BLE001 whatever a client raises, the service could not be asked
                self._last = Down(f"could not be asked: {type(error).__name__}")
            self._asked = None
            self.answered.set()
            self._stop_event.wait(self._every)
        self._close()
