"""A scripted server, the real sink on it, and the clock that the sink's patience goes by."""

from __future__ import annotations

from collections.abc import Iterator

import pymongo
import pytest

from tests.support.wire_mongo import WireMongo
from workers.settings import load
from workers.sinks.mongodb.sink import MongoSink


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireMongo]:
    # How long the driver waits, after a lost connection, before it looks for the server again: half a second.
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)
    with WireMongo() as server:
        yield server


@pytest.fixture
def sink(server: WireMongo, clock: Clock) -> Iterator[MongoSink]:
    sink = MongoSink(load(mongodb_uri=server.uri, write_timeout=2.0), clock)
    yield sink
    sink.close()
