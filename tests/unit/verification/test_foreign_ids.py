"""What a collection of several topics holds besides: each id is counted once, and what belongs to a topic is not."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.verify_sides import Store
from workers.identity import OffsetRange, TopicIdentity
from workers.kafka.topics import Topic
from workers.settings import load
from workers.settings.route import Route, RouteTable
from workers.sinks.base import SinkReader
from workers.sinks.id_range import IdRange
from workers.types import TopicPartition
from workers.verification.foreign_ids import MOST_NAMED, ForeignIds, Why, foreign_ids
from workers.verification.segments import covered_ids, outside, plan

NAMES = ["orders", "orders-2", "Orders", "lines"]
TOPICS = {name: TopicIdentity(name, UUID(int=number << 96)) for number, name in enumerate(NAMES, 1)}


def topic(name: str, partitions: int = 11) -> Topic:
    return Topic(TOPICS[name], [TopicPartition(name, number) for number in range(partitions)])


def has(ids: IdRange, each: str) -> bool:
    return (ids.first is None or ids.first <= each) and (ids.end is None or each < ids.end)


@given(
    st.lists(st.sampled_from(NAMES), unique=True),
    st.one_of(st.text(), st.builds("{}-0000000{}/{}/{}".format, st.sampled_from(NAMES), st.integers(1, 5), st.integers(0, 12), st.text("0123456789@x", max_size=4))),
)  # fmt: skip
def test_every_id_is_inside_the_range_of_one_topic_or_outside_all_of_them_once(names: list[str], each: str) -> None:
    inside = [ids for name in names if (ids := covered_ids(TOPICS[name], topic(name).partitions))]

    assert sum(has(ids, each) for ids in (*inside, *outside(inside))) == 1


def test_the_parts_of_a_topic_read_what_is_covered_and_nothing_else() -> None:
    ranges = {partition: OffsetRange(0, 5_000) for partition in topic("orders").partitions}
    parts = plan(TOPICS["orders"], ranges, 700, by_index=True, with_rest=False)

    covered = covered_ids(TOPICS["orders"], ranges)
    assert IdRange(parts[0].scanned[0].first, parts[-1].scanned[0].end) == covered
    assert not any(
        part.has_rest for part in (*parts, *plan(TOPICS["orders"], ranges, 700, by_index=False, with_rest=False))
    )


@pytest.mark.parametrize("by_index", [True, False])
def test_what_is_of_none_of_the_topics_is_counted_by_what_it_is_of(by_index: bool) -> None:
    own = [TOPICS[name].document_id(partition, 7) for name in ("orders", "lines") for partition in (0, 10)]
    foreign: dict[Any, str] = {
        TOPICS["orders-2"].document_id(0, 1): "orders-2-00000002",
        "orders-0000beef/0/1": "orders-0000beef",
        "orders-0000beef/0/2": "orders-0000beef",
        "by hand": "",
        17: "",
    }
    store = Store(dict.fromkeys([*own, *foreign], b""), letters={"orders-0000beef/0/3": "not_json", own[0]: "not_json"})

    found = foreign_ids("shop", cast("SinkReader", store), [topic("orders"), topic("lines")], by_index=by_index)

    assert found.of == {"": 2, "orders-0000beef": 3, "orders-2-00000002": 1}
    assert found.foreign == 6


def test_ids_that_others_have_made_up_take_no_memory() -> None:
    store = Store(dict.fromkeys([f"t{number}-00000001/0/0" for number in range(1_000)], b""))

    found = foreign_ids("shop", cast("SinkReader", store), [], by_index=True)

    assert found.foreign == 1_000
    assert len(found.of) == MOST_NAMED + 1


def test_each_topic_is_told_with_the_reason() -> None:
    routes = RouteTable(
        (
            Route(topics=("orders",), collection="shop"),
            Route(topics=("refunds",)),
            Route(name="a", topic_pattern=r"log\..*"),
            Route(name="b", topic_pattern=r".*\.web"),
        )
    )
    of = {"": 1, "orders-0000beef": 2, "refunds-00000002": 3, "log.web-00000003": 4, "nobody-00000004": 5}

    found = ForeignIds("shop", of).topics(
        load().with_routes(routes), {"refunds": "refunds-00000002", "orders": "orders-00000001"}.get
    )

    assert {each.topic: (each.documents, each.why, each.collection) for each in found} == {
        "": (1, Why.NO_TOPIC, None),
        "orders": (2, Why.EARLIER, None),
        "refunds": (3, Why.ELSEWHERE, "refunds"),
        "log.web": (4, Why.UNROUTABLE, None),
        "nobody": (5, Why.NO_ROUTE, None),
    }
