"""`workers doctor` on real servers: what it finds, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.net.connection import KafkaConnection
from pymongo import MongoClient

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.ports import free_row
from tests.support.user import User
from workers.doctor.examination import Report, examine
from workers.findings import Finding, Severity
from workers.settings import load_all

pytestmark = pytest.mark.integration

READS = {
    "ApiVersionsRequest",
    "DescribeClusterRequest",
    "DescribeConfigsRequest",
    "DescribeGroupsRequest",
    "FetchRequest",
    "FindCoordinatorRequest",
    "ListOffsetsRequest",
    "MetadataRequest",
    "OffsetFetchRequest",
}
"""Requests of Kafka that change nothing."""


@pytest.fixture
def user(stack: EmbeddedStack, tmp_path: Path) -> Iterator[User]:
    found = User(stack, tmp_path)
    yield found
    found.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The kinds of requests that the client has sent."""
    found: set[str] = set()
    send = KafkaConnection.send_request

    def recorded(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        found.add(type(request).__name__)
        return send(self, request, *arguments, **options)

    monkeypatch.setattr(KafkaConnection, "send_request", recorded)
    return found


def doctor(user: User) -> Report:
    given = {
        "bootstrap_servers": user.environment["WORKERS_BOOTSTRAP_SERVERS"],
        "mongodb_uri": user.mongodb_uri,
        "topic": user.topic,
        "group": user.group,
        "database": user.database,
        "metrics_port": (ports := free_row(6)),
        "lag_port": ports + 4,
        "watchdog_port": ports + 5,
    }
    for name in ("var/run", "var/log"):
        (user.folder / name).mkdir(parents=True, exist_ok=True)
    return examine(load_all(user.folder, **given))


def by_check(report: Report) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for section in report.sections:
        for each in section.findings:
            found.setdefault(each.check, []).append(each)
    return found


def things(user: User) -> dict[str, Any]:
    """Everything that a command could have changed."""
    with MongoClient(user.mongodb_uri) as client:
        names = sorted(client.list_database_names())
        collections = sorted(client[user.database].list_collection_names())
    return {
        "topics": sorted(user.kafka.admin.list_topics()),
        "groups": sorted(map(str, user.kafka.admin.list_groups())),
        "commits": user.kafka.committed(),
        "ends": user.kafka.ends() if user.kafka.partitions() else {},
        "databases": names,
        "collections": collections,
        "files": sorted(str(each) for each in user.folder.rglob("*")),
    }


def test_a_topic_that_is_missing_is_told_with_the_command_that_makes_it_and_all_else_is_examined(user: User) -> None:
    found = by_check(report := doctor(user))

    (missing,) = found["topic.exists"]
    assert (missing.mark, missing.text) == (Severity.WRONG, f"there is no topic {user.topic} yet")
    assert f"--create --topic {user.topic}" in missing.fix
    assert report.exit_code == 1
    assert [each.check for section in report.sections for each in section.findings if each.mark is Severity.WRONG] == [
        "topic.exists"
    ]
    assert found["group.members"][0].text == f"{user.group}: it does not exist yet: the first worker makes it"
    assert "has READ" in found["group.rights"][0].text, "the broker tells it of a group that is not there, too"
    assert "FerretDB, as MongoDB" in found["mongodb.reachable"][0].text
    assert user.kafka.partitions() == []


def test_what_is_there_is_told_with_figures_and_nothing_is_changed(user: User, sent: set[str]) -> None:
    user.kafka.create(4)
    producer = KafkaProducer(bootstrap_servers=user.environment["WORKERS_BOOTSTRAP_SERVERS"], compression_type="gzip")
    for number in range(30):
        producer.send(user.topic, value=b'{"number": %d, "text": "%s"}' % (number, b"x" * 500))
    producer.flush()
    producer.close()
    doctor(user)
    before = things(user)
    sent.clear()

    report = doctor(user)

    assert sent <= READS
    assert "FetchRequest" in sent, "the requests are seen"
    assert things(user) == before
    found = by_check(report)
    assert [
        each for each in report.sections for each in each.findings if each.mark in (Severity.WRONG, Severity.UNKNOWN)
    ] == []
    assert report.exit_code == 0
    assert found["topic.exists"][0].text.startswith(f"{user.topic}: 4 partitions, replication factor 1, id ")
    assert found["topic.compression"][0].text == "the last batches: gzip"
    assert found["group.commits"][0].text.endswith("the workers begin at the log start, 30 records waiting")
    assert "the oldest unread one is from" in found["topic.retention"][0].text
    assert found["kafka.brokers"][0].text.startswith("Kafka 4.3, 1 broker, cluster ")
    assert "has READ and WRITE" in found["topic.rights"][0].text


def test_another_program_in_the_group_is_named_and_so_are_its_commits(user: User) -> None:
    user.kafka.create(2)
    user.produce("--count", "20")
    consumer = KafkaConsumer(
        user.topic,
        bootstrap_servers=user.environment["WORKERS_BOOTSTRAP_SERVERS"],
        group_id=user.group,
        client_id="somebody-else",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        wait_until(lambda: consumer.poll(timeout_ms=200), 30, "it reads")
        consumer.commit()
        found = by_check(doctor(user))
    finally:
        consumer.close()

    (foreign,) = found["group.foreign"]
    assert foreign.mark is Severity.WRONG
    assert "(somebody-else from 127.0.0.1) with 2 partitions" in foreign.text
    assert "WORKERS_GROUP" in foreign.fix
    assert any(
        each.mark is Severity.WARNING and "another program has committed" in each.text
        for each in found["group.commits"]
    )
