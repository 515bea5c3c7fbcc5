"""How a worker waits for a server: the reason in its log, and seldom where every attempt counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from workers.errors import LoginRefusedError, RetryReason, SinkRefusesError, UnavailableError
from workers.pipeline.observer import NullObserver
from workers.worker.waiting import LOGIN_CAP_SECONDS, Wait


class Stop:
    """Ends the wait after some attempts."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts

    def __call__(self) -> bool:
        return self.attempts <= 0


class Stall:
    def allow(self, seconds: float) -> None: ...


class NoTime(Wait):
    """Notes how long it would have waited."""

    def __init__(self, attempts: int) -> None:
        self.stop = Stop(attempts)
        self.waits: list[float] = []
        super().__init__(self.stop, NullObserver(), Stall())

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.stop.attempts -= 1


def fails(error: Exception) -> Callable[[], None]:
    def attempt() -> None:
        raise error

    return attempt


@pytest.mark.parametrize(
    ("error", "longest"),
    [
        (UnavailableError("nobody answers"), 5),
        (SinkRefusesError(RetryReason.UNREACHABLE, "TLS"), 5),
        (LoginRefusedError("wrong password"), LOGIN_CAP_SECONDS),
        (SinkRefusesError(RetryReason.NOT_AUTHORIZED, "wrong password", is_login=True), LOGIN_CAP_SECONDS),
    ],
    ids=["unreachable", "TLS", "login of Kafka", "login of the sink"],
)
def test_a_login_that_is_refused_is_tried_seldom_and_all_else_soon(error, longest):
    wait = NoTime(12)

    with capture_logs():
        assert wait.until("Kafka", fails(error), type(error)) is None

    assert longest / 2 <= max(wait.waits[-3:]) <= longest


def test_another_reason_is_told_at_once_and_the_same_one_seldom():
    reasons = iter(["nobody answers", "nobody answers", "the login was refused", "the login was refused"])
    wait = NoTime(4)

    def attempt() -> None:
        raise UnavailableError(next(reasons))

    with capture_logs() as logged:
        wait.until("Kafka", attempt, UnavailableError)

    assert [line["error"] for line in logged] == ["nobody answers", "the login was refused"]
