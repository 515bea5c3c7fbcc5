"""A fleet of three workers and twenty topics of six partitions, as those see it who look at it from outside."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import NewTopic

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.many_topics import LOGS, TOPICS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PARTITIONS = 6
ALL = len(TOPICS) * PARTITIONS
BOTH, LATER = "log.both.eu", "later"
ROUTES = f"""
[[route]]
topics = ["orders", "refunds"]

[[route]]
name = "logs"
topic_pattern = 'log\\..*'
collection = "logs"

[[route]]
name = "eu"
topic_pattern = '.*\\.eu'

[[route]]
topics = ["{LATER}"]
"""


@pytest.fixture(scope="module")
def fleet(stack: EmbeddedStack) -> Iterator[Fleet]:
    fleet = Fleet(stack, {"WORKERS_LAG_INTERVAL": "1", "WORKERS_ROUTES": "routes.toml"})
    del fleet.environment["WORKERS_TOPIC"]
    (fleet.tree / "routes.toml").write_text(ROUTES)
    fleet.environment["WORKERS_ROUTES"] = str(fleet.tree / "routes.toml")
    fleet.local_d("three", "[program:worker]\nnumprocs=3\n")
    made = [*TOPICS, BOTH]
    fleet.kafka.admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in made])
    try:
        with fleet:
            wait_until(lambda: sum(owned(fleet).values()) == ALL + PARTITIONS, 90, "every partition is owned")
            yield fleet
    finally:
        fleet.kafka.admin.delete_topics(made)
        fleet.kafka.close()


def owned(fleet: Fleet) -> dict[int, float]:
    return {slot: fleet.total("workers_assigned_partitions", [slot]) for slot in fleet.slots()}


def send(fleet: Fleet, each: int) -> int:
    producer = KafkaProducer(bootstrap_servers=fleet.environment["WORKERS_BOOTSTRAP_SERVERS"])
    for topic in TOPICS:
        for number in range(each):
            producer.send(topic, b'{"number": %d}' % number, partition=number % PARTITIONS)
    producer.flush()
    producer.close()
    return each * len(TOPICS)


def lag(fleet: Fleet, name: str, **labels: str) -> float:
    return scrape.total(scrape.metrics(fleet.lag_port), name, **labels)


def status(fleet: Fleet, *options: str) -> dict[str, Any]:
    ran = fleet.command("status", "--json", *options)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_every_topic_is_seen_by_route_and_one_that_is_not_read_hides_no_other(fleet: Fleet) -> None:
    sent = send(fleet, 60)
    wait_until(lambda: fleet.total("workers_records_total", outcome="stored") >= sent, 60, "all of it is stored")
    wait_until(lambda: lag(fleet, "workers_lag_records") == 0, 20, "nothing waits")

    found = status(fleet)
    routes = {each["label"]: each for each in found["routes"]}
    assert {label: (len(each["topics"]), each["partitions"]) for label, each in routes.items()} == {
        "orders": (2, 12), "logs": (len(LOGS), 6 * len(LOGS)), "eu": (1, 6), LATER: (1, 0), "": (1, 0),
    }  # fmt: skip
    assert [routes[label]["state"] for label in routes] == ["reading", "reading", "reading", "missing", "unroutable"]
    assert routes["logs"]["lag"] == 0
    assert found["group"]["partitions"] == ALL
    held = [owned for slot in found["slots"] for owned in slot["partitions"].items()]
    assert sum(len(numbers) for _, numbers in held) == ALL + PARTITIONS
    assert found["verdict"]["text"].startswith(f"The topic {BOTH} is halted: no route can have it")
    assert f"there is no topic {LATER} yet; `workers doctor` says how to make it" in found["problems"]

    one = status(fleet, "--route", "logs")
    assert {topic["topic"] for topic in one["routes"][0]["topics"]} == set(LOGS)
    assert {topic for slot in one["slots"] for topic in slot["partitions"]} == set(LOGS)
    wrong = fleet.command("status", "--route", "log")
    assert (wrong.returncode, "there is no route log: the routes are orders, logs, eu" in wrong.stderr) == (64, True)


def test_metrics_have_every_partition_with_its_topic_and_its_route(fleet: Fleet) -> None:
    series = scrape.metrics(fleet.lag_port)
    assert len(series["workers_lag_records"]) == ALL
    assert {labels["route"] for labels, _ in series["workers_lag_records"]} == {"orders", "logs", "eu"}
    assert {labels["topic"] for labels, value in series["workers_topic_missing"] if value} == {LATER}
    assert {labels["topic"] for labels, value in series["workers_topic_unroutable"] if value} == {BOTH}
    sums = {labels["topic"]: value for labels, value in series["kafka_consumergroup_lag_sum"]}
    assert sums == dict.fromkeys(TOPICS, 0.0)
    assert fleet.total("workers_partition_halted", topic=BOTH) == PARTITIONS
    assert fleet.total("workers_records_total", topic="orders", route="orders", outcome="stored") >= 60


def test_the_page_counts_the_dead_letters_of_all_collections(fleet: Fleet) -> None:
    producer = KafkaProducer(bootstrap_servers=fleet.environment["WORKERS_BOOTSTRAP_SERVERS"])
    for topic in ("orders", "log.api", "audit.eu"):
        producer.send(topic, b"no JSON", partition=0)
    producer.flush()
    producer.close()

    def counted() -> bool:
        _, text = scrape.page(fleet.lag_port, "/fleet.json")
        return bool(text) and json.loads(text)["totals"]["dead_letters"] == 3

    wait_until(counted, 30, "three dead letters are counted")


def test_a_kill_is_followed_over_all_topics(fleet: Fleet) -> None:
    before = len([each for each in fleet.events() if each["event"] == "taken_over"])
    held = {labels["topic"] for labels, value in fleet.metrics(1)["workers_partition_owned"] if value}
    fleet.kill(1, signal.SIGKILL)

    def taken() -> list[dict[str, Any]]:
        return [each for each in fleet.events() if each["event"] == "taken_over"][before:]

    wait_until(taken, 60, "its partitions are taken over")
    moved = {topic for owners in taken()[0]["partitions"].values() for topic in owners}
    assert moved == held
    wait_until(lambda: sum(owned(fleet).values()) == ALL + PARTITIONS, 60, "every partition is owned again")
    sent = send(fleet, 6)
    wait_until(lambda: lag(fleet, "workers_lag_records") == 0, 30, f"{sent} more are stored")
    code, text = scrape.page(fleet.lag_port, "/timeline.json?seconds=120")
    timeline = json.loads(text)
    assert code == 200
    assert len({(each["topic"], each["partition"]) for each in timeline["partitions"]}) >= ALL
    shown = fleet.command("status").stdout
    assert [label for label in ("orders ", "logs ", "eu ", LATER, BOTH) if f"\n{label}" not in shown] == []


def test_what_waits_has_an_age_in_every_partition_while_every_worker_is_down(fleet: Fleet) -> None:
    fleet.supervisor("stopProcessGroup", "worker")
    try:
        sent = send(fleet, PARTITIONS)
        wait_until(lambda: lag(fleet, "workers_lag_records") == sent, 20, "all of it waits")

        def ages() -> list[float]:
            return [value for _, value in scrape.metrics(fleet.lag_port)["workers_lag_seconds"] if value > 0]

        wait_until(lambda: len(ages()) == ALL, 20, "each partition has its age")
        assert lag(fleet, "workers_partition_unknown") == 0
        assert status(fleet, "--route", "orders")["routes"][0]["lag"] == 2 * PARTITIONS
    finally:
        fleet.supervisor("startProcessGroup", "worker")
    wait_until(lambda: lag(fleet, "workers_lag_records") == 0, 60, "nothing waits any more")
