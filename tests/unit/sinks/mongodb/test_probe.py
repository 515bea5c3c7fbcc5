"""What a server cannot hold is found before the first record, and told from a server that is away, or refuses this client."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.mongo_wire import Document
from tests.support.wire_mongo import CloseConnection, WireMongo, write_error
from workers.errors import BadConfigurationError, RetryReason, SinkRefusesError, SinkUnavailableError
from workers.settings import Settings, load
from workers.settings.route import Route, RouteTable
from workers.sinks.mongodb import probe
from workers.sinks.mongodb.doctor import MongoDoctor
from workers.sinks.mongodb.probe import ATTEMPTS, COLLECTION, needs_of
from workers.sinks.mongodb.routed_sink import RoutedMongoSink
from workers.sinks.mongodb.sink import MongoSink

ALL = {
    "field_names": "keep",
    "empty_names": "keep",
    "big_integers": "decimal128",
    "decimals": "decimal128",
    "nan": "double",
}
HARMLESS = {
    "field_names": "escape",
    "big_integers": "string",
    "nan": "null",
    "bom": "strip",
    "duplicate_names": "last",
    "id_field": "rename:id",
    "not_an_object": "wrap:value",
    "surrogates": "replace",
}


@pytest.fixture
def opened(server: WireMongo) -> Iterator[Callable[..., MongoSink]]:
    sinks: list[MongoSink] = []

    def open_(**policies: str) -> MongoSink:
        sinks.append(MongoSink(load(mongodb_uri=server.uri, write_timeout=2.0, **policies)))
        return sinks[-1]

    yield open_
    for sink in sinks:
        sink.close()


def probes(server: WireMongo) -> int:
    return sum(collection == COLLECTION for collection, _, _ in server.inserts)


def has_nan(document: Document) -> bool:
    return any(isinstance(value, float) and math.isnan(value) for value in document.values())


def refusal(opened: Callable[..., MongoSink], **policies: str) -> str:
    with pytest.raises(BadConfigurationError) as refused:
        opened(**policies).check()
    return "\n".join(refused.value.problems)


@pytest.mark.parametrize("policies", [{}, HARMLESS])
def test_without_a_policy_that_needs_it_nothing_is_written(server, opened, policies):
    opened(**policies).check()

    assert server.inserts == []


def test_a_server_that_holds_everything_is_taken(server, opened):
    opened(**ALL).check()

    assert probes(server) == len(ALL) == len(list(needs_of(load(**ALL))))


def test_a_server_that_closes_the_connection_is_told_from_one_that_is_away(server, opened):
    server.chokes_on = has_nan
    assert refusal(opened, nan="double") == (
        "WORKERS_NAN=double: the database does not hold NaN and Infinity: it closes the connection on such a document. "
        "Set WORKERS_NAN=null (lossy), or use another server"
    )
    # Each time it was asked whether it takes another.
    assert probes(server) == 2 * ATTEMPTS


def test_a_server_that_goes_away_meanwhile_is_waited_for(server, opened, monkeypatch):
    monkeypatch.setattr(probe, "ATTEMPT_SECONDS", 0.3)

    def go(_documents: Any) -> Any:
        server.up = False
        return CloseConnection

    server.script[COLLECTION].append(go)
    with pytest.raises(SinkUnavailableError):
        opened(nan="double").check()


def test_a_connection_that_is_lost_once_is_no_refusal(server, opened):
    server.script[COLLECTION].append(CloseConnection)
    opened(nan="double").check()


def test_a_code_that_is_about_the_document_is_believed_at_once(server, opened):
    server.refuses = lambda _, document: write_error(0, 2, "invalid key") if "a.b" in document else None
    said = refusal(opened, field_names="keep", nan="double")

    assert said.startswith(
        "WORKERS_FIELD_NAMES=keep: the database does not hold field names with a dot, or a $ at the beginning: code 2"
    )
    assert said.endswith("Set WORKERS_FIELD_NAMES=escape, or use another server")
    assert probes(server) == 2


def test_a_code_that_nobody_knows_is_believed_when_it_comes_again_and_others_are_taken(server, opened):
    server.refusals = 1
    opened(decimals="decimal128").check()
    server.refuses = lambda _, document: None if document.get("n") == 1 else write_error(0, 987_654, "no such type")

    assert "WORKERS_DECIMALS=decimal128: the database does not hold Decimal128: code 987654" in refusal(
        opened, decimals="decimal128"
    )


def test_a_server_that_takes_nothing_at_all_is_waited_for(server, opened):
    server.refuses = lambda _collection, _document: write_error(0, 987_654, "not now")
    with pytest.raises(SinkUnavailableError, match="not now"):
        opened(decimals="decimal128").check()


def test_a_value_that_comes_back_as_another_is_refused(server, opened):
    def change(documents: list[Document]) -> Document:
        server.collections[COLLECTION].update({each["_id"]: {**each, "nan": None} for each in documents})
        return {"n": 1, "ok": 1}

    server.script[COLLECTION].append(change)

    assert "it gives another value back" in refusal(opened, nan="double")


def test_a_right_that_is_missing_is_said_with_what_it_is_for(server, opened):
    server.script[COLLECTION].extend(
        [{"ok": 0, "code": 13, "errmsg": "not authorized on numtest to execute command { insert"}] * 9
    )
    with pytest.raises(SinkRefusesError) as refused:
        opened(nan="double").check()

    assert refused.value.reason is RetryReason.NOT_AUTHORIZED
    assert refused.value.detail.endswith(
        "It has to store a document in numtest._workers_probe for a moment, to try WORKERS_NAN=double"
    )


def routed(server: WireMongo, *routes: Route) -> Settings:
    return (
        load(mongodb_uri=server.uri, write_timeout=2.0)
        .model_copy(update={"routes": "routes.toml"})
        .with_routes(RouteTable(routes))
    )


def test_of_several_routes_each_policy_is_tried_once_and_each_that_fails_is_named(server):
    server.chokes_on = has_nan
    server.refuses = lambda _, document: write_error(0, 57, "dotted") if "a.b" in document else None
    settings = routed(
        server,
        Route(topics=("a",), collection="one", nan="double"),
        Route(topics=("b",), collection="one", nan="double", decimals="decimal128"),
        # No topic is of this route yet.
        Route(name="later", topic_pattern="c.*", field_names="keep"),
    )
    sink = RoutedMongoSink(settings)
    with pytest.raises(BadConfigurationError) as refused:
        sink.check()
    sink.close()

    assert [problem.partition(": ")[0] for problem in refused.value.problems] == [
        'nan = "double" in the route a and b',
        'field_names = "keep" in the route later',
    ]
    assert 'Set field_names = "escape" in the route later' in refused.value.problems[1]


def test_the_doctor_says_the_same(server):
    def policies(**chosen: str) -> list[Any]:
        doctor = MongoDoctor(load(mongodb_uri=server.uri, **chosen))
        found = [each for each in doctor.examine() if each.check == "mongodb.policies"]
        doctor.close()
        return found

    assert policies(**HARMLESS) == []
    (held,) = policies(nan="double", decimals="decimal128")
    assert (str(held.mark), held.text) == ("ok", "it holds what the policies store: Decimal128, NaN and Infinity")
    server.chokes_on = has_nan
    (refused,) = policies(nan="double")
    assert str(refused.mark) == "wrong"
    assert refused.text.startswith("WORKERS_NAN=double: the database does not hold NaN and Infinity")
    assert "WORKERS_NAN=null" in refused.fix
