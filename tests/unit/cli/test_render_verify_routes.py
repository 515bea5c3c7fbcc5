"""The report of `workers verify` over several topics: a row for each, what is not in the table, and one verdict."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from workers.cli.render_verify_routes import routes_report
from workers.types import TopicPartition
from workers.verification.foreign_ids import ForeignTopic, Why
from workers.verification.report import PartitionReport, VerifyReport
from workers.verification.routes_report import CollectionVerdict, RoutesReport, TopicVerdict


def of_topic(topic: str, *partitions: dict[str, int], offsets: dict[str, list[int]] | None = None) -> TopicVerdict:
    parts = [PartitionReport(TopicPartition(topic, n), Counter(each)) for n, each in enumerate(partitions)]
    if offsets:
        parts[0].offsets = offsets
    return TopicVerdict(topic, topic, topic, VerifyReport(topic, "counters", parts))


GOOD = {"kafka": 10, "stored": 10}
BAD = {"kafka": 10, "stored": 9, "missing": 1}


def shown(report: RoutesReport, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, soft_wrap=True)
    routes_report(console, report)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_row_for_each_topic_and_the_sum() -> None:
    lines = shown(RoutesReport("counters", [of_topic("orders", GOOD, GOOD), of_topic("refunds", GOOD)]))

    assert [line.split() for line in lines[:4]] == [
        ["topic", "kafka", "stored", "dead", "pending", "missing", "twice"],
        ["orders", "20", "20", "0", "0", "0", "0"],
        ["refunds", "10", "10", "0", "0", "0", "0"],
        ["all", "30", "30", "0", "0", "0", "0"],
    ]
    assert lines[-1] == "every record is accounted for"


def test_where_the_table_does_not_fit_no_number_is_cut() -> None:
    topics = [of_topic("a-topic-with-a-long-name-of-its-own", GOOD), of_topic("refunds", GOOD)]

    assert "a-topic-with-a-long-name-of-its-own: kafka 10, stored 10" in shown(RoutesReport("counters", topics), 60)


def test_one_topic_that_fails_makes_the_verdict_and_is_named() -> None:
    lines = shown(
        RoutesReport("counters", [of_topic("orders", GOOD), of_topic("refunds", BAD, offsets={"missing": [7]})])
    )

    assert "missing in partition refunds-0: offsets 7" in lines
    assert "what is missing, beside what is stored: `workers peek refunds/0/7`" in lines
    assert lines[-1] == "not every record is accounted for"


def test_a_topic_that_is_not_there_yet_is_a_line_and_one_without_a_route_a_failure() -> None:
    topics = [of_topic("orders", GOOD), TopicVerdict("later", "later", "later", None)]
    well = RoutesReport("counters", topics)
    halted = RoutesReport("counters", topics, {"log.web": "the routes a and b both match it"})

    assert well.accounted
    assert "later: not there yet" in shown(well)
    assert not halted.accounted
    assert (
        "not routed: log.web, whose records nobody reads: the routes a and b both match it; correct WORKERS_ROUTES"
        in shown(halted)
    )
    assert shown(halted)[-1] == "not every record is accounted for"


@pytest.mark.parametrize(
    ("foreign", "line"),
    [
        (ForeignTopic("orders", 1, Why.EARLIER), "1 document is of an earlier topic orders, which was deleted"),
        (ForeignTopic("refunds", 2, Why.ELSEWHERE, "money"), "2 documents are of refunds, which goes into money now"),
        (ForeignTopic("x", 1_200, Why.NO_ROUTE), "1,200 documents are of x, which is in no route"),
        (ForeignTopic("x", 2, Why.UNROUTABLE), "2 documents are of x, which is not routed"),
        (ForeignTopic("", 1, Why.NO_TOPIC), "1 document is of no topic: somebody else has inserted it"),
    ],
)
def test_what_belongs_to_no_topic_is_said_by_collection(foreign: ForeignTopic, line: str) -> None:
    found = RoutesReport("counters", [of_topic("orders", GOOD)], collections=[CollectionVerdict("shop", [foreign])])

    assert f"shop: {line}" in shown(found)
    assert found.accounted, "it is no record's"


def test_one_topic_that_was_asked_for_is_shown_by_partition() -> None:
    lines = shown(RoutesReport("counters", [of_topic("orders", GOOD, GOOD)], is_one_topic=True))

    assert lines[0] == "orders, into orders"
    assert [line.split()[0] for line in lines[1:5]] == ["partition", "0", "1", "all"]


def test_the_json_has_each_topic_and_the_sum() -> None:
    topics = [of_topic("orders", GOOD, GOOD), TopicVerdict("later", "later", "later", None)]
    found = RoutesReport("counters", topics, {"log.web": "why"}).as_dict()

    assert [(each["topic"], each["exists"], each["accounted"]) for each in found["topics"]] == [
        ("orders", True, True), ("later", False, True),
    ]  # fmt: skip
    assert (found["topics"][0]["stored"], found["sum"]["stored"], found["accounted"]) == (20, 20, False)
    assert found["unroutable"] == [{"topic": "log.web", "why": "why"}]
