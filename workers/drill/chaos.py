"""A drill: breaks workers, database and broker while records flow; then heals the fleet and proves every record it sent.

Its verdict is about the records. A fault that could have no effect yet (the fleet does not write, no write has failed) is
held until it can; one that never had any is a remark.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.drill.drain import wait_until_committed
from workers.drill.effects import Effects
from workers.drill.faults import KINDS, ChaosFault, Kind, plan
from workers.drill.fleet_watch import FleetCounters
from workers.drill.injector import HOLD_SECONDS, Injector, OutsideFault
from workers.drill.interrupt import Interrupts, LeftUnprovenError
from workers.drill.load import Load
from workers.drill.lock import only_drill
from workers.drill.preconditions import look, require_readable
from workers.drill.processes import Processes
from workers.drill.proof import Proof
from workers.drill.report import DrillReport
from workers.drill.transactions import Transactions
from workers.drill.unpaused import require_unpaused
from workers.errors import UnavailableError, WorkersError

if TYPE_CHECKING:
    from workers.drill.narrator import Narrator
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

FIRST_RECORD_SECONDS = 90.0
"""For the fleet to store the first record of the drill. Long: it may have a backlog, or be joining the group."""
ATTEMPTS = 2
"""More, for a kind of fault that has not bitten by the end."""
TICK_SECONDS = 0.05


class Drill:
    """One drill against the fleet of a tree, and against its embedded stack if `embedded`."""

    def __init__(
        self,
        settings: Settings,
        paths: StatePaths,
        seed: int,
        narrator: Narrator,
        *,
        embedded: bool,
        kinds: Mapping[str, Kind] = KINDS,
        outside: Mapping[str, OutsideFault] | None = None,
    ) -> None:
        """Args:
        kinds: the faults to choose from.
        outside: by kind: who injects the faults that this package does not know.
        """
        self._settings, self._paths, self._narrator = settings, paths, narrator
        self._embedded, self._kinds, self._outside = embedded, kinds, outside or {}
        self._processes = Processes(paths, embedded=embedded)
        self._interrupts = Interrupts()
        self._report = DrillReport(seed)
        self._slots: list[str] = []
        self._started = 0.0

    def run(self, seconds: float, rate: int, bad_share: float = 0.0) -> DrillReport:
        """Produce `rate` records a second and inject faults for so many seconds; then heal, wait and verify.

        Ctrl-C or SIGTERM ends it early: it heals, and proves what was sent until then; a second one leaves that out.

        Args: bad_share: of tombstones and values that are not JSON among the records.

        Raises:
            BadUsageError: there is no fleet, or no topic.
            UnavailableError: another drill runs here; the fleet does not work; a service could not be reached.
        """
        with only_drill(self._paths.drill_lock, self._paths.tree), self._interrupts:
            require_unpaused(self._settings, self._paths, "nothing was broken")
            found = look(self._settings, self._processes, self._paths.tree)
            ends, self._slots = found.ends, found.slots
            self._report.remarks += found.remarks
            with Load(self._settings, rate, bad_share, ends, found.topics) as load:
                with FleetCounters(self._settings, self._slots) as counters:
                    effects = Effects(counters)
                    transactions = Transactions(self._settings, load, found.topics)
                    injector = Injector(
                        self._settings, self._processes, counters, effects, transactions, self._kinds, self._outside
                    )
                    try:
                        self._break(injector, load, seconds)
                    finally:
                        load.stop()
                        counters.load_ended()
                        self._heal(injector)
                    with suppress(LeftUnprovenError):
                        wait_until_committed(self._settings, load, self._interrupts, self._narrator.now)
                    effects.judge()
                    if not self._interrupts:
                        self._report.remarks += effects.remarks()
                self._count(load, counters)
            self._prove(Proof(self._settings, ends), load)
        return self._report

    def _break(self, injector: Injector, load: Load, seconds: float) -> None:
        """Inject the faults of the plan, and hold those back that could not bite."""
        self._narrator.line(f"injecting faults for {seconds:.0f} s, seed {self._report.seed}")
        self._await_first_record(injector, load)
        require_readable(self._settings, load.next_offsets)
        self._started = time.monotonic()
        remaining = plan(
            seconds,
            self._report.seed,
            len(self._slots),
            self._settings.session_timeout,
            embedded=self._embedded,
            all_kinds=self._kinds,
        )
        held_since: float | None = None
        try:
            while (now := self._now()) < seconds and not self._interrupts:
                injector.tick(now)
                self._narrator.now(f"{now:.0f} of {seconds:.0f} s, {load.count:,} records acknowledged")
                if remaining and remaining[0].at <= now:
                    if injector.can_bite(remaining[0]) or (held_since and now - held_since > HOLD_SECONDS):
                        self._inject(injector, remaining.pop(0))
                        held_since = None
                    else:
                        held_since = held_since or now
                time.sleep(TICK_SECONDS)
            self._insist(injector)
        except UnavailableError as error:
            raise UnavailableError(f"the drill was aborted: supervisord {error}; is it running?") from error
        self._report.seconds = round(self._now(), 1)

    def _await_first_record(self, injector: Injector, load: Load) -> None:
        """Without a fleet that works, nothing could be told from a drill."""
        deadline = time.monotonic() + FIRST_RECORD_SECONDS
        first = injector.counters.count("stored")
        while not self._interrupts and (injector.counters.count("stored") == first or not load.count):
            if load.refusal:
                raise UnavailableError(f"nothing was broken: Kafka takes no record of the drill: {load.refusal}")
            if not injector.counters.seen and time.monotonic() > deadline - FIRST_RECORD_SECONDS + 5:
                # No metrics to see it by.
                return
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"nothing was broken: the fleet has stored no record for {FIRST_RECORD_SECONDS:.0f} s; "
                    "`workers status` says why"
                )
            self._narrator.now("waiting until the fleet stores the first record")
            time.sleep(TICK_SECONDS)

    def _insist(self, injector: Injector) -> None:
        """Wait for the faults that are held, and inject kinds again that have not bitten, when they can."""
        kinds = [kind for kind in injector.effects.toothless() for _ in range(ATTEMPTS)]
        deadline = time.monotonic() + HOLD_SECONDS * (1 + len(kinds))
        while (kinds or injector.held) and not self._interrupts and time.monotonic() < deadline:
            injector.tick(self._now())
            self._narrator.now("waiting for the last faults to be felt")
            kinds = [kind for kind in kinds if kind in injector.effects.toothless()]
            fault = ChaosFault(self._now(), kinds[0], len(kinds), 1.0) if kinds else None
            if fault and not injector.held and injector.can_bite(fault):
                kinds.remove(fault.kind)
                self._inject(injector, fault)
                # What it does shows within the settling time of its kind.
                self._settle(injector, self._kinds[fault.kind].settles)
            time.sleep(TICK_SECONDS)

    def _settle(self, injector: Injector, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._interrupts:
            injector.tick(self._now())
            time.sleep(TICK_SECONDS)

    def _inject(self, injector: Injector, fault: ChaosFault) -> None:
        report = injector.inject(fault, self._slots[fault.slot % len(self._slots)], self._now())
        if report:
            self._report.injected.append(report)
            self._report.faults[report.kind] = self._report.faults.get(report.kind, 0) + 1
            self._narrator.line(f"{report.at:6.1f} s  {report.kind}: {report.target}")

    def _heal(self, injector: Injector) -> None:
        """Always done, and done to its end: also after Ctrl-C, an error, a second Ctrl-C."""
        if self._interrupts:
            self._narrator.line(f"{self._interrupts.name}: no more faults; making the fleet whole again")
        self._narrator.now("healing")
        try:
            self._report.healed = injector.heal(self._now())
        except UnavailableError as error:
            self._report.remarks.append(f"not everything could be healed: {error}")
        done = ", ".join(self._report.healed) or "nothing was left broken"
        self._narrator.line(f"healed: {done}")

    def _prove(self, proof: Proof, load: Load) -> None:
        before = min(1, self._interrupts.count)

        def on_reading(what: str, done: int, total: int) -> None:
            self._interrupts.leave_if_asked_again(before)
            self._narrator.reading(what, done, total)

        try:
            self._interrupts.leave_if_asked_again(before)
            self._narrator.now("comparing what was sent with Kafka and the database")
            proof.prove(self._report, load.acknowledged, on_reading)
        except LeftUnprovenError:
            self._report.interrupted = self._interrupts.name
            self._report.remarks.append("interrupted before the records were compared")
        except WorkersError as error:
            self._report.remarks.append(f"the records could not be compared: {error}")

    def _count(self, load: Load, counters: FleetCounters) -> None:
        report = self._report
        report.interrupted = self._interrupts.name
        report.acknowledged, report.failed = load.count, load.failed
        report.redelivered, report.rebalances = counters.redelivered, counters.rebalances
        report.retries, report.longest_pause = counters.retries, round(counters.longest_pause, 1)
        for fault in report.injected:
            fault.longest_pause = round(fault.longest_pause, 1)
        report.remarks += load.remarks()
        if not report.injected:
            report.void.append("no fault was injected")
        if not report.acknowledged:
            report.void.append("Kafka acknowledged no record")

    def _now(self) -> float:
        return time.monotonic() - self._started
