"""Several topics in one fleet, on real servers: where records go, who reads what, and what one bad topic does to the others."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.routed_workers import RoutedWorkers
from workers.kafka.options import METADATA_MAX_AGE

pytestmark = pytest.mark.integration

SMALL = {"WORKERS_MAX_POLL_RECORDS": "100", METADATA_MAX_AGE: "1"}
"""Batches of which there are many, and a client that looks for new topics once a second."""
ROUTES = """
[[route]]
topics = ["PREFIXorders", "PREFIXrefunds"]
collection = "shop"

[[route]]
name = "logs"
topic_pattern = 'PREFIXlog\\..*'
collection = "{topic}"

[[route]]
name = "audits"
topic_pattern = 'PREFIXlog\\.audit.*'
collection = "audits"
"""
Open = Callable[..., RoutedWorkers]


@pytest.fixture
def opened(stack: EmbeddedStack, tmp_path: Path) -> Iterator[Open]:
    made: list[RoutedWorkers] = []

    def open_workers(routes: str = ROUTES, **settings: str) -> RoutedWorkers:
        made.append(RoutedWorkers(stack, tmp_path, routes, SMALL | settings))
        return made[-1]

    yield open_workers
    for each in made:
        each.close()


def is_committed(workers: RoutedWorkers, end: int) -> bool:
    return workers.all_committed().get(("refunds", 0)) == end


def numbers(topic: str, partition: int, count: int) -> list[tuple[str, int, int]]:
    return [(topic, partition, number) for number in range(count)]


def test_each_topic_goes_into_its_collection_and_a_kill_loses_and_doubles_nothing(opened: Open) -> None:
    workers = opened()
    for topic in ("orders", "refunds", "log.web"):
        workers.create_topic(topic, 2)
    for slot in (0, 1):
        workers.start(slot)
    wait_until(lambda: sorted(map(len, workers.owned_by().values())) == [3, 3], 30, "each owns half of the partitions")

    for partition in (0, 1):
        workers.numbers_to("orders", partition, 0, 1_000)
        workers.numbers_to("log.web", partition, 0, 1_000)
    workers.running[0].send_signal(signal.SIGKILL)
    workers.numbers_to("refunds", 1, 0, 500)
    workers.wait_all_committed()

    assert workers.stored("shop") == sorted(
        numbers("orders", 0, 1_000) + numbers("orders", 1, 1_000) + numbers("refunds", 1, 500)
    )
    assert workers.stored("PREFIXlog.web") == sorted(numbers("log.web", 0, 1_000) + numbers("log.web", 1, 1_000))
    assert workers.total("workers_records_total", 1, topic=f"{workers.prefix}refunds") >= 500


def test_a_topic_that_appears_later_is_read_from_its_beginning(opened: Open) -> None:
    workers = opened()
    workers.start()
    wait_until(lambda: workers.owned_by() == {"worker_00": set()}, 30, "it is a member, with nothing yet")
    assert "there are no such topics yet" in workers.log()

    workers.create_topic("refunds", 1)
    workers.numbers_to("refunds", 0, 0, 20)
    workers.create_topic("log.late", 1)
    workers.numbers_to("log.late", 0, 0, 30)
    workers.wait_all_committed()
    assert (workers.count("shop"), workers.count("PREFIXlog.late")) == (20, 30)


def test_a_topic_that_cannot_be_routed_or_stored_is_halted_and_the_others_go_on(opened: Open) -> None:
    workers = opened()
    workers.create_topic("orders", 1)
    workers.start()
    wait_until(lambda: workers.owned_by() == {"worker_00": {("orders", 0)}}, 30, "it owns the first topic")

    # Two patterns match the one; the collection of the other is capped.
    workers.create_topic("log.audit", 1)
    workers.numtest.database.create_collection(f"{workers.prefix}log.capped", capped=True, size=1 << 20)
    workers.create_topic("log.capped", 1)
    workers.create_topic("log.good", 1)
    for topic in ("log.audit", "log.capped", "log.good", "orders"):
        workers.numbers_to(topic, 0, 0, 50)
    workers.wait_all_committed(["orders", "log.good"])
    wait_until(lambda: workers.total("workers_stopped_partitions") == 2, 30, "both are halted")

    log = workers.log()
    assert "the routes logs and audits both match it" in log
    assert "is capped: it drops its oldest documents" in log
    workers.numbers_to("orders", 0, 50, 50)
    workers.wait_all_committed(["orders"])
    assert workers.alive()
    assert workers.all_committed().keys() == {("orders", 0), ("log.good", 0)}

    # Corrected: nothing of them is lost.
    workers.numtest.database.drop_collection(f"{workers.prefix}log.capped")
    workers.write_routes(ROUTES.replace("log\\..*", "log\\.[^a].*"))
    assert workers.stop() == 0
    workers.start()
    workers.wait_all_committed()
    assert (workers.count("audits"), workers.count("PREFIXlog.capped")) == (50, 50)


@pytest.mark.slow
def test_from_one_topic_to_several_by_a_rolling_restart(opened: Open) -> None:
    """The group's assignor changes with its last member; the records of the first topic are read on from their commits."""
    workers = opened()
    first = workers.create_topic("orders", 4)
    workers.create_topic("refunds", 4)
    old = {"WORKERS_ROUTES": "", "WORKERS_TOPIC": first, "WORKERS_COLLECTION": "shop"}
    for slot in (0, 1):
        workers.start(slot, **old)
    wait_until(
        lambda: sorted(map(len, workers.owned_by().values())) == [2, 2], 30, "both own a half of the first topic"
    )
    for partition in range(4):
        workers.numbers_to("orders", partition, 0, 300)
        workers.numbers_to("refunds", partition, 0, 100)
    workers.wait_all_committed(["orders"])

    for slot in (0, 1):
        assert workers.stop(slot) == 0
        workers.start(slot)
        wait_until(lambda: len(workers.owned_by()) == 2, 30, "both are members")
        for partition in range(4):
            workers.numbers_to("orders", partition, 300 + 100 * slot, 100)
    workers.wait_all_committed()
    wait_until(lambda: sorted(map(len, workers.owned_by().values())) == [4, 4], 30, "each owns half of everything")

    expected = [numbers("orders", partition, 500) for partition in range(4)]
    expected += [numbers("refunds", partition, 100) for partition in range(4)]
    assert workers.stored("shop") == sorted(each for some in expected for each in some)


@pytest.mark.slow
def test_routes_are_changed_by_a_rolling_restart_and_it_is_told_while_not_all_have_the_same(opened: Open) -> None:
    workers = opened()
    for topic in ("orders", "refunds", "returns"):
        workers.create_topic(topic, 2)
    for slot in (0, 1):
        workers.start(slot)
    wait_until(lambda: sorted(map(len, workers.owned_by().values())) == [2, 2], 30, "both own two partitions")
    workers.numbers_to("returns", 0, 0, 10)

    workers.write_routes(ROUTES.replace('"PREFIXrefunds"', '"PREFIXrefunds", "PREFIXreturns"'))
    wait_until(lambda: "the file of routes has changed" in workers.log(0), 30, "the change is told")
    assert workers.stop(0) == 0
    workers.start(0)
    # The partitions of the new topic go to the one that has it; nobody ends, whoever leads the group.
    wait_until(
        lambda: workers.owned_by().get("worker_00", set()) >= {("returns", 0), ("returns", 1)}, 30, "it has them"
    )
    assert "different routes" in workers.log(0) + workers.log(1)
    workers.wait_all_committed(["returns"])
    assert workers.stop(1) == 0
    workers.start(1)
    wait_until(lambda: sorted(map(len, workers.owned_by().values())) == [3, 3], 30, "each owns half of everything")
    assert "Traceback" not in workers.log(0) + workers.log(1)
    assert workers.stored("shop") == numbers("returns", 0, 10)


@pytest.mark.slow
def test_a_busy_topic_does_not_starve_the_others(opened: Open) -> None:
    """Half a million records wait in one topic, and a record a moment comes in another: it does not wait behind them."""
    workers = opened(WORKERS_MAX_POLL_RECORDS="5000")
    workers.create_topic("orders", 1)
    workers.create_topic("refunds", 1)
    sender, topic = workers.sender(), f"{workers.prefix}orders"
    for number in range(500_000):
        sender.send(topic, b'{"number": %d}' % number, partition=0)
    sender.flush(120)

    workers.start()
    wait_until(lambda: workers.all_committed().get(("orders", 0)), 30, "it reads")
    behind = []
    for number in range(10):
        workers.numbers_to("refunds", 0, number, 1)
        seen = workers.all_committed()
        wait_until(partial(is_committed, workers, number + 1), 30, "the record is committed")
        behind.append(workers.all_committed()[("orders", 0)] - seen[("orders", 0)])
    assert len(behind) >= 3, "the backlog was over before anything could be seen"
    # In flight, fetched before, and its own turn: a few batches of the busy one, and not the fetch of a megabyte.
    assert sorted(behind)[len(behind) // 2] <= 4 * 5_000, behind
    workers.wait_all_committed(seconds=120)
    assert workers.count("shop") == 500_000 + len(behind)
