"""The auditor on a real Kafka and a real database, one look at a time: every kind of damage, and servers that go away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.errors import CoordinatorNotAvailableError

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.proxy import Proxy
from workers.auditor import findings
from workers.auditor.auditor import Auditor
from workers.auditor.positions import PositionsFile
from workers.auditor.servers import Servers
from workers.connection import KeptConnection
from workers.errors import UnavailableError
from workers.identity import TopicIdentity
from workers.kafka.admin import Admin
from workers.kafka.log_reader import NO_RECORD_SECONDS, LogReader
from workers.settings import Settings, load
from workers.state.audit_file import Audit
from workers.state.write_failures import WriteFailures
from workers.types import TopicPartition

pytestmark = pytest.mark.integration


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.create(2)
        yield workers


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "SETTLE_SECONDS", 0.0)


def settings_of(workers: PlainWorkers, **others: str) -> Settings:
    given = {
        "bootstrap_servers": workers.servers,
        "mongodb_uri": workers.mongodb_uri,
        "topic": workers.topic,
        "group": workers.group,
        "database": workers.database,
    }
    return load(**(given | others))


def identity(settings: Settings) -> TopicIdentity:
    with Admin(settings) as admin:
        topic = admin.topic(settings.topic)
    assert topic is not None
    return topic.identity


class Audited:
    """An auditor and its connections, driven by hand."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.auditor = Auditor(settings.topic, PositionsFile(folder, settings.group, WriteFailures()))
        self.servers = KeptConnection(lambda: Servers(settings).connect())

    def round(self) -> Audit:
        self.servers.ask(self.auditor.round)
        return self.auditor.audit

    def whole_pass(self) -> None:
        while self.servers.ask(self.auditor.step_full_pass):
            pass

    def rounds_until(self, condition: Callable[[Audit], bool], what: str) -> Audit:
        return wait_until(
            lambda: condition(self.round()) and self.auditor.audit, 30, f"{what}; it says {self.auditor.audit}"
        )


@contextlib.contextmanager
def audited(settings: Settings, folder: Path) -> Iterator[Audited]:
    found = Audited(settings, folder)
    try:
        yield found
    finally:
        found.servers.close()


def commit(workers: PlainWorkers, offsets: dict[int, int]) -> None:
    """Waits for the coordinator: the first commit on a new broker makes its topic."""

    def committed() -> bool:
        try:
            workers.commit(offsets)
        except CoordinatorNotAvailableError:
            return False
        return offsets.items() <= workers.kafka.committed().items()

    wait_until(committed, 30, "the coordinator is there")


def documents(topic: TopicIdentity, partition: int, offsets: dict[int, int]) -> list[dict[str, object]]:
    """Args: offsets: the number at each."""
    return [{"_id": topic.document_id(partition, offset), "number": number} for offset, number in offsets.items()]


def test_every_kind_of_damage_is_found_in_a_pass_and_forgotten_when_it_is_mended(
    workers: PlainWorkers, tmp_path: Path
) -> None:
    settings = settings_of(workers)
    topic = identity(settings)
    workers.numbers(0, 0, 10)
    workers.send(0, None, key=b"k")
    workers.numbers(1, 0, 5)
    transactional = KafkaProducer(bootstrap_servers=workers.servers, transactional_id=workers.topic)
    transactional.init_transactions()
    transactional.begin_transaction()
    aborted = transactional.send(workers.topic, b'{"number": 5}', partition=1).get(30).offset
    transactional.abort_transaction()
    commit(workers, {0: 11, 1: 5})
    at = {letter: topic.document_id(0, offset) for letter, offset in (("other", 4), ("both", 5), ("letter", 6))}
    stored = {offset: offset for offset in range(10) if offset not in (3, 4, 6)}
    workers.numtest.insert_many(
        [
            *documents(topic, 0, stored),
            {"_id": at["other"], "number": "4"},
            *documents(topic, 1, {offset: offset for offset in range(5)}),
        ]
    )
    workers.letters.insert_many([{"_id": at[each], "reason": "not_json"} for each in ("both", "letter")])

    with audited(settings, tmp_path) as audit:
        audit.round()
        audit.whole_pass()
        found = audit.rounds_until(lambda each: not each.is_clean, "it finds what is wrong")
        assert (found.missing, found.twice, found.unexplained) == (1, 1, 1)
        assert [each[1:] for each in found.found] == [(0, 3, "missing"), (0, 4, "conflicting"), (0, 5, "twice")]
        assert audit.auditor.verified["new"] == 16, "eleven and five, and not the one that was aborted"
        assert found.since is not None, "the first pass does not end over a suspicion"
        audit.whole_pass()
        assert audit.auditor.audit.since is None

        workers.numtest.insert_many(documents(topic, 0, {3: 3}))
        workers.numtest.replace_one({"_id": at["other"]}, {"_id": at["other"], "number": 4})
        workers.letters.delete_one({"_id": at["both"]})
        began = time.time()
        found = audit.rounds_until(lambda each: each.is_clean and (each.until or 0) > began, "all is mended")
        assert found.until is not None, "the marker at the end of partition 1 holds nothing back"

        # A document of a record that was never committed: what the pass before did not read.
        workers.numbers(1, 7, 2)
        commit(workers, {1: aborted + 4})
        workers.numtest.insert_many(documents(topic, 1, {aborted: 5, aborted + 2: 7, aborted + 3: 8}))
        audit.whole_pass()
        found = audit.rounds_until(lambda each: each.unexplained == 1, "a document without a record is found")
        assert [each[1:] for each in found.found] == [(1, aborted, "unexpected")]
        workers.numtest.delete_one({"_id": topic.document_id(1, aborted)})
        audit.rounds_until(lambda each: each.is_clean, "it is gone")

        # New records, in a transaction: no commit reaches behind its marker.
        transactional.begin_transaction()
        last = transactional.send(workers.topic, b'{"number": 9}', partition=1).get(30).offset
        found = audit.rounds_until(lambda each: each.unstable > 0, "the open transaction is counted")
        assert found.is_clean
        transactional.commit_transaction()
        transactional.close(timeout=5)
        workers.numtest.insert_many(documents(topic, 1, {last: 9}))
        commit(workers, {1: last + 1})
        began = time.time()
        found = audit.rounds_until(lambda each: (each.until or 0) > began, "until goes on behind the marker")
        assert (found.is_clean, found.unstable, found.unverified) == (True, 0, 0)


def test_a_database_that_goes_away_is_told_and_nothing_is_forgotten(
    workers: PlainWorkers, stack: EmbeddedStack, tmp_path: Path
) -> None:
    with Proxy(stack.mongodb_port) as proxy:
        settings = settings_of(workers, mongodb_uri=f"mongodb://{proxy.address}/?serverSelectionTimeoutMS=500")
        topic = identity(settings)
        with audited(settings, tmp_path) as audit:
            audit.round()
            audit.whole_pass()
            before = audit.rounds_until(
                lambda each: each.until is not None, "nothing is there, and all of it is proven"
            )
            workers.numbers(0, 0, 100)
            workers.numtest.insert_many(documents(topic, 0, {offset: offset for offset in range(100)}))
            commit(workers, {0: 100})
            proxy.refuse()
            with pytest.raises(UnavailableError):
                audit.round()
            with pytest.raises(UnavailableError):
                audit.round()
            assert audit.auditor.audit.until == before.until

            proxy.heal()
            began = time.time()
            found = audit.rounds_until(lambda each: (each.until or 0) > began, "it goes on")
            assert (found.is_clean, found.records, found.problem) == (True, 100, None)


def test_what_is_read_again_and_what_kafka_removes_is_not_proven(workers: PlainWorkers, tmp_path: Path) -> None:
    settings = settings_of(workers)
    topic = identity(settings)
    workers.numbers(0, 0, 30)
    workers.numtest.insert_many(documents(topic, 0, {offset: offset for offset in range(30)}))
    commit(workers, {0: 30})
    with audited(settings, tmp_path) as audit:
        audit.round()
        audit.whole_pass()
        audit.rounds_until(lambda each: each.until is not None, "all is proven")

        # A replay into a collection that was emptied, but for the first document.
        workers.numtest.delete_many({"_id": {"$ne": topic.document_id(0, 0)}})
        commit(workers, {0: 1})
        found = audit.round()
        assert (found.until, found.is_clean) == (None, True)
        assert found.set_back is not None
        audit.whole_pass()
        workers.numtest.insert_many(documents(topic, 0, {offset: offset for offset in range(1, 20)}))
        commit(workers, {0: 30})
        found = audit.rounds_until(lambda each: each.missing == 10, "what is lost in the second reading is found")
        assert found.until is None

        workers.delete_records(0, before=25)
        found = audit.rounds_until(lambda each: each.missing == 5, "five of them are gone")
        assert found.removed == 5
        workers.numtest.insert_many(documents(topic, 0, {offset: offset for offset in range(25, 30)}))
        began = time.time()
        found = audit.rounds_until(lambda each: (each.until or 0) > began, "the others are proven again")
        assert (found.is_clean, found.set_back, found.removed) == (True, None, 5)
        assert audit.auditor.acknowledge_removed()
        assert audit.round().removed == 0

        # A commit of another program, behind the end: no round waits for records that are not there.
        commit(workers, {1: 500})
        began = time.time()
        found = audit.round()
        assert time.time() - began < NO_RECORD_SECONDS / 2
        assert (found.problem, found.unverified) == (None, 0)


def test_a_kept_reader_reads_any_ranges_in_any_order_on_one_connection(workers: PlainWorkers) -> None:
    workers.numbers(0, 0, 40)
    workers.numbers(1, 0, 40)
    reader = LogReader(settings_of(workers))

    def read(ranges: dict[int, tuple[int, int]]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        wanted = {TopicPartition(workers.topic, partition): each for partition, each in ranges.items()}
        for partition, records in reader.read(wanted):
            found.setdefault(partition.partition, []).extend(record.offset for record in records)
        return found

    try:
        assert read({}) == {}
        assert read({0: (0, 5)}) == {0: [*range(5)]}
        kept = reader._consumer
        for ranges in (
            {0: (5, 12), 1: (0, 3)},
            {0: (2, 4)},
            {1: (3, 40)},
            {0: (39, 40), 1: (39, 40)},
            {0: (0, 40), 1: (0, 40)},
        ):
            assert read(ranges) == {partition: [*range(*each)] for partition, each in ranges.items()}
        assert reader._consumer is kept
        # Whoever does not read on gets nothing of the old ranges with the next ones.
        next(iter(reader.read({TopicPartition(workers.topic, 0): (0, 40)})))
        assert read({0: (20, 22)}) == {0: [20, 21]}
        # Behind the end, as after a truncation: the client would begin at the log start.
        with pytest.raises(UnavailableError, match="the log was truncated"):
            read({0: (2_000, 4_000)})
        assert read({0: (20, 22)}) == {0: [20, 21]}
    finally:
        reader.close()
