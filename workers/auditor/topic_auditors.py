"""The auditors of several topics, one for each: they share the rounds, the passes and what these may cost."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING

import structlog

from workers.auditor.auditor import ROUND_OFFSETS, Auditor
from workers.auditor.joined import joined, names
from workers.auditor.positions import PositionsFile
from workers.state.audit_file import Audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from workers.auditor.findings import Place
    from workers.auditor.full_pass import Span
    from workers.auditor.servers import Look, Looks, Servers
    from workers.settings import Settings
    from workers.state.write_failures import WriteFailures
    from workers.types import TopicPartition
    from workers.verification.report import PartitionReport

log = structlog.get_logger()


def open_auditor(settings: Settings, folder: Path, failures: WriteFailures) -> Auditor | TopicAuditors:
    """The auditor of the only topic, or of all topics of the routes. Does no I/O. Args: folder: WORKERS_STATE_DIR."""
    if not settings.route_table.has_several_topics:
        return Auditor(settings.route_table.topics[0], PositionsFile(folder, settings.group, failures))
    return TopicAuditors(settings, folder, failures)


class TopicAuditors:
    """See `Auditor`, whose place it takes. For one thread."""

    def __init__(self, settings: Settings, folder: Path, failures: WriteFailures) -> None:
        self._settings, self._folder, self._failures = settings, folder, failures
        self._name = names(settings.route_table.names)
        self._auditors: dict[str, Auditor] = {}
        """Of the topics that exist, by name."""
        self._absent_at: float | None = None
        """When the last look was: a topic that it did not show and the next one shows is new."""
        self._unproven: dict[str, str] = {}
        self._turn = 0
        self._passing: deque[str] = deque()
        """The topics that have not had their piece of a full pass yet."""
        self._gone: Counter[str] = Counter()
        """What was verified of topics that are not there any more."""
        self.audit = Audit(time.time())
        """Replaced whole: another thread may read it."""

    @property
    def verified(self) -> dict[str, int]:
        """See `Auditor.verified`."""
        kinds = ("new", "again")
        return {kind: self._gone[kind] + sum(each.verified[kind] for each in self._every) for kind in kinds}

    @property
    def is_behind(self) -> bool:
        """Whether more is committed of any topic than the last round has verified."""
        return any(each.is_behind for each in self._every)

    @property
    def is_catching_up(self) -> bool:
        """Whether a pass that goes on is the first one of its topic, or was asked for."""
        return any(each.is_catching_up for each in self._every)

    @property
    def behind_seconds(self) -> float | None:
        """Of the topic that is most behind; None: not known yet."""
        found = [each.behind_seconds for each in self._every]
        known = [each for each in found if each is not None]
        return max(known) if known and len(known) == len(found) else None

    @property
    def _every(self) -> Sequence[Auditor]:
        # Copied in one step: the metrics are asked on another thread.
        return list(self._auditors.values())

    def resume(self, audit: Audit | None) -> None:
        """See `Auditor.resume`."""
        if audit and audit.topic == self._name:
            self.audit = audit._replace(records=0)

    def round(self, servers: Servers) -> bool:
        """A round of each topic. All of them together verify as much as that of one; each has its turn to be the first.

        Returns:
            Whether there is any topic.

        Raises:
            UnavailableError: a part could not be read. What was verified before that counts.
        """
        now = time.time()
        looks = servers.looks()
        self._follow(looks)
        left = ROUND_OFFSETS
        try:
            for name in self._in_turn():
                auditor = self._auditors[name]
                before = auditor.verified["new"]
                auditor.round(_Known(servers, looks.topics[name]), max(1, left))
                left -= auditor.verified["new"] - before
        finally:
            self._tell(now)
        return bool(self._auditors)

    def step_full_pass(self, servers: Servers) -> bool:
        """A piece of the pass of one topic, each in its turn; those that catch up before all others.

        Returns:
            Whether there is another piece.

        Raises:
            UnavailableError: a part could not be read.
        """
        if not self._passing:
            urgent = [name for name, each in self._auditors.items() if each.is_catching_up]
            self._passing.extend(urgent or sorted(self._auditors))
        while self._passing:
            name = self._passing.popleft()
            auditor = self._auditors.get(name)
            if auditor is None:
                continue
            # At the end again before it is read: an error costs the others nothing.
            self._passing.append(name)
            if not auditor.step_full_pass(_Known(servers, None)):
                self._passing.pop()
            self._tell(self.audit.time, step=True)
            break
        return bool(self._passing)

    def begin_full_pass(self) -> None:
        """See `Auditor.begin_full_pass`."""
        for each in self._every:
            each.begin_full_pass()
        self._passing.clear()

    def acknowledge_removed(self) -> bool:
        """See `Auditor.acknowledge_removed`."""
        # Every one of them is told.
        noted = [each.acknowledge_removed() for each in self._every]
        return bool(noted) and all(noted)

    def tell_problem(self, problem: str) -> None:
        """See `Auditor.tell_problem`."""
        self.audit = self.audit._replace(time=time.time(), problem=problem)

    def _follow(self, looks: Looks) -> None:
        """An auditor for each topic that exists. One that was deleted, or is in no route any more, takes its findings along."""
        existing = {name for name, look in looks.topics.items() if look}
        for name in sorted(self._auditors.keys() - existing - looks.refused.keys()):
            log.warning("a topic is not there any more; what was found of it is not told any more", topic=name)
            self._gone.update(self._auditors.pop(name).verified)
        for name in sorted(existing - self._auditors.keys()):
            file = PositionsFile(self._folder, self._settings.group, self._failures, name)
            # One that was refused, or hidden from who asks for all topics, may have been there long before.
            was_absent = name in self._settings.route_table.topics and name not in self._unproven
            self._auditors[name] = Auditor(name, file, self._absent_at if was_absent else None)
        unproven = {name: f"no route can have it: {why}" for name, why in looks.unroutable.items()} | dict(
            looks.refused
        )
        for name in sorted(unproven.keys() - self._unproven.keys()):
            log.error(
                "a topic cannot be verified, and its records are not accounted for", topic=name, error=unproven[name]
            )
        self._unproven = unproven
        self._absent_at = looks.time

    def _in_turn(self) -> Sequence[str]:
        """Those that Kafka tells of, from another one on each time."""
        every = sorted(self._auditors.keys() - self._unproven.keys())
        self._turn += 1
        first = self._turn % len(every) if every else 0
        return [*every[first:], *every[:first]]

    def _tell(self, now: float, *, step: bool = False) -> None:
        audits = [self._auditors[name].audit for name in sorted(self._auditors)]
        told = joined(now, self._name, audits, self.verified["new"], self._unproven, self.audit)
        self.audit = told._replace(problem=self.audit.problem) if step else told


class _Known:
    """The servers, for one topic of which is known what Kafka says now."""

    def __init__(self, servers: Servers, look: Look | None) -> None:
        self._servers, self._look = servers, look

    def look(self) -> Look | None:
        return self._look

    def hold_no_record(self, look: Look, ranges: Mapping[TopicPartition, tuple[int, int]]) -> list[TopicPartition]:
        return self._servers.hold_no_record(look, ranges)

    def compare(
        self, look: Look, spans: Sequence[Span], read: dict[Place, float | None] | None = None
    ) -> list[PartitionReport]:
        return self._servers.compare(look, spans, read)
