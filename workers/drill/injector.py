"""Injects faults into the processes, servers and files of a fleet, takes back those that last, and heals."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workers.drill.faults import RETRIED, ChaosFault, Kind
from workers.drill.outside import FullDisk, IdleConnections
from workers.drill.processes import Processes, send
from workers.drill.report import FaultReport
from workers.errors import UnavailableError
from workers.naming import slot_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.drill.effects import Effects
    from workers.drill.fleet_watch import FleetCounters
    from workers.drill.transactions import Transactions
    from workers.settings import Settings

HOLD_SECONDS = 30.0
"""The longest time for which a fault is held because it has not bitten yet."""
OUTAGE_SECONDS = 3.0
WRITE_PENDING_SECONDS = 0.5
"""Under load, with the database suspended for so long, every worker has a write pending."""


class OutsideFault(Protocol):
    """A fault that somebody else injects: a test, with a proxy of its own."""

    def begin(self) -> str:
        """Returns what it hits, in words; "": it cannot be injected now."""

    def end(self) -> None:
        """Take it back. Idempotent."""


@dataclass
class _Lasting:
    """A fault that goes on until it is taken back."""

    report: FaultReport
    began: float
    ends: float
    take_back: Callable[[], object]
    bitten: Callable[[], bool] = lambda: True
    healed_as: str = ""
    """What healing calls it, if it is still there at the end."""


@dataclass
class Injector:
    """Call it on one thread. Times are seconds from the beginning of the drill."""

    settings: Settings
    processes: Processes
    counters: FleetCounters
    effects: Effects
    transactions: Transactions
    kinds: Mapping[str, Kind]
    outside: Mapping[str, OutsideFault] = field(default_factory=dict)
    _lasting: list[_Lasting] = field(default_factory=list)

    def can_bite(self, fault: ChaosFault) -> bool:
        """Whether the fleet can feel this fault now: some have no effect on a fleet that does not write."""
        return not self.kinds[fault.kind].needs_calm or not self.counters.seen or self.counters.stores(within=1.0)

    def inject(self, fault: ChaosFault, worker: str, now: float) -> FaultReport | None:
        """Inject one fault; None: it could not be, since its process is down already.

        Raises:
            UnavailableError: supervisord does not answer.
        """
        report = FaultReport(round(now, 1), fault.kind)
        since = time.monotonic()
        before = self.counters.count(self.kinds[fault.kind].shows_as)
        if not self._do(fault, worker, report, now):
            return None
        self.counters.blame(report, since)
        self.effects.expect(report, self.kinds[fault.kind].shows_as, before)
        return report

    def tick(self, now: float) -> None:
        """Take back what has lasted long enough, and has bitten; what does not bite is held for `HOLD_SECONDS` more."""
        for each in list(self._lasting):
            if now >= each.ends and (each.bitten() or not self.counters.seen or now >= each.ends + HOLD_SECONDS):
                self._take_back(each, now)

    @property
    def held(self) -> bool:
        """Whether any fault is still there."""
        return bool(self._lasting)

    def heal(self, now: float) -> list[str]:
        """Take everything back, whether it has bitten or not. Returns what was done, in words.

        Raises:
            UnavailableError: something does not run again; the rest was healed all the same.
        """
        done = [each.healed_as for each in self._lasting if each.healed_as]
        for each in list(self._lasting):
            with suppress(UnavailableError):
                self._take_back(each, now)
        done += self.processes.heal()
        return done + self.transactions.finish()

    def _take_back(self, each: _Lasting, now: float) -> None:
        self._lasting.remove(each)
        each.report.lasted = round(now - each.began, 1)
        each.take_back()

    def _do(self, fault: ChaosFault, worker: str, report: FaultReport, now: float) -> bool:
        """Args: report: gets the target, and how long it lasts."""
        if outside := self.outside.get(fault.kind):
            name = self.kinds[fault.kind].shows_as
            before = self.counters.count(name)
            report.target = outside.begin()
            return bool(report.target) and self._last(
                report, now, fault.lasts, outside.end, bitten=lambda: not name or self.counters.count(name) > before
            )
        if fault.kind == "kill all workers":
            pids = self.processes.workers()
            report.target = ", ".join(pids)
            return sum(send(pid, signal.SIGKILL) for pid in pids.values()) > 0
        if "broker" in fault.kind:
            return self._broker(fault, report, now)
        if fault.kind == "kill the database":
            return self._kill_database(fault, report, now)
        if fault.kind == "leave a transaction open":
            return self._transaction(fault, report, now)
        if fault.kind == "hold connections open":
            return self._connections(fault, report, now)
        if fault.kind == "fill the state disk":
            return self._full_disk(fault, report, now)
        return self._worker(fault, worker, report, now)

    def _worker(self, fault: ChaosFault, name: str, report: FaultReport, now: float) -> bool:
        pid = self.processes.workers().get(name)
        if pid is None:
            return False
        report.target = f"{name} (pid {pid})"
        if fault.kind == "kill a worker in a write":
            return self._kill_in_a_write(pid)
        if fault.kind == "restart a worker":
            return send(pid, signal.SIGTERM)
        if fault.kind == "kill a worker":
            return send(pid, signal.SIGKILL)
        return self.processes.suspend(name, pid) and self._last(
            report, now, fault.lasts, lambda: self.processes.resume(pid), healed_as=f"{name} continued"
        )

    def _kill_in_a_write(self, pid: int) -> bool:
        """Kill it between write and commit: the database executes the write of a worker that is dead."""
        database = self.processes.database()
        if not database or not self.processes.suspend("the database", database):
            return False
        try:
            time.sleep(WRITE_PENDING_SECONDS)
            return send(pid, signal.SIGKILL)
        finally:
            self.processes.resume(database)

    def _broker(self, fault: ChaosFault, report: FaultReport, now: float) -> bool:
        brokers = self.processes.brokers()
        if not brokers:
            return False
        name = list(brokers)[fault.slot % len(brokers)]
        pid = brokers[name]
        report.target = f"{name} (pid {pid})"
        if fault.kind == "kill the broker":
            return send(pid, signal.SIGKILL)
        return self.processes.suspend(name, pid) and self._last(
            report, now, 2 * fault.lasts, lambda: self.processes.resume(pid), healed_as=f"{name} continued"
        )

    def _kill_database(self, fault: ChaosFault, report: FaultReport, now: float) -> bool:
        """It stays away until a write has failed: a fleet that is busy with something else would not notice."""
        pid, before = self.processes.database(), self.counters.count(RETRIED)
        if pid is None:
            return False
        report.target = f"pid {pid}"
        return self.processes.kill_database(pid) and self._last(
            report,
            now,
            OUTAGE_SECONDS + fault.lasts,
            self.processes.start_database,
            bitten=lambda: self.counters.count(RETRIED) > before,
            healed_as="the database started",
        )

    def _transaction(self, fault: ChaosFault, report: FaultReport, now: float) -> bool:
        begun = self.transactions.begin()
        if not begun:
            return False
        report.target = begun.target
        seconds = begun.seconds + fault.lasts
        return self._last(report, now, seconds, begun.take_back, healed_as="an open transaction ended")

    def _connections(self, fault: ChaosFault, report: FaultReport, now: float) -> bool:
        idle, settings = IdleConnections(), self.settings
        slots = [settings.metrics_port + slot_of(name) for name in self.processes.workers()]
        others = (settings.lag_port, settings.watchdog_port, settings.auditor_port)
        ports = [port for port in (*slots, *others) if port]
        opened = idle.open((settings.metrics_host, port) for port in ports)
        report.target = f"{opened} on {len(ports)} ports"
        return opened > 0 and self._last(report, now, 10 + fault.lasts, idle.close)

    def _full_disk(self, fault: ChaosFault, report: FaultReport, now: float) -> bool:
        disk = FullDisk()
        # Not for supervisord: it ends where it cannot write its own log.
        filled = disk.fill(self.processes.fleet_pids())
        report.target = f"{filled} processes of the fleet"
        return filled > 0 and self._last(report, now, fault.lasts, disk.free, healed_as="room for files again")

    def _last(
        self,
        report: FaultReport,
        now: float,
        seconds: float,
        take_back: Callable[[], object],
        bitten: Callable[[], bool] = lambda: True,
        healed_as: str = "",
    ) -> bool:
        report.lasted = round(seconds, 1)
        self._lasting.append(_Lasting(report, now, now + seconds, take_back, bitten, healed_as))
        return True
