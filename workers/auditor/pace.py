"""When the auditor does what, so that its cost is known. Pure."""

from __future__ import annotations

CATCH_UP_SHARE = 0.25
"""Of the time: while the first full pass goes on, or one that was asked for. Of the time, and not of a core: the database
is busy meanwhile, and the fleet needs it."""
BEHIND_SHARE = 0.5
"""The same while rounds find more than one of them takes."""


class Pace:
    """When the next round and the next piece of a full pass are due. Times are seconds of one clock."""

    def __init__(self, interval: float, share: float) -> None:
        """Args:
        interval: seconds between the beginnings of two rounds.
        share: of a core, for full passes; 0: there are none, but for the first one and those that are asked for.
        """
        self._interval, self._share = interval, share
        self.round_at = 0.0
        self.pass_at: float | None = None
        """None: no piece of a pass before the end of the next round."""

    @property
    def due(self) -> float:
        """When something is due."""
        return self.round_at if self.pass_at is None else min(self.round_at, self.pass_at)

    def after_round(self, began: float, now: float, *, done: bool, is_behind: bool, is_catching_up: bool) -> None:
        """A round has ended. Args: is_behind: it has left something that it should verify."""
        self.round_at = began + self._interval
        if not done:
            self.pass_at = None
        elif is_behind:
            # First what is new.
            self.round_at = min(self.round_at, now + _pause(now - began, BEHIND_SHARE))
            self.pass_at = None
        elif self.pass_at is None and (self._share or is_catching_up):
            self.pass_at = now

    def after_piece(self, began: float, now: float, cpu: float, *, is_catching_up: bool, goes_on: bool) -> None:
        """A piece of a full pass has ended.

        Args:
            cpu: seconds of processor time that it took.
            goes_on: whether there is another one. The next pass waits for a round at least.
        """
        if not is_catching_up and not self._share:
            self.pass_at = None
            return
        pause = _pause(now - began, CATCH_UP_SHARE) if is_catching_up else _pause(cpu, self._share)
        self.pass_at = now + pause if goes_on else max(now + pause, self.round_at)


def _pause(seconds: float, share: float) -> float:
    """How long to rest after so many seconds, so that they are this share of the whole."""
    return seconds / share - seconds
