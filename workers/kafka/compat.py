"""Everything private of kafka-python that this project uses: six attributes, and three patches.

Nothing here is promised by the client, so every use says why it is needed, until when, and which test fails when the
client changes. Importing this checks that the client is the version that all of it was written for, and does nothing
else. No other file names any of it (tests/unit/kafka/test_compat.py). Why this client, and only this version: docs/decisions, 12.

Threads: the client's IO thread runs its coroutines; the thread that calls `poll` waits for them. All functions here are
for the thread that polls, between its polls.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workers.errors import BadConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

PINNED = "3.0.12"
"""The one version that this was written for, and that pyproject.toml demands."""


def require_pinned_client() -> None:
    """Refuse every kafka-python but the pinned one: another may commit, rejoin or read otherwise, without an error.

    Raises:
        BadConfigurationError: naming both versions, and how to get the right one.
    """
    remedy = f"kafka-mongo-workers runs with kafka-python {PINNED} only: pip install kafka-python=={PINNED}"
    try:
        import kafka
    except ImportError as error:
        raise BadConfigurationError([f"kafka-python cannot be imported ({error}); {remedy}"]) from error
    if kafka.__version__ != PINNED:
        raise BadConfigurationError([f"kafka-python {kafka.__version__} is installed; {remedy}"])


# Before any other module asks another version for a name that it does not have. So nothing else of the client is
# imported at the top of this file.
require_pinned_client()


def topic_id(consumer: Any, topic: str) -> UUID | None:
    """The id of the topic in the client's metadata; None while it knows none.

    The IO thread replaces the whole table of ids at once, so this reads the old one or the new one.

    Why: a topic that was deleted and made again has another id, and no public name has it. Fetches go by topic name.
    Until: the consumer offers the id, or fetches by it.
    Test: tests/integration/test_client_canary.py::test_a_consumer_tells_its_member_its_generation_and_the_topics_id
    """
    found: UUID | None = consumer._cluster.topic_id(topic)
    return found


def rebalance_pending(consumer: Any) -> bool:
    """Whether the next poll of this member would begin a rebalance, or go on with one.

    Why: what is in flight is committed first, so that no neighbour has to read it again: decision 8.
    Until: the consumer has a public way to ask.
    Test: tests/integration/test_client_canary.py::test_it_hears_of_a_rebalance_between_its_polls_and_leaves_it_time_for_what_is_in_flight
    """
    return bool(consumer._coordinator.need_rejoin())


@contextmanager
def suppress_rejoin(consumer: Any) -> Iterator[None]:
    """Polls inside see no rebalance, even if the IO thread hears of one in the middle of them.

    It is safe while the IO thread runs. That thread records a rebalance in `rejoin_needed`, which stays as it is, and the
    next poll outside acts on it. `need_rejoin` is read in two places: by the thread that polls, and in `join_group_async`,
    which runs on the IO thread, but only while the thread that polls waits for it because `need_rejoin` was true. A join
    that an earlier poll left in flight does not read it.

    Why: between `rebalance_pending` and the poll the IO thread may hear of a rebalance, and a batch is in flight.
    Until: a poll can be told not to rebalance.
    Test: tests/integration/test_client_canary.py::test_a_rebalance_that_is_suppressed_is_not_forgotten
    """
    coordinator = consumer._coordinator
    coordinator.need_rejoin = lambda: False
    try:
        yield
    finally:
        del coordinator.need_rejoin


def request_rejoin(consumer: Any) -> None:
    """Have the next poll go on with a join that is under way.

    Why: a leader whose poll ends between its assignment and the broker's answer to it forgets that it is joining: no
        heartbeats, no partitions and no error, for ever.
    Until: `need_rejoin` is true for as long as a join is in flight.
    Test: tests/integration/test_rejoin.py::test_a_leader_whose_topic_grows_comes_back_though_its_machine_is_slow
    """
    consumer._coordinator.request_rejoin()


def retry_coordinator_search(consumer: Any) -> None:
    """Treat a retriable error of the search for the group's coordinator as "not found yet". Call it before any poll.

    Why: the search asks for metadata when a connection closes, and raises out of poll if the broker refuses just then: so
        one worker or another would end whenever a broker is restarted.
    Until: `ensure_coordinator_ready_async` retries that error as it retries the others.
    Test: tests/integration/test_broker_away.py::test_a_search_for_the_coordinator_that_is_refused_goes_on_with_the_next_poll
    """
    from kafka.errors import RetriableError

    coordinator = consumer._coordinator
    search = coordinator.ensure_coordinator_ready_async

    async def search_on(timeout_ms: float | None = None) -> bool:
        try:
            return bool(await search(timeout_ms))
        except RetriableError:
            return False

    coordinator.ensure_coordinator_ready_async = search_on


def install_record_decoder(decode: Callable[[Any], Iterator[Any]]) -> None:
    """Have every consumer of this process decode batches of records so. A second call replaces the first.

    Control batches, of which the client reads more than records, stay the client's.

    Why: the client raises out of poll on a header key that is not UTF-8, which stops the partition for ever, and
        decoding as `workers.kafka.fast_records` does takes a third off the cost of poll.
    Until: the client decodes such keys, and its decoder is in C.
    Test: tests/integration/test_record_batch.py::test_a_batch_is_read_as_the_client_reads_it
    """
    from kafka.record.default_records import DefaultRecordBatch

    original = getattr(DefaultRecordBatch.__iter__, "__wrapped__", DefaultRecordBatch.__iter__)

    @functools.wraps(original)
    def iterate(batch: Any) -> Iterator[Any]:
        records: Iterator[Any] = original(batch) if batch.is_control_batch else decode(batch)
        return records

    DefaultRecordBatch.__iter__ = iterate


def batch_buffer(batch: Any) -> tuple[bytes, int]:
    """The records of a batch, decompressed, and where in these bytes the first one begins.

    Why: the decoder of `install_record_decoder` needs the bytes; the client offers records only.
    Until: as there.
    Test: tests/integration/test_record_batch.py::test_header_keys_that_are_not_utf8_are_shown_with_escapes
    """
    batch._maybe_uncompress()
    return bytes(batch._buffer), batch._pos


def close_unconnected(admin: Any) -> None:
    """Close an admin client whose constructor found no broker; call it from inside that constructor.

    Why: the constructor leaves a thread and its sockets behind, and its `close` does nothing before it is through. Whoever
        waits for a broker connects for hours.
    Until: the constructor cleans up when it fails.
    Test: tests/unit/kafka/test_compat.py::test_an_admin_client_that_finds_no_broker_leaves_no_thread_behind
    """
    admin._closed = False
    admin.close()
