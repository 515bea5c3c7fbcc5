"""The one record that kills is found in few deaths, whatever lies around it, and no other is taken for it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import TOPIC
from tests.support.fake_broker import FakeRecord
from workers.formats.json_strict import decode_batch
from workers.formats.limits import Limits
from workers.pipeline.poison import PoisonIsolator, divide
from workers.state.crash_journal import IN_PROGRESS, Crash, CrashJournal, InProgress
from workers.state.slot import Slot
from workers.types import Fetched, RejectReason

MOST_DEATHS_FOR_ONE = 7
"""Two with the whole batch, one with each smaller part of 5,000 (312, 19, 1), and two alone."""
HOLDER = """
import os, signal, sys
from pathlib import Path
from tests.support.batches import TOPIC
from tests.support.fake_broker import FakeRecord
from workers.state.crash_journal import InProgress
from workers.types import Fetched
from workers.state.slot import Slot
slot = Slot(Path(sys.argv[1]), "counters", sys.argv[2])
assert slot.try_acquire()
in_hand = InProgress(slot)
with in_hand.hold(Fetched(TOPIC, {3: [FakeRecord(3, 5, b""), FakeRecord(3, 9, b"")]})):
    if sys.argv[3] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[3] == "raise":
        raise MemoryError
    if sys.argv[3] == "hold":
        print("holding", flush=True)
        sys.stdin.read()
"""


def fetched(offsets: Sequence[int], partition: int = 0) -> Fetched:
    return Fetched(TOPIC, {partition: [FakeRecord(partition, offset, b'{"n":1}') for offset in offsets]})


def together(*several: Fetched) -> Fetched:
    return Fetched(TOPIC, {p: records for each in several for p, records in each.records.items()})


class Fleet:
    """Workers that die of some records, one after the other, and read on where the last one stopped."""

    def __init__(self, offsets: dict[int, list[int]], killers: set[tuple[int, int]], most: int) -> None:
        self.left = {p: list(each) for p, each in offsets.items()}
        self.killers, self.most = killers, most
        self.deaths: list[Crash] = []
        self.dead = 0
        self.decoded: list[tuple[int, int]] = []
        self.quarantined: list[tuple[int, int]] = []

    def live(self) -> None:
        """Until it dies, or until nothing is left."""
        while any(self.left.values()):
            polled = together(*(fetched(each[: self.most], p) for p, each in self.left.items() if each))
            taken, left = divide(polled, self.deaths)
            places = [(p, record.offset) for p, records in taken.records.items() for record in records]
            assert places, "nothing goes on"
            for p, records in polled.records.items():
                rest = [record.offset for record in records][len(taken.records.get(p, [])) :]
                assert left.get(p) == (rest[0] if rest else None)
            if taken.quarantined:
                self.quarantined += places
            elif self.killers & set(places):
                self.dead += 1
                self.deaths += [
                    Crash(TOPIC.prefix, p, records[0].offset, records[-1].offset + 1, len(places) == 1)
                    for p, records in taken.records.items()
                ]
                return
            else:
                self.decoded += places
            for p, records in taken.records.items():
                del self.left[p][: len(records)]

    def run(self) -> None:
        while any(self.left.values()):
            self.live()
            assert self.dead <= MOST_DEATHS_FOR_ONE * len(self.killers) + 1


@given(
    sizes=st.dictionaries(st.integers(0, 3), st.integers(1, 400), min_size=1),
    gap=st.integers(1, 5),
    most=st.integers(1, 200),
    data=st.data(),
)
def test_every_good_record_is_decoded_and_every_killer_is_condemned(sizes, gap, most, data):
    offsets = {p: [10 + gap * each for each in range(size)] for p, size in sizes.items()}
    places = [(p, offset) for p, each in offsets.items() for offset in each]
    killers = set(data.draw(st.lists(st.sampled_from(places), max_size=3)))
    fleet = Fleet(offsets, killers, most)

    fleet.run()

    assert sorted(fleet.quarantined) == sorted(killers)
    assert sorted(fleet.decoded) == sorted(set(places) - killers)


def test_one_killer_among_5000_costs_few_deaths_and_few_batches():
    fleet = Fleet({0: list(range(5_000)), 1: list(range(5_000))}, {(0, 3_333)}, 5_000)

    fleet.run()

    assert (fleet.quarantined, len(fleet.decoded)) == ([(0, 3_333)], 9_999)
    assert fleet.dead <= MOST_DEATHS_FOR_ONE


def test_kills_by_hand_make_batches_smaller_and_condemn_nobody():
    """Somebody kills workers at work, again and again, without any record being to blame."""
    deaths = [Crash(TOPIC.prefix, 0, 0, 5_000, alone=False)] * 20

    taken, left = divide(fetched(range(5_000)), deaths)

    assert not taken.quarantined
    assert [record.offset for record in taken.records[0]] == list(range(312))
    assert left == {0: 312}


def test_deaths_of_another_incarnation_of_the_topic_say_nothing():
    deaths = [Crash("numtest-ffffffff/", 0, 0, 1, alone=True)] * 5

    assert divide(fetched([0]), deaths) == (fetched([0]), {})


def test_a_condemned_record_becomes_a_dead_letter_without_being_decoded():
    batch = decode_batch(fetched([7])._replace(quarantined=True), Limits())

    (letter,) = batch.rejects
    assert (letter.id, letter.reason) == (TOPIC.document_id(0, 7), RejectReason.KILLED_WORKER)
    assert batch.next_offsets == {0: 8}


@pytest.mark.parametrize("end", ["die", "raise"])
def test_what_was_in_hand_at_a_death_is_found_by_those_who_live(tmp_path, end):
    ended = subprocess.run(
        [sys.executable, "-c", HOLDER, str(tmp_path), "worker_01", end], check=False, stderr=subprocess.DEVNULL
    )

    assert ended.returncode in (-signal.SIGKILL, 1)
    slot = Slot(tmp_path, "counters", "worker_00")
    slot.try_acquire()
    death = Crash(TOPIC.prefix, 3, 5, 10, alone=False)
    told: list[Crash] = []
    assert CrashJournal(slot, told.append).all() == [death]
    assert CrashJournal(slot, told.append).all() == [death], "it is counted once"
    # The one in the same slot finds it too, and finds no more.
    again = Slot(tmp_path, "counters", "worker_01")
    again.try_acquire()
    assert CrashJournal(again, told.append).all() == [death]
    assert told == [death]


def test_a_worker_that_lives_or_ended_well_has_not_died(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), "worker_01", "hold"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        slot = Slot(tmp_path, "counters", "worker_00")
        slot.try_acquire()
        assert CrashJournal(slot, print).all() == []
        holder.communicate(b"")
    assert CrashJournal(slot, print).all() == []


def test_a_batch_that_was_committed_is_suspected_no_more(tmp_path):
    slot = Slot(tmp_path, "counters", "worker_00")
    slot.try_acquire()
    for _ in range(2):
        with pytest.raises(MemoryError), InProgress(slot).hold(fetched(range(100))):
            raise MemoryError
        suspects = PoisonIsolator(slot, print)
    taken, left = suspects.isolate(fetched(range(100)))
    assert (len(taken.records[0]), left) == (6, {0: 6})

    suspects.past(TOPIC, {0: 6})
    assert suspects.isolate(fetched(range(6, 100)))[1] == {0: 12}
    suspects.past(TOPIC, {0: 100})
    assert suspects.isolate(fetched(range(100, 200))) == (fetched(range(100, 200)), {})
    assert PoisonIsolator(slot, print).isolate(fetched(range(100))) == (fetched(range(100)), {})


@pytest.mark.parametrize("damage", [b"", b"hello", b"      12[[[[[[[[[[[[", b"       9[[1,2]]  "])
def test_files_that_cannot_be_made_out_say_nothing(tmp_path, damage):
    slot = Slot(tmp_path, "counters", "worker_00")
    slot.try_acquire()
    Path(slot.file(IN_PROGRESS)).write_bytes(damage)
    Path(slot.group_file("deaths")).write_bytes(damage)

    assert CrashJournal(slot, print).all() == []
    assert PoisonIsolator(slot, print).isolate(fetched([1])) == (fetched([1]), {})
