"""The table of goals: what counts as reached, from what is stored in docs/bench."""

from __future__ import annotations

from typing import Any

import pytest

from bench import goals
from bench.candidates import CONNECTOR, ONE, RAW, TWO
from bench.sample import Sample
from bench.tables import PAGE, between

MIB = 2**20


def sample(rate: float, microseconds: float, memory: int = 70 * MIB, records: int = 1_000) -> dict[str, Any]:
    cpu = {"client": microseconds * records / 1e6, "kafka": 0.0, "database": 0.9 * records / rate, "others": 0.0}
    return Sample(records, records / rate, cpu, 1, memory, 0.1).as_dict()


def results(
    one: float,
    two: float,
    cost: float,
    nested: float,
    few: int,
    memory: int,
    p99: float,
    idle: float,
    four: float,
    start: float,
    words: float,
    status: float,
    nobody: float,
) -> dict[str, Any]:
    """Of runs in which raw `insert_many` stores 100 a second, and the connector 85 at 8 us."""
    machine = {"cores": 2}
    peers = {
        RAW: [sample(100, 1), sample(50, 1)],
        CONNECTOR: [sample(85, 8), sample(42.5, 8)],
        ONE: [sample(one, cost), sample(one / 2, cost)],
        TWO: [sample(two, cost), sample(two / 2, cost)],
    }
    cases = [
        {"name": "records 100", "runs": [sample(90, 4, few, 100)]},
        {"name": "records 1,000", "runs": [sample(90, 4, memory, 1_000)]},
        {"name": "nested, 100 bytes", "runs": [sample(90, nested)]},
    ]
    counted = {shape: {"instructions": cost / 8 * 300} for shape in goals.BEFORE_INSTRUCTIONS}
    return {
        "peers": {"machine": machine, "peers": peers},
        "growth": {"cases": cases},
        "latency": {"slow": {"seconds": [p99]}, "fast": {"seconds": [p99]}, "idle_share_of_a_core": idle},
        "idle": {
            "idle": {"four": four},
            "starts": {
                "first poll": [[start, 9.0]],
                "help": [[words, 9.0]],
                "status": [[status, 9.0]],
                "nobody": [[9.0, nobody]],
            },
        },
        "decode": {"counted": {"3.11": counted}},
    }


GOOD = {
    "one": 96,
    "two": 99,
    "cost": 3.7,
    "nested": 8.0,
    "few": 70 * MIB,
    "memory": 76 * MIB,
    "p99": 0.016,
    "idle": 0.01,
    "four": 0.06,
    "start": 0.6,
    "words": 0.25,
    "status": 0.45,
    "nobody": 2.0,
}


def rows(**changed: float) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in goals.table(results(**(GOOD | changed))).rows}  # type: ignore[arg-type]


def test_all_can_be_reached() -> None:
    assert {row[1] for row in rows().values()} == {"yes"}


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"one": 94}, ["0.95 of raw insert_many"]),
        ({"one": 88}, ["0.95 of raw insert_many", "1.05 of the official connector"]),
        ({"two": 97}, ["0.98 of raw insert_many"]),
        (
            {"cost": 3.9},
            [
                "3.8 us",
            ],
        ),
        ({"nested": 8.1}, ["8 us for nested"]),
        ({"few": 80 * MIB, "memory": 82 * MIB}, ["85 MB for numbers"]),
        ({"memory": 80 * MIB}, ["85 MB for numbers"]),
        ({"p99": 0.0161}, ["10 records a second"]),
        ({"p99": 0.139}, ["10 records a second", "half of the most"]),
        ({"idle": 0.0101}, ["an idle worker"]),
        ({"four": 0.0601}, ["four idle workers"]),
        ({"start": 0.61}, ["until its first poll"]),
        ({"words": 0.26}, ["--help"]),
        ({"status": 0.46}, ["status` takes at most 0.45 s"]),
        ({"nobody": 2.01}, ["status` takes at most 2 s"]),
    ],
)
def test_each_can_be_missed(changed: dict[str, float], missed: list[str]) -> None:
    found = [text for text, row in rows(**changed).items() if row[1] != "yes"]

    assert len(found) == len(missed)
    for text, words in zip(found, missed, strict=True):
        assert words in text


def test_twice_the_cost_misses_the_share_and_the_instructions() -> None:
    missed = [text for text, row in rows(cost=7.4).items() if row[1] != "yes"]

    assert [text for text in missed if "connector's processor time" in text]
    assert [text for text in missed if "instructions to decode a number" in text]


def test_a_rate_that_was_missed_tells_what_was_busy() -> None:
    (row,) = [row for text, row in rows(two=90).items() if text.startswith("two workers")]

    assert row[0] == "0.90"
    assert row[2].startswith("database (cores: client")


def test_what_was_left_out_is_told_with_the_command_that_measures_it() -> None:
    found = results(**GOOD)  # type: ignore[arg-type]
    del found["growth"], found["peers"]["peers"][CONNECTOR]

    told = {row[0]: row[1:3] for row in goals.table(found).rows}

    assert told["one worker stores at least 1.05 of the official connector"] == [
        "not measured",
        "`make bench-peers` does",
    ]
    assert told["at most 85 MB for numbers, however many"] == ["not measured", "`make bench-growth` does"]
    assert told["one worker stores at least 0.95 of raw insert_many"][0] == "0.96"


def test_the_page_shows_what_is_stored() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert between(page, "goals", goals.text(goals.stored())) == page, "`python -m bench.goals` writes the table again"
