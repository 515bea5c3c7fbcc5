"""What the bands say of a fleet to which something happens: edges at the times at which it happened, and no hole too many."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.support.batches import tp, tps
from workers.fleet.timeline.bands import BandKind
from workers.fleet.timeline.model import Timeline
from workers.fleet.timeline.worker import WorkerSample
from workers.kafka.admin import GroupDescription, Member
from workers.kafka.partition_offsets import PartitionOffsets
from workers.monitoring.lag import lag_snapshot
from workers.state.heartbeat import Beat, State
from workers.state.progress import Stored
from workers.types import TopicPartition

LOOK = 0.25
RATE = 100
"""Records a second of each partition."""
UNIX = 1_000_000.0
"""What makes a Unix time of a time."""


class Worker:
    """One slot, as its files and the kernel tell of it."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet, self.name = fleet, f"worker_{number:02d}"
        self.beat = Beat(100 + number, 1, State.STARTING, fleet.now, fleet.now)
        self.progress: dict = {}
        self.kernel: str | None = "S"
        self.ended: float | None = None
        self.works = True

    def owns(self, *partitions: int) -> None:
        self.beat = replace(self.beat, partitions=tps(*partitions), assigned=self.fleet.now, state=State.READING)
        self.progress = {}

    def store(self, partition: int, at: float | None = None) -> None:
        at = self.fleet.now if at is None else at
        before = self.progress.get(tp(partition))
        self.progress = {
            **self.progress,
            tp(partition): Stored(self.fleet.ends[partition], at, before.first if before else at),
        }

    def dies(self, at: float | None = None) -> None:
        self.kernel, self.ended = None, self.fleet.now if at is None else at

    def starts(self) -> None:
        self.beat = Beat(self.beat.pid + 100, 2, State.JOINING, self.fleet.now, self.fleet.now)
        self.progress, self.kernel, self.works = {}, "S", True

    @property
    def sample(self) -> WorkerSample:
        return WorkerSample(self.beat, self.progress, self.kernel, self.ended)


class Fleet:
    """A fleet at work: records come all the time, and each worker stores what it owns five times a second."""

    def __init__(self, partitions: int = 4, rate: float = RATE) -> None:
        self.now = 1_000.0
        self.timeline = Timeline(self.now)
        self.ends = dict.fromkeys(range(partitions), 5_000)
        self.rate = rate
        self.looked = self.now
        self.stored_at = self.asked = self.now
        self.stands = False
        self.kafka = True
        self.interval = 1.0
        self.remote: dict[int, tuple[str, int]] = {}
        self.workers: list[Worker] = []

    def add(self, *partitions: int) -> Worker:
        worker = Worker(self, len(self.workers))
        worker.owns(*partitions)
        self.workers.append(worker)
        return worker

    def run(self, seconds: float) -> None:
        """Time goes on."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = round(min(end, self.now + 0.05), 6)
            if self.rate:
                for partition in self.ends:
                    self.ends[partition] = max(self.ends[partition], int(5_000 + self.rate * (self.now - 1_000)))
            if self.now - self.stored_at >= 0.199:
                self.stored_at = self.now
                for worker in self.workers:
                    if worker.works and worker.kernel == "S" and worker.beat.state is State.READING:
                        worker.beat = replace(worker.beat, iterated=self.now)
                        for _, partition in worker.beat.partitions:
                            if self.rate and tp(partition) not in {*worker.beat.halted, *worker.beat.paused}:
                                worker.store(partition)
            if self.now - self.looked >= LOOK - 1e-9:
                self.look()

    def look(self) -> None:
        self.looked = self.now
        self.timeline.saw_workers({worker.name: worker.sample for worker in self.workers}, self.now)
        if self.kafka and self.now - self.asked >= self.interval - 1e-9:
            self.asked = self.now
            self.ask()

    def ask(self, partitions: list[int] | None = None) -> None:
        stored = {
            partition: stored.next_offset
            for worker in self.workers
            for (_, partition), stored in worker.progress.items()
        }
        parts = self.ends if partitions is None else partitions
        offsets = {
            tp(p): PartitionOffsets(0, self.ends[p], self.remote[p][1] if p in self.remote else stored.get(p, 5_000))
            for p in parts
        }
        group = GroupDescription("Stable", {n: Member(n, "h", [tp(p)]) for p, (n, _) in self.remote.items()})
        self.timeline.saw_kafka(lag_snapshot(self.now, group, offsets, {}, {}), self.now, self.interval)

    def told(self, seconds: int = 120):
        return json.loads(json.dumps(self.timeline.as_dict(seconds, self.now, UNIX)))

    def bands(self, partition: int, seconds: int = 120) -> list[tuple[float, float, str | None, str]]:
        """Without the first half second, in which nothing is known yet; in seconds since the start."""
        (found,) = (p["bands"] for p in self.told(seconds)["partitions"] if p["partition"] == partition)
        start = UNIX + 1_000
        for (_, end, *_), (begin, *_) in pairwise(found):
            assert end == begin, "no gap, no overlap"
        assert found[-1][1] == pytest.approx(UNIX + self.now, abs=0.001)
        bands = [(round(a - start, 2), round(b - start, 2), worker, kind) for a, b, worker, kind in found]
        return [band for band in bands if band[1] > 0.5]


@pytest.fixture
def fleet():
    return Fleet()


def holes(bands):
    return [(start, end) for start, end, _, kind in bands if kind == "waiting"]


def kinds(bands):
    return [(worker, kind) for _, _, worker, kind in bands]


def test_a_kill_is_a_hole_from_the_end_of_the_process_to_the_first_record_that_is_stored_again(fleet):
    one, two = fleet.add(0, 1), fleet.add(2, 3)
    fleet.run(10.1)
    one.dies()
    fleet.run(1)
    two.owns(0, 1, 2, 3)
    assigned = round(fleet.now - 1_000, 2)
    fleet.run(5)

    bands = fleet.bands(0)
    first = round(min(two.progress[tp(0)].first, fleet.now) - 1_000, 2)
    assert kinds(bands) == [
        ("worker_00", "storing"),
        (None, "waiting"),
        ("worker_01", "waiting"),
        ("worker_01", "storing"),
    ]
    assert [band[0] for band in bands[2:]] == [assigned, first]
    assert bands[1][0] == 10.1
    kept = fleet.bands(2)
    assert kinds(kept) == [("worker_01", "storing"), ("worker_01", "waiting"), ("worker_01", "storing")]
    (hole,) = holes(kept)
    assert hole[1] == first
    assert hole[1] - hole[0] <= 0.45, "the pause of a partition that stays is that of the rebalance"


def test_the_end_is_the_kernels_time_and_not_that_of_the_look(fleet):
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(10)
    one.dies(at=fleet.now + 0.03)
    fleet.run(1)
    two.owns(0, 1)
    fleet.run(1)

    assert holes(fleet.bands(0))[0][0] == 10.03


def test_it_is_stored_again_from_the_first_record_on_and_not_from_the_last_that_was_seen(fleet):
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(10)
    one.dies()
    fleet.run(1)
    two.owns(0, 1)
    two.store(0, 1_011.06)
    two.store(0, 1_011.19)
    fleet.run(2)

    assert [end for _, end in holes(fleet.bands(0))] == [pytest.approx(11.0), 11.06]


def test_a_partition_that_moves_between_two_looks_has_a_hole_for_so_long(fleet):
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(10.1)
    one.owns()
    two.owns(0, 1)
    two.store(0, 1_010.2)
    fleet.run(2)

    assert holes(fleet.bands(0)) == [(10.0, 10.1), (10.1, 10.2)]
    assert kinds(fleet.bands(0))[-1] == ("worker_01", "storing")


def test_a_log_that_begins_anew_between_two_looks_is_not_taken_for_one_that_is_stored(fleet):
    fleet.rate = 0
    one = fleet.add(0)
    fleet.run(5)
    fleet.ends[0] = 9_000
    one.store(0)
    fleet.run(10)
    one.progress, one.works = {}, False
    fleet.ends = dict.fromkeys(range(4), 30)
    group = GroupDescription("Stable", {})
    for _ in range(2):
        anew = lag_snapshot(fleet.now, group, {tp(p): PartitionOffsets(0, 30, None) for p in range(4)}, {}, {})
        fleet.timeline.saw_kafka(anew, fleet.now, 1.0)
        fleet.kafka = False
        fleet.run(8)

    assert fleet.bands(0)[-1][2:] == ("worker_00", "waiting")
    assert 30 in fleet.told()["series"]["waiting"]


def test_what_was_stored_while_kafka_took_its_time_to_answer_is_no_sign_of_another_log(fleet):
    one = fleet.add(0)
    fleet.kafka = False
    fleet.run(5)
    stored, ends = one.progress[tp(0)].next_offset, {tp(p): PartitionOffsets(0, 5_400, 5_300) for p in range(4)}
    assert stored > 5_400
    fleet.timeline.saw_kafka(
        lag_snapshot(fleet.now, GroupDescription("Stable", {}), ends, {}, {}), fleet.now, 1.0, fleet.now - 2
    )
    assert fleet.timeline._partitions[tp(0)].stored == stored
    fleet.run(0.5)

    assert kinds(fleet.bands(0)) == [("worker_00", "storing")]


def test_where_kafka_is_asked_once_a_minute_what_it_said_holds_for_so_long():
    fleet = Fleet(rate=0)
    fleet.interval = 60.0
    fleet.add(0)
    fleet.ask()
    fleet.run(170)

    assert kinds(fleet.bands(0, 200)) == [("worker_00", "idle")]


def test_a_worker_that_dies_with_nothing_to_do_leaves_no_hole(fleet):
    fleet.rate = 0
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(20)
    one.dies()
    fleet.run(2)
    two.owns(0, 1)
    fleet.run(5)

    assert holes(fleet.bands(0)) == []
    assert kinds(fleet.bands(0))[-1] == ("worker_01", "idle")


def test_what_was_taken_to_wait_and_did_not_is_no_hole_once_kafka_says_so(fleet):
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(10)
    fleet.rate = 0
    for worker, partition in ((one, 0), (two, 1)):
        worker.store(partition)
    fleet.run(0.5)
    fleet.kafka = False
    one.dies()
    fleet.run(2)
    assert len(holes(fleet.bands(0))) == 1, "nobody knows it yet"
    fleet.kafka = True
    fleet.run(1)

    assert holes(fleet.bands(0)) == []


def test_a_slow_topic_does_not_flicker(fleet):
    fleet.rate = 0
    one = fleet.add(0)
    for _ in range(10):
        fleet.run(7)
        fleet.ends[0] += 1
        one.store(0)
    fleet.run(0.25)
    assert fleet.bands(0)[-1] == (7.0, 70.25, "worker_00", "storing")
    fleet.run(30)
    assert kinds(fleet.bands(0))[-1] == ("worker_00", "idle")


def test_a_worker_that_is_stopped_by_a_signal_stores_nothing_and_goes_on(fleet):
    one = fleet.add(0)
    fleet.run(10)
    one.kernel = "T"
    stopped = fleet.stored_at - 1_000
    fleet.run(5)
    one.kernel = "S"
    fleet.run(5)

    assert kinds(fleet.bands(0)) == [
        ("worker_00", "storing"),
        ("worker_00", "waiting"),
        ("worker_00", "storing"),
    ]
    assert holes(fleet.bands(0))[0] == (pytest.approx(stopped, abs=0.06), pytest.approx(15.0, abs=0.25))
    assert [(mark["kind"], mark["process"]) for mark in fleet.told()["marks"]] == [
        ("stopped", "worker_00"),
        ("back", "worker_00"),
    ]


def test_a_database_that_does_not_answer_is_a_hole_since_the_last_record(fleet):
    one = fleet.add(0, 1)
    fleet.run(10)
    last = round(fleet.stored_at - 1_000, 2)
    one.works = False
    fleet.run(4)
    one.beat = replace(one.beat, state=State.SINK_UNAVAILABLE, since=fleet.now)
    fleet.run(20)
    one.beat, one.works = replace(one.beat, state=State.READING, since=fleet.now), True
    fleet.run(5)

    for partition in (0, 1):
        (hole,) = holes(fleet.bands(partition))
        assert hole == (last, pytest.approx(34, abs=0.25))


def test_a_write_that_hangs_is_a_hole_though_the_worker_says_that_it_reads(fleet):
    one = fleet.add(0)
    fleet.run(10)
    one.works = False
    fleet.run(4)
    assert holes(fleet.bands(0)) == []
    fleet.run(4)
    assert holes(fleet.bands(0)) == [(10.0, pytest.approx(18))]


def test_batches_that_take_long_are_no_holes(fleet):
    fleet.rate = 0
    one = fleet.add(0)
    for _ in range(12):
        fleet.ends[0] += 10_000
        fleet.run(4)
        one.progress = {tp(0): Stored(fleet.ends[0] - 10_000, fleet.now, 1_004.0)}
    for _ in range(5):
        fleet.ends[0] += 10_000
        fleet.run(8)
        one.progress = {tp(0): Stored(fleet.ends[0] - 10_000, fleet.now, 1_004.0)}

    assert holes(fleet.bands(0))[1:] == []


def test_a_partition_that_is_halted_says_so(fleet):
    one = fleet.add(0, 1)
    fleet.run(10)
    one.beat = replace(one.beat, halted=tps(1))
    fleet.run(10)

    assert kinds(fleet.bands(1))[-1] == ("worker_00", "halted")
    assert kinds(fleet.bands(0)) == [("worker_00", "storing")]


def test_two_deaths_at_once_and_nobody_left(fleet):
    one, two = fleet.add(0, 1), fleet.add(2, 3)
    fleet.run(10)
    one.dies()
    two.dies()
    fleet.run(30)
    assert [holes(fleet.bands(partition)) for partition in range(4)] == [[(10.0, 40.0)]] * 4
    assert fleet.timeline.holes == dict.fromkeys(tps(0, 1, 2, 3), 1_010.0)
    one.starts()
    fleet.run(1)
    one.owns(0, 1, 2, 3)
    fleet.run(2)
    assert kinds(fleet.bands(0))[-1] == ("worker_00", "storing")
    back = [mark for mark in fleet.told()["marks"] if mark["kind"] == "back"]
    assert [(mark["process"], mark["seconds"], mark["partitions"]) for mark in back] == [
        ("worker_00", 31.0, {"worker_00": {"numtest": [0, 1, 2, 3]}})
    ]


def test_a_partition_that_comes_back_within_a_second(fleet):
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(10)
    one.owns()
    two.owns(0, 1)
    fleet.run(0.6)
    two.owns(1)
    one.owns(0)
    fleet.run(5)

    workers = [worker for _, _, worker, kind in fleet.bands(0) if kind == "storing"]
    assert workers == ["worker_00", "worker_01", "worker_00"]


def test_a_successor_that_was_there_before_the_look_shows_that_there_was_a_death(fleet):
    one = fleet.add(0)
    fleet.run(10)
    fleet.now += 0.05
    one.ended = fleet.now
    fleet.now += 0.1
    one.starts()
    one.owns(0)
    fleet.run(3)

    assert kinds(fleet.bands(0))[0] == ("worker_00", "storing")
    assert holes(fleet.bands(0))[0][0] == 10.05
    assert {mark["kind"] for mark in fleet.told()["marks"]} == {"died", "back"}


def test_before_somebody_looked_nothing_is_known(fleet):
    fleet.add(0)
    fleet.run(10)

    first = fleet.told(60)["partitions"][0]["bands"][0]
    assert first[2:] == [None, "unknown"]
    assert first[1] == pytest.approx(UNIX + 1_000, abs=0.3)
    assert set(fleet.told(60)["series"]["stored"][:40]) == {None}


def test_a_topic_that_grows_is_deleted_and_made_again(fleet):
    one = fleet.add(0)
    fleet.run(10)
    fleet.ends[4] = 5_000
    one.beat = replace(one.beat, partitions=tps(0, 4))
    fleet.run(3)
    assert kinds(fleet.bands(4))[-1] == ("worker_00", "storing")

    fleet.kafka = False
    one.owns()
    fleet.ask([])
    fleet.run(2)
    assert kinds(fleet.bands(0))[-1] == (None, "unknown")

    fleet.ends = dict.fromkeys(range(5), 0)
    fleet.rate = 0
    fleet.run(1)
    one.owns(0, 4)
    for _ in range(5):
        fleet.ends[0] += 30
        fleet.run(0.5)
        one.store(0)
        fleet.run(0.25)
        fleet.ask()
    assert kinds(fleet.bands(0))[-1] == ("worker_00", "storing")
    assert not fleet.timeline.holes
    assert fleet.told()["series"]["waiting"][-1] == 0


def test_a_worker_of_another_host_is_known_by_its_commits_only(fleet):
    fleet.remote = {0: ("worker_07", 5_000)}
    fleet.run(3)
    assert kinds(fleet.bands(0))[-1] == ("worker_07", "unknown"), "records wait there, and nothing moved yet"
    for _ in range(10):
        fleet.remote[0] = "worker_07", fleet.ends[0]
        fleet.run(1)
    assert kinds(fleet.bands(0))[-1] == ("worker_07", "storing")
    fleet.run(20)
    assert kinds(fleet.bands(0))[-1] == ("worker_07", "waiting")
    assert fleet.bands(1)[-1][3] != "storing"


def test_files_that_an_earlier_fleet_has_left_do_not_hide_a_worker_of_another_host(fleet):
    left = fleet.add(0)
    left.kernel = None
    fleet.remote = {0: (left.name, 5_000)}
    for _ in range(10):
        fleet.remote[0] = left.name, fleet.ends[0]
        fleet.run(1)

    assert kinds(fleet.bands(0))[-1] == ("worker_00", "storing")


def test_without_kafka_it_is_not_said_that_nothing_waits(fleet):
    fleet.rate = 0
    fleet.add(0)
    fleet.run(10)
    assert kinds(fleet.bands(0))[-1] == ("worker_00", "idle")
    fleet.kafka = False
    fleet.run(20)
    assert kinds(fleet.bands(0))[-1] == ("worker_00", "unknown")
    assert fleet.told()["series"]["waiting"][-1] is None


def test_a_clock_that_jumps_moves_everything_and_changes_no_duration(fleet):
    one, two = fleet.add(0), fleet.add(1)
    fleet.run(10)
    fleet.timeline.saw_events([{"time": "1970-01-12T14:03:30Z", "event": "rebalanced", "partitions": {}}], -UNIX)
    one.dies()
    fleet.run(1)
    two.owns(0, 1)
    fleet.run(3)
    before = fleet.told()
    after = json.loads(json.dumps(fleet.timeline.as_dict(120, fleet.now, UNIX + 3_600)))

    def flat(told):
        return [time for part in told["partitions"] for band in part["bands"] for time in band[:2]] + [
            mark["time"] for mark in told["marks"]
        ]

    fleet.timeline.saw_events(
        [{"time": "1970-01-12T14:03:30Z", "event": "rebalanced", "partitions": {}}], -UNIX - 3_600
    )
    again = json.loads(json.dumps(fleet.timeline.as_dict(120, fleet.now, UNIX + 3_600)))
    assert flat(again) == flat(after), "what was told before the jump stays where it was"
    assert len(flat(after)) > 20
    assert [b - a for a, b in zip(flat(before), flat(after), strict=True)] == pytest.approx([3_600] * len(flat(before)))


def test_the_figures_are_those_of_the_files_and_of_kafka(fleet):
    fleet.add(0, 1), fleet.add(2, 3)
    fleet.run(30)
    series = fleet.told(60)["series"]

    assert series["stored"][-10:-1] == pytest.approx([4 * RATE] * 9, rel=0.1)
    assert series["sent"][-10:-1] == pytest.approx([4 * RATE] * 9, rel=0.1)
    assert max(series["waiting"][-10:-1]) <= 4 * RATE * 0.25, "what is not stored yet, at one and the same moment"
    assert len({len(values) for values in series.values()}) == 1
    assert series["time"][-1] <= UNIX + fleet.now


def test_what_waits_while_nobody_stores_is_seen_though_kafka_is_asked_every_five_seconds():
    fleet = Fleet()
    fleet.interval = 5.0
    one, two = fleet.add(0, 1), fleet.add(2, 3)
    fleet.run(30)
    one.dies()
    fleet.run(3)
    two.owns(0, 1, 2, 3)
    fleet.run(12)
    series = fleet.told(60)["series"]
    peak = max(value for value in series["waiting"] if value is not None)
    ages = [value for value in series["age"] if value is not None]

    assert 2 * RATE * 2 < peak < 2 * RATE * 4.5
    assert 2.0 < max(ages) <= 3.5
    assert series["waiting"][-6] < RATE * 4


def test_an_age_that_is_not_known_does_not_hide_those_that_are(fleet):
    fleet.timeline.saw_workers({}, fleet.now)
    group = GroupDescription("Stable", {})
    offsets = {tp(p): PartitionOffsets(0, 100, 0) for p in range(2)}
    for second in range(3):
        now = fleet.now + second
        snapshot = lag_snapshot(now, group, offsets, {tp(0): now - 40}, {})
        assert snapshot.point.age_unknown == ["numtest-1"]
        fleet.timeline.saw_kafka(snapshot, now, 1.0)
    fleet.now += 3

    assert fleet.told(60)["series"]["age"][-1] == 40.0


def test_marks_are_the_watchdogs_and_what_was_seen_here_is_not_there_twice(fleet):
    one, _ = fleet.add(0, 1), fleet.add(2, 3)
    fleet.run(10)
    one.dies()
    fleet.run(1)
    assert [mark["text"] for mark in fleet.told()["marks"]] == ["crashed or was killed"]

    def at(seconds):
        whole, part = divmod(round((UNIX + 1_000 + seconds) * 1000), 1000)
        hours, rest = divmod(whole - 11 * 86_400, 3_600)
        return f"1970-01-12T{hours:02d}:{rest // 60:02d}:{rest % 60:02d}.{part:03d}Z"

    events = [
        {
            "time": at(10.0),
            "event": "exited",
            "process": "worker_00",
            "pid": 100,
            "expected": False,
            "signal": "SIGKILL",
        },
        {"time": at(10.4), "event": "evicted", "process": "worker_00", "member": "m"},
        {
            "time": at(10.9),
            "event": "taken_over",
            "process": "worker_00",
            "seconds": 0.9,
            "partitions": {"worker_01": {"numtest": [0, 1]}},
        },
        {"time": at(10.95), "event": "running", "process": "lag"},
    ]
    fleet.timeline.saw_events(events, -UNIX)

    assert [(mark["kind"], mark["process"], mark["text"], mark["seconds"]) for mark in fleet.told()["marks"]] == [
        ("killed", "worker_00", "killed (SIGKILL)", None),
        ("evicted", "worker_00", "removed from the group", 0.4),
        ("taken_over", "worker_00", "partitions 0 and 1 taken over by worker_01", 0.9),
    ]
    assert fleet.told()["marks"][2]["time"] == pytest.approx(UNIX + 1_010.9)
    assert fleet.told()["marks"][0]["time"] == pytest.approx(UNIX + 1_010.0), "who noticed it later was held up"


def test_kind_is_what_the_page_knows():
    assert [str(kind) for kind in BandKind] == ["storing", "idle", "waiting", "halted", "paused", "unknown"]


def test_a_day_of_120_partitions_to_which_much_happens_is_a_bounded_answer():
    timeline, dice = Timeline(0.0), random.Random(1)
    timeline.saw_workers({}, 86_400.0)
    for number in range(120):
        bands = timeline._track(TopicPartition("orders-with-a-long-name", number)).bands
        now = 0.0
        while now < 86_000:
            now += dice.uniform(1, 200)
            bands.set(now, f"worker_{dice.randrange(8):02d}", dice.choice([BandKind.STORING, BandKind.WAITING]))
    marks = [
        {
            "time": f"1970-01-12T{n % 24:02d}:{n // 24 % 60:02d}:00Z",
            "event": "evicted",
            "process": f"worker_{n % 8:02d}",
        }
        for n in range(1_000)
    ]
    timeline.saw_events(marks, -11 * 86_400.0)
    told = timeline.as_dict(86_400, 86_400.0, UNIX)
    text = json.dumps(told, separators=(",", ":"))

    assert len(told["partitions"]) == 120
    assert len(told["marks"]) == 200
    assert len(told["series"]["time"]) == 720
    assert len(text) < 300_000
    assert all(any(band[3] == "waiting" for band in each["bands"]) for each in told["partitions"])


def test_what_is_older_than_a_day_is_forgotten_and_so_is_a_topic_that_is_gone(fleet):
    fleet.add(0)
    fleet.run(5)
    fleet.workers.clear()
    fleet.ends = {}
    fleet.run(3)
    assert fleet.told()["partitions"]
    fleet.timeline.forget(fleet.now + 90_000)

    assert fleet.told()["partitions"] == []


def test_what_somebody_has_paused_is_no_hole_however_long_it_lasts():
    fleet = Fleet(2)
    worker = fleet.add(0, 1)
    fleet.run(10)
    worker.beat = replace(worker.beat, paused=tps(0))
    fleet.run(60)
    assert fleet.told()["partitions"][0]["bands"][-1][3] == "paused"
    worker.beat = replace(worker.beat, paused=())
    fleet.run(10)

    kinds = [kind for _, _, _, kind in fleet.bands(0)]
    assert kinds == ["storing", "paused", "storing"]
    assert [kind for _, _, _, kind in fleet.bands(1)] == ["storing"]
