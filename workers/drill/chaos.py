"""A drill: kills workers, database and broker while records flow; then heals the fleet and verifies every record."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from workers.connection import KeptConnection
from workers.drill.faults import ChaosFault, plan
from workers.drill.fleet_watch import FleetCounters
from workers.drill.report import DrillReport
from workers.errors import BadUsageError, UnavailableError
from workers.fleet.supervisor import SupervisorClient
from workers.kafka.admin import Admin
from workers.kafka.log_reader import read_log
from workers.kafka.producer import Producer, numbers
from workers.naming import is_worker
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.verify import pending, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.settings import Settings
    from workers.settings.paths import StatePaths
    from workers.types import TopicPartition

HEAL_SECONDS = 180.0
OUTAGE_SECONDS = 3.0
WRITE_PENDING_SECONDS = 0.5
"""Under load, with the database suspended for so long, every worker has a write pending."""


class Drill:
    """One drill against the fleet of a tree, and against its embedded stack if `embedded`."""

    def __init__(
        self, settings: Settings, paths: StatePaths, seed: int, on_progress: Callable[[str], None], *, embedded: bool
    ) -> None:
        """Args: on_progress: called with a line for people at each step."""
        self._settings = settings
        self._fleet = SupervisorClient(paths.supervisord_socket)
        self._stack = SupervisorClient(paths.stack_socket) if embedded else None
        self._on_progress = on_progress
        self._report = DrillReport(seed)
        self._database_start_at: float | None = None
        self._suspended: dict[int, float] = {}
        """By pid of a worker that got SIGSTOP: when it gets SIGCONT."""
        self._stop_producing = threading.Event()
        self._slots: list[str] = []

    def run(self, seconds: float, rate: int) -> DrillReport:
        """Produce `rate` records a second and inject faults for so many seconds; then heal, wait and verify.

        Raises:
            BadUsageError: there is no fleet.
            UnavailableError: the fleet did not heal in time, or a service could not be reached.
        """
        try:
            running = self._fleet.pids()
        except UnavailableError as error:
            raise BadUsageError(f"no worker runs here, supervisord {error}: `make demo` starts a fleet") from error
        self._slots = slots = sorted(name for name in running if is_worker(name))
        if not slots:
            raise BadUsageError("no worker runs here: `make demo` starts a fleet")
        ends = self._log_ends()
        acknowledged = {partition: OffsetBitmap(end) for partition, end in ends.items()}
        faults = plan(
            seconds, self._report.seed, len(slots), self._settings.session_timeout, embedded=self._stack is not None
        )
        with Producer(self._settings, lambda p, offset, _value: acknowledged[p].add(offset)) as producer:
            sending = threading.Thread(target=producer.send_all, args=[self._paced(rate)], daemon=True)
            with FleetCounters(self._settings, len(slots)) as counters:
                sending.start()
                try:
                    self._inject_faults(faults, slots, seconds)
                    self._stop_producing.set()
                    self._heal()
                except UnavailableError as error:
                    raise UnavailableError(f"the drill was aborted: supervisord {error}; is it running?") from error
                finally:
                    self._stop_producing.set()
                    sending.join()
                self._wait_until_committed()
            self._report.acknowledged = producer.report.acknowledged
            self._report.failed = producer.report.failed
        self._evaluate(counters, acknowledged, ends)
        return self._report

    def _inject_faults(self, faults: list[ChaosFault], slots: list[str], seconds: float) -> None:
        started = time.monotonic()
        remaining = list(faults)
        while (now := time.monotonic() - started) < seconds:
            for pid, continue_at in list(self._suspended.items()):
                if now >= continue_at:
                    self._continue(pid)
            if self._database_start_at is not None and now >= self._database_start_at:
                self._start_database()
            while remaining and remaining[0].at <= now:
                fault = remaining.pop(0)
                if self._inject(fault, slots[fault.slot], now):
                    self._report.faults[fault.kind] = self._report.faults.get(fault.kind, 0) + 1
                    self._on_progress(
                        f"{now:6.1f} s  {fault.kind}{'' if 'a worker' not in fault.kind else f' ({slots[fault.slot]})'}"
                    )
            time.sleep(0.05)

    def _inject(self, fault: ChaosFault, worker: str, now: float) -> bool:
        """Returns whether the fault could be injected: a worker may be down already."""
        pids = {name: pid for name, pid in self._fleet.pids().items() if name in self._slots}
        pids = {name: pid for name, pid in pids.items() if pid not in self._suspended}
        if fault.kind == "kill all workers":
            killed = [_signal(pid, signal.SIGKILL) for pid in pids.values()]
            return bool(killed) and all(killed)
        if fault.kind.startswith("kill the"):
            return self._kill_server(fault, now)
        pid = pids.get(worker)
        if pid is None:
            return False
        if fault.kind == "kill a worker in a write":
            return self._kill_in_a_write(pid)
        if fault.kind == "restart a worker":
            return _signal(pid, signal.SIGTERM)
        if fault.kind == "kill a worker":
            return _signal(pid, signal.SIGKILL)
        if not _signal(pid, signal.SIGSTOP):
            return False
        self._suspended[pid] = now + fault.lasts
        return True

    def _kill_in_a_write(self, pid: int) -> bool:
        """Kill it between write and commit: the database executes the write of a worker that is dead."""
        database = self._stack and self._stack.pids().get("ferretdb")
        if not database or not _signal(database, signal.SIGSTOP):
            return False
        try:
            time.sleep(WRITE_PENDING_SECONDS)
            return _signal(pid, signal.SIGKILL)
        finally:
            _signal(database, signal.SIGCONT)

    def _kill_server(self, fault: ChaosFault, now: float) -> bool:
        name = "ferretdb" if "database" in fault.kind else "kafka"
        pid = self._stack and self._stack.pids().get(name)
        if not self._stack or not pid or not _signal(pid, signal.SIGKILL):
            return False
        if name == "ferretdb":
            # supervisord would restart it within a second, before a worker fails a write: so it stays stopped for a while.
            self._stack.stop(name)
            self._database_start_at = now + OUTAGE_SECONDS + fault.lasts
        return True

    def _start_database(self) -> None:
        self._database_start_at = None
        if self._stack:
            self._stack.start_down()

    def _continue(self, pid: int) -> None:
        del self._suspended[pid]
        _signal(pid, signal.SIGCONT)

    def _heal(self) -> None:
        for pid in list(self._suspended):
            self._continue(pid)
        self._fleet.start_down()
        if self._stack:
            self._stack.start_down()

    def _paced(self, rate: int) -> Iterator[bytes]:
        started = time.monotonic()
        for sent, value in enumerate(numbers(0, 2**62)):
            if self._stop_producing.is_set():
                return
            if (ahead := sent / rate - (time.monotonic() - started)) > 0.01:
                time.sleep(ahead)
            yield value

    def _wait_until_committed(self) -> None:
        self._on_progress("healed; waiting until all records are committed")
        deadline = time.monotonic() + HEAL_SECONDS
        with closing(KeptConnection(lambda: Admin(self._settings).connect())) as kafka:
            while time.monotonic() < deadline:
                with suppress(UnavailableError):
                    if kafka.ask(lambda admin: pending(admin, self._settings)) == 0:
                        return
                time.sleep(0.5)
        raise UnavailableError(
            f"not all records were committed {HEAL_SECONDS:.0f} s after the last fault: see the logs of the workers"
        )

    def _evaluate(
        self, counters: FleetCounters, acknowledged: dict[TopicPartition, OffsetBitmap], ends: dict[TopicPartition, int]
    ) -> None:
        report = self._report
        report.redelivered, report.rebalances, report.retries = (
            counters.redelivered,
            counters.rebalances,
            counters.retries,
        )
        report.longest_pause = round(counters.longest_pause, 1)
        found = verify(self._settings)
        report.stored = found.total("stored")
        report.twice = found.total("twice")
        report.unexplained = found.total("conflicting") + found.total("unexpected") + found.total("pending")
        report.lost = found.total("missing") + self._missing_from_kafka(acknowledged, ends)
        kinds = Counter(report.faults)
        killed = kinds["kill a worker"] + kinds["kill a worker in a write"] + kinds["kill all workers"]
        if not kinds:
            report.void.append("no fault was injected")
        if killed and not report.rebalances:
            report.void.append("workers were killed, and no rebalance was counted")
        if killed and not report.redelivered:
            report.void.append("workers were killed, and no record was redelivered: raise --rate or --seconds")
        if kinds["kill the database"] and not report.retries:
            report.void.append("the database was killed, and no worker had to retry a write")

    def _missing_from_kafka(
        self, acknowledged: dict[TopicPartition, OffsetBitmap], ends: dict[TopicPartition, int]
    ) -> int:
        """How many records Kafka acknowledged and does not hold."""
        in_kafka = {partition: OffsetBitmap(end) for partition, end in ends.items()}
        now = self._log_ends()
        for partition, records in read_log(self._settings, {p: (ends[p], now[p]) for p in ends}):
            for record in records:
                in_kafka[partition].add(record.offset)
        return sum(len(acknowledged[partition] - in_kafka[partition]) for partition in ends)

    def _log_ends(self) -> dict[TopicPartition, int]:
        with Admin(self._settings) as admin:
            topic = admin.topic(self._settings.topic)
            if topic is None:
                raise BadUsageError(f"there is no topic {self._settings.topic}: `workers produce` makes it")
            return {
                partition: each.end for partition, each in admin.partition_offsets(topic, self._settings.group).items()
            }


def _signal(pid: int, number: int) -> bool:
    """Send a signal. Returns False if the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
