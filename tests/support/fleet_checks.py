"""What the tests of a fleet ask about it, again and again."""

from __future__ import annotations

import json

from tests.support.embedded import wait_until
from tests.support.fleet import Fleet


def progress(fleet: Fleet) -> int:
    return sum(fleet.kafka.committed().values())


def member(fleet: Fleet, slot: int) -> str:
    """Its client id and member id, as the broker has them. Waits for that: the group may move once more."""
    found: list[str] = []

    def known() -> bool:
        found[:] = [each for each in fleet.kafka.members() if each.startswith(f"worker_{slot:02d} ")]
        return len(found) == 1

    wait_until(known, 15, f"worker {slot} is one member of the group")
    return found[0]


def exactly_once(fleet: Fleet) -> set[int]:
    """The numbers in the database, each under the id of the place where Kafka holds it, and nothing else."""
    held = {f"{p}/{offset}": json.loads(value)["number"] for (p, offset), value in fleet.kafka.values().items()}
    stored = {document_id.partition("/")[2]: number for document_id, number in fleet.documents().items()}
    assert stored == held
    assert len(set(stored.values())) == len(stored)
    return set(stored.values())
