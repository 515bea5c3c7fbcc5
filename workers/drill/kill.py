"""The drill behind `workers kill`: kills one worker under load, tells what the fleet does about it, and proves the records."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from workers.drill.drain import wait_until_past
from workers.drill.drill_topics import names_of
from workers.drill.fleet_files import FleetFiles
from workers.drill.group_looks import GroupLooks
from workers.drill.interrupt import Interrupts, LeftUnprovenError
from workers.drill.kill_report import KillReport
from workers.drill.kill_steps import Back, Step, StoredAgain, TakenOver
from workers.drill.kill_story import KillStory, Seen
from workers.drill.load import Load, arrival_rate, log_ends
from workers.drill.lock import only_drill
from workers.drill.preconditions import Found, look, require_healthy, require_readable
from workers.drill.processes import Processes
from workers.drill.proof import Proof
from workers.drill.report import DrillReport
from workers.drill.stored_gaps import Arrivals, StoredGaps
from workers.drill.unpaused import require_unpaused
from workers.drill.victim import Victim, choose
from workers.errors import BadUsageError, UnavailableError, WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.drill.narrator import Narrator
    from workers.settings import Settings
    from workers.settings.paths import StatePaths
    from workers.types import TopicPartition

LEAST_RATE, RATE_PER_PARTITION, MOST_RATE = 600, 10, 3_000
"""Of the own load, records a second: so that each partition gets one every tenth of a second."""
FIRST_RECORD_SECONDS = 60.0
FRESH_SECONDS, STEADY_SECONDS = 2.0, 1.0
"""A partition is being stored if it was within the last so many seconds; and the kill comes after so many of that."""
TICK_SECONDS = 0.04
LIMIT_SECONDS = 120.0
"""From one step to the next."""
AFTERMATH_SECONDS = 10.0
"""After the last step, for all partitions to be stored again: the process that is back has caused a second rebalance."""


class Kill:
    """One kill in the fleet of a tree."""

    def __init__(
        self, settings: Settings, paths: StatePaths, narrator: Narrator, on_step: Callable[[Step, str], None]
    ) -> None:
        """Args: on_step: called with each step as soon as it is known, and the name of the worker that was killed."""
        self._settings, self._paths = settings, paths
        self._narrator, self._on_step = narrator, on_step
        self._processes = Processes(paths, embedded=False)
        self._interrupts = Interrupts()
        self._gaps = StoredGaps()
        self._killed_at = 0.0
        self._reaches_all = False

    def run(self, wanted: str | None, rate: int | None, *, may_send: bool) -> KillReport:
        """Kill one worker with SIGKILL, tell the steps, wait until the fleet is whole, and compare the records.

        Ctrl-C or SIGTERM ends it early: it proves what is there until then; a second one leaves that out.

        Args:
            wanted: a worker or its slot; None: the one with the most partitions.
            rate: records a second to send; None: by the number of partitions.
            may_send: whether numbers may be sent into the topic, if fewer records than that flow.

        Raises:
            BadUsageError: there is no fleet, no such worker, no topic, or nothing flows and nothing may be sent.
            UnavailableError: nothing was killed: the fleet is not healthy, another drill runs, a service does not answer.
        """
        self._narrator.now("looking at the fleet")
        require_unpaused(self._settings, self._paths, "nothing was killed")
        status = require_healthy(self._settings, self._paths)
        name = choose(status, wanted)
        with only_drill(self._paths.drill_lock, self._paths.tree), self._interrupts:
            found = look(self._settings, self._processes, self._paths.tree)
            victim = Victim.of(name, self._settings, self._paths, self._processes.workers().get(name))
            report = KillReport(name, victim.beat.pid, victim.beat.partitions, remarks=[*found.remarks])
            report.remarks += [f"{slot.name} is stopped" for slot in status.slots if slot.state == "stopped"]
            with ExitStack() as stack:
                load = self._load(report, found, rate, may_send=may_send)
                if load:
                    stack.enter_context(load)
                files = FleetFiles(self._settings, self._paths, found.slots)
                sent = [partition for partition in found.ends if partition.topic in found.topics]
                self._reaches_all = load is not None and len(sent) == len(found.ends)
                if self._await_stored(files, victim, load, sent):
                    self._kill(report, stack.enter_context(victim), files, load, watched=found.watched)
                report.interrupted = self._interrupts.name
                if report.killed is not None:
                    self._prove(report, found, load)
                report.sent = load.count if load else 0
                report.remarks += load.remarks() if load else []
        return report

    def _load(self, report: KillReport, found: Found, rate: int | None, *, may_send: bool) -> Load | None:
        """What is to be sent; None: enough flows."""
        rate = rate or min(MOST_RATE, max(LEAST_RATE, RATE_PER_PARTITION * len(found.ends)))
        topic = names_of(self._settings)
        self._narrator.now(f"looking whether records flow into {topic}")
        report.rate = arrival_rate(self._settings, found.ends, self._interrupts)
        if self._interrupts:
            return None
        if may_send and report.rate < rate:
            report.own_load, report.rate = True, rate
            self._narrator.line(f"sending {rate:,} records a second to {topic}")
            return Load(self._settings, rate, 0.0, found.next_offsets, found.topics)
        if report.rate < 1:
            raise BadUsageError(
                f"nothing was killed: no records flow into {topic} at {self._settings.bootstrap_servers}, which is not the "
                f"embedded Kafka of {self._paths.tree}; send some, or pass --load, which sends test numbers into {topic}"
            )
        self._narrator.line(f"{report.rate:,.0f} records a second flow into {topic}")
        return None

    def _await_stored(
        self, files: FleetFiles, victim: Victim, load: Load | None, partitions: Sequence[TopicPartition]
    ) -> bool:
        """Whether records are being stored, so that a kill has something to interrupt; False: Ctrl-C.

        The own load reaches every partition; of what others send, one partition has to be enough.
        """
        deadline = time.monotonic() + FIRST_RECORD_SECONDS
        steady_since: float | None = None
        own = set(victim.beat.partitions or partitions)
        while not self._interrupts:
            if load and load.refusal:
                raise UnavailableError(f"nothing was killed: Kafka takes no record of this command: {load.refusal}")
            self._gaps.observe(files.progress())
            now = time.monotonic()
            fresh = self._gaps.stored_since(now - FRESH_SECONDS)
            is_steady = fresh >= set(partitions) if load else bool(fresh & own)
            steady_since = (steady_since or now) if is_steady else None
            if steady_since and now - steady_since >= STEADY_SECONDS:
                if load:
                    require_readable(self._settings, load.next_offsets)
                return True
            if now > deadline:
                what = "not every partition is" if load else f"none of the partitions of {victim.name} is"
                raise UnavailableError(
                    f"nothing was killed: records flow, and within {FIRST_RECORD_SECONDS:.0f} s {what} being stored; "
                    f"`workers status` says why"
                )
            self._narrator.now("waiting until records of every partition are stored")
            time.sleep(TICK_SECONDS)
        return False

    def _kill(self, report: KillReport, victim: Victim, files: FleetFiles, load: Load | None, *, watched: bool) -> None:
        """Kill it, and tell what follows until the fleet is whole, or nothing more comes."""
        group = GroupLooks(self._settings)
        group.start()
        try:
            if self._interrupts:
                return
            beats = files.beats()
            last = beats.get(victim.name, victim.beat)
            killed = victim.kill()
            report.killed, report.partitions = round(time.time() - time.monotonic() + killed, 3), last.partitions
            story = KillStory(victim.name, last, killed, self._settings.session_timeout, watched)
            self._killed_at = killed
            self._follow(report, story, victim, files, group)
        finally:
            group.stop()
        ended = [name for name, beat in sorted(beats.items()) if name != victim.name and not beat.is_alive()]
        report.remarks += [f"{name} ended too, meanwhile" for name in ended]

    def _follow(
        self,
        report: KillReport,
        story: KillStory,
        victim: Victim,
        files: FleetFiles,
        group: GroupLooks,
    ) -> None:
        told_at = time.monotonic()
        ended: float | None = None
        complete_at: float | None = None
        while not self._interrupts:
            now = time.monotonic()
            progress = files.progress()
            self._gaps.observe(progress)
            seen = Seen(now, ended, files.beats(), progress, files.evicted_at(story.last.member_id))
            if answer := group.since(story.killed):
                seen = seen._replace(members=answer.members, owners=answer.owners, lag=answer.asked_lag)
            for step in story.observe(seen):
                report.steps.append(step)
                self._on_step(step, story.name)
                told_at = now
            # Where this command sends to all of them, every partition has records that wait.
            group.wants_lag = not self._reaches_all and story.has(TakenOver)
            if story.has(TakenOver) and (self._reaches_all or story.has(StoredAgain)):
                group.stop()
            if story.complete:
                complete_at = complete_at or now
                if self._is_over(story, complete_at, now):
                    return
            elif now - told_at > LIMIT_SECONDS:
                report.waiting_for = story.waits_for(now)
                return
            self._narrator.now(f"{now - story.killed:.1f} s: {story.waits_for(now)}")
            if ended is None:
                ended = victim.ended(TICK_SECONDS)
            else:
                time.sleep(TICK_SECONDS)

    def _is_over(self, story: KillStory, complete_at: float, now: float) -> bool:
        """Whether every partition was stored after the rebalance for the process that is back."""
        back = next(story.killed + step.seconds for step in story.steps if isinstance(step, Back))
        known = self._gaps.stored_since(0.0)
        return known <= self._gaps.stored_since(back) or now - complete_at > AFTERMATH_SECONDS

    def _prove(self, report: KillReport, found: Found, load: Load | None) -> None:
        """Compare the records since the command began with the sink, and say how long the longest waited."""
        gaps = self._gaps.since(self._killed_at)
        arrivals = Arrivals(gaps)
        before = min(1, self._interrupts.count)

        def on_reading(what: str, done: int, total: int) -> None:
            self._interrupts.leave_if_asked_again(before)
            self._narrator.reading(what, done, total)

        try:
            left = wait_until_past(self._settings, self._ends(load), self._interrupts, self._narrator.now)
            self._narrator.now("comparing the records with Kafka and the database")
            proof = Proof(self._settings, found.next_offsets, arrivals.note)
            verdict = DrillReport(seed=0)
            compared = proof.prove(verdict, load.acknowledged if load else {}, on_reading)
            # What others send while this command reads may be pending, and is no part of it.
            verdict.unexplained -= verdict.pending
            verdict.pending = left
            report.records, report.found = compared.total("kafka"), verdict
            report.remarks += verdict.remarks
        except LeftUnprovenError:
            report.remarks.append("interrupted before the records were compared")
        except WorkersError as error:
            report.remarks.append(f"the records could not be compared: {error}")
        report.interrupted = self._interrupts.name
        for gap in gaps:
            seconds = gap.seconds(arrivals.of(gap))
            report.gaps[gap.partition] = max(seconds, report.gaps.get(gap.partition, 0.0))

    def _ends(self, load: Load | None) -> Mapping[TopicPartition, int]:
        """Up to where the fleet must have committed before anything can be missing."""
        if load:
            load.stop()
            while not load.over(TICK_SECONDS):
                self._interrupts.leave_if_asked_again()
            return load.next_offsets
        return log_ends(self._settings)
