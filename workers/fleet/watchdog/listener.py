"""The watchdog: supervisord's event listener, which keeps what happens and looks after what supervisord does not see.

Its main thread takes events, each within a millisecond: supervisord holds back the next until one is acknowledged, and
what it cannot hold back is lost. A second thread does what takes time: once every five seconds, see `Checks.run_once`, and
at once for a worker that has exited, see `Checks.evict`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import structlog
from supervisor import childutils

from workers.errors import BadConfigurationError, BadUsageError, UnavailableError
from workers.fleet.supervisor import SupervisorClient
from workers.fleet.watchdog.checks import Checks
from workers.monitoring.http import Health, HealthServer
from workers.monitoring.watchdog_metrics import WatchdogMetrics
from workers.naming import is_worker
from workers.state.event_log import Event, EventLog, since_fleet_started
from workers.state.proc import process_started

if TYPE_CHECKING:
    from pathlib import Path

    from workers.settings import Settings

SILENT_SECONDS = 30.0
"""Without a word from supervisord, which says one every five: then the watchdog is not healthy."""
STATE = "PROCESS_STATE_"

log = structlog.get_logger()


def take_streams() -> tuple[TextIO, TextIO]:
    """Supervisord's two ends, for nobody but the protocol: a stray byte on it would make the listener deaf for good.

    From now on there is nothing on standard input, and whatever is printed goes to standard error.
    """
    events = os.fdopen(os.dup(0), encoding="utf-8", newline="\n")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return events, answers


class Watchdog:
    """Build it below supervisord; `run` returns when supervisord is gone."""

    def __init__(self, settings: Settings, events: TextIO, answers: TextIO) -> None:
        """Args: the streams of `take_streams`.

        Raises:
            BadUsageError: this is no child of supervisord, or supervisord has no unix socket.
            BadConfigurationError: a setting that it needs is not there.
        """
        supervisord = SupervisorClient.of_parent()
        if supervisord is None:
            raise BadUsageError(
                "the watchdog is started by supervisord, and asks it through its unix socket: "
                "see [eventlistener:watchdog] and [unix_http_server] in deploy/supervisord.conf"
            )
        folder, path = _folders(settings)
        self._settings = settings
        self._from, self._to = events, answers
        self._path = path
        self._events = EventLog(path)
        self._write_failed = False
        self._metrics = WatchdogMetrics()
        self._health = Health(SILENT_SECONDS)
        self._health.connected = lambda: True
        self._fleet = ""
        """One life of supervisord; it counts its events from 0 in each."""
        self._last_serial = -1
        self._checks = Checks(settings, folder, supervisord, self._keep, self._metrics.set_processes)
        # The main thread fills these three, and the second one empties them.
        self._exited_workers: deque[str] = deque()
        self._check_due = True
        self._wakeup = threading.Event()
        self._wakeup.set()

    def run(self) -> None:
        """Take events until there is nobody to send any."""
        signal.signal(signal.SIGTERM, _end)
        parent = os.getppid()
        self._fleet = f"{parent}-{process_started(parent)}"
        self._remember()
        self._serve()
        threading.Thread(target=self._look_after, name="checks", daemon=True).start()
        log.info("watching", pid=os.getpid(), events=str(self._path))
        while event := self._next():
            self._health.iterated()
            self._metrics.event_received()
            try:
                self._hear(*event)
            except Exception:  # noqa: BLE001 the next event must be heard, whatever was wrong with this one
                log.error("an event could not be understood", headers=event[0], error=traceback.format_exc())
            if not self._acknowledge():
                break

    def _remember(self) -> None:
        """Go on where a watchdog was killed: with the same counters, and without what it has written already."""
        before = since_fleet_started(self._path)
        ours = [each for each in before if each.get("fleet") == self._fleet]
        self._last_serial = max((each["serial"] for each in ours if isinstance(each.get("serial"), int)), default=-1)
        # Without the beginning the counts would be lower than they were, which reads as a reset and a leap.
        if before and before[0]["event"] == Event.FLEET_STARTED and before[0] in ours:
            for event in before:
                self._metrics.count(event)

    def _serve(self) -> None:
        host, port = self._settings.metrics_host, self._settings.watchdog_port
        try:
            HealthServer(host, port, self._metrics.registry, self._health, "WORKERS_WATCHDOG_PORT")
        except UnavailableError as error:
            # Not for its metrics' sake shall nobody look after workers that hang. Prometheus sees it, and an alert fires.
            log.warning("serves no metrics; all else it does", error=str(error))

    def _next(self) -> tuple[dict[str, str], str] | None:
        try:
            headers, payload = childutils.listener.wait(self._from, self._to)
        except (KeyError, BrokenPipeError):
            # The end of the file has no header: supervisord is gone.
            return None
        return headers, payload

    def _acknowledge(self) -> bool:
        try:
            childutils.listener.ok(self._to)
        except BrokenPipeError:
            return False
        return True

    def _hear(self, headers: dict[str, str], payload: str) -> None:
        name, serial = headers["eventname"], int(headers["serial"])
        if name.startswith("TICK"):
            self._check_due = True
            self._wakeup.set()
        elif serial <= self._last_serial:
            # Written by a watchdog that was killed before it could acknowledge it.
            pass
        elif name == "SUPERVISOR_STATE_CHANGE_RUNNING":
            self._keep(Event.FLEET_STARTED, None, pid=os.getppid(), fleet=self._fleet, serial=serial)
        elif name == "SUPERVISOR_STATE_CHANGE_STOPPING":
            self._keep(Event.FLEET_STOPPING, None, fleet=self._fleet, serial=serial)
        elif name.startswith(STATE):
            self._keep_state(Event(name.removeprefix(STATE).lower()), serial, childutils.get_headers(payload))

    def _keep_state(self, event: Event, serial: int, said: dict[str, str]) -> None:
        facts: dict[str, object] = {key: int(said[key]) for key in ("pid", "tries") if said.get(key, "0") != "0"}
        if "expected" in said:
            facts["expected"] = said["expected"] == "1"
        self._keep(event, said["processname"], **facts, fleet=self._fleet, serial=serial)
        if event is Event.EXITED and is_worker(said["processname"]):
            self._exited_workers.append(said["processname"])
            self._wakeup.set()

    def _keep(self, event: Event, process: str | None = None, **facts: Any) -> None:
        """Count an event and write it. A disk that is full must not keep the watchdog from its work."""
        self._metrics.count({"event": event, "process": process, **facts})
        try:
            self._events.append(event, process, **facts)
        except OSError as error:
            if not self._write_failed:
                log.error(f"events are not kept: {self._path}: {error.strerror}")
            self._write_failed = True
        else:
            self._write_failed = False

    def _look_after(self) -> NoReturn:
        while True:
            self._wakeup.wait()
            self._wakeup.clear()
            try:
                while self._exited_workers:
                    self._checks.evict(self._exited_workers.popleft())
                if self._check_due:
                    self._check_due = False
                    self._checks.run_once()
            except Exception:  # noqa: BLE001 a round that fails is no reason to make none
                log.error("a round failed; the next one begins afresh", error=traceback.format_exc())


def _folders(settings: Settings) -> tuple[Path, Path]:
    if settings.state_dir is None or settings.events_file is None:
        wanted = {"WORKERS_STATE_DIR": settings.state_dir, "WORKERS_EVENTS_FILE": settings.events_file}
        raise BadConfigurationError(
            [f"{name} is not set; deploy/supervisord.conf does" for name, value in wanted.items() if value is None]
        )
    return settings.state_dir, settings.events_file.resolve()


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)
