"""How long the partitions of a killed worker wait: from kill -9, under load, to the first new document of theirs.

Starts a stack and fleets of its own, on free ports, and removes them. Three fleets, one after the other, on one broker
and one database: one that evicts its dead (the default), one that cannot, since it keeps no state, and one with static
membership. A document is new if its record was produced after the kill, so that a write which was under way counts for
nobody.

    python -m bench.takeover [kills] [kills of the two slow ones]
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

from pymongo import MongoClient

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from workers.kafka.producer import Producer, numbers
from workers.settings import load
from workers.types import TopicPartition

WORKERS, PARTITIONS, RATE = 4, 6, 600
HEALTHY_SECONDS = 11.0
"""A worker that is killed sooner than this after its start meets the brake, and that is not what is measured."""
LOOK_SECONDS = 0.005
NO_STATE = '[program:worker]\nenvironment=WORKERS_SLOT="%(process_num)d"\n'
FLEETS: dict[str, tuple[dict[str, str], str]] = {
    "evicts its dead": ({}, ""),
    "keeps no state": ({}, NO_STATE),
    "static members": ({"WORKERS_STATIC_MEMBERSHIP": "true"}, ""),
}


def main() -> None:
    kills, slow = (int(value) for value in (sys.argv[1:] + ["50", "10"][len(sys.argv) - 1 :]))
    with EmbeddedStack() as stack:
        for name, (settings, override) in FLEETS.items():
            seconds = measure(stack, settings, override, slow if override or settings else kills)
            quantiles = statistics.quantiles(seconds, n=20, method="inclusive")
            print(
                f"{name:16} {len(seconds):3} kills: median {statistics.median(seconds):5.2f} s, p95 {quantiles[-1]:5.2f} s, "
                f"longest {max(seconds):5.2f} s",
                flush=True,
            )


def measure(stack: EmbeddedStack, settings: dict[str, str], override: str, kills: int) -> list[float]:
    fleet = Fleet(stack, settings)
    if override:
        fleet.local_d("bench", override)
    with fleet, MongoClient(stack.mongodb_uri) as client:
        fleet.kafka.create(PARTITIONS)
        fleet.wait_assigned(PARTITIONS)
        collection = client[fleet.database]["numtest"]
        (topic,) = fleet.kafka.admin.describe_topics([fleet.topic])
        prefix = f"{fleet.topic}-{str(topic['topic_id'])[:8]}"
        with Load(fleet) as load:
            return [one_kill(fleet, load, collection, prefix, number % WORKERS) for number in range(kills)]


def one_kill(fleet: Fleet, load: Load, collection: Any, prefix: str, slot: int) -> float:
    wait_until(lambda: fleet.info(slot)["now"] - fleet.info(slot)["start"] > HEALTHY_SECONDS, 60, "it is healthy")
    fleet.wait_assigned(PARTITIONS)
    owned = owned_by(fleet, slot)
    fleet.kill(slot)
    killed = time.perf_counter()
    after = {partition: load.acknowledged[partition] for partition in owned}
    while True:
        # What is acknowledged from now on was produced after the kill.
        ids = [f"{prefix}/{p}/{offset}" for p in owned for offset in range(after[p] + 1, load.acknowledged[p] + 1)]
        if ids and collection.find_one({"_id": {"$in": ids[:50]}}, {"_id": 1}):
            return time.perf_counter() - killed
        time.sleep(LOOK_SECONDS)


def owned_by(fleet: Fleet, slot: int) -> list[int]:
    (owned,) = [owned for member, owned in fleet.kafka.members().items() if member.startswith(f"worker_{slot:02d} ")]
    return owned


class Load:
    """Numbers at a steady rate to all partitions, while it is used with `with`."""

    def __init__(self, fleet: Fleet) -> None:
        self.acknowledged = dict.fromkeys(range(PARTITIONS), -1)
        """By partition: the highest offset."""
        settings = load(bootstrap_servers=fleet.kafka._servers, topic=fleet.topic)
        self._producer = Producer(settings, self._on_acknowledged)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        with self._producer as producer:
            producer.send_all(self._values())

    def _values(self) -> Iterator[bytes]:
        started = time.monotonic()
        for sent, value in enumerate(numbers(0, 2**62)):
            if self._over.is_set():
                return
            time.sleep(max(0.0, sent / RATE - (time.monotonic() - started)))
            yield value

    def _on_acknowledged(self, partition: TopicPartition, offset: int, _value: bytes) -> None:
        number = partition.partition
        self.acknowledged[number] = max(self.acknowledged[number], offset)


if __name__ == "__main__":
    main()
