"""A whole topic part by part: interrupted at any part and gone on with, it reports what it reports in one piece."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.batches import TOPIC, tp
from tests.support.verify_sides import MOST_OFFSETS, Sides, random_sides
from workers.errors import BadUsageError, UnavailableError
from workers.identity import TopicIdentity
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.topics import Topic
from workers.settings import Settings, load
from workers.types import TopicPartition
from workers.verification import checker, verify_parts
from workers.verification.report import PartitionReport
from workers.verification.unfinished import Unfinished, UnfinishedFile
from workers.verification.whole_topic import WholeTopic

TOPIC_NOW = Topic(TOPIC, [tp(0), tp(1)])
MOST = 30


class Kafka:
    """The log and the admin client. It breaks after so many reads."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.reads_left = 10_000
        self.ranges: list[Mapping[TopicPartition, tuple[int, int]]] = []
        self.epoch_end = (3, 2**62)

    def read(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[Any]:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise UnavailableError("Kafka stopped answering")
        self.ranges.append(ranges)
        return self.sides.read(ranges)

    def close(self) -> None: ...

    def partition_offsets(self, _topic: Topic, _group: str) -> Mapping[TopicPartition, PartitionOffsets]:
        return self.sides.now or self.sides.offsets

    def epoch_ends(self, _topic: Topic, epochs: Mapping[TopicPartition, int]) -> dict[TopicPartition, tuple[int, int]]:
        return dict.fromkeys(epochs, self.epoch_end)

    def compacts(self, _topic: str) -> bool:
        return self.sides.compacts


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka(random_sides(5))
    monkeypatch.setattr(checker, "LogReader", lambda *_: kafka)
    monkeypatch.setattr(verify_parts, "MOST_PROCESSES", 1)
    return kafka


@pytest.fixture
def file(tmp_path: Path) -> UnfinishedFile:
    return UnfinishedFile(tmp_path, load().group)


def whole(
    kafka: Kafka,
    file: UnfinishedFile,
    *,
    resume: bool = False,
    settings: Settings | None = None,
    topic: Topic = TOPIC_NOW,
    offsets: Mapping[TopicPartition, PartitionOffsets] | None = None,
) -> WholeTopic:
    sink: Any = kafka.sides.store
    admin: Any = kafka
    now = offsets or kafka.sides.offsets
    return WholeTopic(settings or load(), topic, now, admin, sink, file, resume=resume, most=MOST)


def report(run: WholeTopic) -> tuple[dict[TopicPartition, dict[str, int]], int]:
    reports = {partition: PartitionReport(partition, most_offsets=MOST_OFFSETS) for partition in run.offsets}
    foreign = run.join(reports)
    return {partition: dict(+each.counts) for partition, each in reports.items()}, foreign


def nothing(_what: str, _done: int, _total: int) -> None: ...


def interrupted(kafka: Kafka, file: UnfinishedFile, reads: int) -> None:
    kafka.reads_left = reads
    with pytest.raises(UnavailableError):
        whole(kafka, file).verify(nothing)
    kafka.reads_left = 10_000
    kafka.ranges.clear()


def test_interrupted_anywhere_and_gone_on_with_it_reports_the_same(kafka: Kafka, file: UnfinishedFile) -> None:
    in_one = whole(kafka, file)
    in_one.verify(nothing)
    reads = len(kafka.ranges)
    expected, foreign = kafka.sides.by_look_ups()
    assert report(in_one) == ({partition: counts for partition, (counts, _) in expected.items()}, foreign)
    resumed = 0
    for after in range(reads):
        interrupted(kafka, file, after)
        if file.begun is None:
            assert not file.path.exists()
            continue
        again = whole(kafka, UnfinishedFile(file.path.parent, load().group), resume=True)
        again.verify(nothing)
        assert report(again) == report(in_one), after
        assert len(kafka.ranges) < reads
        assert not file.path.exists(), "it is finished"
        resumed += 1
    assert resumed > reads / 2


def test_what_was_verified_is_told(kafka: Kafka, file: UnfinishedFile) -> None:
    assert file.describe() == "nothing was verified"
    interrupted(kafka, file, 12)
    assert file.begun
    done, total = file.begun.total("kafka"), file.begun.offsets
    assert 0 < done < total
    assert file.describe().startswith(f"{done:,} records were verified, of a log of {total:,} offsets, ")
    assert file.describe().endswith("; `workers verify --resume` goes on behind them")
    assert "not all accounted for: " in file.describe()
    for result in file.begun.done.values():
        for each in result.reports.values():
            each.counts.clear()
    assert "offsets, all of them accounted for" in file.describe()


def test_a_new_run_forgets_the_old_one(kafka: Kafka, file: UnfinishedFile) -> None:
    interrupted(kafka, file, 12)
    assert file.path.exists()
    interrupted(kafka, file, 0)
    assert not file.path.exists()
    with pytest.raises(BadUsageError, match=r"nothing to resume: .* does not exist"):
        whole(kafka, file, resume=True)


def test_a_file_that_is_damaged_or_of_another_version_is_refused(kafka: Kafka, file: UnfinishedFile) -> None:
    interrupted(kafka, file, 12)
    content = file.path.read_bytes()
    file.path.write_bytes(content.replace(b'"foreign": 0', b'"foreign": 1').replace(b'"stored": 1', b'"stored": 2'))
    with pytest.raises(BadUsageError, match="or is damaged"):
        whole(kafka, file, resume=True)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ({"group": "another"}, "group"),
        ({"collection": "another"}, "collection"),
        ({"database": "another"}, "database"),
        ({"mongodb_uri": "mongodb://elsewhere/"}, "database"),
    ],
)
def test_a_run_about_something_else_is_refused(
    kafka: Kafka, file: UnfinishedFile, setting: dict[str, str], what: str
) -> None:
    interrupted(kafka, file, 12)
    with pytest.raises(BadUsageError, match=f"of another {what}"):
        whole(kafka, file, resume=True, settings=load(**setting))


def test_a_topic_that_was_made_again_is_refused(kafka: Kafka, file: UnfinishedFile) -> None:
    interrupted(kafka, file, 12)
    again = Topic(TopicIdentity(TOPIC.name, UUID(int=7)), [tp(0), tp(1)])
    with pytest.raises(BadUsageError, match="of another topic"):
        whole(kafka, file, resume=True, topic=again)


def test_a_log_that_was_truncated_since_is_refused(kafka: Kafka, file: UnfinishedFile) -> None:
    offsets = kafka.sides.offsets = {p: each._replace(leader_epoch=3) for p, each in kafka.sides.offsets.items()}
    interrupted(kafka, file, 12)
    shorter = {p: each._replace(end=each.end - 1) for p, each in offsets.items()}
    grown_again = {p: each._replace(end=each.end + 50, leader_epoch=4) for p, each in offsets.items()}

    with pytest.raises(BadUsageError, match="was truncated since"):
        whole(kafka, file, resume=True, offsets=shorter)
    kafka.epoch_end = (3, min(each.end for each in offsets.values()) - 1)
    with pytest.raises(BadUsageError, match="was truncated since"):
        whole(kafka, file, resume=True, offsets=grown_again)
    kafka.epoch_end = (3, 2**62)
    run = whole(kafka, file, resume=True, offsets=grown_again)
    assert {p: each.end for p, each in run.offsets.items()} == {p: each.end for p, each in offsets.items()}


def test_the_rest_is_judged_by_the_commits_of_now(kafka: Kafka, file: UnfinishedFile) -> None:
    """What was pending when the run began and is committed now must be stored by now."""
    offsets = kafka.sides.offsets
    interrupted(kafka, file, 12)
    later = {p: each._replace(committed=each.end) for p, each in offsets.items()}

    run = whole(kafka, file, resume=True, offsets=later)

    assert [each.next_offset for each in run.offsets.values()] == [each.end for each in later.values()]


def test_a_state_folder_that_cannot_be_written_ends_nothing(kafka: Kafka, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = UnfinishedFile(tmp_path / "file" / "folder", load().group)
    interrupted(kafka, file, 12)
    assert "; it cannot be resumed: " in file.describe()
    assert "Not a directory" in file.describe()
    whole(kafka, file).verify(nothing)


def test_progress_counts_what_was_done_before(kafka: Kafka, file: UnfinishedFile) -> None:
    interrupted(kafka, file, 12)
    assert file.begun
    before, told = file.begun.total("kafka"), []

    whole(kafka, file, resume=True).verify(lambda what, done, total: told.append((what, done, total)))

    verified = [(done, total) for what, done, total in told if what == "verified"]
    assert before <= verified[0][0] < verified[-1][0] <= file_offsets(kafka)
    assert [done for done, _ in verified] == sorted(done for done, _ in verified)
    assert {total for _, total in verified} == {file_offsets(kafka)}
    assert {what for what, _, total in told if not total} == {"looked up", "other ids"}


def file_offsets(kafka: Kafka) -> int:
    return sum(each.end - each.start for each in kafka.sides.offsets.values())


def test_the_file_holds_no_secret(kafka: Kafka, file: UnfinishedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS_MONGODB_URI", "mongodb://user:hunter2@localhost/")
    interrupted(kafka, file, 12)
    text = file.path.read_text()
    assert "hunter2" not in text
    assert isinstance(json.loads(text.split("\n", 1)[1]), dict)
    assert isinstance(file.read(), Unfinished)
