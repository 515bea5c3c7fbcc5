"""The private names of kafka-python with which a client finds its brokers again. The rules are those of `workers.kafka.compat`.

Threads: what is replaced here runs on the client's IO thread.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH_PAUSES = (0.1, 0.5)
"""Seconds between two searches for the coordinator: the first pause, and the longest."""


def _manager(client: Any) -> Any:
    """The connections of a consumer, or of a producer.

    Why: for `rebootstrap` and `connected`.
    Until: as there.
    Test: tests/integration/test_moved_broker.py::test_a_producer_finds_a_broker_that_has_moved
    """
    return client._manager if hasattr(client, "_manager") else client._metadata._manager


def pace_coordinator_search(consumer: Any) -> None:
    """Pause between two searches for the group coordinator, at first 0.1 s, then up to 0.5 s. Call it before the first poll.

    Every search goes through the method that is replaced here: that of a poll, of a commit, and of the heartbeats. Who
    waits for a search waits no longer than its own timeout.

    Why: the other brokers name a dead coordinator until the controller has noticed (9 s by default). The client finds it,
        cannot connect, and searches again at once: 586 log lines a second, and four times the processor time.
    Until: the client pauses when it cannot connect to the coordinator that it found.
    Test: tests/integration/test_client_loops.py::test_a_coordinator_that_is_found_and_cannot_be_reached_is_searched_slowly
    """
    coordinator = consumer._coordinator
    search = coordinator._send_group_coordinator_request
    first, longest = SEARCH_PAUSES
    pause, ended = 0.0, -math.inf

    async def search_after_a_pause() -> Any:
        nonlocal pause, ended
        since = time.monotonic() - ended
        # A search long after the last one is for another outage.
        pause = min(max(2 * pause, first), longest) if since < 4 * longest else 0.0
        if since < pause:
            await coordinator._net.sleep(pause - since)
        try:
            return await search()
        finally:
            ended = time.monotonic()

    coordinator._send_group_coordinator_request = search_after_a_pause


def forget_coordinators(admin: Any) -> None:
    """Have an admin client search for the coordinators of groups again, with its next question.

    Why: it keeps the first answer for ever. When another broker has become the coordinator, every question about the group
        ends with NOT_COORDINATOR, however often it is asked again.
    Until: the admin client does so itself when it gets that answer, or cannot connect to the coordinator.
    Test: tests/chaos/test_brokers.py::test_a_command_finds_the_coordinator_that_has_moved
    """
    admin._manager.cluster._coordinators.clear()


def rebootstrap(client: Any, after_seconds: float, on_cut_off: Callable[[], None]) -> None:
    """Ask the bootstrap servers for metadata when no known broker is connected for so long (KIP-899). Call it once.

    Args:
        client: a consumer or a producer.
        on_cut_off: called on the client's IO thread when that begins.

    Why: the client asks only the brokers in its metadata. If all of them have moved (another port, another address behind
        the same load balancer), it never finds Kafka again, and its process looks healthy.
    Until: the client has `metadata.recovery.strategy`, as Kafka's own clients have.
    Test: tests/integration/test_moved_broker.py::test_a_worker_finds_a_broker_that_has_moved
    """
    manager = _manager(client)
    choose, cluster = manager.least_loaded_node, manager.cluster
    cut_off_since = math.inf
    told = False

    def choose_or_bootstrap() -> Any:
        nonlocal cut_off_since, told
        if connected(client):
            cut_off_since, told = math.inf, False
            return choose()
        cut_off_since = min(cut_off_since, time.monotonic())
        if time.monotonic() - cut_off_since < after_seconds:
            return choose()
        if not told:
            told = True
            on_cut_off()
            # Connections that are still being made lead to where the brokers were, and take up to 30 s to fail.
            for node_id, connection in list(manager._conns.items()):
                if not connection.connected and not cluster.is_bootstrap(node_id):
                    manager.close(node_id)
        nodes = [broker.node_id for broker in cluster.bootstrap_brokers()]
        return next((node_id for node_id in nodes if not manager.connection_delay(node_id)), None) or choose()

    manager.least_loaded_node = choose_or_bootstrap


def connected(client: Any) -> bool:
    """Whether a broker that the client knows from its metadata is connected. Safe on any thread.

    Why: no public name says whether the client has reached any broker lately.
    Until: as for `rebootstrap`, which uses the same.
    Test: tests/integration/test_moved_broker.py::test_a_client_that_finds_nothing_ends_only_if_a_new_one_would_not
    """
    manager = _manager(client)
    # Not the connection to the coordinator, which has a node of its own: it serves no metadata and no records, and it is
    # found through the bootstrap servers too, while the addresses of all leaders are still the old ones.
    connections = [manager._conns.get(broker.node_id) for broker in manager.cluster.brokers()]
    return any(each is not None and each.connected for each in connections)


def last_answer_to_a_heartbeat(consumer: Any) -> float:
    """When the group coordinator answered last (`time.monotonic`); minus infinity: never. Safe on any thread.

    Why: a member that the coordinator does not answer stays STABLE for the client, for hours.
    Until: a public name says since when the member has had no answer.
    Test: tests/integration/test_moved_broker.py::test_a_worker_without_an_answer_from_its_group_is_not_ready
    """
    answered: float = consumer._coordinator.heartbeat.last_receive
    return answered
