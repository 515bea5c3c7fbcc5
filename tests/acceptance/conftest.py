"""The fleet that is started once for many tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.embedded import EmbeddedStack
from tests.support.fleet import Fleet
from tests.support.shared_fleet import SharedFleet


@pytest.fixture(scope="session")
def _shared(stack: EmbeddedStack) -> Iterator[SharedFleet]:
    shared = SharedFleet(stack)
    yield shared
    shared.remove()


@pytest.fixture
def running_fleet(_shared: SharedFleet) -> Iterator[Fleet]:
    """Four workers in their group, six partitions with nothing in them, batches of 50; one fleet for many tests.

    A test may kill what it likes, and need not tidy up: see `SharedFleet`. It may not rely on what the fleet has lived
    through, nor on offsets from 0."""
    fleet = _shared.hand_out()
    yield fleet
    # Its clients and their threads are not to be met by tests that count theirs.
    fleet.close()
