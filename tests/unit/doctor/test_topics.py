"""What `workers doctor` concludes of several topics: twenty of them are not twenty screens, and no fault of one is lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.examined import DAY, answers, configuration, details, fleet, kafka, members
from workers.doctor import examination
from workers.doctor.answers import DoctorAnswers, KafkaAnswers
from workers.findings import Finding, Severity
from workers.kafka.group_description import GroupDescription
from workers.kafka.routed_topics import RoutedTopics
from workers.settings.route import Route, RouteTable

SHOP = [f"shop.{number:02d}" for number in range(20)]
ROUTES = RouteTable(
    (
        Route(name="shop", topics=tuple(SHOP), collection="shop"),
        Route(name="logs", topic_pattern=r"log\..*"),
        Route(name="webs", topic_pattern=r".*\.web"),
    )
)


def of_topic(**facts: Any) -> KafkaAnswers:
    return kafka(**facts)


@pytest.fixture
def given() -> DoctorAnswers:
    """All is well, and no topic of a pattern is there."""
    found = answers()
    settings = found.loaded.settings.with_routes(ROUTES)
    found.loaded = found.loaded._replace(settings=settings)
    found.kafka.by_topic = {name: of_topic() for name in SHOP}
    found.kafka.routed = RoutedTopics({name: settings.for_topic(name) for name in SHOP}, {})
    return found


def about(given: DoctorAnswers, section: str) -> list[Finding]:
    return [each for found in examination._sections(given) if found.name == section for each in found.findings]


def test_what_is_the_same_of_all_is_said_once(given: DoctorAnswers) -> None:
    found = about(given, "topics")

    assert [each.text for each in found if each.check == "topic.exists"] == [
        "all 20 topics: 6 partitions, replication factor 1"
    ]
    assert all(each.mark is Severity.OK for each in found)
    assert len(found) < 8
    assert "topic" not in [each.name for each in examination._sections(given)]


def test_a_fault_of_one_topic_stands_alone_with_its_name(given: DoctorAnswers) -> None:
    given.kafka.by_topic[SHOP[7]] = of_topic(topic_configuration=configuration(retention_ms=str(DAY // 100 * 1000)))
    given.kafka.by_topic[SHOP[7]].oldest_unread = {
        partition: each._replace(first_time=each.first_time - DAY)
        for partition, each in given.kafka.by_topic[SHOP[7]].oldest_unread.items()  # type: ignore[union-attr]
    }
    given.kafka.by_topic[SHOP[8]] = of_topic(topic=details(rights=frozenset({"DESCRIBE"})))
    found = [each for each in about(given, "topics") if each.mark is not Severity.OK]

    assert [each.check for each in found] == ["topic.rights", "topic.retention"]
    assert f"may not read {SHOP[8]}" in found[0].text
    assert found[0].fix.endswith(f"--topic {SHOP[8]}`")
    assert found[1].text.startswith(f"{SHOP[7]}: records are kept for 14 min")


def test_a_topic_that_is_not_there_yet_is_a_warning_and_none_at_all_is_wrong(given: DoctorAnswers) -> None:
    given.kafka.by_topic[SHOP[3]] = KafkaAnswers(topic=None)
    (found,) = [each for each in about(given, "topics") if each.mark is not Severity.OK]
    assert (found.mark, found.text) == (Severity.WARNING, f"{SHOP[3]} is not there yet")

    given.kafka.by_topic = {name: KafkaAnswers(topic=None) for name in SHOP}
    (found,) = [each for each in about(given, "topics") if each.mark is not Severity.OK]
    assert (found.mark, found.text) == (Severity.WRONG, "all 20 topics: each is not there yet")


def test_the_workers_are_counted_beside_the_partitions_of_all_topics(given: DoctorAnswers) -> None:
    given.kafka.by_topic = {name: of_topic(topic=details(1)) for name in SHOP}
    (found,) = [each for each in about(given, "topics") if each.check == "topic.partitions"]

    assert (found.mark, found.text) == (Severity.OK, "20 partitions for 4 workers")


def test_a_pattern_without_a_topic_and_a_topic_without_a_route(given: DoctorAnswers) -> None:
    found = about(given, "routes")
    assert [(each.check, each.mark) for each in found] == [
        ("routes.topics", Severity.OK), ("routes.pattern", Severity.WARNING), ("routes.pattern", Severity.WARNING),
    ]  # fmt: skip
    assert found[0].text == "3 routes, 20 topics, 1 collection in numtest"

    given.kafka.routed = given.kafka.routed._replace(unroutable={"log.web": "the routes logs and webs both match it"})  # type: ignore[union-attr]
    (wrong,) = [each for each in about(given, "routes") if each.mark is Severity.WRONG]
    assert wrong.text == "log.web has no route: the routes logs and webs both match it; nobody reads its records"


def test_a_host_with_other_routes_is_named(given: DoctorAnswers) -> None:
    same = ROUTES.fingerprint
    workers = {name: each._replace(routes=same) for name, each in members("worker_00-a", "worker_01-b").items()}
    given.kafka.group = GroupDescription("Stable", workers)
    (well,) = [each for each in about(given, "routes") if each.check == "routes.members"]
    assert well.mark is Severity.OK

    given.kafka.group.members["worker_01-b"] = workers["worker_01-b"]._replace(routes="other")
    (found,) = [each for each in about(given, "routes") if each.check == "routes.members"]
    assert (found.mark, "worker_01 at 10.0.0.7" in found.text) == (Severity.WRONG, True)


def test_where_kafka_does_not_answer_nothing_is_concluded(given: DoctorAnswers) -> None:
    given.kafka = KafkaAnswers()

    assert [each.mark for each in about(given, "topics")] == [Severity.UNKNOWN]
    assert [each.mark for each in about(given, "routes")] == [Severity.UNKNOWN]


def test_the_settings_name_the_routes_and_not_the_topic_of_a_fleet_without_them(given: DoctorAnswers) -> None:
    (names,) = [each.text for each in about(given, "settings") if each.check == "settings.names"]

    assert names.startswith("3 routes of ")
    assert "topic numtest" not in names
    assert fleet().pid
