"""The commands that prove and repair, on several topics: two in one collection, others in their own, with real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from pymongo.collection import Collection

from tests.support.embedded import EmbeddedStack
from tests.support.routed_workers import RoutedWorkers
from workers.auditor.servers import Servers
from workers.auditor.topic_auditors import TopicAuditors
from workers.kafka.admin import Admin
from workers.settings import Settings, load
from workers.state.write_failures import WriteFailures

pytestmark = pytest.mark.integration

ROUTES = """
[[route]]
name = "shop"
topics = ["PREFIXorders", "PREFIXlines"]
collection = "shop"

[[route]]
topics = ["PREFIXrefunds", "PREFIXlater"]

[[route]]
name = "logs"
topic_pattern = 'PREFIXlog\\..*'
on_tombstone = "ignore"

[[route]]
name = "webs"
topic_pattern = 'PREFIX.*web'
"""
STORED = {"orders": 5, "lines": 3, "refunds": 4, "log.api": 2}
"""Documents by topic. Each of `orders` and `refunds` has two dead letters besides, and `log.api` a tombstone."""


@pytest.fixture(scope="module")
def served(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedWorkers]:
    """All is read, but for what `log.web` would hold, which two routes match."""
    with RoutedWorkers(stack, tmp_path_factory.mktemp("routes"), ROUTES) as workers:
        for topic, count in STORED.items():
            workers.create_topic(topic, 2)
            workers.numbers_to(topic, 0, 0, count - 1)
            workers.send_to(topic, 1, b'{"number": 100}')
        for topic in ("orders", "refunds"):
            workers.send_to(topic, 1, b"no json", b'{"a": 1, "a": 2}')
        workers.send_to("log.api", 1, None, key=b"1")
        workers.start(WORKERS_MIN_REJECT_RECORDS="1000000")
        workers.wait_all_committed()
        assert workers.stop() == 0
        yield workers


def name(workers: RoutedWorkers, topic: str) -> str:
    """Its whole name."""
    return workers.prefix + topic


def collection(workers: RoutedWorkers, name: str) -> Collection[dict[str, Any]]:
    return workers._client[workers.database][name]


def settings_of(workers: RoutedWorkers) -> Settings:
    """As the commands load them."""
    given = {name: value for name, value in workers.environment.items() if name.startswith("WORKERS_")}
    return load(**{name.removeprefix("WORKERS_").lower(): value for name, value in given.items()})


def verified(served: RoutedWorkers, *options: str, code: int = 0) -> dict[str, Any]:
    found = served.verify(*options)
    assert found.code == code, found.report
    return found.report


def of_topic(report: dict[str, Any], served: RoutedWorkers, topic: str) -> dict[str, Any]:
    (found,) = [each for each in report["topics"] if each["topic"] == name(served, topic)]
    return found


def test_one_verdict_over_all_topics(served: RoutedWorkers) -> None:
    report = verified(served)

    assert {topic: of_topic(report, served, topic)["stored"] for topic in STORED} == STORED
    assert {topic: of_topic(report, served, topic)["dead_lettered"] for topic in STORED} == {
        "orders": 2, "lines": 0, "refunds": 2, "log.api": 0,
    }  # fmt: skip
    assert of_topic(report, served, "log.api")["ignored"] == 1
    assert of_topic(report, served, "later")["exists"] is False
    assert {each["route"] for each in report["topics"]} == {"shop", name(served, "refunds"), "logs"}
    assert (report["sum"]["kafka"], report["sum"]["stored"], report["sum"]["unexpected"]) == (19, 14, 0)
    assert all(each["foreign"] == 0 for each in report["collections"])
    assert report["accounted"] is True


def test_its_lines(served: RoutedWorkers) -> None:
    shown = served.command("verify").stdout.splitlines()

    assert [shown[0].split()[0], *(line.split()[0] for line in shown[1:6])] == [
        "topic", *map(partial(name, served), ("lines", "log.api", "orders", "refunds")), "all",
    ]  # fmt: skip
    assert f"{name(served, 'later')}: not there yet" in shown
    assert shown[-1] == "every record is accounted for"


def test_one_route(served: RoutedWorkers) -> None:
    report = verified(served, "--route", "shop")

    assert [each["topic"] for each in report["topics"]] == [name(served, "orders"), name(served, "lines")][::-1]
    (shop,) = report["collections"]
    assert shop["foreign"] == 0
    refused = served.command("verify", "--route", "shoe")
    assert refused.returncode == 64
    assert "the routes are shop, " in refused.stderr


@pytest.mark.slow
def test_recent_records_only(served: RoutedWorkers) -> None:
    report = verified(served, "--since", "3600")

    assert report["sum"]["kafka"] == 19
    assert report["collections"] == []


@pytest.mark.slow
def test_in_several_processes(served: RoutedWorkers) -> None:
    assert verified(served, "--processes", "2")["sum"]["stored"] == 14


INTERRUPTED = """
from workers.verification import whole_topic
from workers.verification.unfinished_topics import UnfinishedTopicsFile
whole_topic.OFFSETS_BY_INDEX = whole_topic.OFFSETS_AT_ONCE = 1
write_all = UnfinishedTopicsFile.write_all
def interrupt(file, runs, **options):
    write_all(file, runs, at_once=True)
    if sum(len(run.done) for run in runs.values()) == 7:
        UnfinishedTopicsFile.write_all = write_all
        raise KeyboardInterrupt
UnfinishedTopicsFile.write_all = interrupt
from workers.cli.main import main
main()
"""
"""Ctrl-C when seven parts of four topics are done."""


@pytest.mark.slow
def test_interrupted_and_gone_on_with_it_says_the_same(served: RoutedWorkers) -> None:
    command = [sys.executable, "-c", INTERRUPTED, "verify", "--processes", "1", "--json"]
    ran = subprocess.run(
        command, env=served.environment, cwd=served.folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 130, ran.stderr
    assert "records were verified, of a log of 19 offsets, all of them accounted for" in ran.stderr
    assert served.command("verify", "--resume", "--route", "shop").returncode == 2, "it was not of these topics alone"

    report = verified(served, "--resume")

    assert (report["sum"]["stored"], report["sum"]["dead_lettered"], report["sum"]["ignored"]) == (14, 4, 1)
    assert served.command("verify", "--resume").returncode == 2, "it is finished"


def test_what_is_missing_or_without_a_record_is_named_by_topic(served: RoutedWorkers) -> None:
    shop = collection(served, "shop")
    document = shop.find_one({"_id": {"$regex": name(served, "lines")}, "number": 0})
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

    assert [each["topic"] for each in report["topics"] if not each.get("accounted", True)] == [name(served, "lines")]
    assert of_topic(report, served, "lines")["missing"] == 1
    assert report["sum"]["missing"] == 1
    assert f"missing in partition {name(served, 'lines')}-0: offsets 0" in shown
    assert [each["foreign"] for each in report["collections"] if each["collection"] == "shop"] == [1]


def test_what_belongs_to_no_topic_is_said_once_for_its_collection(served: RoutedWorkers) -> None:
    with Admin(settings_of(served)) as admin:
        refunds = admin.topic(name(served, "refunds"))
    assert refunds is not None
    foreign = {
        f"{name(served, 'orders')}-00000001/0/1": "earlier",
        "nobody-00000001/0/1": "no_route",
        f"{name(served, 'log.web')}-00000001/0/1": "unroutable",
        refunds.identity.document_id(0, 0): "elsewhere",
        "by hand": "no_topic",
    }
    shop = collection(served, "shop")
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
    assert f"shop: 1 document is of {name(served, 'refunds')}, which goes into {name(served, 'refunds')} now" in shown


def test_a_topic_that_no_route_can_have_is_no_good_verdict(served: RoutedWorkers) -> None:
    served.create_topic("log.web", 1)
    try:
        report = verified(served, code=1)
        assert verified(served, "--route", "shop")["unroutable"] == []
        shown = served.command("verify").stdout
    finally:
        served.kafka.admin.delete_topics([served._created.pop()])

    assert report["accounted"] is False
    assert [each["topic"] for each in report["unroutable"]] == [name(served, "log.web")]
    assert f"not routed: {name(served, 'log.web')}, whose records nobody reads" in shown
    assert shown.splitlines()[-1] == "not every record is accounted for"


def test_dead_letters_of_all_collections(served: RoutedWorkers) -> None:
    def listed(*options: str) -> list[dict[str, Any]]:
        ran = served.command("dead-letters", "list", "--json", *options)
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    every = listed()
    assert sorted(each["collection"] for each in every) == [name(served, "refunds")] * 2 + ["shop"] * 2
    assert [each["rejected_at"]["$date"] for each in every] == sorted(each["rejected_at"]["$date"] for each in every)
    assert {each["topic"] for each in listed("--route", "shop")} == {name(served, "orders")}
    assert {each["topic"] for each in listed("--topic", name(served, "refunds"))} == {name(served, "refunds")}
    assert listed("--topic", name(served, "refunds"), "--partition", "0") == []
    assert served.command("dead-letters", "list", "--partition", "1").returncode == 64
    for each in every:
        ran = served.command("dead-letters", "show", each["_id"])
        assert ran.returncode == 0, ran.stderr
        assert each["collection"] in ran.stdout


def test_a_replay_goes_by_the_route_of_its_topic_and_a_topic_without_one_is_left(served: RoutedWorkers) -> None:
    letters = collection(served, "shop_dead_letters")
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
        documents = list(collection(served, "shop").find({"_id": letter["_id"]}))
    finally:
        letters.delete_one({"_id": nobody["_id"]})
        letters.replace_one({"_id": letter["_id"]}, letter)
        collection(served, "shop").delete_one({"_id": letter["_id"]})

    why = "no route of WORKERS_ROUTES has the topic nobody"
    assert f"1 of these is of nobody, and cannot be replayed: {why}" in shown
    assert f"not possible: {why}" in " ".join(one.split())
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [{"id": letter["_id"], "error": None}]
    assert documents == [{"_id": letter["_id"], "number": 7}]
    assert other.returncode == 1
    assert json.loads(other.stdout)["error"].startswith(why)


def test_peek_finds_the_collection_of_a_topic(served: RoutedWorkers) -> None:
    for topic in STORED:
        ran = served.command("peek", f"{name(served, topic)}/0/0", "--json")
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
    settings = settings_of(served)
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
    assert auditors.verified["new"] == 19


def test_the_doctor_looks_at_all_of_them_and_says_once_what_is_the_same(served: RoutedWorkers) -> None:
    ran = served.command("doctor", "--json")
    found = [each for section in json.loads(ran.stdout)["sections"] for each in section["findings"]]
    texts = {check: [each["text"] for each in found if each["check"] == check] for check in {e["check"] for e in found}}

    four = ", ".join(name(served, each) for each in ("lines", "log.api", "orders", "refunds"))
    assert texts["topic.exists"] == [
        f"{name(served, 'later')} is not there yet",
        f"4 topics ({four}): 2 partitions, replication factor 1",
    ]
    assert any("committed in 8 of 8 partitions, nothing waits" in text for text in texts["group.commits"])
    assert any(text.startswith("no topic that is there now is of the route webs") for text in texts["routes.pattern"])
    assert any("is a plain collection" in text for text in texts["mongodb.collection"])
    assert len(found) < 50


def test_a_capped_collection_of_one_route_is_found(served: RoutedWorkers) -> None:
    database = served._client[served.database]
    database.create_collection(name(served, "later"), capped=True, size=4096)
    try:
        ran = served.command("doctor", "--json")
    finally:
        database.drop_collection(name(served, "later"))
    found = [each for section in json.loads(ran.stdout)["sections"] for each in section["findings"]]
    (wrong,) = [each for each in found if each["check"] == "mongodb.collection" and each["mark"] == "wrong"]

    assert f"{name(served, 'later')} is capped" in wrong["text"]
    assert wrong["fix"] == "use a plain collection: give its route another collection"


@pytest.mark.slow
def test_numbers_go_to_all_topics_in_turn(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> None:
    routes = '[[route]]\ntopics = ["PREFIXone", "PREFIXtwo"]\n\n[[route]]\ntopics = ["PREFIXthree"]\n'
    with RoutedWorkers(stack, tmp_path_factory.mktemp("produce"), routes) as workers:
        made = workers.produce("--count", "9", "--partitions", "1")
        only = workers.produce("--count", "4", "--route", name(workers, "three"))
        workers._created += [name(workers, each) for each in ("one", "two", "three")]

    assert made["by_partition"] == {f"{name(workers, each)}-0": 3 for each in ("one", "two", "three")}
    assert made["topics"] == [name(workers, each) for each in ("one", "two", "three")]
    assert only["topic"] == name(workers, "three")
