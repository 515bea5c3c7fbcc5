"""Whose turn it is, with a client that returns all of one partition before it turns to the next, as kafka-python does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workers.kafka.turns import Turns


class Client:
    """Partitions with so many records, served in this order."""

    def __init__(self, **waiting: int) -> None:
        self.waiting = waiting
        self.paused: set[str] = set()
        self.assigned = set(waiting)
        self.waits: list[int] = []

    def assignment(self) -> set[str]:
        return set(self.assigned)

    def pause(self, *partitions: str) -> None:
        self.paused.update(partitions)

    def resume(self, *partitions: str) -> None:
        self.paused.difference_update(partitions)

    def poll(self, timeout_ms: int, most: int) -> Mapping[Any, Sequence[Any]]:
        self.waits.append(timeout_ms)
        found = {}
        for name, count in self.waiting.items():
            taken = min(count, most)
            if taken and name not in self.paused:
                found[name] = ["x" * taken]
                self.waiting[name] -= taken
                most -= taken
        return found


def served(client: Client, turns: Turns, most: int = 10, paused: Sequence[str] = ()) -> dict[str, int]:
    client.pause(*paused)
    found = turns.poll(client.poll, 250, most, paused)
    assert client.paused == set(paused), "no pause stays"
    return {name: sum(map(len, pieces)) for name, pieces in found.items()}


def turns_of(client: Client) -> Turns:
    consumer: Any = client
    return Turns(consumer)


def test_each_partition_has_its_turn_before_one_is_served_again() -> None:
    client = Client(hot=1_000, warm=15, slow=3)
    turns = turns_of(client)

    assert [served(client, turns) for _ in range(5)] == [
        {"hot": 10},
        {"warm": 10},
        # The round is over: what is left of the batch is for those that were served.
        {"slow": 3, "hot": 7},
        {"warm": 5, "hot": 5},
        {"hot": 10},
    ]


def test_a_batch_is_full_also_where_only_one_partition_has_records() -> None:
    client = Client(hot=100, idle=0)
    turns = turns_of(client)

    assert [served(client, turns) for _ in range(3)] == [{"hot": 10}] * 3


def test_it_waits_only_where_nothing_is_there_and_once() -> None:
    client = Client(a=5, b=0)
    turns = turns_of(client)
    served(client, turns)
    client.waits.clear()

    assert served(client, turns) == {}
    assert client.waits == [0, 250]
    client.waits.clear()
    assert served(client, turns) == {}
    assert client.waits == [250], "the round is over"


def test_who_is_paused_stays_paused_and_who_was_taken_away_is_left_alone() -> None:
    client = Client(a=20, b=20, c=20)
    turns = turns_of(client)
    served(client, turns)
    client.assigned.discard("a")
    client.waiting["a"] = 0

    assert served(client, turns, paused=["b"]) == {"c": 10}
    assert served(client, turns, paused=["b"]) == {"c": 10}


def test_a_new_assignment_begins_a_new_round() -> None:
    client = Client(a=20, b=20)
    turns = turns_of(client)
    served(client, turns)
    turns.forget()

    assert served(client, turns) == {"a": 10}
