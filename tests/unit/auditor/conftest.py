"""An auditor without servers: see `tests.support.fake_audit`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.fake_audit import Clock, FakeServers
from workers.auditor import auditor as auditor_module
from workers.auditor import positions
from workers.auditor.auditor import Auditor
from workers.auditor.positions import PositionsFile
from workers.state.write_failures import WriteFailures


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(auditor_module, "time", clock)
    monkeypatch.setattr(positions, "time", clock)
    return clock


@pytest.fixture
def servers() -> FakeServers:
    return FakeServers()


@pytest.fixture
def file(tmp_path) -> PositionsFile:
    return PositionsFile(tmp_path / "run", "counters", WriteFailures())


@pytest.fixture
def auditor(clock, file) -> Auditor:  # noqa: ARG001 its time is the clock's
    return Auditor("numtest", file)


@pytest.fixture
def following(clock, tmp_path) -> Callable[[], Auditor]:  # noqa: ARG001
    """The auditor of the next process."""
    return lambda: Auditor("numtest", PositionsFile(tmp_path / "run", "counters", WriteFailures()))
