"""Events in words: each kind has some, and one that nobody knows is told as it is."""

from __future__ import annotations

import pytest

from workers.fleet.event_words import owners_of, subject, words
from workers.state.event_log import Event, Hang

OWNERS = {"worker_00": {"numtest": [2]}, "worker_02": {"numtest": [3]}}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event": "exited", "expected": True}, "ended as requested"),
        ({"event": "exited"}, "crashed or was killed"),
        ({"event": "stalled", "kind": "stopped"}, "hung (stopped by a signal) and was killed by the watchdog"),
        ({"event": "evicted", "member": "m"}, "removed from the group"),
        (
            {"event": "taken_over", "seconds": 1.0, "partitions": OWNERS},
            "partitions 2 and 3 taken over by worker_00 and worker_02",
        ),
        (
            {"event": "stored_again", "seconds": 1.0, "partitions": OWNERS},
            "first record of partitions 2 and 3 stored again, by worker_00 and worker_02",
        ),
        ({"event": "stored_again"}, "first record of its partitions stored again"),
        ({"event": "rebalanced", "partitions": OWNERS | {"worker_01": {}}}, "rebalanced: 00 2, 01 -, 02 3"),
        ({"event": "rebalanced", "partitions": {"worker_00": [0, 1]}}, "rebalanced: partitions moved"),
        ({"event": "something new"}, "something new"),
        ({}, "None"),
    ],
)
def test_what_happened(event, said):
    assert words(event) == said


def test_workers_by_their_digits_where_there_is_little_room():
    assert (
        words({"event": "taken_over", "partitions": OWNERS}, short=True) == "partitions 2 and 3 taken over by 00 and 02"
    )


def test_every_kind_of_event_and_of_hang_has_words_of_its_own():
    plain = {kind: words({"event": kind}) for kind in Event}
    assert [kind for kind, said in plain.items() if said == kind] == []
    assert [kind for kind in Hang if f"({kind})" in words({"event": "stalled", "kind": kind})] == []


def test_who_it_happened_to():
    assert (subject({"process": "worker_01"}), subject({})) == ("worker_01", "fleet")
    assert owners_of({"partitions": "nonsense"}) == {}
