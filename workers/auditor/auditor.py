"""The auditor: in each round it verifies what the fleet has committed since the last one, and between rounds, slowly, all that is older."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from workers.auditor.backlog import committed_end, next_spans
from workers.auditor.changes import follow
from workers.auditor.findings import NO_RECORD, next_runs
from workers.auditor.full_pass import FullPass
from workers.auditor.positions import Positions
from workers.auditor.proven_until import ProvenUntil
from workers.auditor.summary import incomplete, summary
from workers.auditor.teller import Teller
from workers.state.audit_file import Audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.auditor.findings import Place, Unaccounted
    from workers.auditor.positions import PositionsFile
    from workers.auditor.servers import AuditedServers, Look
    from workers.identity import TopicIdentity
    from workers.types import TopicPartition
    from workers.verification.report import PartitionReport

ROUND_OFFSETS = 20_000
"""Verified in one round. Where there is more, the next round follows soon."""
PASS_OFFSETS = 2_000
"""In one piece of a full pass."""

log = structlog.get_logger()


class Auditor:
    """Its state, and its two steps: `round` and `step_full_pass`. It does no I/O but through `Servers` and the file. For one thread."""

    def __init__(self, topic: str, file: PositionsFile, absent_at: float | None = None) -> None:
        """Args:
        absent_at: when it was seen last that there was no such topic (Unix time): it is verified from its beginning.
        """
        self._absent_at = absent_at
        self._topic = topic
        self._file = file
        self._teller = Teller()
        self._positions: Positions | None = None
        self._proven: ProvenUntil | None = None
        self._standing: dict[TopicPartition, tuple[int, int]] = {}
        """By partition: what was verified and not yet committed at the last look (first, end)."""
        self._look: Look | None = None
        self.is_behind = False
        """Whether more is committed than the last round has verified."""
        self.is_catching_up = False
        """Whether the pass that goes on is the first one, or was asked for."""
        self.verified = {"new": 0, "again": 0}
        """Records that were compared since the start: for the first time, and again."""
        self.audit = Audit(time.time())
        """Replaced whole: another thread may read it."""

    def resume(self, audit: Audit | None) -> None:
        """Say what the last auditor said until something else is known: a failure does not end because nobody looks.

        Args: audit: what it left; of another topic it says nothing.
        """
        if audit and audit.topic == self._topic:
            self.audit = audit._replace(records=0)

    @property
    def behind_seconds(self) -> float | None:
        """How long ago everything that is verified was all that was committed; None: not known yet."""
        until = self._proven.committed_until if self._proven else None
        return None if until is None else max(0.0, time.time() - until)

    def round(self, servers: AuditedServers, most: int = ROUND_OFFSETS) -> bool:
        """Verify what was committed since the last round, and look again at what was found.

        Args: most: offsets to verify; what is more is left to the next round.

        Returns:
            Whether there is a topic.

        Raises:
            UnavailableError: a part could not be read. What was verified before that counts.
        """
        now = time.time()
        look = servers.look()
        self._look = look
        if look is None:
            self._tell(now, f"there is no topic {self._topic} yet", done=now)
            return False
        positions, proven = self._begin(look.topic.identity, look)
        self._follow(now, positions, proven, look)
        proven.saw(now, look.offsets, is_whole=not look.unanswered)
        done = self.audit.done
        try:
            self._look_again(servers, positions, look)
            self._verify_new(servers, positions, look, most)
            self._pass_markers(servers, positions, look)
            done = now
        finally:
            self._tell(now, incomplete(positions, look), done)
            self._file.write(positions)
        return True

    def step_full_pass(self, servers: AuditedServers) -> bool:
        """Verify a piece of what was verified before, or was there before the first round.

        Returns:
            Whether there is another piece.

        Raises:
            UnavailableError: a part could not be read.
        """
        look, positions = self._look, self._positions
        if look is None or positions is None or positions.findings.is_full:
            return False
        full_pass = positions.full_pass or FullPass(time.time(), positions.verified, {})
        positions.full_pass = full_pass
        full_pass.cut({partition: each.end for partition, each in look.offsets.items()})
        starts = {partition: each.start for partition, each in look.offsets.items()}
        span = full_pass.next(starts, PASS_OFFSETS)
        if span is not None:
            # What this look says was committed is so; its log starts may be older than what retention has left since.
            self._take(positions, servers.compare(look, [span]), "again" if positions.since is None else "new")
            full_pass.finish(span)
        if full_pass.left(starts):
            return span is not None
        if positions.findings.are_settled:
            self._finish_pass(positions, full_pass)
        # Else a later round says first what becomes of a suspicion: nothing is proven over it.
        return False

    def begin_full_pass(self) -> None:
        """Begin a pass now, at the pace of the first one."""
        if self._positions:
            self._positions.full_pass = None
            self.is_catching_up = True
            log.info("a full pass begins, because it was asked for (SIGUSR1)")

    def acknowledge_removed(self) -> bool:
        """Somebody knows of what Kafka has removed; return whether it could be noted: not before the first round."""
        positions = self._positions
        if positions is None:
            return False
        log.info("what Kafka removed before it was accounted for is acknowledged (SIGUSR2)", count=positions.removed)
        positions.removed, positions.removed_since = 0, None
        return True

    def tell_problem(self, problem: str) -> None:
        """A round could not be done. Args: problem: one line."""
        self.audit = self.audit._replace(time=time.time(), problem=problem)

    def _begin(self, topic: TopicIdentity, look: Look) -> tuple[Positions, ProvenUntil]:
        """The positions in this incarnation of the topic: as they were, as an earlier process has left them, or new ones."""
        before = self._positions
        if before and self._proven and before.topic == topic:
            return before, self._proven
        positions = self._file.read(topic)
        if positions is None:
            positions = Positions(topic)
            if self._absent_at is not None:
                positions.until = self._absent_at
            elif before is None:
                # What is committed now is left to the first pass, and what comes is verified at once.
                positions.verified = {partition: committed_end(each) for partition, each in look.offsets.items()}
                positions.reused = {partition: each.reused for partition, each in look.offsets.items()}
                positions.since = time.time()
                self.is_catching_up = True
                log.info("verifying what is stored from now on, and besides all that is there already")
            else:
                log.warning("the topic was deleted and made again; verifying the new one from its beginning")
        else:
            self.is_catching_up = positions.since is not None
            log.info("going on where the last auditor ended", until=positions.until, since=positions.since)
        self._positions, self._standing = positions, {}
        self._proven = ProvenUntil(positions)
        return positions, self._proven

    def _follow(self, now: float, positions: Positions, proven: ProvenUntil, look: Look) -> None:
        """Move the positions where the group was set back, logs were truncated, or retention has removed something."""
        changes = follow(positions, look.offsets)
        for partition, (first, end) in changes.removed.items():
            self._teller.removed(partition, first, end)
            positions.count_removed(end - first, now)
        logs = {partition: (each.start, each.end) for partition, each in look.offsets.items()}
        self._forget(now, positions, positions.findings.forget_outside(logs))
        if changes.back:
            self._teller.set_back(changes.back)
            proven.give_up(now)

    def _forget(self, now: float, positions: Positions, gone: Mapping[Place, Unaccounted]) -> None:
        """Kafka does not hold these any more, so nobody can account for them."""
        self._teller.gone(gone)
        positions.count_removed(sum(found.outcome != NO_RECORD for found in gone.values()), now)

    def _verify_new(self, servers: AuditedServers, positions: Positions, look: Look, most: int) -> None:
        left = most
        while not positions.findings.is_full and left > 0 and (spans := next_spans(positions, look.offsets)):
            self._take(positions, servers.compare(look, spans), "new")
            for span in spans:
                positions.verified[span.partition] = span.end
                left -= span.end - span.first
        self.is_behind = not positions.findings.is_full and bool(next_spans(positions, look.offsets))

    def _pass_markers(self, servers: AuditedServers, positions: Positions, look: Look) -> None:
        """A commit never reaches behind a transaction marker at the end of a log; there is nothing to verify."""
        ends = {
            partition: (at, each.end)
            for partition, each in look.offsets.items()
            if each.next_offset <= (at := positions.verified[partition]) < each.end
        }
        # Records are looked for only where nothing moved since the last round.
        standing = {partition: each for partition, each in ends.items() if self._standing.get(partition) == each}
        self._standing = ends
        for partition in servers.hold_no_record(look, standing) if standing else ():
            positions.verified[partition] = standing[partition][1]

    def _look_again(self, servers: AuditedServers, positions: Positions, look: Look) -> None:
        findings, now = positions.findings, time.monotonic()
        for span, places in next_runs(findings.due(now, look.offsets)):
            read: dict[Place, float | None] = {}
            (report,) = servers.compare(look, [span], read)
            found = findings.looked(places, report.offsets, read, now)
            self._teller.found(found.told)
            # What is not committed any more is no failure, and not accounted for either: the group was set back.
            committed = look.offsets[span.partition].next_offset
            again = {place: each for place, each in found.mended.items() if place[1] >= committed}
            self._teller.read_again(again)
            self._teller.mended({place: each for place, each in found.mended.items() if place not in again})
            self._forget(time.time(), positions, found.gone)

    def _take(self, positions: Positions, reports: Sequence[PartitionReport], kind: str) -> None:
        for report in reports:
            self.verified[kind] += report.counts["kafka"]
            positions.findings.suspect(report.partition, report.offsets, time.monotonic())

    def _finish_pass(self, positions: Positions, full_pass: FullPass) -> None:
        if self.is_catching_up:
            log.info("everything that Kafka holds is verified", seconds=round(time.time() - full_pass.begun, 1))
        positions.passed, positions.since, positions.full_pass = time.time(), None, None
        self.is_catching_up = False
        self.audit = self.audit._replace(until=positions.until, since=None, recent=None, passed=positions.passed)

    def _tell(self, now: float, problem: str | None, done: float | None) -> None:
        """Replace `audit`. Args: now: Unix time of the look. problem, done: see `Audit`."""
        positions, look = self._positions, self._look
        if positions is None or look is None:
            self.audit = self.audit._replace(time=now, problem=problem, topic=self._topic, done=done)
            return
        if self._proven:
            self._proven.settle()
        self.audit = summary(now, positions, look, self.verified["new"], problem, done)
