"""A connection that is kept: how often it is made, when it is dropped, and what is told of that."""

from __future__ import annotations

import pytest

from workers.connection import KeptConnection
from workers.errors import LoginRefusedError


class Service:
    """It is up or down, and counts who connects to it."""

    def __init__(self) -> None:
        self.up = True
        self.connected = self.closed = 0
        self.told: list[str] = []
        self.connection = KeptConnection(
            self._connect,
            lambda error: self.told.append(f"unavailable: {error}"),
            lambda: self.told.append("available"),
        )

    def _connect(self) -> Service:
        if not self.up:
            raise ConnectionError("refused")
        self.connected += 1
        return self

    def close(self) -> None:
        self.closed += 1
        if not self.up:
            raise ConnectionError("no goodbye")

    def answer(self) -> int:
        if not self.up:
            raise TimeoutError("no answer")
        return 42

    def ask(self) -> int:
        return self.connection.ask(Service.answer)


@pytest.fixture
def service() -> Service:
    return Service()


def test_it_connects_when_it_is_asked_and_is_kept_while_it_works(service):
    assert service.connected == 0
    assert [service.ask() for _ in range(3)] == [42, 42, 42]
    assert (service.connected, service.closed, service.told) == (1, 0, [])


def test_it_is_dropped_on_an_error_which_the_caller_gets_though_closing_fails_too(service):
    service.ask()
    service.up = False
    with pytest.raises(TimeoutError, match="no answer"):
        service.ask()
    assert (service.connected, service.closed) == (1, 1)
    with pytest.raises(ConnectionError, match="refused"):
        service.ask()

    service.up = True
    assert service.ask() == 42
    assert (service.connected, service.closed) == (2, 1)


def test_a_login_that_was_refused_is_not_tried_with_every_question():
    now, tries = 0.0, []

    def connect():
        tries.append(now)
        raise LoginRefusedError("the login of me was refused")

    connection = KeptConnection(connect, clock=lambda: now)
    for now in (0.0, 5.0, 29.0, 31.0, 36.0):  # noqa: B007 `connect` reads it
        with pytest.raises(LoginRefusedError):
            connection.ask(lambda _: None)

    assert tries == [0.0, 31.0]


def test_an_outage_is_told_once_and_its_end_once(service):
    for up in (True, False, False, False, True, True, False, True):
        service.up = up
        if up:
            service.ask()
        else:
            with pytest.raises(OSError, match=r"no answer|refused"):
                service.ask()

    assert service.told == ["unavailable: no answer", "available", "unavailable: no answer", "available"]


def test_a_service_that_was_never_there_is_told_of_too(service):
    service.up = False
    for _ in range(3):
        with pytest.raises(ConnectionError):
            service.ask()
    service.up = True
    service.ask()

    assert service.told == ["unavailable: refused", "available"]


def test_a_question_that_fails_for_any_reason_drops_it(service):
    with pytest.raises(KeyError):
        service.connection.ask(lambda _service: {}["x"])
    assert service.closed == 1


def test_closed_it_connects_again_when_it_is_asked_again(service):
    service.connection.close()
    service.ask()
    service.connection.close()
    service.connection.close()
    assert (service.connected, service.closed) == (1, 1)
    assert service.ask() == 42
    assert service.connected == 2
