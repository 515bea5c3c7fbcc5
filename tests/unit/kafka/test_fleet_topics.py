"""Which topics a fleet has now: one that is missing, refused, or nobody's hides no other."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from kafka.errors import KafkaError, LeaderNotAvailableError, TopicAuthorizationFailedError

from workers.errors import UnavailableError
from workers.identity import TopicIdentity
from workers.kafka import fleet_topics
from workers.kafka.fleet_topics import TopicFinder
from workers.kafka.group_description import GroupDescription
from workers.kafka.topics import Topic
from workers.settings import Settings
from workers.settings.route import Route, RouteTable
from workers.types import TopicPartition


def topic(name: str) -> Topic:
    return Topic(TopicIdentity(name, UUID(int=7)), [TopicPartition(name, 0), TopicPartition(name, 1)])


class Admin:
    """A Kafka that has these topics; `errors`: those that it does not describe."""

    def __init__(self, *names: str, **errors: KafkaError) -> None:
        self.names, self.errors = names, errors
        self.asked: list[str] = []

    def topic(self, name: str) -> Topic | None:
        self.asked.append("topic")
        return topic(name) if name in self.names else None

    def topics(self, names: Any) -> tuple[dict[str, Topic], dict[str, KafkaError]]:
        self.asked.append("topics")
        wanted = set(names) & set(self.names)
        errors = {name: error for name, error in self.errors.items() if name in wanted}
        return {name: topic(name) for name in wanted - errors.keys()}, errors

    def topic_names(self) -> list[str]:
        self.asked.append("names")
        return list(self.names)

    def group(self, _group: str, *names: str) -> GroupDescription:
        return GroupDescription(" ".join(names), {})


def finder(*routes: Route) -> TopicFinder:
    return TopicFinder(Settings().with_routes(RouteTable(routes)))


def test_of_one_topic_it_is_that_or_none() -> None:
    one = TopicFinder(Settings())

    assert [each.identity.name for each in one.find(Admin("numtest", "other")).topics] == ["numtest"]
    found = one.find(Admin("other"))
    assert (found.topics, list(found.missing)) == ([], ["numtest"])
    assert one.group(Admin("numtest"), found).state == "numtest"


def test_what_is_missing_refused_or_unroutable_hides_no_other() -> None:
    found_by = finder(
        Route(topics=("orders", "later", "secret")),
        Route(name="logs", topic_pattern=r"log\..*"),
        Route(name="eu", topic_pattern=r".*\.eu"),
    )
    admin = Admin("orders", "secret", "log.api", "log.api.eu", "other", secret=TopicAuthorizationFailedError("secret"))

    found = found_by.find(admin)

    assert [each.identity.name for each in found.topics] == ["log.api", "orders"]
    assert found.partitions == {TopicPartition(name, number) for name in ("log.api", "orders") for number in (0, 1)}
    assert list(found.missing) == ["later"]
    assert found.unroutable == {"log.api.eu": "the routes logs and eu both match it"}
    assert found.refused["secret"].startswith("not authorized to describe the topic secret (")
    assert set(found_by.group(admin, found).state.split()) == {"log.api", "orders", "later", "log.api.eu", "secret"}


def test_one_request_however_many_there_are_and_names_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(fleet_topics.time, "monotonic", lambda: now)
    admin, found_by = Admin("log.a", "log.b"), finder(Route(topic_pattern=r"log\..*"))

    for _ in range(3):
        assert len(found_by.find(admin).topics) == 2
    assert admin.asked == ["names", "topics", "topics", "topics"]
    admin.names = ("log.a", "log.b", "log.c")
    now += fleet_topics.PATTERN_SECONDS + 1
    assert len(found_by.find(admin).topics) == 3, "one that is made later"


def test_where_none_may_be_seen_that_is_an_error_of_the_question() -> None:
    refused = TopicAuthorizationFailedError("orders")

    with pytest.raises(UnavailableError, match="not authorized to describe"):
        finder(Route(topics=("orders", "later"))).find(Admin("orders", orders=refused))
    fresh = finder(Route(topics=("orders", "lines"))).find(Admin("orders", "lines", lines=LeaderNotAvailableError()))
    assert [each.identity.name for each in fresh.topics] == ["orders"]
    assert list(fresh.refused) == ["lines"]
