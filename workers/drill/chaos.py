"""A drill: numbers flow while workers, database and broker are killed; then everything heals and is verified."""

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
UNDER_WAY_SECONDS = 0.5
"""Under load, after so long with a database that stands still, every worker waits for a write."""


class Drill:
    """One run against the fleet of a tree, and the embedded stack of it unless `embedded` is False."""

    def __init__(
        self, settings: Settings, paths: StatePaths, seed: int, tell: Callable[[str], None], *, embedded: bool
    ) -> None:
        self._settings = settings
        self._fleet = SupervisorClient(paths.supervisord_socket)
        self._stack = SupervisorClient(paths.stack_socket) if embedded else None
        self._tell = tell
        self._report = DrillReport(seed)
        self._database_until: float | None = None
        self._stopped: dict[int, float] = {}
        """By pid of a stopped worker: when it goes on."""
        self._over = threading.Event()
        self._slots: list[str] = []

    def run(self, seconds: float, rate: int) -> DrillReport:
        """Produce and break for so long, heal, wait, verify.

        Raises:
            BadUsageError: there is no fleet to break.
            UnavailableError: it did not heal in time, could not be verified, or a supervisord does not answer.
        """
        try:
            running = _pids(self._fleet)
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
            with FleetCounters(self._settings, len(slots)) as watch:
                sending.start()
                try:
                    self._break(faults, slots, seconds)
                    self._over.set()
                    self._heal()
                except UnavailableError as error:
                    raise UnavailableError(f"the drill was broken off: supervisord {error}; is it running?") from error
                finally:
                    self._over.set()
                    sending.join()
                self._wait_until_stored()
            self._report.acknowledged = producer.report.acknowledged
            self._report.failed = producer.report.failed
        self._judge(watch, acknowledged, ends)
        return self._report

    def _break(self, faults: list[ChaosFault], slots: list[str], seconds: float) -> None:
        started = time.monotonic()
        waiting = list(faults)
        while (now := time.monotonic() - started) < seconds:
            for pid, until in list(self._stopped.items()):
                if now >= until:
                    self._continue(pid)
            if self._database_until is not None and now >= self._database_until:
                self._start_database()
            while waiting and waiting[0].at <= now:
                fault = waiting.pop(0)
                if self._do(fault, slots[fault.slot], now):
                    self._report.faults[fault.kind] = self._report.faults.get(fault.kind, 0) + 1
                    self._tell(
                        f"{now:6.1f} s  {fault.kind}{'' if 'a worker' not in fault.kind else f' ({slots[fault.slot]})'}"
                    )
            time.sleep(0.05)

    def _do(self, fault: ChaosFault, worker: str, now: float) -> bool:
        """Whether it could be done: a worker may be down already."""
        pids = {
            name: pid for name, pid in _pids(self._fleet).items() if name in self._slots and pid not in self._stopped
        }
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
        self._stopped[pid] = now + fault.lasts
        return True

    def _kill_in_a_write(self, pid: int) -> bool:
        """Between write and commit: the database goes on with what it was sent by a worker that is no more."""
        database = self._stack and _pids(self._stack).get("ferretdb")
        if not database or not _signal(database, signal.SIGSTOP):
            return False
        try:
            time.sleep(UNDER_WAY_SECONDS)
            return _signal(pid, signal.SIGKILL)
        finally:
            _signal(database, signal.SIGCONT)

    def _kill_server(self, fault: ChaosFault, now: float) -> bool:
        name = "ferretdb" if "database" in fault.kind else "kafka"
        pid = self._stack and _pids(self._stack).get(name)
        if not self._stack or not pid or not _signal(pid, signal.SIGKILL):
            return False
        if name == "ferretdb":
            # It is back within a second, before anybody has noticed: so it is kept away for a while.
            self._stack.stop(name)
            self._database_until = now + OUTAGE_SECONDS + fault.lasts
        return True

    def _start_database(self) -> None:
        self._database_until = None
        if self._stack:
            self._stack.start_down()

    def _continue(self, pid: int) -> None:
        del self._stopped[pid]
        _signal(pid, signal.SIGCONT)

    def _heal(self) -> None:
        for pid in list(self._stopped):
            self._continue(pid)
        self._fleet.start_down()
        if self._stack:
            self._stack.start_down()

    def _paced(self, rate: int) -> Iterator[bytes]:
        started = time.monotonic()
        for sent, value in enumerate(numbers(0, 2**62)):
            if self._over.is_set():
                return
            if (ahead := sent / rate - (time.monotonic() - started)) > 0.01:
                time.sleep(ahead)
            yield value

    def _wait_until_stored(self) -> None:
        self._tell("healed; waiting until everything is stored")
        until = time.monotonic() + HEAL_SECONDS
        with closing(KeptConnection(lambda: Admin(self._settings))) as kafka:
            while time.monotonic() < until:
                with suppress(UnavailableError):
                    if kafka.ask(lambda admin: pending(admin, self._settings)) == 0:
                        return
                time.sleep(0.5)
        raise UnavailableError(
            f"not everything was stored {HEAL_SECONDS:.0f} s after the last fault: see the workers' logs"
        )

    def _judge(
        self, watch: FleetCounters, acknowledged: dict[TopicPartition, OffsetBitmap], ends: dict[TopicPartition, int]
    ) -> None:
        report = self._report
        report.redelivered, report.rebalances, report.retries = watch.redelivered, watch.rebalances, watch.retries
        report.longest_pause = round(watch.longest_pause, 1)
        found = verify(self._settings)
        report.stored = found.total("stored")
        report.twice = found.total("twice")
        report.unexplained = found.total("conflicting") + found.total("unexpected") + found.total("pending")
        report.lost = found.total("missing") + self._gone(acknowledged, ends)
        kinds = Counter(report.faults)
        killed = kinds["kill a worker"] + kinds["kill a worker in a write"] + kinds["kill all workers"]
        if not kinds:
            report.void.append("no fault was done")
        if killed and not report.rebalances:
            report.void.append("workers were killed, and no rebalance was seen")
        if killed and not report.redelivered:
            report.void.append("workers were killed, and no record was delivered again: more load, or more kills")
        if kinds["kill the database"] and not report.retries:
            report.void.append("the database was killed, and no worker noticed")

    def _gone(self, acknowledged: dict[TopicPartition, OffsetBitmap], ends: dict[TopicPartition, int]) -> int:
        """Records that Kafka acknowledged and does not hold."""
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


def _pids(supervisord: SupervisorClient) -> dict[str, int]:
    """By name: the pid of every process that runs."""
    return {each.name: each.pid for each in supervisord.processes() if each.pid}


def _signal(pid: int, number: int) -> bool:
    """Send a signal; whether the process was still there to get it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
