"""One worker process: it waits for what it needs, takes over from its predecessor, runs the loop, and stops cleanly."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from workers.decoding import open_record_reader
from workers.errors import SinkUnavailableError, UnavailableError
from workers.kafka.admin import Admin
from workers.kafka.fleet_share import open_limit
from workers.kafka.options import group_member_options, open_consumer, require_extras
from workers.kafka.source import KafkaSource
from workers.kafka.write_observer import WriteObserver
from workers.monitoring.http import Health, HealthServer
from workers.monitoring.log_observer import LogObserver
from workers.monitoring.logs import standard_error
from workers.monitoring.output_metrics import OutputMetrics
from workers.monitoring.worker_metrics import WorkerMetrics
from workers.naming import address
from workers.pipeline.backoff import BatchSize
from workers.pipeline.loop import Loop
from workers.pipeline.observer import Observers
from workers.pipeline.reject_limit import RejectLimit
from workers.process import NoThreadError, limit_memory
from workers.settings import unused
from workers.sinks.registry import open_sink
from workers.sinks.writer import BackgroundWriter
from workers.state.heartbeat import State
from workers.state.remembered_topics import RememberedTopics
from workers.state.write_failures import WriteFailures
from workers.worker.membership import Membership
from workers.worker.process_setup import require_time_to_stop, tune_interpreter
from workers.worker.recycling import Recycling
from workers.worker.routes_watch import RoutesWatch
from workers.worker.signals import StopSignal
from workers.worker.slot_files import SlotFiles
from workers.worker.stall_timer import StallTimer, enable_stack_dumps
from workers.worker.waiting import ATTEMPT_SECONDS, Wait

if TYPE_CHECKING:
    from workers.monitoring.log_output import LogOutput
    from workers.settings import Settings
    from workers.worker.crash_loop import CrashLoopBackoff

EVICT_TIMEOUT_SECONDS = 2.0
"""For Kafka's answer, to evict the predecessor during a backoff. Short, because `_join` evicts it again."""

log = structlog.get_logger()


class Worker:
    """Create it in the process that it runs in; `run` returns after a clean stop."""

    def __init__(self, settings: Settings, log_output: LogOutput | None = None) -> None:
        """Args: log_output: where this process logs to; its dropped lines are counted."""
        self._settings = settings
        self._stop = StopSignal(self._on_stop)
        self._stall = StallTimer(settings.stall_timeout)
        self._metrics = WorkerMetrics(settings.topic, settings.route_table)
        self._health = Health(settings.max_iteration_seconds)
        recycle = Recycling(settings.max_records, settings.max_memory, settings.healthy_after, self._stop.request)
        failures = WriteFailures(standard_error())
        self._files = SlotFiles(settings, failures)
        self._topics = RememberedTopics(settings, failures)
        self._membership = Membership(settings, self._files, self._topics)
        self._observer = Observers(self._stall, self._metrics, self._health, LogObserver(), recycle, self._files)
        if settings.routes:
            self._observer = Observers(self._observer, RoutesWatch(settings))
        self._health.degraded = failures.problem
        OutputMetrics(
            self._metrics.registry,
            failures.problem,
            lambda: failures.count,
            lambda: log_output.dropped if log_output else 0,
        )

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, then finish the batch in flight.

        The order is what makes a kill -9 safe, of this process or of the one before it:

        1. The slot's lock proves that the predecessor is dead. The other files of the slot are read only with the lock held.
        2. The heartbeat names this process as the holder of the slot, also while it waits.
        3. The crash-loop backoff counts this start before anything can crash it.
        4. The poison guard enters the records that the predecessor had in progress in the crash journal.
        5. The sink is checked before the group is joined: a member that cannot write would block its partitions.
        6. `_join` evicts the predecessor's member, and then joins; the slot remembers the member id for the successor.
        7. The loop. At its end a dynamic member has left the group, so its id is removed and the slot unlocked. A static
           member stays, for its successor; one that was fenced leaves a note, so that its successor waits (`FENCED`).

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
        self._files.open(self._stop)
        self._stall.allow(ATTEMPT_SECONDS)
        server = self._serve()
        log.info(
            "started",
            pid=os.getpid(),
            metrics=f"http://{address(settings.metrics_host, server.port)}/metrics" if server else None,
        )
        for note in unused(settings):
            log.warning("a setting has no effect", error=note)
        if crash_loop := self._files.crash_loop:
            self._back_off_after_crashes(crash_loop)
            crash_loop.start_health_clock()
        sink = open_sink(settings)
        self._health.ping = sink.ping
        wait = Wait(self._stop, self._observer, self._stall)
        self._files.enter(State.WAITING_FOR_MONGODB)
        wait.until("MongoDB", sink.check, SinkUnavailableError)
        # Its thread is needed: before the group is joined, so that a worker that cannot have it delays nobody.
        writer = wait.until("a thread", lambda: BackgroundWriter(sink), NoThreadError)
        if self._membership.was_fenced:
            self._files.enter(State.FENCED)
            wait.until("its place in the group", self._membership.take_back, UnavailableError)
        self._files.enter(State.WAITING_FOR_KAFKA)
        source = writer and wait.until("Kafka", self._join, UnavailableError)
        if writer and source:
            self._health.connected = source.connected
            self._files.enter(State.JOINING)
            tune_interpreter()
            loop = Loop(
                source,
                open_record_reader(settings, sink),
                writer,
                Observers(WriteObserver(source), self._observer),
                self._stop,
                BatchSize(settings.max_poll_records),
                RejectLimit(settings.max_reject_share, settings.min_reject_records),
                self._files,
            )
            with self._membership.remember_if_fenced():
                loop.run()
            self._membership.left()
        self._files.close()
        sink.close()
        if server:
            server.close()
        log.info("stopped", reason=self._stop.reason)

    def _serve(self) -> HealthServer | None:
        settings = self._settings
        port = settings.metrics_port and settings.metrics_port + settings.slot
        try:
            return HealthServer(settings.metrics_host, port, self._metrics.registry, self._health).start()
        except NoThreadError as error:
            log.warning("works without metrics", error=str(error))
            return None
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
        self._files.enter(State.CRASH_LOOP_BACKOFF, until)
        log.warning(
            "crash-loop backoff: the last starts of this slot ended before they were healthy; their causes are in this log",
            starts=crash_loop.starts - 1,
            seconds=round(wait, 1),
        )
        with suppress(UnavailableError), Admin(self._settings, EVICT_TIMEOUT_SECONDS) as admin:
            self._membership.evict_predecessor(admin)
        Wait(self._stop, self._observer, self._stall).pause(wait)

    def _join(self) -> KafkaSource:
        """Connect to Kafka, remove this slot's dead member from the group, and subscribe."""
        settings = self._settings
        self._membership.prepare()
        consumer = open_consumer(settings, group_member_options(settings))
        limit = open_limit(settings)
        return KafkaSource(
            settings,
            consumer,
            self._observer,
            self._stop,
            self._membership.joined,
            self._files.pauses,
            limit,
            self._topics,
        )

    def _on_stop(self) -> None:
        self._stall.finish_within(self._settings.drain_timeout)
        self._files.enter(State.STOPPING)
