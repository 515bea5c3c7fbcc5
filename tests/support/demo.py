"""As `make demo` leaves it: a stack and a fleet in one tree, which a drill may break."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kafka.admin import NewTopic

from tests.support.embedded import EmbeddedStack
from tests.support.fleet import LAUNCHER_NEEDS, Fleet

PARTITIONS = 6
SMALL_BATCHES = {"WORKERS_MAX_POLL_RECORDS": "50"}


@contextmanager
def demo_fleet(stack: EmbeddedStack, settings: Mapping[str, str] | None = None, replicas: int = 1) -> Iterator[Fleet]:
    """In the tree of a stack that runs; the stack is removed with it."""
    try:
        for folder in ("var/log", "var/run", "bin"):
            (stack.tree / folder).mkdir(parents=True)
        for tool in LAUNCHER_NEEDS:
            (stack.tree / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        with Fleet(stack, {**SMALL_BATCHES, **(settings or {})}, tree=stack.tree) as fleet:
            safe = {"min.insync.replicas": str(max(1, replicas - 1))}
            fleet.kafka.admin.create_topics([NewTopic(fleet.topic, PARTITIONS, replicas, topic_configs=safe)])
            fleet.wait_assigned(PARTITIONS, 90)
            yield fleet
    finally:
        stack.remove()
