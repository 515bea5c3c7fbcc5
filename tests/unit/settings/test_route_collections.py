"""The collections of routes without Kafka: each is found, and none that is of somebody else."""

from __future__ import annotations

import pytest

from workers.settings.route import Route
from workers.settings.route_collections import collections_of, topic_of

EXISTING = ["logs", "log.web", "log.gone", "orders", "raw-log.web", "log", "shop"]


def never() -> list[str]:
    raise AssertionError("the database need not be asked")


@pytest.mark.parametrize(
    ("route", "found"),
    [
        (Route(topics=("orders", "lines")), ["lines", "orders"]),
        (Route(topics=("orders", "lines"), collection="shop"), ["shop"]),
        (Route(topic_pattern=r"log\..*", collection="logs"), ["logs"]),
    ],
)
def test_what_the_routes_name_is_known_at_once(route: Route, found: list[str]) -> None:
    assert collections_of([route], never) == found


def test_those_of_a_pattern_are_found_among_what_is_there_also_of_a_topic_that_was_deleted() -> None:
    assert collections_of([Route(topic_pattern=r"log\..*")], lambda: EXISTING) == ["log.gone", "log.web"]
    raw = Route(topic_pattern=r"log\..*", collection="raw-{topic}")
    assert collections_of([raw, Route(topics=("orders",))], lambda: EXISTING) == ["orders", "raw-log.web"]


@pytest.mark.parametrize("collection", ["{topic}", "a-{topic}", "{topic}.b", "{topic}-{topic}", "x{topic}y{topic}z"])
@pytest.mark.parametrize("topic", ["orders", "log.web", "a.b-c_d"])
def test_the_topic_of_a_collection_is_the_one_whose_collection_it_is(collection: str, topic: str) -> None:
    route = Route(topic_pattern=".+", collection=collection)

    assert topic_of(route, route.collection_of(topic)) == topic
    assert topic_of(route, f"{route.collection_of(topic)}!") != topic


def test_a_collection_for_all_topics_is_that_of_none() -> None:
    assert topic_of(Route(topic_pattern=".+", collection="logs"), "logs") is None
