"""How fast one worker drains a backlog, beside raw `insert_many` on the same database in the same run.

Needs the servers of the settings (for example `make demo`). Uses a topic, a group and a database of its own, and
removes them. The rounds alternate; the ratio is what counts, since the machine's other work falls on both sides.

    python bench/drain.py [rounds] [records]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING

import bson
from bson.raw_bson import RawBSONDocument
from kafka import KafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient

from workers.admin import Admin
from workers.producer import Producer, numbers
from workers.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 5_000
PARTITIONS = 6


def main() -> None:
    rounds, records = (int(value) for value in (sys.argv[1:] + ["3", "200000"][len(sys.argv) - 1 :]))
    ratios = []
    for number in range(1, rounds + 1):
        settings = load(topic=f"bench-{uuid.uuid4().hex[:8]}", group=f"bench-{number}", database="bench", slot=99)
        try:
            raw = raw_inserts(settings, records)
            worker, cpu = drain(settings, records)
        finally:
            clean_up(settings)
        ratios.append(worker / raw)
        print(
            f"round {number}: raw insert_many {raw:,.0f}/s, one worker {worker:,.0f}/s ({worker / raw:.0%} of raw), "
            f"{cpu / records * 1e6:.1f} us of worker CPU a record",
            flush=True,
        )
    print(f"median: one worker stores {statistics.median(ratios):.0%} of raw insert_many (goal: 60 % or more)")


def raw_inserts(settings: Settings, records: int) -> float:
    """Documents a second, encoded beforehand, in batches as large as the worker's."""
    with MongoClient(settings.mongodb_uri.get_secret_value(), w="majority", journal=True) as client:
        collection = client[settings.database]["raw"]
        documents = [RawBSONDocument(bson.encode({"_id": f"raw-00000000/0/{n}", "number": n})) for n in range(records)]
        collection.insert_one({"_id": "first"})
        started = time.perf_counter()
        for first in range(0, records, BATCH):
            collection.insert_many(documents[first : first + BATCH], ordered=False)
        return records / (time.perf_counter() - started)


def drain(settings: Settings, records: int, ready: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """Records a second from the assignment to the last one stored, and the worker's CPU seconds for it.

    Args:
        ready: called when the backlog is there, before the worker is started.
    """
    with Admin(settings) as admin:
        admin.create_topic(settings.topic, PARTITIONS)
    with Producer(settings) as producer:
        producer.send_all(numbers(0, records))
    ready()
    worker = subprocess.Popen(
        [sys.executable, "-m", "workers", "run"], env=environment(settings), stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://{settings.metrics_host}:{settings.metrics_port + settings.slot}/metrics"
        while not (sampled := sample(url)) or not sampled[0]:
            time.sleep(0.02)
        started, cpu = time.perf_counter(), sampled[2]
        while sampled is None or sampled[1] < records:
            time.sleep(0.05)
            sampled = sample(url)
        return records / (time.perf_counter() - started), sampled[2] - cpu
    finally:
        worker.terminate()
        worker.wait()


def environment(settings: Settings) -> dict[str, str]:
    """For a command of this run."""
    return os.environ | {
        "WORKERS_TOPIC": settings.topic,
        "WORKERS_GROUP": settings.group,
        "WORKERS_DATABASE": settings.database,
        "WORKERS_SLOT": str(settings.slot),
    }


def sample(url: str) -> tuple[float, float, float] | None:
    """Assigned partitions, records stored, CPU seconds; None while nobody serves them."""
    try:
        text = urllib.request.urlopen(url, timeout=5).read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None
    found = {"workers_assigned_partitions": 0.0, "workers_records_total": 0.0, "process_cpu_seconds_total": 0.0}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            if each.name in found:
                found[each.name] += each.value
    return tuple(found.values())  # type: ignore[return-value]


def clean_up(settings: Settings) -> None:
    with MongoClient(settings.mongodb_uri.get_secret_value()) as client:
        client.drop_database(settings.database)
    admin = KafkaAdminClient(**settings.kafka_connection)
    admin.delete_topics([settings.topic])
    admin.close()


if __name__ == "__main__":
    main()
