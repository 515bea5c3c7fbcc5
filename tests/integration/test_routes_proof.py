"""The commands that prove and repair, on several topics: two in one collection, others in their own, with real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.embedded import EmbeddedStack
from tests.support.many_routes import RoutedWorkers
from workers.auditor.servers import Servers
from workers.auditor.topic_auditors import TopicAuditors
from workers.kafka.admin import Admin
from workers.state.write_failures import WriteFailures

pytestmark = pytest.mark.integration

ROUTES = """
[[route]]
name = "shop"
topics = ["orders@", "lines@"]
collection = "shop"

[[route]]
topics = ["refunds@", "later@"]

[[route]]
name = "logs"
topic_pattern = 'log\\..*@'
on_tombstone = "ignore"

[[route]]
name = "webs"
topic_pattern = '.*web@'
"""
STORED = {"orders": 5, "lines": 3, "refunds": 4, "log.api": 2}
"""Documents by topic. Each of `orders` and `refunds` has two dead letters besides, and `log.api` a tombstone."""


@pytest.fixture(scope="module")
def served(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedWorkers]:
    """All is read, but for what `log.web` would hold, which two routes match."""
    with RoutedWorkers(stack, tmp_path_factory.mktemp("routes"), ROUTES) as workers:
        workers.create_topics(2, *STORED)
        for topic, count in STORED.items():
            workers.send_to(topic, 0, *[b'{"number": %d}' % number for number in range(count - 1)])
            workers.send_to(topic, 1, b'{"number": 100}')
        for topic in ("orders", "refunds"):
            workers.send_to(topic, 1, b"no json", b'{"a": 1, "a": 2}')
        workers.send_to("log.api", 1, None)
        workers.start(WORKERS_MIN_REJECT_RECORDS="1000000")
        workers.wait_all_committed({"orders": 7, "lines": 3, "refunds": 6, "log.api": 3})
        assert workers.stop() == 0
        yield workers


def verified(served: RoutedWorkers, *options: str, code: int = 0) -> dict[str, Any]:
    found = served.verify(*options)
    assert found.code == code, found.report
    return found.report


def of_topic(report: dict[str, Any], served: RoutedWorkers, topic: str) -> dict[str, Any]:
    (found,) = [each for each in report["topics"] if each["topic"] == served.name(topic)]
    return found


def test_one_verdict_over_all_topics(served: RoutedWorkers) -> None:
    report = verified(served)

    assert {topic: of_topic(report, served, topic)["stored"] for topic in STORED} == STORED
    assert {topic: of_topic(report, served, topic)["dead_lettered"] for topic in STORED} == {
        "orders": 2, "lines": 0, "refunds": 2, "log.api": 0,
    }  # fmt: skip
    assert of_topic(report, served, "log.api")["ignored"] == 1
    assert of_topic(report, served, "later")["exists"] is False
    assert {each["route"] for each in report["topics"]} == {"shop", served.name("refunds"), "logs"}
    assert (report["sum"]["kafka"], report["sum"]["stored"], report["sum"]["unexpected"]) == (19, 14, 0)
    assert all(each["foreign"] == 0 for each in report["collections"])
    assert report["accounted"] is True


def test_its_lines(served: RoutedWorkers) -> None:
    shown = served.command("verify").stdout.splitlines()

    assert [shown[0].split()[0], *(line.split()[0] for line in shown[1:6])] == [
        "topic", *map(served.name, ("lines", "log.api", "orders", "refunds")), "all",
    ]  # fmt: skip
    assert f"{served.name('later')}: not there yet" in shown
    assert shown[-1] == "every record is accounted for"


def test_one_route(served: RoutedWorkers) -> None:
    report = verified(served, "--route", "shop")

    assert [each["topic"] for each in report["topics"]] == [served.name("orders"), served.name("lines")][::-1]
    (shop,) = report["collections"]
    assert shop["foreign"] == 0
    refused = served.command("verify", "--route", "shoe")
    assert refused.returncode == 64
    assert "the routes are shop, " in refused.stderr


def test_recent_records_only(served: RoutedWorkers) -> None:
    report = verified(served, "--since", "3600")

    assert report["sum"]["kafka"] == 19
    assert report["collections"] == []


def test_in_several_processes(served: RoutedWorkers) -> None:
    assert verified(served, "--processes", "2")["sum"]["stored"] == 14


def test_what_is_missing_or_without_a_record_is_named_by_topic(served: RoutedWorkers) -> None:
    shop = served.collection("shop")
    document = shop.find_one({"_id": {"$regex": served.name("lines")}, "number": 0})
    assert document is not None
    prefix = document["_id"].split("/")[0]
    try:
        shop.delete_one({"_id": document["_id"]})
        shop.insert_one({"_id": f"{prefix}/0/1_000"})
        report = verified(served, code=1)
        shown = served.command("verify").stdout
    finally:
        shop.delete_one({"_id": f"{prefix}/0/1_000"})
        shop.insert_one(document)

    assert [each["topic"] for each in report["topics"] if not each.get("accounted", True)] == [served.name("lines")]
    assert of_topic(report, served, "lines")["missing"] == 1
    assert report["sum"]["missing"] == 1
    assert f"missing in partition {served.name('lines')}-0: offsets 0" in shown
    assert [each["foreign"] for each in report["collections"] if each["collection"] == "shop"] == [1]


def test_what_belongs_to_no_topic_is_said_once_for_its_collection(served: RoutedWorkers) -> None:
    with Admin(served.settings()) as admin:
        refunds = admin.topic(served.name("refunds"))
    assert refunds is not None
    foreign = {
        f"{served.name('orders')}-00000001/0/1": "earlier",
        "nobody-00000001/0/1": "no_route",
        f"{served.name('log.web')}-00000001/0/1": "unroutable",
        refunds.identity.document_id(0, 0): "elsewhere",
        "by hand": "no_topic",
    }
    shop = served.collection("shop")
    try:
        shop.insert_many([{"_id": each} for each in foreign])
        report = verified(served)
        shown = served.command("verify").stdout
    finally:
        shop.delete_many({"_id": {"$in": list(foreign)}})

    (found,) = [each for each in report["collections"] if each["collection"] == "shop"]
    assert found["foreign"] == 5
    assert {each["why"]: each["documents"] for each in found["of"]} == dict.fromkeys(foreign.values(), 1)
    assert sum(each["foreign"] for each in report["collections"]) == 5
    assert f"shop: 1 document is of {served.name('refunds')}, which goes into {served.name('refunds')} now" in shown


def test_a_topic_that_no_route_can_have_is_no_good_verdict(served: RoutedWorkers) -> None:
    served.create_topics(1, "log.web")
    try:
        report = verified(served, code=1)
        assert verified(served, "--route", "shop")["unroutable"] == []
        shown = served.command("verify").stdout
    finally:
        served.delete_topic("log.web")

    assert report["accounted"] is False
    assert [each["topic"] for each in report["unroutable"]] == [served.name("log.web")]
    assert f"not routed: {served.name('log.web')}, whose records nobody reads" in shown
    assert shown.splitlines()[-1] == "not every record is accounted for"


def test_dead_letters_of_all_collections(served: RoutedWorkers) -> None:
    def listed(*options: str) -> list[dict[str, Any]]:
        ran = served.command("dead-letters", "list", "--json", *options)
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    every = listed()
    assert sorted(each["collection"] for each in every) == [served.name("refunds")] * 2 + ["shop"] * 2
    assert [each["rejected_at"]["$date"] for each in every] == sorted(each["rejected_at"]["$date"] for each in every)
    assert {each["topic"] for each in listed("--route", "shop")} == {served.name("orders")}
    assert {each["topic"] for each in listed("--topic", served.name("refunds"))} == {served.name("refunds")}
    assert listed("--topic", served.name("refunds"), "--partition", "0") == []
    assert served.command("dead-letters", "list", "--partition", "1").returncode == 64
    for each in every:
        ran = served.command("dead-letters", "show", each["_id"])
        assert ran.returncode == 0, ran.stderr
        assert each["collection"] in ran.stdout


def test_a_replay_goes_by_the_route_of_its_topic_and_a_topic_without_one_is_left(served: RoutedWorkers) -> None:
    letters = served.collection("shop_dead_letters")
    letter = letters.find_one({"reason": "not_json"})
    assert letter is not None
    mended = {**letter, "value": b'{"number": 7}', "value_bytes": 13}
    nobody = {**mended, "_id": "nobody-00000001/0/1", "topic": "nobody", "partition": 0, "offset": 1}
    try:
        letters.replace_one({"_id": letter["_id"]}, mended)
        letters.insert_one(nobody)
        shown = served.command("dead-letters", "list").stdout
        one = served.command("dead-letters", "show", nobody["_id"]).stdout
        ran = served.command("dead-letters", "replay", "--reason", "not_json", "--json", "--route", "shop")
        other = served.command("dead-letters", "replay", nobody["_id"], "--json")
        documents = list(served.collection("shop").find({"_id": letter["_id"]}))
    finally:
        letters.delete_one({"_id": nobody["_id"]})
        letters.replace_one({"_id": letter["_id"]}, letter)
        served.collection("shop").delete_one({"_id": letter["_id"]})

    why = "no route of WORKERS_ROUTES has the topic nobody"
    assert f"1 of these is of nobody, and cannot be replayed: {why}" in shown
    assert f"not possible: {why}" in " ".join(one.split())
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [{"id": letter["_id"], "error": None}]
    assert documents == [{"_id": letter["_id"], "number": 7}]
    assert other.returncode == 1
    assert json.loads(other.stdout)["error"].startswith(why)


def test_peek_finds_the_collection_of_a_topic(served: RoutedWorkers) -> None:
    for topic in STORED:
        ran = served.command("peek", f"{served.name(topic)}/0/0", "--json")
        assert ran.returncode == 0, ran.stderr
        found = json.loads(ran.stdout)
        assert found["outcome"] == "stored"
        again = served.command("peek", found["id"], "--json")
        assert json.loads(again.stdout)["outcome"] == "stored"
    refused = served.command("peek", "0/0")
    assert refused.returncode == 64
    assert "which topic?" in refused.stderr
    assert served.command("peek", "nobody/0/0").returncode == 64


def test_the_auditor_proves_all_of_them(served: RoutedWorkers) -> None:
    settings = served.settings()
    auditors = TopicAuditors(settings, served.folder, WriteFailures())
    servers = Servers(settings).connect()
    try:
        for _ in range(2):
            assert auditors.round(servers)
            while auditors.step_full_pass(servers):
                pass
    finally:
        servers.close()

    assert auditors.audit.until is not None
    assert (auditors.audit.is_clean, auditors.audit.problem, auditors.audit.since) == (True, None, None)
    assert sum(auditors.verified.values()) == 19


def test_numbers_go_to_all_topics_in_turn(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> None:
    routes = '[[route]]\ntopics = ["one@", "two@"]\n\n[[route]]\ntopics = ["three@"]\n'
    with RoutedWorkers(stack, tmp_path_factory.mktemp("produce"), routes) as workers:
        made = workers.produce("--count", "9", "--partitions", "1")
        only = workers.produce("--count", "4", "--route", workers.name("three"))
        workers._created += [workers.name(each) for each in ("one", "two", "three")]

    assert made["by_partition"] == {f"{workers.name(each)}-0": 3 for each in ("one", "two", "three")}
    assert made["topics"] == [workers.name(each) for each in ("one", "two", "three")]
    assert only["topic"] == workers.name("three")
