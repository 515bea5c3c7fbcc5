"""What `workers doctor` finds out about a server of MongoDB's protocol, through the real driver; and that it only reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.ports import free_ports
from tests.support.wire_mongo import HELLO, StaySilent, WireMongo
from workers.findings import Severity
from workers.settings import load
from workers.sinks.mongodb import doctor
from workers.sinks.mongodb.doctor import MongoDoctor
from workers.sinks.mongodb.server_checks import MongoServer, actions_on, check_copies, check_login

READS = {"hello", "isMaster", "ismaster", "ping", "buildInfo", "listCollections", "listIndexes", "count", "aggregate"}
READS |= {"connectionStatus", "dbStats", "endSessions", "find"}


class DoctoredMongo(WireMongo):
    """Answers what the doctor asks, as a MongoDB that is well."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[str] = []
        self.kinds: dict[str, dict[str, object]] = {}
        """By collection: what `listCollections` says of it."""
        self.indexes: list[dict[str, object]] = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
        self.answers = {
            "buildInfo": {"version": "8.0.4", "ok": 1},
            "connectionStatus": {"authInfo": {"authenticatedUsers": [], "authenticatedUserPrivileges": []}, "ok": 1},
            "dbStats": {"fsTotalSize": 100 << 30, "fsUsedSize": 40 << 30, "ok": 1},
            "count": {"n": 12, "ok": 1},
        }
        self.hello: dict[str, object] = {}

    def _answer(self, command, documents):
        name = next(iter(command))
        self.commands.append(name)
        if name in self.answers:
            return self.answers[name]
        if name == "listCollections":
            wanted = command["filter"]["name"]["$in"]
            found = [{"name": each, "type": "collection", "options": {}} | more for each, more in self.kinds.items()]
            return cursor([each for each in found if each["name"] in wanted])
        if name == "listIndexes":
            return cursor(self.indexes)
        if name.lower() in ("hello", "ismaster"):
            return {**HELLO, "localTime": datetime.now(UTC), **self.hello}
        return super()._answer(command, documents)


def cursor(found: list[dict[str, object]]) -> dict[str, object]:
    return {"cursor": {"id": 0, "ns": "numtest.x", "firstBatch": found}, "ok": 1}


def error(code: int, message: str) -> dict[str, object]:
    return {"ok": 0, "code": code, "errmsg": message}


@pytest.fixture
def server():
    with DoctoredMongo() as found:
        yield found


def examined(server: WireMongo, **settings: object):
    asked = MongoDoctor(load(mongodb_uri=server.uri, **settings))
    try:
        return list(asked.examine())
    finally:
        asked.close()


def test_a_server_that_is_well_is_told_with_its_figures_and_nothing_is_written(server):
    server.kinds = {"numtest": {}, "numtest_dead_letters": {}}

    told = examined(server)

    assert [each for each in told if each.mark is not Severity.OK] == []
    text = "\n".join(each.text for each in told)
    for words in (
        "answers in",
        "MongoDB 8.0.4",
        "numtest.numtest is a plain collection, 12 documents",
        "numtest.numtest_dead_letters: 12 dead letters; `workers dead-letters list` shows them",
        "documents up to 16 MiB, 100,000 or",
        "a single server, on this machine; written with w: majority, journal: true",
        "60 GiB of 100 GiB are free",
    ):
        assert words in text
    assert {*server.commands} <= READS
    assert server.inserts == []


def test_a_new_database_is_well(server):
    told = examined(server)

    assert [each for each in told if each.mark is not Severity.OK] == []
    assert "numtest.numtest does not exist yet: the first document makes it" in [each.text for each in told]


CASES = {
    "a view": ({"kinds": {"numtest": {"type": "view"}}}, "wrong", "numtest.numtest is a view", "WORKERS_COLLECTION"),
    "capped": (
        {"kinds": {"numtest": {"options": {"capped": True}}}},
        *("wrong", "is capped: it drops its oldest documents", "WORKERS_COLLECTION"),
    ),
    "capped dead letters": (
        {"kinds": {"numtest_dead_letters": {"options": {"capped": True}}}},
        *("wrong", "numtest.numtest_dead_letters is capped", "WORKERS_COLLECTION"),
    ),
    "time series": ({"kinds": {"numtest": {"type": "timeseries"}}}, "wrong", "ids are not unique there", "plain"),
    "validator": (
        {"kinds": {"numtest": {"options": {"validator": {"number": {"$type": "int"}}}}}},
        *("warning", "has a validator: a document that it refuses becomes a dead letter", "dead-letters list"),
    ),
    "collation": (
        {"kinds": {"numtest": {"options": {"collation": {"locale": "fr", "strength": 3}}}}},
        *("warning", "compares text by the collation fr, ids too", "byte by byte"),
    ),
    "collation without punctuation": (
        {"kinds": {"numtest": {"options": {"collation": {"locale": "en", "alternate": "shifted"}}}}},
        *("wrong", "a collation that ignores punctuation", "simple collation"),
    ),
    "TTL index": (
        {"kinds": {"numtest": {}}, "indexes": [{"name": "old", "key": {"at": 1}, "expireAfterSeconds": 60}]},
        *("wrong", "has the TTL index old on at: MongoDB deletes documents", "dropIndex('old')"),
    ),
    "unique index": (
        {"kinds": {"numtest": {}}, "indexes": [{"name": "one", "key": {"order": 1}, "unique": True}]},
        *("warning", "has the unique index one on order", "duplicate_key"),
    ),
    "secondary": (
        {"hello": {"isWritablePrimary": False, "ismaster": False}},
        *("wrong", "it takes no writes: it is not the primary", "replicaSet=NAME"),
    ),
    "small documents": (
        {"hello": {"maxBsonObjectSize": 512 * 1024}},
        *("warning", "documents up to 512 KiB", "set WORKERS_MAX_VALUE_BYTES=524288"),
    ),
    "another clock": (
        {"hello": {"localTime": datetime.now(UTC) + timedelta(hours=3)}},
        *("warning", "its clock is 3 h ahead of that of this machine", "synchronize both clocks"),
    ),
    "a full disk": (
        {"answers": {"dbStats": {"fsTotalSize": 100 << 30, "fsUsedSize": 99 << 30, "ok": 1}}},
        *("wrong", "1 GiB of 100 GiB are free on its disk", "larger disk"),
    ),
    "a login is demanded": (
        {"answers": {"listCollections": error(13, "Command listCollections requires authentication")}},
        *("wrong", "MongoDB demands a login", "write a user and a password into WORKERS_MONGODB_URI"),
    ),
    "no right to look": (
        {
            "answers": {
                "listCollections": error(13, "not authorized on numtest to execute command { listCollections: 1")
            }
        },
        *("wrong", "does not authorize the user", "grant it the role readWrite"),
    ),
    "a right to read only": (
        {
            "answers": {
                "connectionStatus": {
                    "authInfo": {
                        "authenticatedUsers": [{"user": "reader", "db": "admin"}],
                        "authenticatedUserPrivileges": [
                            {"resource": {"db": "numtest", "collection": ""}, "actions": ["find", "listCollections"]}
                        ],
                    },
                    "ok": 1,
                }
            }
        },
        *("wrong", "reader@admin lacks the right to insert on numtest.numtest; insert, update, remove on", "readWrite"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_would_refuse_change_or_remove_a_document_is_told_with_its_fix(server, name):
    given, mark, text, fix = CASES[name]
    for attribute, value in given.items():
        setattr(server, attribute, getattr(server, attribute) | value if isinstance(value, dict) else value)

    told = examined(server)

    matching = [each for each in told if text in each.text]
    assert [(each.mark, fix in each.fix) for each in matching] == [(Severity(mark), True)], told
    assert [each for each in told if each.mark in (Severity.WRONG, Severity.WARNING) and not each.fix] == []
    assert {*server.commands} <= READS


def test_a_server_that_the_driver_does_not_know_is_no_silent_one(server):
    server.hello = {"maxWireVersion": 2}

    told = examined(server)

    assert [each.mark for each in told] == [Severity.WRONG, Severity.UNKNOWN]
    assert "wire version" in told[0].text
    assert "does not answer" not in told[0].text


@pytest.mark.parametrize("kind", ["nobody listens", "it is silent"])
def test_a_server_that_does_not_answer_is_named_with_its_address(server, kind, monkeypatch):
    monkeypatch.setattr(doctor, "ANSWER_SECONDS", 0.5)
    (port,) = free_ports(1)
    if kind == "it is silent":
        server.answers = dict.fromkeys(("hello", "ismaster", "isMaster"), StaySilent)
        port = server.uri.rpartition(":")[2]
    asked = MongoDoctor(load(mongodb_uri=f"mongodb://fleet:canary@127.0.0.1:{port}/?authSource=admin"))

    told = list(asked.examine())
    asked.close()

    assert [each.mark for each in told] == [Severity.WRONG, Severity.UNKNOWN]
    assert told[0].text.startswith(f"MongoDB does not answer at 127.0.0.1:{port} (")
    assert "WORKERS_MONGODB_URI" in told[0].fix
    assert told[1].text.startswith("not asked, since MongoDB does not answer")
    assert "canary" not in "".join(each.text + each.fix for each in told)


def replica_set(**hello: object) -> MongoServer:
    return MongoServer({"setName": "rs0", "hosts": ["a", "b", "c"], **hello}, {"version": "8.0"}, "a:1", 0.0, 0.0)


@pytest.mark.parametrize(
    ("server", "mark", "text"),
    [
        (replica_set(), "ok", "replica set rs0, 3 members with data; written with w: majority"),
        (replica_set(hosts=["a", "b"]), "warning", "a majority is both"),
        (replica_set(hosts=["a", "b"], arbiters=["c"]), "warning", "with 1 arbiter"),
        (MongoServer({}, None, "db.example:27017", 0.0, 0.0), "warning", "on its one disk"),
        (MongoServer({"msg": "isdbgrid"}, None, "db.example:27017", 0.0, 0.0), "ok", "a sharded cluster"),
    ],
)
def test_how_many_copies_there_are_of_what_was_acknowledged(server, mark, text):
    (told,) = check_copies(server)

    assert (told.mark, text in told.text) == (Severity(mark), True)
    assert bool(told.fix) == (told.mark is not Severity.OK)


def test_rights_count_where_their_resource_covers_the_collection():
    """https://www.mongodb.com/docs/manual/reference/resource-document/"""
    privileges = [
        {"resource": {"db": "numtest", "collection": ""}, "actions": ["find"]},
        {"resource": {"db": "", "collection": "numtest"}, "actions": ["insert"]},
        {"resource": {"db": "other", "collection": ""}, "actions": ["remove"]},
        {"resource": {"cluster": True}, "actions": ["listDatabases"]},
    ]

    assert actions_on(privileges, "numtest", "numtest") == {"find", "insert"}
    assert actions_on(privileges, "numtest", "numtest_dead_letters") == {"find"}
    assert actions_on([{"resource": {"anyResource": True}, "actions": ["find"]}], "x", "y") == {"find"}


def test_a_server_on_another_machine_that_demands_no_login_is_told():
    server = MongoServer({}, None, "db.example:27017", 0.0, 0.0)
    (told,) = check_login(server, {"authInfo": {"authenticatedUsers": []}}, "numtest", "numtest")

    assert told.mark is Severity.WARNING
    assert "no login is demanded" in told.text
