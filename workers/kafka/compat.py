"""All private names of kafka-python that this project uses, but for record batches (`compat_batches`), reading logs
(`compat_logs`) and finding brokers (`compat_brokers`).

They are no interface of the client, so every use says why it is needed, until when, and which test fails when the
client changes. Importing this module checks the version of the client that it was written for, and does nothing else. No
other file uses a private name (tests/unit/kafka/test_compat.py). Why this client, and only this version: docs/decisions, 12.

Threads: the client's IO thread runs its coroutines; the thread that calls `poll` waits for them. Call the functions here
on the polling thread, between two polls.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workers.errors import BadConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

PINNED = "3.0.12"
"""The version that this was written for, and that pyproject.toml requires."""


def require_pinned_client() -> None:
    """Refuse any other version of kafka-python: it may commit, rejoin or read in another way, without an error.

    Raises:
        BadConfigurationError: the message has both versions, and the command that installs the right one.
    """
    remedy = f"kafka-mongo-workers runs with kafka-python {PINNED} only: pip install kafka-python=={PINNED}"
    try:
        import kafka
    except ImportError as error:
        raise BadConfigurationError([f"kafka-python cannot be imported ({error}); {remedy}"]) from error
    if kafka.__version__ != PINNED:
        raise BadConfigurationError([f"kafka-python {kafka.__version__} is installed; {remedy}"])


# Before any module imports a name that another version does not have. For the same reason this file imports nothing of
# the client at its top.
require_pinned_client()


def topic_id(consumer: Any, topic: str) -> UUID | None:
    """The id of the topic in the client's metadata; None: not in the metadata.

    The IO thread replaces the whole table of ids at once, so this reads the old one or the new one.

    Why: a topic that was deleted and recreated has another id, and no public name returns it. Fetches go by topic name.
    Until: the consumer offers the id, or fetches by it.
    Test: tests/integration/test_client_canary.py::test_a_consumer_tells_its_member_its_generation_and_the_topics_id
    """
    found: UUID | None = consumer._cluster.topic_id(topic)
    return found


def rebalance_pending(consumer: Any) -> bool:
    """Whether the next poll of this member would begin or continue a rebalance.

    Why: the batch in flight is committed first, so that it is not redelivered to the next owner: decision 8.
    Until: the consumer has a public method for it.
    Test: tests/integration/test_client_canary.py::test_it_hears_of_a_rebalance_between_its_polls_and_leaves_it_time_for_what_is_in_flight
    """
    return bool(consumer._coordinator.need_rejoin())


@contextmanager
def suppress_rejoin(consumer: Any) -> Iterator[None]:
    """Polls within this context do not rebalance, even if the IO thread is notified of a rebalance meanwhile.

    It is safe while the IO thread runs. That thread records a rebalance in `rejoin_needed`, which this does not change, and
    the next poll outside acts on it. `need_rejoin` is read in two places: on the polling thread, and in `join_group_async`,
    which runs on the IO thread, but only while the polling thread waits for it because `need_rejoin` was true. A join
    that an earlier poll left in flight does not read it.

    Why: a rebalance may begin between `rebalance_pending` and the poll, while a batch is in flight.
    Until: poll has an option not to rebalance.
    Test: tests/integration/test_client_canary.py::test_a_rebalance_that_is_suppressed_is_not_forgotten
    """
    coordinator = consumer._coordinator
    coordinator.need_rejoin = lambda: False
    try:
        yield
    finally:
        del coordinator.need_rejoin


def request_rejoin(consumer: Any) -> None:
    """Make the next poll continue a join that is in flight.

    Why: a group leader whose poll ends after it has sent the assignment, and before the broker's answer, forgets that it
        is joining: it has no heartbeats, no partitions and no error from then on.
    Until: `need_rejoin` is true for as long as a join is in flight.
    Test: tests/integration/test_rejoin.py::test_a_leader_whose_topic_grows_comes_back_though_its_machine_is_slow
    """
    consumer._coordinator.request_rejoin()


def is_fenced(consumer: Any) -> bool:
    """Whether the broker answered a heartbeat with "fenced": another process joined with this member's static id.

    Safe on any thread. The client enters STABLE and enables its heartbeats under a lock, which `group_metadata` takes too; a
    member that joins again is `rejoining` before it disables them.

    Why: the client stops its heartbeats then, and nothing else: it stays STABLE and fetches, until a commit fails.
    Until: poll raises FencedInstanceIdError.
    Test: tests/integration/test_static_membership.py::test_of_two_processes_with_one_name_one_ends_and_says_why
    """
    from kafka.structs import MemberState

    member, coordinator = consumer.group_metadata(), consumer._coordinator
    stable = member.group_instance_id is not None and member.state is MemberState.STABLE
    return stable and not coordinator._heartbeat_enabled and not coordinator.rejoining


def retry_coordinator_search(consumer: Any) -> None:
    """Treat a retriable error of the search for the group coordinator as "not found yet". Call it before the first poll.

    Why: the search requests metadata when a connection closes, and raises out of poll if the broker refuses just then. Some
        worker would end whenever a broker is restarted.
    Until: `ensure_coordinator_ready_async` retries that error, as it does others.
    Test: tests/integration/test_broker_away.py::test_a_search_for_the_coordinator_that_is_refused_goes_on_with_the_next_poll
    """
    from kafka.errors import RetriableError

    coordinator = consumer._coordinator
    search = coordinator.ensure_coordinator_ready_async

    async def search_or_retry(timeout_ms: float | None = None) -> bool:
        try:
            return bool(await search(timeout_ms))
        except RetriableError:
            return False

    coordinator.ensure_coordinator_ready_async = search_or_retry


def keep_completed_join(consumer: Any) -> None:
    """A join that completes between two polls counts. Call it before the first poll.

    Why: the next poll throws its result away and joins again. When the leader of the group joins again, everybody has to: the
        group rebalanced about once a second, and its leader never got its partitions.
    Until: `join_group_async` looks at the result of a join that is done.
    Test: tests/integration/test_rejoin.py::test_a_join_that_completes_between_two_polls_is_not_made_again
    """
    from kafka.structs import MemberState

    coordinator = consumer._coordinator
    join = coordinator.join_group_async

    async def join_or_complete(timeout_ms: float | None = None) -> bool:
        done = coordinator._join_task
        if done is not None and done.succeeded() and coordinator.state is MemberState.REBALANCING:

            async def assignment() -> Any:
                return done.value

            # Not done before this coroutine waits for it.
            coordinator._join_task = coordinator._manager.call_soon(assignment)
        return bool(await join(timeout_ms))

    coordinator.join_group_async = join_or_complete


def close_unconnected(admin: Any) -> None:
    """Close an admin client whose constructor found no broker. Call it from that constructor.

    Why: the constructor leaves a thread and sockets behind, and `close` does nothing before the constructor has returned.
        A worker that waits for a broker connects for hours.
    Until: the constructor cleans up when it fails.
    Test: tests/unit/kafka/test_compat.py::test_an_admin_client_that_finds_no_broker_leaves_no_thread_behind
    """
    admin._closed = False
    admin.close()


def group_rights(admin: Any, group: str) -> set[str] | None:
    """What this client may do with the group: READ, DESCRIBE and so on, as the broker says; None: it does not say.

    Raises:
        KafkaError: the broker refused to answer, or its coordinator is loading.

    Why: of a group that does not exist yet the broker says it only up to version 5 of DescribeGroups, and
        `describe_groups` asks with the latest one.
    Until: `describe_groups` returns it for such a group.
    Test: tests/integration/test_client_canary.py::test_a_broker_tells_the_rights_on_a_group_that_is_not_there_yet
    """
    from kafka.admin import ACLOperation
    from kafka.errors import for_code
    from kafka.protocol.admin import DescribeGroupsRequest

    async def ask() -> Any:
        coordinator = (await admin._find_coordinator_ids([group]))[group]
        request = DescribeGroupsRequest(groups=[group], include_authorized_operations=True, max_version=5)
        return await admin._manager.send(request, node_id=coordinator)

    (found,) = admin._manager.run(ask).groups
    if found.error_code:
        raise for_code(found.error_code)(group)
    rights = found.authorized_operations
    # A later broker may know more of them.
    names = {int(each): each.name for each in ACLOperation}
    return None if rights is None else {names[number] for number in rights if number in names}
