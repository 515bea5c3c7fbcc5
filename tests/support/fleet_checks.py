"""What the tests of a fleet ask about it, again and again."""

from __future__ import annotations

import json

from tests.support.embedded import wait_until
from tests.support.fleet import Fleet

HEALTHY_SECONDS = 60


def progress(fleet: Fleet) -> int:
    return sum(fleet.kafka.committed().values())


def member(fleet: Fleet, slot: int) -> str:
    """Its client id and member id, as the broker has them. Waits for that: the group may move once more."""
    name = f"worker_{slot:02d} "
    (found,) = wait_until(
        lambda: [each for each in fleet.kafka.members() if each.startswith(name)], 15, f"{name}is in the group"
    )
    return found


def exactly_once(fleet: Fleet) -> set[int]:
    """The numbers in the database, each under the id of the place where Kafka holds it, and nothing else."""
    held = {f"{p}/{offset}": json.loads(value)["number"] for (p, offset), value in fleet.kafka.values().items()}
    stored = {document_id.partition("/")[2]: number for document_id, number in fleet.documents().items()}
    assert stored == held
    assert len(set(stored.values())) == len(stored)
    return set(stored.values())


def wait_healthy(fleet: Fleet) -> dict[str, object]:
    """The status once it is healthy, by its exit code; with what it says instead, where it is not."""
    last = fleet.command("status", "--json")

    def healthy() -> bool:
        nonlocal last
        last = fleet.command("status", "--json")
        return last.returncode == 0

    try:
        wait_until(healthy, HEALTHY_SECONDS, "the status is healthy")
    except TimeoutError as error:
        said = json.loads(last.stdout)["problems"] if last.stdout else last.stderr
        raise TimeoutError(f"{error}: {said}; {fleet.logs()[-3000:]}") from None
    found: dict[str, object] = json.loads(last.stdout)
    return found
