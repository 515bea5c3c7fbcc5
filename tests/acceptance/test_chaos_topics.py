"""The drills on a fleet of twenty topics of six partitions: everything is broken, and one verdict proves all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from kafka.admin import NewTopic

from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable, wait_until
from tests.support.fleet import LAUNCHER_NEEDS, Fleet

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SECONDS, SEED, RATE, BAD_SHARE = 45, 1, 2_000, 0.01
PARTITIONS = 6
SHOP = [f"shop.{number:02d}" for number in range(10)]
OWN = [f"own.{number:02d}" for number in range(8)]
LOGS = ["log.api", "log.web"]
ROUTES = f"""
[[route]]
name = "shop"
topics = {json.dumps(SHOP)}
collection = "shop"

[[route]]
name = "own"
topics = {json.dumps(OWN)}

[[route]]
name = "logs"
topic_pattern = 'log\\..*'
collection = "logs"
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[EmbeddedStack]:
    """One that this drill may break."""
    try:
        yield EmbeddedStack().__enter__()
    except StackUnavailableError as reason:
        unavailable(reason)


@pytest.fixture(scope="module")
def demo(stack: EmbeddedStack) -> Iterator[Fleet]:
    try:
        for folder in ("var/log", "var/run", "bin"):
            (stack.tree / folder).mkdir(parents=True)
        for tool in LAUNCHER_NEEDS:
            (stack.tree / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        routes = stack.tree / "routes.toml"
        routes.write_text(ROUTES)
        fleet = Fleet(stack, {"WORKERS_MAX_POLL_RECORDS": "50", "WORKERS_ROUTES": str(routes)}, tree=stack.tree)
        del fleet.environment["WORKERS_TOPIC"]
        fleet.kafka.admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (*SHOP, *OWN, *LOGS)])
        with fleet:
            wait_until(lambda: owned(fleet) == 20 * PARTITIONS, 90, "every partition is owned")
            yield fleet
            fleet.kafka.close()
    finally:
        stack.remove()


def owned(fleet: Fleet) -> float:
    return sum(fleet.total("workers_assigned_partitions", [slot]) for slot in fleet.slots())


def test_twenty_topics_survive_the_drill_and_one_verdict_proves_them(demo: Fleet) -> None:
    demo.kafka.close()
    ran = demo.command(
        *("chaos", "--seconds", str(SECONDS), "--seed", str(SEED), "--rate", str(RATE), "--json"),
        *("--bad-share", str(BAD_SHARE), "--tree", str(demo.tree)),
        timeout=400,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    report = json.loads(ran.stdout)
    assert (report["lost"], report["twice"], report["unexplained"]) == (0, 0, 0)
    assert (report["passed"], report["verified"], report["void"]) == (True, True, [])
    assert report["stored"] + report["dead_letters"] >= report["acknowledged"] > SECONDS * RATE / 4
    assert report["dead_letters"] == report["dead_letters_expected"] > 0
    assert report["redelivered"] > 0

    verdict = demo.verify("--wait", "60")
    assert verdict.code == 0, verdict.report
    by_topic = {each["topic"]: each for each in verdict.report["topics"]}
    assert by_topic.keys() == {*SHOP, *OWN, *LOGS}
    assert all(by_topic[topic]["stored"] > 0 for topic in (*SHOP, *OWN)), "the load goes to all topics that are named"
    assert verdict.report["sum"]["stored"] == report["stored"]
    assert sum(each["foreign"] for each in verdict.report["collections"]) == 0
    shown = demo.command("verify", "--route", "shop").stdout.splitlines()
    assert [line.split()[0] for line in shown[1:11]] == SHOP
    assert shown[-1] == "every record is accounted for"
    letters = demo.command("dead-letters", "list", "--json", "--limit", "100000").stdout.splitlines()
    assert len(letters) == report["dead_letters"]


def test_a_kill_is_told_with_its_topics(demo: Fleet) -> None:
    ran = demo.command("kill", "--json", "--rate", "1200", "--tree", str(demo.tree), timeout=300)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    report = json.loads(ran.stdout)
    assert report["passed"] is True
    assert len(report["partitions"]) > 1, "it owned partitions of several topics"
    assert report["records"] > 0
