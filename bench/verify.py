"""What `workers verify` costs: its memory for ten times the records, and a worker's speed while it runs beside it.

The rounds alternate; the ratios are what counts, since the machine's other work falls on both sides.

    python -m bench.verify [rounds] [records] [most]

rounds and records are those of the worker; most: how many records verify has, after a tenth of them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
import psutil
from bson.raw_bson import RawBSONDocument
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from pymongo import MongoClient

from bench.backlog import Backlog, Sender, place_of, shape
from bench.peers import Load, alone, measure, workers
from bench.servers import Place, Servers, open_place, open_servers
from workers.kafka.options import connection_options

DEFAULTS = ["3", "200000", "1000000"]
PARTITIONS, BATCH = 6, 5_000
COORDINATOR_SECONDS = 30.0


def main() -> None:
    rounds, records, many = (int(value) for value in (sys.argv[1:] + DEFAULTS[len(sys.argv) - 1 :]))
    with open_servers("embedded") as servers:
        for count in (many // 10, many):
            with open_place(servers, PARTITIONS) as place:
                fill(place, count)
                for processes in (1, 2):
                    print(
                        f"{count:,} records, {processes} processes: {peak(servers, place, count, processes)}",
                        flush=True,
                    )
        ratios = []
        for number in range(1, rounds + 1):
            order = (False, True) if number % 2 else (True, False)
            rates = {beside: speed(servers, records, verifying=beside) for beside in order}
            ratios.append(rates[True] / rates[False])
            print(
                f"round {number}: alone {rates[False]:,.0f}/s, with verify beside it {rates[True]:,.0f}/s", flush=True
            )
    if ratios:
        print(f"median: beside verify a worker stores {statistics.median(ratios):.0%} of what it stores alone")


def peak(servers: Servers, place: Place, records: int, processes: int) -> str:
    """What verify took for so many records, all of them stored, and the most memory that its processes had together."""
    started, most, each = time.perf_counter(), 0, 0
    server = servers.processes["database"]
    before = server.cpu_times()
    verify = start_verify(place, "--processes", str(processes))
    process, spent = psutil.Process(verify.pid), 0.0
    while verify.poll() is None:
        try:
            running = [process, *process.children(recursive=True)]
            sizes = [found.memory_info().rss for found in running]
            most, each = max(most, sum(sizes)), max(each, *sizes)
            spent = max(spent, sum(sum(found.cpu_times()[:2]) for found in running))
        except psutil.Error:
            continue
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    assert stored(verify) == records
    after = server.cpu_times()
    database = after.user + after.system - before.user - before.system
    return (
        f"{seconds:.0f} s, {records / seconds:,.0f} a second; at most {most / 2**20:.0f} MiB, {each / 2**20:.0f} in one "
        f"process; {1e6 * spent / records:.1f} us a record of its own, {1e6 * database / records:.1f} of the database"
    )


def fill(place: Place, records: int) -> None:
    """Numbers in Kafka, and their documents as a worker would have stored them, which is not what is measured."""
    with Sender(place.settings) as sender:
        sender.send_all(Backlog(shape(0), 0, records, PARTITIONS))
    with MongoClient(place.settings.mongodb_uri.get_secret_value()) as client:
        collection: Any = client[place.settings.database][place.settings.collection]
        for first in range(0, records, BATCH):
            documents = (
                {"_id": place.topic.document_id(*place_of(number, PARTITIONS)), "number": number}
                for number in range(first, min(records, first + BATCH))
            )
            collection.insert_many([RawBSONDocument(bson.encode(each)) for each in documents], ordered=False)
    commit(place, records // PARTITIONS)


def commit(place: Place, offset: int) -> None:
    """In each partition: what is not committed would be looked up. The first group of a broker has to wait for a while."""
    offsets = {
        TopicPartition(place.settings.topic, number): OffsetAndMetadata(offset, "", -1) for number in range(PARTITIONS)
    }
    admin = KafkaAdminClient(**connection_options(place.settings))
    deadline = time.monotonic() + COORDINATOR_SECONDS
    while True:
        try:
            admin.alter_group_offsets(place.settings.group, offsets)
            break
        except KafkaError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    admin.close()


def speed(servers: Servers, records: int, *, verifying: bool) -> float:
    """Records a second of one worker that drains a backlog, with verify run again and again meanwhile, or without."""
    return measure(workers(1), servers, Load(records), beside=verified if verifying else alone).rate


@contextmanager
def verified(place: Place) -> Iterator[None]:
    """Again and again, while the block runs."""
    done, verdicts = threading.Event(), []

    def verify() -> None:
        while not done.is_set():
            running = start_verify(place)
            running.communicate()
            verdicts.append(running.returncode)

    thread = threading.Thread(target=verify)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert set(verdicts) <= {0}, f"verify ended with {verdicts}"


def start_verify(place: Place, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers", "verify", "--json", *options], env=place.environment, stdout=subprocess.PIPE
    )


def stored(verify: subprocess.Popen[bytes]) -> int:
    out, _ = verify.communicate()
    assert verify.returncode == 0, verify.returncode
    return sum(partition["stored"] for partition in json.loads(out)["partitions"])


if __name__ == "__main__":
    main()
