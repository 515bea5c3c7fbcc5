"""`workers chaos`, the real drill: workers, database and broker are killed under load, and nothing is lost by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable
from tests.support.fleet import LAUNCHER_NEEDS, Fleet
from tests.support.fleet_checks import exactly_once
from workers.drill.faults import KINDS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SECONDS, SEED, RATE = 60, 1, 2_000
"""A soak in short: a seed whose plan has every kind of fault within a minute."""
SMALL_BATCHES = {"WORKERS_MAX_POLL_RECORDS": "50"}


@pytest.fixture(scope="module")
def demo() -> Iterator[Fleet]:
    """As `make demo` leaves it: stack and fleet in one tree, which this drill may break."""
    try:
        stack = EmbeddedStack().__enter__()
    except StackUnavailableError as reason:
        unavailable(reason)
    try:
        for folder in ("var/log", "var/run", "bin"):
            (stack.tree / folder).mkdir(parents=True)
        for tool in LAUNCHER_NEEDS:
            (stack.tree / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        with Fleet(stack, SMALL_BATCHES, tree=stack.tree) as fleet:
            fleet.kafka.create(6)
            fleet.wait_assigned(6)
            yield fleet
    finally:
        stack.remove()


def test_a_fleet_on_services_that_are_not_the_embedded_ones_is_not_touched(demo: Fleet, tmp_path: Path) -> None:
    pids = [demo.pid(slot) for slot in demo.slots()]
    for arguments in (["--tree", str(tmp_path)], ["--tree", str(tmp_path), "--allow", "kafka.example:9092"]):
        ran = demo.command("chaos", "--seconds", "5", *arguments)
        assert (ran.returncode, ran.stdout) == (64, "")
        (told,) = ran.stderr.splitlines()
        assert all(word in told for word in ("not the embedded stack", str(tmp_path), "--allow"))
    # Another database than the stack's, even with the stack's own broker.
    other = {"WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"}
    assert demo.command("chaos", "--seconds", "5", "--tree", str(demo.tree), env=other).returncode == 64
    assert [demo.pid(slot) for slot in demo.slots()] == pids
    assert demo.kafka.ends() == {}


def test_a_tree_without_a_fleet_has_nothing_to_break(demo: Fleet, tmp_path: Path) -> None:
    allowed = demo.environment["WORKERS_BOOTSTRAP_SERVERS"]
    ran = demo.command("chaos", "--seconds", "5", "--tree", str(tmp_path), "--allow", allowed)
    assert (ran.returncode, ran.stdout) == (64, "")
    assert "no worker runs here" in ran.stderr
    assert demo.kafka.ends() == {}


def test_a_drill_with_every_kind_of_fault_loses_nothing_and_stores_nothing_twice(demo: Fleet) -> None:
    demo.kafka.close()
    ran = demo.command(
        "chaos",
        *("--seconds", str(SECONDS), "--seed", str(SEED), "--rate", str(RATE), "--json", "--tree", str(demo.tree)),
        timeout=300,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    report = json.loads(ran.stdout)
    assert (report["lost"], report["twice"], report["unexplained"]) == (0, 0, 0)
    assert (report["passed"], report["void"], report["seed"]) == (True, [], SEED)
    assert report["stored"] >= report["acknowledged"] > SECONDS * RATE / 3
    assert report["redelivered"] > 0
    assert report["rebalances"] > 0
    assert report["retries"] > 0
    assert 0 < report["longest_pause"] < 60
    assert set(report["faults"]) == set(KINDS)

    # What it says is so, by those who do not take its word.
    assert len(exactly_once(demo)) == report["stored"]
    assert demo.dead_letters() == []
    assert demo.verify().code == 0
    assert len([slot for slot in demo.slots() if demo.pid(slot)]) == 4
    assert demo.logs().count("event=started") > 4
