"""The broker comes back at another address behind the same bootstrap address, as with a load balancer: who finds it again?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.proxy import Proxy
from workers.kafka.group_client import GroupClient
from workers.monitoring.lag_poller import LagPoller
from workers.settings import load

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PARTITIONS = 2


class Ways(NamedTuple):
    """Three ways to one broker: that of the settings, the one it names first, and the one it names later."""

    stack: EmbeddedStack
    bootstrap: Proxy
    old: Proxy
    new: Proxy


@pytest.fixture
def ways() -> Iterator[Ways]:
    with Proxy() as bootstrap, Proxy() as old, Proxy() as new:
        try:
            stack = EmbeddedStack({"STACK_KAFKA_ADVERTISED_PORT": str(old.port)}).__enter__()
        except StackUnavailableError as reason:
            unavailable(reason)
        try:
            bootstrap.upstream = old.upstream = new.upstream = stack.kafka_proxied_port
            yield Ways(stack, bootstrap, old, new)
        finally:
            stack.remove()


@pytest.mark.parametrize("left", ["refuses", "is silent"])
def test_worker_lag_and_watchdog_find_a_broker_at_its_new_address(ways: Ways, tmp_path: Path, left: str) -> None:
    """Without a watchdog a worker stood until it was killed, for 202 s, and /healthz said 200. `left`: what the old address does."""
    with PlainWorkers(ways.stack, tmp_path) as workers:
        workers.create(PARTITIONS)
        worker = workers.start(0, WORKERS_BOOTSTRAP_SERVERS=ways.bootstrap.address)
        workers.numbers(0, 0, 10)
        workers.wait_committed()
        settings = load(bootstrap_servers=ways.bootstrap.address, topic=workers.topic, group=workers.group)
        lag, group = LagPoller(settings), GroupClient(settings)
        try:
            assert lag.take_snapshot()
            assert group.partition_offsets()
            ways.stack.stop()
            ways.old.refuse() if left == "refuses" else ways.old.hang()
            ways.stack.environment["STACK_KAFKA_ADVERTISED_PORT"] = str(ways.new.port)
            ways.stack.start()
            assert ways.stack.brokers(ways.bootstrap.port) == [("127.0.0.1", ways.new.port)]

            workers.numbers(1, 10, 10)
            workers.wait_committed(seconds=60)
            assert workers.alive(0), worker.returncode
            wait_until(lambda: workers.page("/readyz")[0] == 200, 20, "it is ready")
            wait_until(lambda: _known(lag), 20, "the lag is known")
            wait_until(group.partition_offsets, 20, "the watchdog sees the group")
            assert workers.log().count("asking the bootstrap servers") == 1
            assert workers.verify().code == 0
        finally:
            lag.close()
            group.close()


def _known(lag: LagPoller) -> bool:
    try:
        return lag.take_snapshot().point.lag == 0
    except Exception:  # noqa: BLE001 whatever it is, the lag is not known yet
        return False
