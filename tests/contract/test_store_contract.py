"""What the loop may rely on in any store: the fake one of the model and the real one must agree, test by test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import bson
import pymongo
import pytest
from pymongo import MongoClient

from tests.support.batches import batch_of, document, reject
from tests.support.fakes import FakeDatabase, FakeStore
from tests.support.wire_mongo import WireMongo
from workers.errors import StoreAwayError
from workers.loop import Store
from workers.record import Batch, Reason, Written
from workers.settings import load
from workers.store import MongoStore

NUMBERS = itertools.count()


class FakeSide:
    """The fake store with its database."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.store: Store = FakeStore(self.database)

    def documents(self) -> dict[str, Mapping[str, Any]]:
        return {key: bson.decode(raw) for key, raw in self.database.documents.items()}

    def dead_letters(self) -> dict[str, str]:
        return {key: str(letter.reason) for key, letter in self.database.dead_letters.items()}

    def keep_unique(self, field: str) -> None:
        self.database.unique_field = field

    def go_away(self) -> None:
        self.database.up = False

    def come_back(self) -> None:
        self.database.up = True

    def close(self) -> None: ...


class WireSide:
    """MongoStore and the real driver over a scripted server, so that this suite says something without FerretDB."""

    def __init__(self) -> None:
        self._server = WireMongo().__enter__()
        self._server.chokes_on = lambda document: any(value != value for value in document.values())
        self.store: Store = MongoStore(load(mongodb_uri=f"{self._server.uri}/?serverSelectionTimeoutMS=300"))

    def documents(self) -> dict[str, Mapping[str, Any]]:
        return dict(self._server.collections["numtest"])

    def dead_letters(self) -> dict[str, str]:
        return {key: letter["reason"] for key, letter in self._server.collections["numtest_dead_letters"].items()}

    def keep_unique(self, field: str) -> None:
        self._server.unique_field = field

    def go_away(self) -> None:
        self._server.up = False

    def come_back(self) -> None:
        self._server.up = True

    def close(self) -> None:
        self.store.close()  # type: ignore[attr-defined]
        self._server.__exit__()


class RealSide:
    """MongoStore on the embedded FerretDB, in a database of its own."""

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        name = f"contract_{next(NUMBERS)}"
        self.store: Store = MongoStore(load(mongodb_uri=stack.mongodb_uri, database=name))
        self._client: MongoClient[Any] = MongoClient(stack.mongodb_uri)
        self._database = self._client[name]

    def documents(self) -> dict[str, Mapping[str, Any]]:
        return {found["_id"]: found for found in self._database["numtest"].find()}

    def dead_letters(self) -> dict[str, str]:
        return {found["_id"]: found["reason"] for found in self._database["numtest_dead_letters"].find()}

    def keep_unique(self, field: str) -> None:
        self._database["numtest"].create_index(field, unique=True)

    def go_away(self) -> None:
        self._stack.stop_program("ferretdb")

    def come_back(self) -> None:
        self._stack.start_program("ferretdb")

    def close(self) -> None:
        self.store.close()  # type: ignore[attr-defined]
        self._client.close()


Side = FakeSide | WireSide | RealSide


@pytest.fixture(params=["fake", "wire", pytest.param("real", marks=pytest.mark.integration)])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    # How long the driver waits, after a lost connection, before it looks for the server again: half a second.
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)
    chosen: Side
    if request.param == "real":
        chosen = RealSide(request.getfixturevalue("stack"))
    else:
        chosen = FakeSide() if request.param == "fake" else WireSide()
    yield chosen
    chosen.close()


def write(side: Side, batch: Batch) -> Written:
    """What was written, without counts of nothing."""
    return Written(*({key: count for key, count in part.items() if count} for part in side.store.write(batch)))  # type: ignore[arg-type]


def test_a_batch_is_stored_and_counted_by_partition(side):
    written = write(side, batch_of(document(0), document(1), document(0, partition=2)))

    assert written == ({0: 2, 2: 1}, {}, {})
    assert side.documents() == {d.id: bson.decode(d.bson) for d in (document(0), document(1), document(0, partition=2))}


def test_the_same_batch_again_changes_nothing_and_counts_as_duplicates(side):
    batch = batch_of(document(0), document(1), rejects=[reject(2)])
    first = write(side, batch)
    documents, dead_letters = side.documents(), side.dead_letters()

    again = write(side, batch)

    assert first == ({0: 2}, {}, {(0, Reason.NOT_JSON): 1})
    assert again == ({}, {0: 3}, {})
    assert (documents, dead_letters) == (side.documents(), side.dead_letters())


def test_a_batch_that_is_half_there_is_completed(side):
    write(side, batch_of(document(1), rejects=[reject(3)]))

    written = write(side, batch_of(document(0), document(1), document(2), rejects=[reject(3), reject(4)]))

    assert written == ({0: 2}, {0: 2}, {(0, Reason.NOT_JSON): 1})
    assert len(side.documents()) == 3


def test_another_content_under_the_same_id_is_a_conflict_and_the_first_stays(side):
    write(side, batch_of(document(0, text="first")))

    written = write(side, batch_of(document(0, text="second"), document(1)))

    assert written == ({0: 1}, {}, {(0, Reason.CONFLICT): 1})
    assert side.documents()[document(0).id]["text"] == "first"
    assert side.dead_letters() == {document(0).id: "conflict"}


def test_a_duplicate_on_another_unique_index_is_a_dead_letter(side):
    side.keep_unique("number")
    write(side, batch_of(document(7)))

    written = write(side, batch_of(document(1, number=7), document(2)))

    assert written == ({0: 1}, {}, {(0, Reason.DUPLICATE_KEY): 1})
    assert side.dead_letters() == {document(1).id: "duplicate_key"}
    assert sorted(side.documents()) == [document(2).id, document(7).id]


def test_a_document_that_the_server_chokes_on_is_found_and_its_neighbours_are_stored(side):
    """FerretDB closes the connection on a NaN, which decode never lets through."""
    good = [document(offset) for offset in (0, 1, 3)]

    written = write(side, batch_of(*good, document(2, value=float("nan"))))

    assert written.dead_letters == {(0, Reason.REFUSED_BY_SERVER): 1}
    assert sum(written.stored.values()) + sum(written.duplicates.values()) == 3
    assert sorted(side.documents()) == [found.id for found in good]
    assert side.dead_letters() == {document(2).id: "refused_by_server"}


def test_the_verdict_on_a_document_that_the_server_chokes_on_is_the_same_again(side):
    bad = batch_of(document(0), document(2, value=float("nan")))
    write(side, bad)

    again = write(side, bad)

    assert again == ({}, {0: 2}, {})
    assert side.dead_letters() == {document(2).id: "refused_by_server"}


def test_an_empty_value_and_a_tombstone_are_dead_letters_exactly_once(side):
    poison = batch_of(rejects=[reject(0, value=b""), reject(1, value=None)])

    counts = [write(side, poison) for _ in range(2)]

    assert counts == [({}, {}, {(0, Reason.NOT_JSON): 2}), ({}, {0: 2}, {})]
    assert sorted(side.dead_letters()) == [reject(0).id, reject(1).id]


def test_a_store_that_is_away_takes_nothing_and_takes_it_all_when_it_is_back(side):
    batch = batch_of(document(0), document(1), rejects=[reject(2)])
    side.go_away()
    try:
        with pytest.raises(StoreAwayError):
            write(side, batch)
    finally:
        side.come_back()
    assert (side.documents(), side.dead_letters()) == ({}, {})

    written = write(side, batch)

    assert written == ({0: 2}, {}, {(0, Reason.NOT_JSON): 1})
