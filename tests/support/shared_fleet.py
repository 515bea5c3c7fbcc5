"""One fleet for all tests that need one that runs, and do not care how it was started.

A test gets it as good as new: nothing in its topic, its database and its logs, every worker in the group. What cannot be
had (the offsets begin at 0, no worker was ever restarted) is what a test needs a fleet of its own for.
"""

from __future__ import annotations

import os
import signal
import time

from kafka import TopicPartition
from pymongo import MongoClient

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from workers.errors import UnavailableError

PARTITIONS = 6
SETTINGS = {
    # Numbers last then, and a worker is never without a batch in hand when something happens to it.
    "WORKERS_MAX_POLL_RECORDS": "50",
    "WORKERS_LAG_INTERVAL": "1",
    # What a test takes away is noticed within seconds.
    "WORKERS_AUDIT_INTERVAL": "1",
    "WORKERS_AUDIT_SHARE": "0.05",
}
HEALTHY_SECONDS = 20
"""Two rebalances and more. Who is not well by then was left in pieces by the test before."""


class SharedFleet:
    """Of one stack and one test process; it is started when it is first wanted."""

    def __init__(self, stack: EmbeddedStack) -> None:
        self._stack = stack
        self._fleet: Fleet | None = None

    def hand_out(self) -> Fleet:
        """A fleet that is whole and empty: the one that runs, or a fresh one where that has suffered."""
        if self._fleet is not None:
            try:
                reset(self._fleet)
            except (TimeoutError, RuntimeError, OSError, UnavailableError) as error:
                print(f"the shared fleet is not well, and is started afresh: {error}")  # noqa: T201 pytest shows it
                self.remove()
        if self._fleet is None:
            self._fleet = Fleet(self._stack, SETTINGS).__enter__()
            self._fleet.kafka.create(PARTITIONS)
            self._fleet.wait_assigned(PARTITIONS)
            # One that was just started looks like any other.
            reset(self._fleet)
        return self._fleet

    def remove(self) -> None:
        if self._fleet is not None:
            self._fleet.remove()
            self._fleet = None


def reset(fleet: Fleet) -> None:
    """Raises an error that says so if the fleet is not well: it is of no use then.

    The records go only when all of them are committed: to a worker, one that is gone unread is one that was lost."""
    fleet.close()
    if not fleet.answers():
        raise RuntimeError("supervisord does not answer")
    wait_until(
        lambda: {each["statename"] for each in fleet.supervisor("getAllProcessInfo")} == {"RUNNING"},
        HEALTHY_SECONDS,
        "every process runs",
    )
    fleet.wait_assigned(PARTITIONS, HEALTHY_SECONDS)
    fleet.wait_committed(HEALTHY_SECONDS)
    if ends := fleet.kafka.ends():
        fleet.kafka.admin.delete_records({TopicPartition(fleet.topic, part): end for part, end in ends.items()})
    wait_until(lambda: not fleet.kafka.values(), HEALTHY_SECONDS, "the topic is empty")
    with MongoClient(fleet.mongodb_uri) as client:
        for collection in client[fleet.database].list_collection_names():
            client[fleet.database][collection].delete_many({})
    _acknowledge_removed(fleet)
    # They are open for appending, and so go on from the new end.
    for path in (fleet.tree / "var/log").glob("worker_*.log"):
        path.write_bytes(b"")
    fleet.output.write_bytes(b"")


def _acknowledge_removed(fleet: Fleet) -> None:
    """The auditor had perhaps not accounted for all of it: it would say so to the next test, and rightly."""
    emptied = time.time()

    def audit(name: str, **labels: str) -> float:
        return scrape.total(scrape.metrics(fleet.auditor_port), name, **labels)

    wait_until(
        lambda: audit("workers_audit_last_success_timestamp_seconds") > emptied,
        HEALTHY_SECONDS,
        "the auditor has seen it",
    )
    if audit("workers_audit_records", outcome="removed"):
        os.kill(fleet.supervisor("getProcessInfo", "auditor")["pid"], signal.SIGUSR2)
        wait_until(lambda: not audit("workers_audit_records", outcome="removed"), HEALTHY_SECONDS, "it is acknowledged")
