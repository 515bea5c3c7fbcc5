"""Metrics of `workers audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.state.audit_file import Audit

HELP_RECORDS = (
    "Records that are not accounted for now, by outcome: missing, twice (a document and a dead letter), unexplained (another "
    "content, or no record in Kafka); removed: by Kafka, before they were accounted for, until it is acknowledged; and "
    "unstable: behind an open transaction, which is no failure. Absent: nothing was verified yet."
)
HELP_UNTIL = (
    "Every record that Kafka still holds and that was written before this time is stored or a dead letter, verified record "
    "by record. Absent: that was not proven yet, or not again since the group was set back."
)


class AuditMetrics(Collector):
    """What the auditor found last, and its rounds."""

    def __init__(self, audit: Callable[[], Audit], behind_seconds: Callable[[], float | None]) -> None:
        """Args: what the auditor says now; called on the thread of a scrape."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own
        self._audit, self._behind_seconds = audit, behind_seconds
        self.registry = registry = CollectorRegistry()
        self._rounds = Counter(
            "workers_audit_rounds",
            "Rounds of the auditor: done, or failed because Kafka or MongoDB did not answer.",
            ["result"],
            registry=registry,
        )
        self._seconds = Counter(
            "workers_audit_round_seconds", "Seconds that the rounds of the auditor took.", registry=registry
        )
        self._verified = Counter(
            "workers_audit_verified_records",
            "Records that were compared with what is stored: new ones, and those of a full pass again.",
            ["kind"],
            registry=registry,
        )
        for result in ("done", "failed"):
            self._rounds.labels(result)
        for kind in ("new", "again"):
            self._verified.labels(kind)
        registry.register(self)
        ProcessCollector(registry=registry)

    def round_ended(self, seconds: float, *, done: bool) -> None:
        """Count one round."""
        self._rounds.labels("done" if done else "failed").inc()
        self._seconds.inc(seconds)

    def verified(self, kind: str, records: int) -> None:
        """Count records that were compared. Args: kind: `new` or `again`."""
        self._verified.labels(kind).inc(records)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        audit = self._audit()
        records = GaugeMetricFamily("workers_audit_records", HELP_RECORDS, labels=["outcome"])
        if audit.is_known:
            for outcome in ("missing", "twice", "unexplained", "unstable", "removed"):
                records.add_metric([outcome], getattr(audit, outcome))
        yield records
        for name, text, value in (
            ("workers_verified_until_timestamp_seconds", HELP_UNTIL, audit.until),
            (
                "workers_audit_unverified_records",
                "Offsets that the group has committed and that are not verified yet. Absent: nothing was verified yet.",
                audit.unverified if audit.is_known else None,
            ),
            (
                "workers_audit_behind_seconds",
                "How long ago everything that is verified was all that was committed. Absent: not known yet.",
                self._behind_seconds(),
            ),
            (
                "workers_audit_last_success_timestamp_seconds",
                "When a round was last done, by this auditor or the one before it.",
                audit.done,
            ),
            (
                "workers_audit_full_pass_timestamp_seconds",
                "When a pass over everything that Kafka holds was last completed. Absent: none was yet.",
                audit.passed,
            ),
        ):
            family = GaugeMetricFamily(name, text)
            if value is not None:
                family.add_metric([], value)
            yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """The metrics for the registry, which needs their names."""
        return list(self.collect())
