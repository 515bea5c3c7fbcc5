"""A worker's thread that runs only while the test lets it, from one step to another, so that every schedule is exact."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE_SECONDS = 30.0
STEPS_IN_A_TURN = 20


class Killed(BaseException):
    """The process is dead at this very step."""


class Stepper:
    """Runs `life` on a thread of its own; `life` calls `pause` wherever it may be stopped or killed."""

    def __init__(self, life: Callable[[], None], check: Callable[[], None]) -> None:
        """Args: check: called at every step, whether the life stops there or not."""
        self._life = life
        self._check = check
        # Two locks, each acquired by the one who waits and released by the other: the cheapest hand-over there is.
        self._go, self._stopped = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._stopped.acquire()
        self._until: tuple[str, ...] = ()
        self._steps = 0
        self._killed = False
        self._error: BaseException | None = None
        self.at: str | None = "start"
        """The step before which it stands; None when its life is over."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def pause(self, point: str) -> None:
        """Called by the life itself."""
        self._check()
        self._steps += 1
        if self._steps > STEPS_IN_A_TURN:
            raise AssertionError(f"a turn of the loop does not end; it is at {point}")
        if point not in self._until:
            return
        self.at = point
        self._stopped.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def advance(self, *until: str) -> str | None:
        """Let it run to the next of these steps, or to its end; raises what its life raised."""
        if self.at is None:
            return None
        self._until, self._steps = until, 0
        self._go.release()
        if not self._stopped.acquire(timeout=PATIENCE_SECONDS):
            raise TimeoutError(f"no next step after {self.at}")
        if self._error:
            raise self._error
        return self.at

    def kill(self) -> None:
        """End it where it stands."""
        self._killed = True
        self.advance()
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._killed:
                self._life()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  handed to the test
            self._error = error
        self.at = None
        self._stopped.release()
