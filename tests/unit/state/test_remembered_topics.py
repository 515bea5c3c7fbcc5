"""Which topics came later than the fleet: what a slot notes, and what the next process makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from workers.identity import TopicIdentity
from workers.settings import Settings
from workers.settings.route import Route, RouteTable
from workers.state.remembered_topics import RememberedTopics
from workers.state.slot import Slot
from workers.state.write_failures import WriteFailures

ID, OTHER = UUID(int=1), UUID(int=2)
NUMTEST = TopicIdentity("numtest", ID)


class Kafka:
    def __init__(self, **topics: UUID) -> None:
        self.topics, self.asked = topics, 0

    def identify(self, name: str) -> UUID | None:
        self.asked += 1
        return self.topics.get(name)

    def names(self) -> list[str]:
        self.asked += 1
        return [*self.topics]


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., RememberedTopics]:
    def make(kafka: Kafka, slot: int = 0, table: RouteTable | None = None, **settings: object) -> RememberedTopics:
        Slot(tmp_path, "counters", f"worker_{slot:02d}").file("lock").touch()
        given = Settings(slot=slot, **{"start": "latest", "state_dir": tmp_path, **settings})  # type: ignore[arg-type]
        found = RememberedTopics(given.with_routes(table) if table else given, WriteFailures())
        found.look(kafka.identify, kafka.names)
        return found

    return make


def test_a_topic_that_is_there_at_the_first_start_did_not_come_later(worker):
    assert not worker(Kafka(numtest=ID)).came_later(NUMTEST)


def test_a_topic_that_is_made_while_a_worker_waits_came_later_also_for_the_next_one(worker):
    assert worker(Kafka()).came_later(NUMTEST)

    # Killed, and started again before the first commit; and a slot that was never used.
    assert worker(Kafka(numtest=ID)).came_later(NUMTEST)
    assert worker(Kafka(numtest=ID), slot=3).came_later(NUMTEST)


def test_a_topic_that_was_made_again_came_later(worker):
    worker(Kafka(numtest=OTHER))

    assert worker(Kafka(numtest=ID)).came_later(NUMTEST)


def test_a_topic_whose_commits_are_lost_is_read_from_its_beginning(worker):
    first = worker(Kafka(numtest=ID))
    first.began(NUMTEST)

    assert worker(Kafka(numtest=ID)).came_later(NUMTEST)
    assert worker(Kafka(numtest=ID), slot=1).came_later(NUMTEST)


def test_a_crash_before_the_first_commit_changes_nothing(worker):
    worker(Kafka(numtest=ID))

    assert not worker(Kafka(numtest=ID)).came_later(NUMTEST)


def test_of_a_pattern_only_what_it_matched_at_first_was_there(worker):
    table = RouteTable((Route(topic_pattern="log[.].*", start="latest"),))
    old, new = TopicIdentity("log.a", ID), TopicIdentity("log.b", OTHER)
    kafka = Kafka(**{"log.a": ID, "other": OTHER})
    worker(kafka, table=table)
    kafka.topics["log.b"] = OTHER

    found = worker(kafka, table=table)

    assert (found.came_later(old), found.came_later(new)) == (False, True)


def test_a_topic_that_a_route_names_from_now_on_and_that_is_there_did_not_come_later(worker):
    worker(Kafka(numtest=ID))

    found = worker(Kafka(numtest=ID, orders=OTHER), topic="orders")

    assert not found.came_later(TopicIdentity("orders", OTHER))


def test_what_was_noted_is_not_asked_for_again_and_without_a_start_nothing_is(worker, tmp_path):
    worker(Kafka(numtest=ID))
    again, plain = Kafka(numtest=ID), Kafka(numtest=ID)
    worker(again)
    worker(plain, slot=1, start="earliest")

    assert (again.asked, plain.asked) == (0, 0)
    assert sorted(path.name for path in tmp_path.glob("*.topics")) == ["counters-worker_00.topics"]


def test_without_a_folder_the_process_remembers(worker):
    found = worker(Kafka(numtest=ID), state_dir=None)

    assert (found.came_later(NUMTEST), found.came_later(TopicIdentity("numtest", OTHER))) == (False, True)


def test_a_damaged_file_is_as_none(worker, tmp_path):
    worker(Kafka())
    (tmp_path / "counters-worker_00.topics").write_bytes(b"00000000 00000002\n{}")

    assert not worker(Kafka(numtest=ID)).came_later(NUMTEST)


def test_a_disk_that_is_full_is_told_and_ends_nothing(tmp_path):
    told: list[str] = []
    settings = Settings(start="latest", state_dir=tmp_path / "missing" / "too")

    RememberedTopics(settings, WriteFailures(told.append)).look(lambda _name: ID, list)

    assert "a topic that is made later may be begun at its start setting" in told[0]
