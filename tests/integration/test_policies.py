"""Policies on real servers: what FerretDB cannot hold is refused at start, and what the other server holds is stored, and proven."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from bson.decimal128 import Decimal128
from pymongo import MongoClient

from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable
from tests.support.plain_workers import PlainWorkers
from tests.support.routed_workers import RoutedWorkers
from tests.support.user import Services
from workers.errors import BadConfigurationError
from workers.settings import load
from workers.sinks.mongodb.probe import COLLECTION
from workers.sinks.mongodb.sink import MongoSink

pytestmark = pytest.mark.integration

HELD_BY_FERRETDB = {
    "empty_names=keep": None,
    "field_names=keep": "WORKERS_FIELD_NAMES=escape",
    "big_integers=decimal128": "WORKERS_BIG_INTEGERS=string",
    "decimals=decimal128": "WORKERS_DECIMALS=double",
    "nan=double": "WORKERS_NAN=null (lossy)",
}
"""By policy: what to set in its place; None: it holds it."""
LABELS = b'{"pod": "web-7", "labels": {"app.kubernetes.io/name": "web", "$ref": 1}, "price": 19.90, "id": 18446744073709551616}'


@pytest.fixture(scope="module")
def java_mongo() -> Iterator[str]:
    """Kubernetes' names and exact decimals need a server that is not FerretDB."""
    from tests.support.java_mongo import JavaMongo

    try:
        with JavaMongo() as server:
            yield server.uri
    except StackUnavailableError as error:
        unavailable(error)


@pytest.mark.parametrize("policy", HELD_BY_FERRETDB)
def test_what_ferretdb_does_not_hold_is_refused_at_start_and_nothing_is_left_there(
    stack: EmbeddedStack, policy: str
) -> None:
    name, _, value = policy.partition("=")
    database = f"probed-{name}"
    sink = MongoSink(load(mongodb_uri=stack.mongodb_uri, database=database, **{name: value}))
    try:
        if (instead := HELD_BY_FERRETDB[policy]) is None:
            sink.check()
        else:
            with pytest.raises(BadConfigurationError) as refused:
                sink.check()
            (problem,) = refused.value.problems
            assert problem.startswith(f"WORKERS_{name.upper()}={value}: the database does not hold ")
            assert problem.endswith(f". Set {instead}, or use another server")
    finally:
        sink.close()
    with MongoClient(stack.mongodb_uri) as client:
        assert COLLECTION not in client[database].list_collection_names()
        client.drop_database(database)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["FerretDB", "Java"])
def test_many_workers_probe_at_the_same_time_without_trouble(
    stack: EmbeddedStack, request: pytest.FixtureRequest, server: str
) -> None:
    """Each removes the collection when it thinks that nobody else uses it."""
    uri = stack.mongodb_uri if server == "FerretDB" else request.getfixturevalue("java_mongo")
    policies = {"empty_names": "keep"} | ({"nan": "double", "field_names": "keep"} if server == "Java" else {})
    settings = load(mongodb_uri=uri, database="probed-together", **policies)

    def look(_number: int) -> None:
        sink = MongoSink(settings)
        try:
            for _ in range(5):
                sink.check()
        finally:
            sink.close()

    with ThreadPoolExecutor(8) as workers:
        assert list(workers.map(look, range(8))) == [None] * 8
    with MongoClient(uri) as client:
        assert COLLECTION not in client["probed-together"].list_collection_names()
        client.drop_database("probed-together")


def test_a_worker_refuses_it_before_it_joins_and_its_records_wait(stack: EmbeddedStack, tmp_path: Path) -> None:
    with PlainWorkers(stack, tmp_path, {"WORKERS_NAN": "double"}) as workers:
        workers.kafka.create(1)
        workers.send(0, b'{"n": NaN}')
        assert workers.start().wait(60) == 78
        assert "WORKERS_NAN=double: the database does not hold NaN and Infinity" in workers.log()
        assert "Set WORKERS_NAN=null" in workers.log()
        assert "Traceback" not in workers.log()
        assert (workers.contents(), workers.kafka.committed()) == (([], []), {})
        examined = workers.command("doctor")
        assert "WORKERS_NAN=double: the database does not hold NaN and Infinity" in " ".join(examined.stdout.split())

        workers.start(WORKERS_NAN="null")
        workers.wait_committed({0: 1})
        assert [each["n"] for each in workers.contents()[0]] == [None]
        workers.environment["WORKERS_NAN"] = "null"
        verdict = workers.verify()
        assert (verdict.code, verdict.report["lossy_policies"]) == (0, ["nan=null"])
        assert "under lossy policies: nan=null" in workers.command("verify").stdout
        # The same record, and what is stored under another policy.
        workers.environment["WORKERS_NAN"] = "reject"
        assert workers.verify().total("conflicting") == 1


def test_of_routes_the_one_that_cannot_be_held_is_named(stack: EmbeddedStack, tmp_path: Path) -> None:
    routes = '[[route]]\ntopics = ["PREFIXa"]\n[[route]]\nname = "k8s"\ntopic_pattern = "PREFIXlog.*"\nfield_names = "keep"\n'
    with RoutedWorkers(stack, tmp_path, routes) as workers:
        workers.create_topic("a", 1)
        assert workers.start().wait(60) == 78
        assert 'field_names = "keep" in the route k8s: the database does not hold field names' in workers.log()


def test_labels_money_and_large_numbers_are_stored_whole_and_proven(
    stack: EmbeddedStack, java_mongo: str, tmp_path: Path
) -> None:
    policies = {
        "WORKERS_FIELD_NAMES": "escape",
        "WORKERS_DECIMALS": "decimal128",
        "WORKERS_BIG_INTEGERS": "decimal128",
        "WORKERS_NAN": "double",
        "WORKERS_ID_FIELD": "rename:id_of_sender",
    }
    with PlainWorkers(Services(stack.bootstrap_servers, java_mongo), tmp_path, policies) as workers:
        workers.kafka.create(1)
        plain = [b'{"a.b": %d}' % number for number in range(500)]
        workers.send(0, LABELS, b'{"n": [NaN, -Infinity, -0.0]}', b'{"_id": 7}', *plain, b'{"n": 1e9999}')
        workers.start()
        workers.wait_committed({0: 504})
        documents, letters = workers.contents()
        assert len(documents) == 503
        by_offset = {int(each.pop("_id").rpartition("/")[2]): each for each in documents}
        assert by_offset[0] == {
            "pod": "web-7",
            "labels": {"app%2Ekubernetes%2Eio/name": "web", "%24ref": 1},
            "price": Decimal128("19.90"),
            "id": Decimal128("18446744073709551616"),
        }
        assert by_offset[0]["price"].to_decimal().as_tuple() == Decimal("19.90").as_tuple()
        assert by_offset[2] == {"id_of_sender": 7}
        assert all(by_offset[3 + number] == {"a%2Eb": number} for number in range(500))
        assert [letter["reason"] for letter in letters] == ["number_out_of_range"]
        verdict = workers.verify()
        assert (verdict.code, verdict.total("stored"), verdict.total("dead_lettered")) == (0, 503, 1)
        assert verdict.report["lossy_policies"] == []

        # Delivered again, each is found to be the same, a NaN too.
        assert workers.stop() == 0
        workers.forget_commits()
        workers.start()
        workers.wait_committed({0: 504})
        assert workers.total("workers_records_total", outcome="duplicate") == 504
        assert workers.contents()[1] == letters


@pytest.mark.slow
def test_a_dead_letter_is_replayed_once_its_setting_is_another(stack: EmbeddedStack, tmp_path: Path) -> None:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.kafka.create(1)
        workers.send(0, b'{"a.b": 1}')
        workers.start()
        workers.wait_committed({0: 1})
        (letter,) = workers.contents()[1]
        assert letter["error"].endswith("; WORKERS_FIELD_NAMES=escape would store it")
        shown = workers.command("dead-letters", "show", letter["_id"])
        assert "once its setting is another: WORKERS_FIELD_NAMES=escape would store it" in " ".join(
            shown.stdout.split()
        )

        workers.environment["WORKERS_FIELD_NAMES"] = "escape"
        replayed = workers.command("dead-letters", "replay", letter["_id"])
        assert (replayed.returncode, replayed.stdout) == (0, "1 are stored, 0 fail again\n")
        assert workers.contents()[0] == [{"_id": letter["_id"], "a%2Eb": 1}]
        assert workers.verify().code == 0
