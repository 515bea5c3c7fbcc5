"""What scrapes cost a worker: none, 50 a second, clients that never read, and a crowd that means harm, on one backlog.

Needs the servers of the settings (for example `make demo`), and a machine that does nothing else. Uses a topic, groups
and a database of its own, and removes them. Each round has all four, in an order that goes round; what counts is the
ratio within a round, since the machine's other work falls on all of them.

    python -m bench.scrape [rounds] [records]
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kafka import KafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient

from tests.support.hostile import HostileClients
from workers.kafka.admin import Admin
from workers.kafka.options import connection_options
from workers.kafka.producer import Producer, numbers
from workers.settings import Settings, load

PARTITIONS = 6
SCRAPES_A_SECOND = 50
DEAF = 20
"""Half of them have asked and read nothing of the answer, with hardly a byte of buffer; half have asked by half."""
CROWD = 500
"""Clients of every kind that tests know; one that is thrown out comes back, 400 a second."""
ASK_EVERY = 1.0
"""Seconds between two looks of the bench itself at the worker's metrics."""


class Drained(NamedTuple):
    rate: float
    """Records a second, from the assignment to the last commit, by the worker's own clock."""
    cpu: float
    """Microseconds of the worker's CPU a record."""


def main() -> None:
    rounds, records = (int(value) for value in (sys.argv[1:] + ["7", "100000"][len(sys.argv) - 1 :]))
    settings = load(topic=f"bench-{uuid.uuid4().hex[:8]}", database="bench-scrape", slot=99)
    found: dict[str, list[Drained]] = {name: [] for name in ARMS}
    try:
        fill(settings, records)
        for number in range(rounds):
            for name in (*ARMS, *ARMS)[number % len(ARMS) :][: len(ARMS)]:
                found[name].append(drain(settings, records, ARMS[name]))
            told = ", ".join(f"{name} {found[name][-1].rate:,.0f}/s" for name in ARMS)
            print(f"round {number + 1}: {told}", flush=True)
    finally:
        clean_up(settings)
    print(report(found))


def report(found: dict[str, list[Drained]]) -> str:
    lines = []
    for name, drained in found.items():
        ratios = sorted(each.rate / alone.rate for each, alone in zip(drained, found[ALONE], strict=True))
        cpu = sorted(each.cpu / alone.cpu for each, alone in zip(drained, found[ALONE], strict=True))
        rate, micros = (statistics.median(values) for values in zip(*drained, strict=True))
        lines.append(
            f"{name:28}{rate:>9,.0f}/s  {spread(ratios)} of it  {micros:5.1f} us of CPU a record  {spread(cpu)} of it"
        )
    return "\n".join(lines)


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):4.0%} ({ratios[0]:.0%} to {ratios[-1]:.0%})"


def fill(settings: Settings, records: int) -> None:
    with Admin(settings) as admin:
        admin.create_topic(settings.topic, PARTITIONS)
    with Producer(settings) as producer:
        producer.send_all(numbers(0, records))


def drain(
    settings: Settings, records: int, visitors: Callable[[Settings], contextlib.AbstractContextManager[None]]
) -> Drained:
    """One new group reads it all, into an empty collection."""
    with MongoClient(settings.mongodb_uri.get_secret_value()) as client:
        client.drop_database(settings.database)
    environment = os.environ | {
        "WORKERS_TOPIC": settings.topic,
        "WORKERS_GROUP": f"bench-{uuid.uuid4().hex[:8]}",
        "WORKERS_DATABASE": settings.database,
        "WORKERS_SLOT": str(settings.slot),
    }
    worker = subprocess.Popen([sys.executable, "-m", "workers", "run"], env=environment, stdout=subprocess.DEVNULL)
    try:
        seen = metrics(settings)
        while not seen.get("workers_assigned_partitions"):
            time.sleep(0.02)
            seen = metrics(settings)
        begun, cpu = time.time(), seen["process_cpu_seconds_total"]
        with visitors(settings):
            while seen.get("workers_records_total", 0) < records:
                time.sleep(ASK_EVERY)
                seen = metrics(settings)
        seconds = seen["workers_last_commit_timestamp_seconds"] - begun
        return Drained(records / seconds, (seen["process_cpu_seconds_total"] - cpu) / records * 1e6)
    finally:
        worker.terminate()
        worker.wait()


def address(settings: Settings) -> tuple[str, int]:
    return settings.metrics_host, settings.metrics_port + settings.slot


def metrics(settings: Settings) -> dict[str, float]:
    """The sum of each name; empty while nobody serves them."""
    host, port = address(settings)
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return {}
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            found[each.name] = found.get(each.name, 0) + each.value
    return found


# Visitors


@contextlib.contextmanager
def nobody(_settings: Settings) -> Iterator[None]:
    yield


@contextlib.contextmanager
def scraping(settings: Settings) -> Iterator[None]:
    over, answered = threading.Event(), []

    def scrape() -> None:
        due = time.monotonic()
        while not over.wait(max(0, due - time.monotonic())):
            due += 1 / SCRAPES_A_SECOND
            with socket.create_connection(address(settings), 5) as connection:
                connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                while connection.recv(1 << 16):
                    pass
            answered.append(time.monotonic())

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    real = (len(answered) - 1) / (answered[-1] - answered[0])
    if real < 0.9 * SCRAPES_A_SECOND:
        print(f"void: only {real:.0f} scrapes a second", file=sys.stderr)


@contextlib.contextmanager
def deaf(settings: Settings) -> Iterator[None]:
    with contextlib.ExitStack() as clients:
        for number in range(DEAF):
            client = clients.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.connect(address(settings))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n" if number % 2 else b"GET /metr")
        yield


@contextlib.contextmanager
def crowd(settings: Settings) -> Iterator[None]:
    with HostileClients(settings.metrics_port + settings.slot, CROWD):
        yield


ALONE = "not scraped"
ARMS = {
    ALONE: nobody,
    f"{SCRAPES_A_SECOND} scrapes a second": scraping,
    f"{DEAF} clients that never read": deaf,
    f"{CROWD} hostile clients": crowd,
}


def clean_up(settings: Settings) -> None:
    with MongoClient(settings.mongodb_uri.get_secret_value()) as client:
        client.drop_database(settings.database)
    admin = KafkaAdminClient(**connection_options(settings))
    admin.delete_topics([settings.topic])
    admin.close()


if __name__ == "__main__":
    main()
