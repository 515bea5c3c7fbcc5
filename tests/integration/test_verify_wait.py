"""`workers verify --wait`: it looks again and again, and connects once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers
from workers.kafka.admin import Admin
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.topics import Topic
from workers.settings import load
from workers.types import TopicPartition
from workers.verification.backlog import wait_until_committed

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as topic:
        topic.create(1)
        topic.numbers(0, 0, 5)
        yield topic


def test_it_waits_on_one_connection_until_everything_is_committed(
    topic: PlainWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(bootstrap_servers=topic.servers, topic=topic.topic, group=topic.group)
    connected: list[Admin] = []
    looks: list[int] = []
    connect, look = Admin.__init__, Admin.offsets_of_topics

    def counted(admin: Admin, *arguments: object) -> None:
        connected.append(admin)
        connect(admin, *arguments)

    def looked(admin: Admin, of: Collection[Topic], group: str) -> dict[TopicPartition, PartitionOffsets]:
        looks.append(len(connected))
        if len(looks) == 5:
            topic.commit({0: 5})
        return look(admin, of, group)

    monkeypatch.setattr(Admin, "__init__", counted)
    monkeypatch.setattr(Admin, "offsets_of_topics", looked)

    wait_until_committed(settings, 30, lambda _line: None)

    assert len(connected) == 1
    assert len(looks) in (5, 6)


def test_it_waits_no_longer_than_it_was_told_to(topic: PlainWorkers) -> None:
    ran = topic.command("verify", "--wait", "1", "--json")

    assert ran.returncode == 1
    assert '"pending": 5' in ran.stdout
