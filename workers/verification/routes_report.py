"""The report of `verify` over all routes: a verdict for each topic, and one for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.verification.report import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.verification.foreign_ids import ForeignTopic
    from workers.verification.report import PartitionReport, VerifyReport


@dataclass
class TopicVerdict:
    """One topic of the routes."""

    topic: str
    route: str
    """The name of its route."""
    collection: str
    report: VerifyReport | None
    """None: the topic does not exist yet."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what `verify` says of the one topic of a fleet, and where it belongs."""
        found = self.report.as_dict() if self.report else {"accounted": True, "partitions": []}
        totals = {outcome: self.report.total(outcome) for outcome in OUTCOMES} if self.report else {}
        own = {
            "topic": self.topic,
            "route": self.route,
            "collection": self.collection,
            "exists": self.report is not None,
        }
        # What belongs to no topic is said by collection.
        return own | {name: value for name, value in found.items() if name != "foreign"} | totals


class CollectionVerdict(NamedTuple):
    """What a collection holds that belongs to none of its topics."""

    collection: str
    of: Sequence[ForeignTopic]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        foreign = sum(each.documents for each in self.of)
        return {"collection": self.collection, "foreign": foreign, "of": [each._asdict() for each in self.of]}


@dataclass
class RoutesReport:
    """One run of `verify` over all topics of the routes, or over those of one route."""

    group: str
    topics: list[TopicVerdict]
    unroutable: Mapping[str, str] = field(default_factory=dict)
    """By topic, why no route can have it. Its records are read by nobody, and the verdict is not good as long as it is there."""
    collections: Sequence[CollectionVerdict] = ()
    """Empty: only recent records were compared."""
    is_one_topic: bool = False
    """Whether one topic was asked for, and it exists: then its partitions are of interest."""

    @property
    def reports(self) -> list[VerifyReport]:
        """Of the topics that exist."""
        return [each.report for each in self.topics if each.report]

    @property
    def partitions(self) -> list[PartitionReport]:
        """Of all topics."""
        return [part for each in self.reports for part in each.partitions]

    @property
    def accounted(self) -> bool:
        """Whether every record of every topic has an outcome that is no failure, and every topic a route."""
        return not self.unroutable and all(each.accounted for each in self.reports)

    def total(self, outcome: str) -> int:
        """The count of one outcome over all topics."""
        return sum(each.total(outcome) for each in self.reports)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "group": self.group,
            "topics": [each.as_dict() for each in self.topics],
            "unroutable": [{"topic": topic, "why": why} for topic, why in self.unroutable.items()],
            "collections": [each.as_dict() for each in self.collections],
            "sum": {outcome: self.total(outcome) for outcome in OUTCOMES},
            "accounted": self.accounted,
        }
