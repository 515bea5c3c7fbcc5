"""A database that answers, and takes no writes: full, read-only, or not for this user. No record is ever blamed for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.batches import batch_of, document
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.ferretdb import OwnFerretDB
from tests.support.plain_workers import PlainWorkers
from tests.support.user import Services
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
