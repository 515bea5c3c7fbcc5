"""What a collection holds that belongs to none of its topics: read once for a collection, not once for each of its topics."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.identity import parse_id
from workers.settings.route import UnroutableError
from workers.sinks.id_range import EVERY_ID
from workers.verification.place import OF_DOCUMENT
from workers.verification.segments import covered_ids, outside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.sinks.base import SinkReader

MOST_NAMED = 20
"""Topics whose documents are counted one by one. Ids are whatever somebody has inserted, so memory must be bounded."""
NO_TOPIC = ""
"""Ids that are of no topic at all, and those of topics behind `MOST_NAMED`."""


class Why(StrEnum):
    """Why documents of a topic belong to none of the topics of their collection."""

    ELSEWHERE = "elsewhere"
    """Its route names another collection, now."""
    EARLIER = "earlier"
    """They are of an earlier topic of this name, which was deleted."""
    UNROUTABLE = "unroutable"
    """No route can have it."""
    NO_ROUTE = "no_route"
    """It is in no route, or not any more."""
    NO_TOPIC = "no_topic"
    """Their ids are not those of records: somebody else has inserted them."""


class ForeignTopic(NamedTuple):
    """Documents of one topic."""

    topic: str
    documents: int
    why: Why
    collection: str | None = None
    """Where its documents go now, if that is elsewhere."""


class ForeignIds(NamedTuple):
    """Of one collection, and of its dead letters."""

    collection: str
    of: dict[str, int]
    """By the first part of the ids, as `orders-08b40071`: how many; `NO_TOPIC`: no id of a record."""

    @property
    def foreign(self) -> int:
        """How many."""
        return sum(self.of.values())

    def topics(self, settings: Settings, incarnation: Callable[[str], str | None]) -> list[ForeignTopic]:
        """By topic, and why.

        Args: incarnation: of the name of a topic, the first part of its ids; None: it does not exist.

        Raises:
            UnavailableError: Kafka did not answer.
        """
        found = []
        for prefix, count in self.of.items():
            topic = prefix.rpartition("-")[0]
            collection: str | None = None
            try:
                route = settings.route_table.route_of(topic) if topic else None
            except UnroutableError:
                why = Why.UNROUTABLE
            else:
                if route is None:
                    why = Why.NO_ROUTE if topic else Why.NO_TOPIC
                elif incarnation(topic) == prefix:
                    why, collection = Why.ELSEWHERE, route.collection_of(topic)
                else:
                    why = Why.EARLIER
            found.append(ForeignTopic(topic, count, why, collection))
        return found


def foreign_ids(
    collection: str,
    sink: SinkReader,
    topics: Sequence[Topic],
    *,
    by_index: bool,
    counted: int = 0,
    progress: Callable[[int], None] = lambda _more: None,
) -> ForeignIds:
    """Count the ids that belong to none of these topics.

    Args:
        topics: all that go into this collection, and exist.
        by_index: whether the sink finds ranges of ids by an index. Then only what is outside the ranges of the topics is read.
        counted: how many were found inside these ranges, by those who read them.
        progress: called with how many more ids were read.

    Raises:
        UnavailableError: the sink did not answer.
    """
    found = Counter[str]({NO_TOPIC: counted})
    own = {each.identity.prefix: each.identity for each in topics}
    covered = [ids for each in topics if (ids := covered_ids(each.identity, each.partitions))]
    ranges = outside(covered) if by_index else [EVERY_ID]
    # EVERY_ID has also those that are no text.
    for ids in ranges if EVERY_ID in ranges else [*ranges, None]:
        for batch in sink.scan_ids(ids):
            progress(len(batch))
            for each in batch:
                prefix, slash, _ = each.partition("/") if isinstance(each, str) else ("", "", "")
                topic = None if by_index else own.get(prefix + slash)
                if topic is None or parse_id(each, topic) is None:
                    _count(found, prefix)
    return ForeignIds(collection, {name: count for name, count in sorted(found.items()) if count})


def _count(found: Counter[str], prefix: Any) -> None:
    known = prefix in found or (len(found) <= MOST_NAMED and OF_DOCUMENT.fullmatch(prefix) is not None)
    found[prefix if known else NO_TOPIC] += 1
