"""A database that answers, and takes no writes: full, read-only, busy, or not for this user. No record is blamed for it.

And records that it refuses while it takes others: their partition is halted if there are too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.batches import batch_of, document
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.ferretdb import OwnFerretDB
from tests.support.plain_workers import PlainWorkers
from tests.support.user import Services
from tests.support.wire_mongo import WireMongo
from workers.errors import SinkUnavailableError
from workers.settings import load
from workers.sinks.mongodb.sink import MongoSink

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 60
AWAY = "the database is unavailable; retrying with backoff, nothing is committed"
BACK = "the database is available again"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[OwnFerretDB]:
    with OwnFerretDB(tmp_path / "data") as database:
        yield database


@pytest.fixture
def workers(stack: EmbeddedStack, database: OwnFerretDB, tmp_path: Path) -> Iterator[PlainWorkers]:
    """200 numbers in one partition, all of them stored."""
    services = Services(stack.bootstrap_servers, database.mongodb_uri)
    with PlainWorkers(services, tmp_path) as workers:
        workers.kafka.create(1)
        workers.numbers(0, 0, 200)
        workers.start()
        workers.wait_committed({0: 200})
        yield workers


def test_a_full_disk_is_waited_for_and_no_record_is_blamed(workers: PlainWorkers, database: OwnFerretDB) -> None:
    database.leave_room(0)
    refuses_for_a_while(workers)
    database.leave_room(None)
    goes_on_as_if_nothing_had_been(workers)


def test_a_read_only_database_is_waited_for_and_no_record_is_blamed(
    workers: PlainWorkers, database: OwnFerretDB
) -> None:
    with database.read_only():
        refuses_for_a_while(workers)
    goes_on_as_if_nothing_had_been(workers)


def refuses_for_a_while(workers: PlainWorkers) -> None:
    """A worker that has a batch in hand, and poison in it: neither collection takes anything."""
    before, members = workers.contents(), workers.kafka.members()
    workers.numbers(0, 200, 100)
    workers.send(0, b"no json")
    workers.numbers(0, 300, 99)
    wait_until(
        lambda: workers.total("workers_write_retries_total", reason="disk_error") >= 3,
        PATIENCE_SECONDS,
        "the worker has tried, and again",
    )
    assert workers.contents() == before
    assert workers.kafka.committed() == {0: 200}
    assert (workers.alive(), workers.kafka.members()) == (True, members)
    (told,) = [line for line in workers.log().splitlines() if AWAY in line]
    assert "level=warning" in told
    assert "disk_error" in told
    assert BACK not in workers.log()


def goes_on_as_if_nothing_had_been(workers: PlainWorkers) -> None:
    workers.wait_committed({0: 400})
    assert sorted(workers.documents().values()) == list(range(399))
    (letter,) = workers.contents()[1]
    assert (letter["reason"], letter["value"]) == ("not_json", b"no json")
    assert workers.verify().code == 0
    wait_until(lambda: BACK in workers.log(), 10, "it says that the database is back")


def test_however_little_room_is_left_it_is_not_the_fault_of_a_record(database: OwnFerretDB) -> None:
    """Enough for a dead letter, say, and not for the document that it would be about."""
    store = MongoSink(load(mongodb_uri=database.mongodb_uri, database="room"))
    outcomes = set()
    try:
        store.write(batch_of(document(0)))
        store._collections.dead_letters.insert_one({"_id": "so that the collection is there"})
        for number, room in enumerate((pages * 2_060 for pages in range(16) for _ in range(3)), 1):
            database.leave_room(room)
            batch = batch_of(*[document(10 * number + each, text="x" * 9_000) for each in range(2)])
            try:
                written = store.write(batch)
            except SinkUnavailableError as error:
                outcomes.add(error.reason)
            else:
                outcomes.add("written")
                assert written.dead_letters == {}, f"with room for {room} bytes"
            database.leave_room(None)
        assert store._collections.dead_letters.count_documents({}) == 1
    finally:
        store.close()
    assert outcomes == {"disk_error", "written"}, "void: not all of it was tried"


def test_a_user_whom_the_database_refuses_is_told_and_nothing_is_read(workers: PlainWorkers) -> None:
    """FerretDB knows no users, so it refuses each. What is revoked in the middle of a run: test_store_verdicts.py."""
    before = workers.contents()
    assert workers.stop() == 0
    workers.numbers(0, 200, 50)
    user = workers.mongodb_uri.replace("://", "://somebody:secret@")
    workers.start(WORKERS_MONGODB_URI=user)
    wait_until(lambda: "waiting for MongoDB" in workers.log(), PATIENCE_SECONDS, "it says that it waits")
    (told,) = [line for line in workers.log().splitlines() if "waiting for MongoDB" in line]
    assert "not_authorized" in told
    assert "secret" not in workers.log()
    assert (workers.contents(), workers.kafka.members(), workers.alive()) == (before, {}, True)
    assert workers.stop() == 0
    workers.start()
    workers.wait_committed({0: 250})
    assert (workers.verify().code, len(workers.documents())) == (0, 250)


BUSY = {"code": 987_654, "errmsg": "request rate is large, retry after 40 ms"}


@pytest.fixture
def scripted(stack: EmbeddedStack, tmp_path: Path) -> Iterator[tuple[PlainWorkers, WireMongo]]:
    """A worker on a server that refuses what the test says; 20 numbers are stored."""
    with WireMongo() as server, PlainWorkers(Services(stack.bootstrap_servers, server.uri), tmp_path) as workers:
        workers.kafka.create(1)
        workers.numbers(0, 0, 20)
        workers.start(WORKERS_REFUSAL_PATIENCE="1")
        workers.wait_committed({0: 20})
        yield workers, server


def test_a_busy_database_makes_no_dead_letter_and_a_record_that_is_refused_alone_is_one(
    scripted: tuple[PlainWorkers, WireMongo],
) -> None:
    """For longer than the patience nothing is taken, half of a bulk, or the whole command, under a code that nobody knows."""
    workers, server = scripted
    members = workers.kafka.members()
    refusals = lambda: workers.total("workers_write_retries_total", reason="error")  # noqa: E731
    server.refuses = lambda collection, found: BUSY if collection == "numtest" and found["number"] >= 30 else None
    workers.numbers(0, 20, 20)
    wait_until(lambda: refusals() >= 4, PATIENCE_SECONDS, "it has tried, and again")
    server.refuses = lambda collection, _found: BUSY if collection == "numtest" else None
    before = refusals()
    wait_until(lambda: refusals() >= before + 2, PATIENCE_SECONDS, "it has tried, and again")

    assert (workers.kafka.committed(), workers.kafka.members(), workers.alive()) == ({0: 20}, members, True)
    assert not server.collections["numtest_dead_letters"]
    (told,) = [line for line in workers.log().splitlines() if AWAY in line]
    assert "code 987654: request rate is large" in told

    server.refuses = lambda _collection, found: BUSY if found.get("number") == 41 else None
    workers.numbers(0, 40, 20)
    workers.wait_committed({0: 60})
    (letter,) = server.collections["numtest_dead_letters"].values()
    assert (letter["offset"], letter["error"]) == (41, "code 987654: request rate is large, retry after 40 ms")
    assert len(server.collections["numtest"]) == 59
    assert workers.verify().code == 0


def test_a_flood_of_what_the_database_refuses_halts_its_partition_and_comes_out_whole_when_the_limit_is_raised(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    """FerretDB refuses an array in an array, so that decoding lets it through."""
    with PlainWorkers(stack, tmp_path, {"WORKERS_MAX_POLL_RECORDS": "500"}) as workers:
        workers.kafka.create(2)
        workers.send(0, *[b'{"number": [[%d]]}' % number for number in range(4_000)])
        workers.numbers(1, 0, 300)
        workers.start()
        wait_until(lambda: workers.total("workers_stopped_partitions") == 1, PATIENCE_SECONDS, "a partition is stopped")
        workers.wait_committed({**workers.kafka.committed(), 1: 300})
        stopped_at = workers.kafka.committed()[0]
        assert workers.letters.count_documents({}) == stopped_at < 2_500
        assert "too many rejects" in workers.log()
        assert workers.verify().code == 0

        assert workers.stop() == 0
        workers.start(WORKERS_MAX_REJECT_SHARE="1")
        workers.wait_committed({0: 4_000, 1: 300})
        assert workers.letters.count_documents({"reason": "refused_by_server"}) == 4_000
        assert workers.verify().code == 0
