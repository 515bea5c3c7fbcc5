"""Ranges of ids of the embedded FerretDB: found by its index, and exactly those that it would find without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.support.embedded import EmbeddedStack
from workers.settings import load
from workers.sinks.id_range import IdRange
from workers.sinks.mongodb.reader import MongoReader

pytestmark = pytest.mark.integration

TEXTS = [
    *(
        f"numtest-08b40071/{partition}/{offset}"
        for partition in (0, 1, 10)
        for offset in (0, 1, 9, 10, 12, 120, 129, 13, 1200)
    ),
    "numtest-08b40071/1/12@7",
    "numtest-08b40071/1/12x",
    *(f"numtest-08b40071/1/12{character}" for character in ' !"#\\\x01\n<>&:\u00e9\u2028\U0010ffff'),
    *(f"numtest-08b40071/1/1{character}" for character in '"\\\x01<\u2028'),
    *("", "a", "n", "z", '"', "\\", "\x01", "<", "\u2028", "\u00e9", "numtest-08b40071/1/"),
]
OTHERS: list[Any] = [7, 1.5, bson.ObjectId(), {"a": "numtest-08b40071/1/12"}, True, b"numtest-08b40071/1/12"]


@pytest.fixture(scope="module")
def database(stack: EmbeddedStack) -> Iterator[str]:
    name = "ranges"
    with MongoClient(stack.mongodb_uri) as client:
        for collection in ("numtest", "numtest_dead_letters"):
            client[name][collection].insert_many([{"_id": each, "reason": "r"} for each in [*TEXTS, *OTHERS]])
        yield name
        client.drop_database(name)


@pytest.fixture
def reader(stack: EmbeddedStack, database: str) -> Iterator[MongoReader]:
    reader = MongoReader(load(mongodb_uri=stack.mongodb_uri, database=database))
    yield reader
    reader.close()


@pytest.mark.parametrize(
    "ids",
    [
        IdRange("numtest-08b40071/1/12", "numtest-08b40071/1/12:"),
        IdRange("numtest-08b40071/1/", "numtest-08b40071/1/:"),
        IdRange("numtest-08b40071/1/1", "numtest-08b40071/1/13"),
        IdRange("numtest-08b40071/1/12@", "numtest-08b40071/1/12A"),
        IdRange("numtest-08b40071/1/:", "numtest-08b40071/10/"),
        IdRange(None, "numtest-08b40071/0/"),
        IdRange("numtest-08b40071/10/:", None),
        IdRange("Z", "a"),
        IdRange("\\", "z"),
        IdRange("", "z"),
    ],
)
def test_a_range_has_the_ids_that_are_in_it_as_text_and_no_others(reader: MongoReader, ids: IdRange) -> None:
    expected = sorted(
        text for text in TEXTS if (ids.first is None or text >= ids.first) and (ids.end is None or text < ids.end)
    )

    assert sorted(each for batch in reader.scan(ids, 100) for each, _ in batch) == expected
    assert sorted(each for batch in reader.scan_dead_letters(ids) for each, _ in batch) == expected
    assert sorted(each for batch in reader.scan_ids(ids) for each in batch) == sorted(expected * 2)


def test_ids_that_are_no_text_are_found_too(reader: MongoReader) -> None:
    found = [each for batch in reader.scan_ids(None) for each in batch]

    assert sorted(bson.encode({"_id": each}) for each in found) == sorted(
        bson.encode({"_id": each}) for each in OTHERS * 2
    )


def test_the_server_says_that_it_has_an_index_and_scans_what_is_asked_for(
    reader: MongoReader, stack: EmbeddedStack, database: str
) -> None:
    assert reader.finds_ranges()
    with MongoClient(stack.mongodb_uri) as client:
        numbers: Collection[dict[str, Any]] = client[database].numtest
        for condition, sign in (
            ({"_id": {"$gte": "a", "$lt": "b"}}, "USING INDEX"),
            ({"_id": {"$in": ["a", "b"]}}, "USING INDEX"),
            ({"number": 7}, "SCAN"),
        ):
            plan = numbers.database.command(
                "explain", {"find": "numtest", "filter": condition}, verbosity="queryPlanner"
            )
            assert sign in str(plan["queryPlanner"])
