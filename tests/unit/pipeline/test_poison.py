"""The one record that kills is found in few deaths, whatever lies around it, and no other is taken for it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import TOPIC, batch_of, document, reader, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.pipeline.poison import Crash, Isolated, isolate
from workers.state.crash_journal import IN_PROGRESS, JOURNAL, CrashJournal, InProgress, JournaledPoisonGuard
from workers.state.slot import Slot
from workers.types import CommitResult, Fetched, RecordPosition, RejectReason, Truncation

MOST_DEATHS_FOR_ONE = 7
"""Two with the whole batch, one with each smaller part of 5,000 (312, 19, 1), and two alone."""
HOLDER = """
import os, signal, sys
from pathlib import Path
from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.state.crash_journal import InProgress
from workers.types import Fetched
from workers.state.slot import Slot
slot = Slot(Path(sys.argv[1]), "counters", sys.argv[2])
assert slot.try_acquire()
in_progress = InProgress.open(slot)
with in_progress.hold(Fetched({"numtest": TOPIC}, {tp(3): ListedRecords([FakeRecord(3, 5, b""), FakeRecord(3, 9, b"")])})):
    if sys.argv[3] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[3] == "raise":
        raise MemoryError
    if sys.argv[3] == "hold":
        print("holding", flush=True)
        sys.stdin.read()
"""


def fetched(offsets: Sequence[int], partition: int = 0) -> Fetched:
    return Fetched(
        {"numtest": TOPIC},
        {tp(partition): ListedRecords([FakeRecord(partition, offset, b'{"n":1}') for offset in offsets])},
    )


def together(*several: Fetched) -> Fetched:
    return Fetched({"numtest": TOPIC}, {p: records for each in several for p, records in each.records.items()})


class Fleet:
    """Workers that die of some records, one after the other, and read on where the last one stopped."""

    def __init__(self, offsets: dict[int, list[int]], killers: set[tuple[int, int]], most: int) -> None:
        self.left = {p: list(each) for p, each in offsets.items()}
        self.killers, self.most = killers, most
        self.crashes: list[Crash] = []
        self.dead = 0
        self.decoded: list[tuple[int, int]] = []
        self.quarantined: list[tuple[int, int]] = []

    def live(self) -> None:
        """Until it dies, or until nothing is left."""
        while any(self.left.values()):
            polled = together(*(fetched(each[: self.most], p) for p, each in self.left.items() if each))
            taken, left = isolate(polled, self.crashes)
            places = [(p.partition, record.offset) for p, records in taken.records.items() for record in records]
            assert places, "nothing goes on"
            for p, records in polled.records.items():
                rest = [record.offset for record in records][len(taken.records.get(p, [])) :]
                assert left.get(p) == (rest[0] if rest else None)
            if taken.poison:
                assert [taken.poison] == [RecordPosition(tp(p), offset) for p, offset in places]
                self.quarantined += places
            elif self.killers & set(places):
                self.dead += 1
                self.crashes += [
                    Crash(
                        f"{self.dead}-1", TOPIC.prefix, p, records[0].offset, records[-1].offset + 1, len(places) == 1
                    )
                    for p, records in taken.records.items()
                ]
                return
            else:
                self.decoded += places
            for p, records in taken.records.items():
                del self.left[p.partition][: len(records)]

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
    crashes = [Crash(f"{pid}-1", TOPIC.prefix, tp(0), 0, 5_000, alone=False) for pid in range(20)]

    taken, left = isolate(fetched(range(5_000)), crashes)

    assert taken.poison is None
    assert [record.offset for record in taken.records[tp(0)]] == list(range(312))
    assert left == {tp(0): 312}


def test_deaths_of_another_incarnation_of_the_topic_say_nothing():
    crashes = [Crash(f"{pid}-1", "numtest-ffffffff/", tp(0), 0, 1, alone=True) for pid in range(5)]

    assert isolate(fetched([0]), crashes) == (fetched([0]), {})


def test_a_condemned_record_becomes_a_dead_letter_without_being_decoded():
    batch = reader().read(fetched([7])._replace(poison=RecordPosition(tp(0), 7)))

    (letter,) = batch.partitions[tp(0)].rejects
    assert (letter.id, letter.reason) == (TOPIC.document_id(0, 7), RejectReason.KILLED_WORKER)
    assert batch.next_offsets == {tp(0): 8}


@pytest.mark.parametrize("end", ["die", "raise"])
def test_what_was_in_progress_at_a_crash_is_found_by_those_who_live(tmp_path, end):
    ended = subprocess.run(
        [sys.executable, "-c", HOLDER, str(tmp_path), "worker_01", end], check=False, stderr=subprocess.DEVNULL
    )

    assert ended.returncode in (-signal.SIGKILL, 1)
    told: list[Crash] = []
    (crash,) = journal(held(tmp_path, "worker_00"), told.append).all()
    assert crash[1:] == (TOPIC.prefix, tp(3), 5, 10, False)
    assert journal(held(tmp_path, "worker_02"), told.append).all() == [crash], "it is counted once"
    # The one in the same slot finds it too, and finds no more.
    assert journal(held(tmp_path, "worker_01"), told.append).all() == [crash]
    assert told == [crash]


def test_a_crash_that_is_entered_twice_counts_once(tmp_path):
    """Killed between the journal and the clearing of the file: else one crash of one record alone would be two."""
    slot = held(tmp_path, "worker_00")
    with pytest.raises(MemoryError), InProgress.open(slot).hold(fetched([7])):
        raise MemoryError
    left_behind = slot.file(IN_PROGRESS).read_bytes()
    (crash,) = journal(slot).all()
    slot.file(IN_PROGRESS).write_bytes(left_behind)

    assert journal(slot).all() == [crash]
    assert isolate(fetched([7]), journal(slot).all()).to_decode.poison is None


def test_a_crash_that_two_workers_find_at_once_is_entered_and_told_once(tmp_path):
    told: list[Crash] = []
    for number in range(20):
        dead = held(tmp_path, "worker_02")
        with pytest.raises(MemoryError), InProgress.open(dead).hold(fetched([number])):
            raise MemoryError
        dead.unlock()
        at_once = threading.Barrier(2)

        def look(name: str, at_once: threading.Barrier = at_once) -> None:
            slot = held(tmp_path, name)
            at_once.wait()
            CrashJournal(slot, told.append).all()
            slot.unlock()

        threads = [threading.Thread(target=look, args=[name]) for name in ("worker_00", "worker_01")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    crashes = journal(held(tmp_path, "worker_00")).all()
    assert [crash.first for crash in crashes] == list(range(20))
    assert told == crashes


def test_two_processes_with_one_pid_die_two_deaths(tmp_path):
    """In a container every worker may have pid 7."""
    slot = held(tmp_path, "worker_00")
    for _ in range(2):
        with pytest.raises(MemoryError), InProgress.open(slot).hold(fetched([7])):
            raise MemoryError
        journal(slot)

    assert len(journal(slot).all()) == 2
    assert isolate(fetched([7]), journal(slot).all()).to_decode.poison == RecordPosition(tp(0), 7)


def test_a_batch_of_very_many_partitions_is_known_whole(tmp_path):
    slot = held(tmp_path, "worker_00")
    many = together(*(fetched([10**15], partition) for partition in range(3_000)))
    in_progress = InProgress.open(slot)
    with in_progress.hold(fetched([1])):
        pass
    with pytest.raises(MemoryError), in_progress.hold(many):
        raise MemoryError

    assert {crash.partition for crash in journal(slot).all()} == many.records.keys()


def test_a_journal_of_thousands_costs_a_commit_no_file_and_a_poll_little(tmp_path):
    """Crashes in partitions that others own, or of a topic that was deleted, may lie there for long."""
    slot = held(tmp_path, "worker_00")
    rows = [[f"{n}-1", TOPIC.prefix, "numtest", n % 2, n, n + 5_000, False] for n in range(9_000)]
    slot.group_file(JOURNAL).write_text(json.dumps({"version": 2, "crashes": rows}))
    guard = JournaledPoisonGuard.open(slot, print)
    before = slot.group_file(JOURNAL).stat()
    batch = fetched(range(20_000, 25_000))

    started = time.process_time()
    assert guard.isolate(batch) == Isolated(batch, {})
    assert time.process_time() - started < 1, "by record and crash it takes ten seconds"
    slot.group_file("crashes-lock").unlink(missing_ok=True)
    guard.committed(batch_of(document(2)), CommitResult.OK)
    after = slot.group_file(JOURNAL).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not slot.group_file("crashes-lock").exists()


def test_crash_records_of_an_earlier_version_are_removed_unread_and_said(tmp_path, capsys):
    slot = held(tmp_path, "worker_00")
    for path in (slot.file("in-hand"), slot.group_file("deaths")):
        path.write_bytes(b'      99[["numtest-08b40071/", 0, 0, 1, true]]')

    assert journal(slot).all() == []
    assert not slot.file("in-hand").exists()
    assert not slot.group_file("deaths").exists()
    assert capsys.readouterr().out.count("earlier version") == 1


@pytest.mark.parametrize("version", [1, 3])
def test_crash_records_of_another_version_say_nothing(tmp_path, version):
    slot = held(tmp_path, "worker_00")
    row = ["1-1", TOPIC.prefix, "numtest", 0, 0, 1, True]
    slot.group_file(JOURNAL).write_text(json.dumps({"version": version, "crashes": [row]}))
    said = json.dumps({"version": version, "id": "1-1", "ranges": [row[1:]]}).encode()
    slot.file(IN_PROGRESS).write_bytes(b"%8d%s" % (len(said), said))

    assert journal(slot).all() == []


def held(folder: Path, worker: str) -> Slot:
    slot = Slot(folder, "counters", worker)
    assert slot.try_acquire()
    return slot


def journal(slot: Slot, tell: Callable[[Crash], None] = lambda _crash: None) -> CrashJournal:
    found = CrashJournal(slot, tell)
    found.open()
    return found


def test_a_worker_that_lives_or_ended_well_has_not_died(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), "worker_01", "hold"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        slot = held(tmp_path, "worker_00")
        assert journal(slot).all() == []
        holder.communicate(b"")
    assert journal(slot).all() == []


def test_a_batch_that_was_committed_is_suspect_no_more(tmp_path):
    slot = held(tmp_path, "worker_00")
    for pid in range(2):
        in_progress = InProgress.open(slot)
        in_progress._id = f"{pid}-1"
        with pytest.raises(MemoryError), in_progress.hold(fetched(range(100))):
            raise MemoryError
        guard = JournaledPoisonGuard.open(slot, print)
    taken, left = guard.isolate(fetched(range(100)))
    assert (len(taken.records[tp(0)]), left) == (6, {tp(0): 6})

    guard.committed(batch_of(document(5)), CommitResult.OK)
    assert guard.isolate(fetched(range(6, 100))).deferred == {tp(0): 12}
    guard.committed(batch_of(document(99)), CommitResult.REBALANCED)
    assert guard.isolate(fetched(range(6, 100))).deferred == {tp(0): 12}
    guard.committed(batch_of(document(99)), CommitResult.OK)
    assert guard.isolate(fetched(range(100, 200))) == Isolated(fetched(range(100, 200)), {})
    assert JournaledPoisonGuard.open(slot, print).isolate(fetched(range(100))) == Isolated(fetched(range(100)), {})


def test_crashes_of_records_that_a_truncated_log_lost_do_not_count_for_those_that_follow(tmp_path):
    slot = held(tmp_path, "worker_00")
    for pid in range(2):
        in_progress = InProgress.open(slot)
        in_progress._id = f"{pid}-1"
        with pytest.raises(MemoryError), in_progress.hold(together(fetched([70]), fetched([70], 1))):
            raise MemoryError
        guard = JournaledPoisonGuard.open(slot, print)

    guard.log_truncated(tp(0), Truncation(100, 60, 5, 7))

    assert guard.isolate(fetched([70])) == Isolated(fetched([70]), {})
    assert guard.isolate(together(fetched([70, 71]), fetched([70, 71], 1))).deferred
    guard.log_truncated(tp(1), Truncation(100, 71, 5, 7))
    assert guard.isolate(fetched([70, 71], 1)).deferred == {tp(1): 71}


def test_a_truncated_log_is_noticed_though_the_journal_cannot_be_written(tmp_path):
    slot = held(tmp_path / "state", "worker_00")
    guard = JournaledPoisonGuard.open(slot, print)
    shutil.rmtree(tmp_path / "state")

    guard.log_truncated(tp(0), Truncation(100, 60, 5, 7))

    assert guard.isolate(fetched([70])) == Isolated(fetched([70]), {})


@pytest.mark.parametrize("damage", [b"", b"hello", b"      12[[[[[[[[[[[[", b"       9[[1,2]]  ", b"       3{} "])
def test_files_that_cannot_be_made_out_say_nothing(tmp_path, damage):
    slot = held(tmp_path, "worker_00")
    Path(slot.file(IN_PROGRESS)).write_bytes(damage)
    Path(slot.group_file(JOURNAL)).write_bytes(damage)

    assert journal(slot).all() == []
    assert JournaledPoisonGuard.open(slot, print).isolate(fetched([1])) == Isolated(fetched([1]), {})
