"""The proof of delivery over all routes: `verify` of every topic, with the parts of all of them in one run."""

from __future__ import annotations

from contextlib import closing
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import NotFoundError
from workers.kafka.admin import Admin
from workers.sinks.registry import open_readers
from workers.verification.checkers import Checkers
from workers.verification.chosen_topics import chosen_topics, missing
from workers.verification.foreign_ids import foreign_ids
from workers.verification.routes_report import CollectionVerdict, RoutesReport, TopicVerdict
from workers.verification.topic_offsets import offsets_by_topic
from workers.verification.topic_run import TopicRun
from workers.verification.verify_parts import most_processes, verify_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.kafka.topics import Topic
    from workers.records import Record
    from workers.settings import Settings
    from workers.sinks.readers import SinkReaders
    from workers.types import TopicPartition
    from workers.verification.chosen_topics import ChosenTopics
    from workers.verification.comparison import Progress
    from workers.verification.part_check import PartResult
    from workers.verification.unfinished_topics import UnfinishedTopicsFile
    from workers.verification.verify_parts import Parts, Told


class RoutesRun(NamedTuple):
    """How all topics are verified whole. See `verify.WholeRun`."""

    file: UnfinishedTopicsFile | None = None
    resume: bool = False
    processes: int | None = None
    most: int | None = None


def verify_routes(
    settings: Settings,
    route: str | None = None,
    since_seconds: float | None = None,
    progress: Progress = lambda _what, _done, _total: None,
    from_offsets: Mapping[TopicPartition, int] | None = None,
    on_records: Callable[[TopicPartition, Sequence[Record]], None] = lambda _partition, _records: None,
    whole: RoutesRun | None = None,
) -> RoutesReport:
    """See `verify.verify`. The offsets of all topics are asked for before the first record is read.

    Memory is that of the parts that are verified at once, whatever the number of topics. What a collection holds that is of
    none of its topics is counted once for the collection: see `foreign_ids`.

    Args: route: the name of the only route whose topics are verified, which exists; None: all.

    Raises:
        NotFoundError: none of the topics exists.
        BadUsageError: there is nothing to resume, or it cannot be resumed.
        UnavailableError: a part could not be read, so there is no report.
    """
    with Admin(settings) as admin, closing(open_readers(settings)) as readers:
        readers.connect()
        chosen = chosen_topics(settings, admin, route)
        existing = offsets_by_topic(chosen.topics, admin, settings.group)
        # All of them before the first record is read.
        runs = [
            TopicRun(of_topic, *existing[name], admin, readers.reader(of_topic), since_seconds, from_offsets)
            for name, of_topic in chosen.topics.items()
            if name in existing
        ]
        if not runs and not chosen.unroutable:
            raise NotFoundError(missing(chosen))
        collections: list[CollectionVerdict] = []
        if since_seconds is None and from_offsets is None:
            counted = _verify_whole(runs, admin, readers, progress, whole or RoutesRun())
            collections = _foreign(settings, chosen, counted, admin, readers, progress)
        else:
            for each in runs:
                each.few(progress, on_records)
    found = {each.settings.topic: each.report() for each in runs}
    verdicts = [
        TopicVerdict(name, chosen.labels[name], of_topic.collection, found.get(name))
        for name, of_topic in chosen.topics.items()
    ]
    is_one = route is not None and len(verdicts) == len(runs) == 1
    return RoutesReport(settings.group, verdicts, chosen.unroutable, collections, is_one)


def _verify_whole(
    runs: Sequence[TopicRun], admin: Admin, readers: SinkReaders, progress: Progress, how: RoutesRun
) -> dict[str, int]:
    """Verify all parts of all topics; return, by topic, how many ids among its own belong to no record of any time."""
    file = how.file
    begun = file.go_on({each.settings.topic for each in runs}) if file and how.resume else {}
    if file and not begun:
        file.remove()
    wholes = {
        each.settings.topic: each.whole(None, resume=begun.get(each.settings.topic, False), most=how.most, alone=False)
        for each in runs
    }
    topics = [*wholes.values()]

    def check_here(parts: Parts, told: Told) -> Iterator[tuple[int, PartResult]]:
        with closing(Checkers([each.work for each in topics], admin, readers)) as checkers:
            for index, part in parts:
                yield index, checkers.check(part, partial(told, index))

    def keep(*, at_once: bool) -> None:
        if file:
            file.write_all({topic: each.run for topic, each in wholes.items()}, at_once=at_once)

    if topics:
        verify_parts(topics, check_here, keep, progress, how.processes or most_processes(topics))
    if file:
        file.remove()
    return {each.settings.topic: each.join(wholes[each.settings.topic]) for each in runs}


def _foreign(
    settings: Settings,
    chosen: ChosenTopics,
    counted: Mapping[str, int],
    admin: Admin,
    readers: SinkReaders,
    progress: Progress,
) -> list[CollectionVerdict]:
    """What the collections hold besides. Args: counted: by topic, what was found among its own ids."""
    done = 0

    def more(ids: int) -> None:
        nonlocal done
        done += ids
        progress("other ids", done, 0)

    @cache
    def topic(name: str) -> Topic | None:
        return admin.topic(name)

    def incarnation(name: str) -> str | None:
        found = topic(name)
        return found and found.identity.prefix.rstrip("/")

    more(0)
    verdicts = []
    for collection, names in chosen.by_collection.items():
        sink = readers.reader(chosen.collections[collection])
        # Also those of other routes: what they store there belongs there.
        topics = [found for name in names if (found := topic(name))]
        inside = sum(counted.get(name, 0) for name in names)
        foreign = foreign_ids(collection, sink, topics, by_index=sink.finds_ranges(), counted=inside, progress=more)
        verdicts.append(CollectionVerdict(collection, foreign.topics(settings, incarnation)))
    return verdicts
