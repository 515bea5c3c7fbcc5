"""What `workers verify` costs: its memory for ten times the records, and a worker's speed while it runs beside it.

Needs the servers of the settings (for example `make demo`). Uses topics, groups and a database of its own, and removes
them. The rounds alternate; the ratios are what counts, since the machine's other work falls on both sides.

    python bench/verify.py [rounds] [records]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING

import bson
import psutil
from bson.raw_bson import RawBSONDocument
from drain import BATCH, PARTITIONS, clean_up, drain, environment
from pymongo import MongoClient

from workers.admin import Admin
from workers.log_reader import read_log
from workers.producer import Producer, numbers
from workers.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MANY = 100_000, 1_000_000


def main() -> None:
    rounds, records = (int(value) for value in (sys.argv[1:] + ["3", "200000"][len(sys.argv) - 1 :]))
    little, _ = peak(FEW)
    much, rate = peak(MANY)
    print(
        f"memory: {little:.0f} MiB for {FEW:,} records, {much:.0f} MiB for {MANY:,}: {much / little:.2f} times as much"
    )
    print(f"verify alone judges {rate:,.0f} records a second", flush=True)
    ratios = []
    for number in range(1, rounds + 1):
        order = (False, True) if number % 2 else (True, False)
        rates = {beside: speed(records, verifying=beside) for beside in order}
        ratios.append(rates[True] / rates[False])
        print(f"round {number}: alone {rates[False]:,.0f}/s, with verify beside it {rates[True]:,.0f}/s", flush=True)
    print(f"median: beside verify a worker stores {statistics.median(ratios):.0%} of what it stores alone")


def own() -> Settings:
    name = uuid.uuid4().hex[:8]
    return load(topic=f"bench-{name}", group=f"bench-{name}", database="bench", slot=99)


def peak(records: int) -> tuple[float, float]:
    """MiB that verify had at most over so many records, all stored and committed by none; and records a second."""
    settings = own()
    try:
        fill(settings, records)
        started, most = time.perf_counter(), 0
        verify = start_verify(settings)
        process = psutil.Process(verify.pid)
        while verify.poll() is None:
            try:
                most = max(most, process.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.02)
        assert stored(verify) == records
        return most / 2**20, records / (time.perf_counter() - started)
    finally:
        clean_up(settings)


def fill(settings: Settings, records: int) -> None:
    """Numbers in Kafka, and their documents as a worker would have stored them, which is not what is measured."""
    with Admin(settings) as admin:
        admin.create_topic(settings.topic, PARTITIONS)
        topic = admin.topic(settings.topic)
        assert topic is not None
        with Producer(settings) as producer:
            producer.send_all(numbers(0, records))
        spans = admin.spans(topic, settings.group)
    with MongoClient(settings.mongodb_uri.get_secret_value()) as client:
        collection = client[settings.database][settings.collection]
        for partition, some in read_log(settings, {p: (span.start, span.end) for p, span in spans.items()}):
            documents = (
                {"_id": topic.identity.document_id(partition, record.offset), **json.loads(record.value)}
                for record in some
            )
            for batch in batches([RawBSONDocument(bson.encode(document)) for document in documents]):
                collection.insert_many(batch, ordered=False)


def batches(documents: list[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    for first in range(0, len(documents), BATCH):
        yield documents[first : first + BATCH]


def speed(records: int, *, verifying: bool) -> float:
    """Records a second of one worker that drains a backlog, with verify run again and again meanwhile, or without."""
    settings, done = own(), threading.Event()
    verdicts: list[int] = []

    def verify() -> None:
        while not done.is_set():
            running = start_verify(settings)
            running.communicate()
            verdicts.append(running.returncode)

    beside = threading.Thread(target=verify)
    try:
        rate, _ = drain(settings, records, ready=beside.start if verifying else lambda: None)
    finally:
        done.set()
        if verifying:
            beside.join()
        clean_up(settings)
    assert set(verdicts) <= {0}, f"verify ended with {verdicts}"
    return rate


def start_verify(settings: Settings) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers", "verify", "--json"], env=environment(settings), stdout=subprocess.PIPE
    )


def stored(verify: subprocess.Popen[bytes]) -> int:
    out, _ = verify.communicate()
    assert verify.returncode == 0, verify.returncode
    return sum(partition["stored"] for partition in json.loads(out)["partitions"])


if __name__ == "__main__":
    main()
