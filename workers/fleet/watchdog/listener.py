"""The watchdog: supervisord's event listener, which records events and checks what supervisord cannot see.

The main thread handles events, each within a millisecond: supervisord buffers the next ones until one is acknowledged,
and discards events when its buffer is full. Other threads do what takes time, first of all `Checks.run_once` every five
seconds, and `Checks.evict` at once for a worker that has exited.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from supervisor import childutils

from workers.errors import BadConfigurationError, BadUsageError, UnavailableError
from workers.fleet.supervisor import SupervisorClient
from workers.fleet.watchdog.checks import Checks
from workers.fleet.watchdog.event_times import EventTimes
from workers.fleet.watchdog.process_times import ProcessTimes
from workers.fleet.watchdog.resumptions import LagQuestion
from workers.fleet.watchdog.takeovers import watch_takeovers
from workers.monitoring.http import Health, HealthServer
from workers.monitoring.watchdog_metrics import WatchdogMetrics
from workers.naming import is_worker
from workers.process import NoThreadError, start_thread
from workers.state.event_log import Event, EventLog, since_fleet_started
from workers.state.proc import process_started, uptime
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

    from workers.settings import Settings

SILENT_SECONDS = 30.0
"""Without an event from supervisord, which sends a TICK every five: then the watchdog is unhealthy."""
STATE_PREFIX = "PROCESS_STATE_"

log = structlog.get_logger()


class Watchdog:
    """Create it in a child of supervisord; `run` returns when supervisord has ended."""

    def __init__(self, settings: Settings, events: TextIO, answers: TextIO) -> None:
        """Args: the streams of `take_streams`.

        Raises:
            BadUsageError: this is no child of supervisord, or supervisord has no unix socket.
            BadConfigurationError: a setting that it needs is not set.
        """
        supervisord = SupervisorClient.of_parent()
        if supervisord is None:
            raise BadUsageError(
                "the watchdog must be started by supervisord, which must have a unix socket: "
                "see [eventlistener:watchdog] and [unix_http_server] in supervisord.conf"
            )
        folder, path = _paths(settings)
        self._settings = settings
        self._event_stream, self._answer_stream = events, answers
        self._path = path
        self._event_log = EventLog(path)
        self._write_failed = False
        self._metrics = WatchdogMetrics()
        self._health = Health(SILENT_SECONDS)
        self._health.connected = lambda: True
        self._fleet = ""
        """Names one run of supervisord, whose event serials begin at 0."""
        self._last_serial = -1
        self._folder = folder
        self._supervisord = supervisord
        self._processes = ProcessTimes(os.getppid())
        self._checks = Checks(settings, folder, supervisord, self._record, self._metrics.set_processes)
        # The main thread fills these three, and the second one empties them.
        self._exited_workers: deque[str] = deque()
        self._check_due = True
        self._to_start: dict[str, Callable[[], None]] = {
            "checks": self._run_checks,
            "takeovers": self._watch_takeovers,
        }
        """By name, the threads that do not run yet."""
        self._wakeup = threading.Event()
        self._wakeup.set()
        self._lag = LagQuestion(self._wakeup.set)

    def run(self) -> None:
        """Handle events until supervisord closes the stream."""
        signal.signal(signal.SIGTERM, _exit)
        parent = os.getppid()
        self._fleet = f"{parent}-{process_started(parent)}"
        self._processes.scan()
        start_seconds: dict[str, float] = {}
        with suppress(UnavailableError):
            start_seconds = self._supervisord.start_seconds()
        fleet_started = time.time() - (uptime(process_started(parent) or 0) or 0.0)
        self._times = EventTimes(self._processes, fleet_started, start_seconds)
        self._resume()
        self._serve()
        self._start_threads()
        log.info("started", pid=os.getpid(), events=str(self._path))
        while event := self._next_event():
            self._health.iterated()
            self._metrics.event_received()
            try:
                self._handle(*event)
            except Exception:  # noqa: BLE001 a bad event must not keep the watchdog from the next one
                log.error(
                    "an event of supervisord could not be handled; it is skipped",
                    headers=event[0],
                    error=traceback.format_exc(),
                )
            if not self._acknowledge():
                break

    def _resume(self) -> None:
        """Continue after a watchdog that was killed: with its counters, and without the events that it has written."""
        events = since_fleet_started(self._path)
        ours = [each for each in events if each.get("fleet") == self._fleet]
        self._times.resume(ours)
        if ours:
            self._checks.resume(events)
        self._last_serial = max((each["serial"] for each in ours if isinstance(each.get("serial"), int)), default=-1)
        # Without the first events the counters would be lower than before: Prometheus would take that for a reset.
        if events and events[0]["event"] == Event.FLEET_STARTED and events[0] in ours:
            for event in events:
                self._metrics.count(event)

    def _start_threads(self) -> None:
        """Start the other threads. Called again with every TICK until they run."""
        for name, run in list(self._to_start.items()):
            try:
                start_thread(run, name)
            except NoThreadError as error:
                log.error(
                    "the watchdog works without a thread; trying again within seconds", thread=name, error=str(error)
                )
            else:
                del self._to_start[name]

    def _serve(self) -> None:
        host, port = self._settings.metrics_host, self._settings.watchdog_port
        try:
            HealthServer(host, port, self._metrics.registry, self._health, "WORKERS_WATCHDOG_PORT").start()
        except UnavailableError as error:
            # The checks matter more than the metrics. Prometheus misses them, and an alert fires.
            log.warning("metrics are not served; everything else works", error=str(error))

    def _next_event(self) -> tuple[dict[str, str], str] | None:
        try:
            headers, payload = childutils.listener.wait(self._event_stream, self._answer_stream)
        except (KeyError, BrokenPipeError):
            # End of file, which parses as no headers: supervisord has ended.
            return None
        return headers, payload

    def _acknowledge(self) -> bool:
        try:
            childutils.listener.ok(self._answer_stream)
        except BrokenPipeError:
            return False
        return True

    def _handle(self, headers: dict[str, str], payload: str) -> None:
        name, serial = headers["eventname"], int(headers["serial"])
        if name.startswith("TICK"):
            self._check_due = True
            self._wakeup.set()
            self._start_threads()
        elif serial <= self._last_serial:
            # Already recorded by a watchdog that was killed before it acknowledged the event.
            pass
        elif name == "SUPERVISOR_STATE_CHANGE_RUNNING":
            # After a reload (SIGHUP) it is the same process of supervisord, and another fleet.
            started = None if self._last_serial >= 0 else self._times.fleet_started
            self._record(Event.FLEET_STARTED, None, at=started, pid=os.getppid(), fleet=self._fleet, serial=serial)
        elif name == "SUPERVISOR_STATE_CHANGE_STOPPING":
            self._record(Event.FLEET_STOPPING, None, fleet=self._fleet, serial=serial)
        elif name.startswith(STATE_PREFIX):
            self._record_state(Event(name.removeprefix(STATE_PREFIX).lower()), serial, childutils.get_headers(payload))

    def _record_state(self, event: Event, serial: int, payload: dict[str, str]) -> None:
        facts: dict[str, object] = {key: int(payload[key]) for key in ("pid", "tries") if payload.get(key, "0") != "0"}
        process = payload["processname"]
        if "expected" in payload:
            facts["expected"] = payload["expected"] == "1"
        at = self._times.of(event, process, int(payload.get("pid", "0")) or None)
        self._record(event, process, at=at, **facts, fleet=self._fleet, serial=serial)
        if event is Event.EXITED and is_worker(process):
            self._exited_workers.append(process)
            self._wakeup.set()

    def _record(self, event: Event, process: str | None = None, *, at: float | None = None, **facts: Any) -> None:
        """Count an event and write it to the event log. A full disk is logged once, and stops nothing else.

        Args: at: when it happened, in seconds since the epoch; None: now.
        """
        self._metrics.count({"event": event, "process": process, **facts})
        try:
            self._event_log.append(event, process, at=at, **facts)
        except OSError as error:
            if not self._write_failed:
                log.error(f"events cannot be written: {self._path}: {error.strerror}")
            self._write_failed = True
        else:
            self._write_failed = False

    def _watch_takeovers(self) -> NoReturn:
        while True:
            try:
                slot = partial(Slot, self._folder, self._settings.group)
                watch_takeovers(self._processes, slot, self._record, self._lag)
            except Exception:  # noqa: BLE001 one that fails must not end the watch of the next
                log.error("a takeover could not be measured; the next one is", error=traceback.format_exc())
                time.sleep(1)

    def _run_checks(self) -> NoReturn:
        while True:
            self._wakeup.wait()
            self._wakeup.clear()
            try:
                while self._exited_workers:
                    self._checks.evict(self._exited_workers.popleft())
                self._lag.serve(self._checks.lag)
                if self._check_due:
                    self._check_due = False
                    self._checks.run_once()
            except Exception:  # noqa: BLE001 checks that fail once must not end the checks
                log.error("a check failed; all are made again within seconds", error=traceback.format_exc())


def _paths(settings: Settings) -> tuple[Path, Path]:
    if settings.state_dir is None or settings.events_file is None:
        required = {"WORKERS_STATE_DIR": settings.state_dir, "WORKERS_EVENTS_FILE": settings.events_file}
        raise BadConfigurationError(
            [f"{name} is not set; supervisord.conf does" for name, value in required.items() if value is None]
        )
    return settings.state_dir, settings.events_file.resolve()


def _exit(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)
