"""The auditor: in each round it verifies what the fleet has committed since the last one, and between rounds, slowly, all that is older."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from workers.auditor.findings import runs
from workers.auditor.full_pass import FullPass, Span
from workers.auditor.horizon import Horizon
from workers.auditor.positions import Positions
from workers.auditor.summary import incomplete, summary
from workers.auditor.teller import Teller
from workers.state.audit_file import Audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.auditor.positions import PositionsFile
    from workers.auditor.servers import Look, Servers
    from workers.identity import OffsetRange, TopicIdentity
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition
    from workers.verification.report import PartitionReport

PIECE_OFFSETS = 5_000
"""Compared at once, of all partitions together, so that memory is bounded."""
PIECE_PARTITIONS = 100
"""The most of them: the client keeps what it has fetched of each."""
ROUND_OFFSETS = 20_000
"""Verified in one round. Where there is more, the next round follows soon."""
PASS_OFFSETS = 2_000
"""In one piece of a full pass."""
LOOKS = 1_000
"""Findings that are looked at again in one round,"""
RUNS = 20
"""and the most places of the log that are read for that. The others have their turn in the next round."""

log = structlog.get_logger()


class Auditor:
    """Its state, and its two steps: `round` and `step_full_pass`. It does no I/O but through `Servers` and the file. For one thread."""

    def __init__(self, topic: str, file: PositionsFile) -> None:
        """Args: topic: its name."""
        self._topic = topic
        self._file = file
        self._teller = Teller()
        self._positions: Positions | None = None
        self._horizon = Horizon()
        self._commits = Horizon()
        """Until when all that was committed is verified: how far behind the fleet the auditor is."""
        self._reused: dict[TopicPartition, Sequence[OffsetRange]] = {}
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

    @property
    def behind_seconds(self) -> float | None:
        """How long ago everything that is verified was all that was committed; None: not known yet."""
        return None if self._commits.until is None else max(0.0, time.time() - self._commits.until)

    def round(self, servers: Servers) -> bool:
        """Verify what was committed since the last round, and look again at what was found.

        Returns:
            Whether there is a topic.

        Raises:
            UnavailableError: a part could not be read. What was verified before that counts.
        """
        now = time.time()
        look = servers.look()
        self._look = look
        if look is None:
            self._tell(now, f"there is no topic {self._topic} yet")
            return False
        positions = self._begin(look.topic.identity, look)
        self._follow_logs(positions, look.offsets)
        if not look.unanswered:
            self._horizon.saw(now, {p: each.high_watermark for p, each in look.offsets.items()})
            self._commits.saw(now, {p: each.next_offset for p, each in look.offsets.items()})
        try:
            self._look_again(servers, positions, look)
            self._verify_new(servers, positions, look)
            self._pass_markers(servers, positions, look)
        finally:
            self._tell(now, incomplete(positions, look))
            self._file.write(positions)
        return True

    def step_full_pass(self, servers: Servers) -> bool:
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
        starts = {partition: each.start for partition, each in look.offsets.items()}
        span = full_pass.next(starts, PASS_OFFSETS)
        if span is not None:
            # What this look says was committed is so; its log starts may be older than what retention has left since.
            self._take(positions, servers.compare(look, [span]), "again" if positions.since is None else "new")
            full_pass.finish(span)
        if not full_pass.left(starts):
            self._finish_pass(positions, full_pass)
            return False
        return span is not None

    def begin_full_pass(self) -> None:
        """Begin a pass now, at the pace of the first one."""
        if self._positions:
            self._positions.full_pass = None
            self.is_catching_up = True
            log.info("a full pass begins, because it was asked for (SIGUSR1)")

    def tell_problem(self, problem: str) -> None:
        """A round could not be done. Args: problem: one line."""
        self.audit = self.audit._replace(time=time.time(), problem=problem)

    def _begin(self, topic: TopicIdentity, look: Look) -> Positions:
        """The positions in this incarnation of the topic: as they were, as an earlier process has left them, or new ones."""
        before = self._positions
        if before and before.topic == topic:
            return before
        positions = self._file.read(topic)
        if positions is None:
            positions = Positions(topic)
            if before is None:
                # What is committed now is left to the first pass, and what comes is verified at once.
                positions.verified = {partition: each.next_offset for partition, each in look.offsets.items()}
                positions.since = time.time()
                self.is_catching_up = True
                log.info("verifying what is stored from now on, and besides all that is there already")
            else:
                log.warning("the topic was deleted and made again; verifying the new one from its beginning")
        else:
            self.is_catching_up = positions.since is not None
            log.info("going on where the last auditor ended", until=positions.until, since=positions.since)
        self._positions = positions
        self._horizon, self._commits = Horizon(positions.until), Horizon()
        self._reused, self._standing = {}, {}
        return positions

    def _follow_logs(self, positions: Positions, offsets: Mapping[TopicPartition, PartitionOffsets]) -> None:
        """Move the positions where logs were truncated, or retention has removed what was not verified yet."""
        for partition, each in offsets.items():
            before = positions.verified.get(partition, each.start)
            if before < (removed := min(each.start, each.committed or 0)):
                # Of what was not committed either, the workers tell.
                self._teller.removed(partition, before, removed)
            at = max(each.start, min(before, each.end))
            if each.truncation:
                at = max(each.start, min(at, each.truncation.divergence))
            known = self._reused.get(partition, each.reused)
            new = [reused.first for reused in each.reused if reused not in known]
            positions.verified[partition] = max(each.start, min([at, *new]))
            self._reused[partition] = each.reused
        logs = {partition: (each.start, each.end) for partition, each in offsets.items()}
        self._teller.gone(positions.findings.forget_outside(logs))

    def _verify_new(self, servers: Servers, positions: Positions, look: Look) -> None:
        left = ROUND_OFFSETS
        while not positions.findings.is_full and left > 0 and (spans := _new_spans(positions, look.offsets)):
            self._take(positions, servers.compare(look, spans), "new")
            for span in spans:
                positions.verified[span.partition] = span.end
                left -= span.end - span.first
        self.is_behind = not positions.findings.is_full and bool(_new_spans(positions, look.offsets))

    def _pass_markers(self, servers: Servers, positions: Positions, look: Look) -> None:
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

    def _look_again(self, servers: Servers, positions: Positions, look: Look) -> None:
        findings, now = positions.findings, time.monotonic()
        due = [place for place in findings.due(now)[:LOOKS] if place[0] in look.offsets]
        for span, places in islice(runs(due), RUNS):
            timestamps: dict[tuple[TopicPartition, int], float] = {}
            (report,) = servers.compare(look, [span], timestamps)
            told, mended = findings.looked(places, report.offsets, timestamps, now)
            self._teller.found(told)
            self._teller.mended(mended)
            committed = look.offsets[span.partition].next_offset
            if back := [offset for _, offset in mended if offset >= committed]:
                # The group was sent back: it stores them once more, and then they are verified.
                positions.verified[span.partition] = min([positions.verified[span.partition], *back])

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

    def _tell(self, now: float, problem: str | None) -> None:
        """Replace `audit`. Args: now: Unix time of the look."""
        positions, look = self._positions, self._look
        if positions is None or look is None:
            self.audit = self.audit._replace(time=now, problem=problem)
            return
        reached = self._horizon.reach(positions.verified)
        self._commits.reach(positions.verified)
        findings = positions.findings
        if not findings:
            positions.until = reached
        elif (oldest := findings.oldest()) is not None and positions.until is not None:
            positions.until = min(positions.until, oldest)
        self.audit = summary(now, positions, look, self.verified["new"], problem)


def _new_spans(positions: Positions, offsets: Mapping[TopicPartition, PartitionOffsets]) -> list[Span]:
    """The next piece of what is committed and not verified: a part of it from each partition."""
    waiting = {p: (positions.verified[p], each.next_offset) for p, each in sorted(offsets.items())}
    waiting = {partition: each for partition, each in waiting.items() if each[0] < each[1]}
    # Those with the most first, so that none waits for ever.
    chosen = sorted(waiting, key=lambda each: waiting[each][0] - waiting[each][1])[:PIECE_PARTITIONS]
    most = max(1, PIECE_OFFSETS // max(1, len(chosen)))
    return [Span(each, waiting[each][0], min(waiting[each][1], waiting[each][0] + most)) for each in sorted(chosen)]
