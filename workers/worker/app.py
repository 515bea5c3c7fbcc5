"""One worker process: it waits for what it needs, takes over from its predecessor, runs the loop, and stops cleanly."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.errors import SinkUnavailableError, UnavailableError
from workers.formats.json import parse_json
from workers.formats.limits import Limits
from workers.kafka.admin import Admin
from workers.kafka.options import group_member_options, open_consumer, require_extras
from workers.kafka.source import KafkaSource
from workers.kafka.write_observer import WriteObserver
from workers.log_fields import Action
from workers.monitoring.http import Health, HealthServer
from workers.monitoring.log_observer import LogObserver
from workers.monitoring.worker_metrics import WorkerMetrics
from workers.pipeline.backoff import Backoff, BatchSize
from workers.pipeline.loop import Loop
from workers.pipeline.observer import Observers
from workers.pipeline.poison import NullPoisonGuard, PoisonGuard
from workers.pipeline.reader import RecordReader
from workers.pipeline.reject_limit import RejectLimit
from workers.sinks.registry import open_sink
from workers.sinks.writer import BackgroundWriter
from workers.state.crash_journal import JournaledPoisonGuard
from workers.state.heartbeat import Heartbeat, State
from workers.state.slot import Slot
from workers.worker.crash_loop import CrashLoopBackoff
from workers.worker.process_setup import limit_memory, require_time_to_stop, tune_interpreter
from workers.worker.recycling import Recycling
from workers.worker.signals import StopSignal
from workers.worker.stall_timer import StallTimer, enable_stack_dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.pipeline.poison import Crash
    from workers.settings import Settings

T = TypeVar("T")
ATTEMPT_SECONDS = 60.0
"""The longest attempt to connect: all timeouts of the client, and the waits between its requests."""
EVICT_TIMEOUT_SECONDS = 2.0
"""For Kafka's answer, to evict the predecessor during a backoff. Short, because `_join` evicts it again."""
BEAT_SECONDS = 1.0
"""Between two heartbeats of a worker that waits."""
LOG_EVERY_SECONDS = 10.0
"""Between two log lines about the same wait."""

log = structlog.get_logger()


def _log_crash(crash: Crash) -> None:
    log.warning(
        "a worker crashed while it decoded these records",
        action=Action.READ,
        partition=crash.partition.partition,
        first=crash.first,
        last=crash.next - 1,
    )


class Worker:
    """Create it in the process that it runs in; `run` returns after a clean stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = StopSignal(self._on_stop)
        self._stall = StallTimer(settings.stall_timeout)
        self._metrics = WorkerMetrics(settings.topic)
        self._health = Health(settings.max_iteration_seconds)
        recycle = Recycling(settings.max_records, settings.max_memory, settings.healthy_after, self._stop.request)
        self._observer = Observers(self._stall, self._metrics, self._health, LogObserver(), recycle)
        self._slot = settings.state_dir and Slot(settings.state_dir, settings.group, settings.worker)
        self._heartbeat: Heartbeat | None = None
        self._crash_loop: CrashLoopBackoff | None = None
        self._poison_guard: PoisonGuard = NullPoisonGuard()
        self._predecessor_evicted = False

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, then finish the batch in flight.

        The order is what makes a kill -9 safe, of this process or of the one before it:

        1. The slot's lock proves that the predecessor is dead. The other files of the slot are read only with the lock held.
        2. The heartbeat names this process as the holder of the slot, also while it waits.
        3. The crash-loop backoff counts this start before anything can crash it.
        4. The poison guard enters the records that the predecessor had in progress in the crash journal.
        5. The sink is checked before the group is joined: a member that cannot write would block its partitions.
        6. `_join` evicts the predecessor's member, and then joins; the slot remembers the member id for the successor.
        7. The loop. At its end the member has left the group, so its id is removed and the slot unlocked.

        Raises:
            BadConfigurationError: a C extension of the Kafka client is missing, the collection drops documents or allows
                duplicate ids, or stopwaitsecs is not longer than the drain timeout.
            UnavailableError: another live process has this slot or this port.
        """
        enable_stack_dumps()
        self._stop.install_handlers()
        require_extras()
        settings = self._settings
        require_time_to_stop(settings.drain_timeout)
        limit_memory(settings.memory_limit)
        if self._slot:
            self._acquire_slot(self._slot)
            self._heartbeat = Heartbeat.open(self._slot.heartbeat_file)
            self._crash_loop = CrashLoopBackoff(self._slot.starts_file, settings.healthy_after)
            guard = self._poison_guard = JournaledPoisonGuard.open(self._slot, _log_crash)
            self._observer = Observers(self._observer, self._heartbeat, self._crash_loop, guard)
        self._stall.allow(ATTEMPT_SECONDS)
        server = self._serve()
        log.info(
            "started",
            pid=os.getpid(),
            metrics=f"http://{settings.metrics_host}:{server.port}/metrics" if server else None,
        )
        if self._crash_loop:
            self._back_off_after_crashes(self._crash_loop)
            self._crash_loop.start_health_clock()
        sink = open_sink(settings)
        self._health.ping = sink.ping
        self._wait_for("MongoDB", State.WAITING_FOR_MONGODB, sink.check, SinkUnavailableError)
        if source := self._wait_for("Kafka", State.WAITING_FOR_KAFKA, self._join, UnavailableError):
            self._health.connected = source.connected
            self._enter(State.JOINING)
            tune_interpreter()
            limits = Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields)
            Loop(
                source,
                RecordReader(parse_json, sink.encode, limits),
                BackgroundWriter(sink),
                Observers(WriteObserver(source), self._observer),
                self._stop,
                BatchSize(settings.max_poll_records),
                RejectLimit(settings.max_reject_share, settings.min_reject_records),
                self._poison_guard,
            ).run()
        if self._crash_loop:
            self._crash_loop.reset()
        if self._slot and source:
            self._slot.forget_member()
            self._slot.unlock()
        sink.close()
        if server:
            server.close()
        log.info("stopped", reason=self._stop.reason)

    def _serve(self) -> HealthServer | None:
        settings = self._settings
        port = settings.metrics_port and settings.metrics_port + settings.slot
        try:
            return HealthServer(settings.metrics_host, port, self._metrics.registry, self._health).start()
        except UnavailableError as error:
            if not settings.metrics_optional:
                raise
            log.warning("works without metrics, because WORKERS_METRICS_OPTIONAL is set", error=str(error))
            return None

    def _back_off_after_crashes(self, crash_loop: CrashLoopBackoff) -> None:
        """Wait if the last starts of this slot ended in crashes. Evicts the predecessor first, so that others take over."""
        if not (wait := crash_loop.record_start()):
            return
        until = time.monotonic() + wait
        self._enter(State.CRASH_LOOP_BACKOFF, until)
        log.warning(
            "crash-loop backoff: the last starts of this slot ended before they were healthy; their causes are in this log",
            starts=crash_loop.starts - 1,
            seconds=round(wait, 1),
        )
        with suppress(UnavailableError), Admin(self._settings, EVICT_TIMEOUT_SECONDS) as admin:
            self._evict_predecessor(admin)
        while not self._stop() and (left := until - time.monotonic()) > 0:
            self._observer.iterated()
            self._stop.wait(min(left, BEAT_SECONDS))

    def _join(self) -> KafkaSource:
        """Connect to Kafka, remove this slot's dead member from the group, and subscribe."""
        settings = self._settings
        with Admin(settings) as admin:
            if admin.topic(settings.topic) is None:
                raise UnavailableError(f"there is no topic {settings.topic} yet; `workers produce` makes it")
            self._evict_predecessor(admin)
        consumer = open_consumer(settings, group_member_options(settings))
        return KafkaSource(settings, consumer, self._observer, self._stop, self._on_join)

    def _on_join(self, member_id: str) -> None:
        # A static member is not evicted: its successor gets its partitions by its group.instance.id.
        if self._slot and not self._settings.static_membership:
            self._slot.remember_member(member_id)

    def _evict_predecessor(self, admin: Admin) -> None:
        if self._slot and not self._predecessor_evicted and (member_id := self._slot.predecessor()):
            evicted = admin.evict(self._settings.group, member_id)
            self._predecessor_evicted = True
            log.info("took over from the predecessor", action=Action.EVICT, member=member_id, was_still_member=evicted)

    def _wait_for(self, service: str, state: State, attempt: Callable[[], T], unavailable: type[Exception]) -> T | None:
        """Retry until it succeeds, for hours if need be: after an exit supervisord would retry, with worse backoff.

        Returns:
            What the attempt returned, or None if a stop was requested.
        """
        backoff, logged_at = Backoff(first=0.2), -LOG_EVERY_SECONDS
        self._enter(state)
        while not self._stop():
            self._observer.iterated()
            self._stall.allow(ATTEMPT_SECONDS)
            try:
                return attempt()
            except unavailable as error:
                if (now := time.monotonic()) - logged_at >= LOG_EVERY_SECONDS:
                    logged_at = now
                    log.warning(f"waiting for {service}", error=str(error))
                self._stop.wait(backoff.next_wait())
        return None

    def _acquire_slot(self, slot: Slot) -> None:
        """Wait for the slot as long as a predecessor may take to stop; a process that holds it longer is another fleet's."""
        backoff = Backoff(cap=1.0)
        waited = 0.0
        while not slot.try_acquire():
            holder = slot.holder_pid() or "unknown"
            if waited > self._settings.drain_timeout or self._stop():
                raise UnavailableError(
                    f"{self._settings.worker} is already running as pid {holder}: another fleet of this group uses "
                    f"the same state folder; stop it, or set WORKERS_STATE_DIR or WORKERS_SLOT"
                )
            if waited == 0:
                log.warning("the slot is still held by another process; waiting for it to end", pid=holder)
            wait = backoff.next_wait()
            waited += wait
            self._stop.wait(wait)

    def _enter(self, state: State, until: float | None = None) -> None:
        if self._heartbeat:
            self._heartbeat.enter(state, until)

    def _on_stop(self) -> None:
        self._stall.finish_within(self._settings.drain_timeout)
        self._enter(State.STOPPING)
