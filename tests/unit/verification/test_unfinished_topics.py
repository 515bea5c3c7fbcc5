"""The file of an unfinished run over several topics: it is gone on with for the same topics only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import TOPIC, tp
from workers.errors import BadUsageError
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.topics import Topic
from workers.settings import load
from workers.verification.part_check import PartResult
from workers.verification.report import PartitionReport
from workers.verification.unfinished import Unfinished, UnfinishedFile
from workers.verification.unfinished_topics import UnfinishedTopicsFile


def run(*done: int) -> Unfinished:
    begun = Unfinished.begin(load(), Topic(TOPIC, [tp(0)]), {tp(0): PartitionOffsets(0, 100, 100)}, 10, by_index=True)
    for number in done:
        report = PartitionReport(tp(0))
        report.counts.update(kafka=10, stored=9, missing=1)
        begun.done[number] = PartResult({tp(0): report}, report.counts.__class__(), 0)
    return begun


@pytest.fixture
def file(tmp_path: Path) -> UnfinishedTopicsFile:
    file = UnfinishedTopicsFile(tmp_path, "counters")
    file.write_all({"orders": run(0, 1), "refunds": run()}, at_once=True)
    return file


def test_what_is_done_of_each_topic_is_there_again(file: UnfinishedTopicsFile) -> None:
    runs = UnfinishedTopicsFile(file.path.parent, "counters").go_on({"orders", "refunds"})

    assert {topic: sorted(each.done) for topic, each in runs.items()} == {"orders": [0, 1], "refunds": []}
    assert runs["orders"].total("stored") == 18


def test_it_says_what_was_done_of_all_of_them(file: UnfinishedTopicsFile) -> None:
    told = "20 records were verified, of a log of 200 offsets, not all accounted for: 2 missing"
    assert file.describe() == f"{told}; `workers verify --resume` goes on behind them"
    file.remove()
    assert (file.describe(), file.path.exists()) == ("nothing was verified", False)


@pytest.mark.parametrize(
    ("topics", "why"),
    [({"orders"}, "also of refunds"), ({"orders", "refunds", "lines"}, "without lines"), (set(), "also of orders")],
)
def test_a_run_over_other_topics_is_refused(file: UnfinishedTopicsFile, topics: set[str], why: str) -> None:
    with pytest.raises(BadUsageError, match=why):
        file.go_on(topics)


def test_runs_over_one_topic_and_over_several_are_not_mixed_up(file: UnfinishedTopicsFile) -> None:
    alone = UnfinishedFile(file.path.parent, "counters")
    with pytest.raises(BadUsageError, match="of other topics"):
        alone.read()
    alone.write(run(0), at_once=True)
    with pytest.raises(BadUsageError, match="of other topics"):
        file.read_all()


def test_a_run_of_which_nothing_is_done_leaves_no_file(tmp_path: Path) -> None:
    file = UnfinishedTopicsFile(tmp_path, "counters")
    file.write_all({"orders": run(), "refunds": run()}, at_once=True)

    assert not file.path.exists()
