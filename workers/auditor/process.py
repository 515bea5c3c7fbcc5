"""The process `workers audit`: runs the auditor's rounds at their pace, and serves what it finds."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from workers.auditor.pace import Pace
from workers.auditor.servers import Servers
from workers.auditor.topic_auditors import open_auditor
from workers.connection import KeptConnection
from workers.errors import UnavailableError, WorkersError
from workers.monitoring.audit_metrics import AuditMetrics
from workers.monitoring.http import Health, HealthServer
from workers.naming import address
from workers.process import limit_memory, start_thread
from workers.state.audit_file import SIZE, audit_file, audit_lock_file, read_audit, write_audit
from workers.state.lock_file import holder_pid, lock
from workers.state.state_file import StateFile
from workers.state.write_failures import WriteFailures

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.settings import Settings
    from workers.settings.paths import StatePaths

NICENESS = 10
"""The workers come first where processor time is short."""
LONGEST_ROUND_SECONDS = 180.0
"""The longest round, with all timeouts of the clients. After a longer one the process is unhealthy."""
CHECK_SECONDS = 1.0

log = structlog.get_logger()


class AuditProcess:
    """Runs on a thread of its own from `start` on. It is a daemon: nothing that hangs delays the end of the process."""

    def __init__(self, settings: Settings, paths: StatePaths, on_iteration: Callable[[], None]) -> None:
        """Args: on_iteration: called after every step, also after one that failed."""
        failures = WriteFailures()
        self._routes = settings.route_table.fingerprint
        self._auditor = open_auditor(settings, paths.state_dir, failures)
        if not settings.route_table.has_several_topics:
            settings = settings.for_topic(settings.route_table.topics[0])
        self._audit_file = audit_file(paths.state_dir, settings.group)
        self._file = StateFile(self._audit_file, SIZE, failures)
        self._servers = KeptConnection(lambda: Servers(settings).connect(), _log_unavailable, _log_available)
        self._pace = Pace(settings.audit_interval, settings.audit_share)
        self._interval = settings.audit_interval
        self._on_iteration = on_iteration
        self._pass_asked = threading.Event()
        self._acknowledged = threading.Event()
        self.metrics = AuditMetrics(lambda: self._auditor.audit, lambda: self._auditor.behind_seconds)

    def resume(self) -> None:
        """Say what the last auditor said, until the first round: before the first scrape."""
        self._auditor.resume(read_audit(self._audit_file))

    def start(self) -> threading.Thread:
        """Raises: NoThreadError."""
        return start_thread(self._run, "audit")

    def ask_full_pass(self, *_: object) -> None:
        """Begin a full pass with the next round. Safe in a signal handler."""
        self._pass_asked.set()

    def acknowledge_removed(self, *_: object) -> None:
        """Somebody knows of what Kafka has removed unverified. Safe in a signal handler."""
        self._acknowledged.set()

    def _run(self) -> None:
        while True:
            now = time.monotonic()
            if now >= self._pace.round_at:
                self._round(now)
            elif self._pace.pass_at is not None and now >= self._pace.pass_at:
                self._step_full_pass()
            self._on_iteration()
            time.sleep(max(0.0, self._pace.due - time.monotonic()))

    def _round(self, began: float) -> None:
        auditor = self._auditor
        if self._pass_asked.is_set():
            self._pass_asked.clear()
            auditor.begin_full_pass()
            self._pace.pass_at = None
        if self._acknowledged.is_set() and auditor.acknowledge_removed():
            self._acknowledged.clear()
        before = dict(auditor.verified)
        done = self._ask(auditor.round) is not None
        now = time.monotonic()
        self._pace.after_round(
            began, now, done=done, is_behind=auditor.is_behind, is_catching_up=auditor.is_catching_up
        )
        self.metrics.round_ended(now - began, done=done)
        self._count(before)
        write_audit(self._file, auditor.audit._replace(interval=self._interval, routes=self._routes))

    def _step_full_pass(self) -> None:
        auditor = self._auditor
        before, is_catching_up = dict(auditor.verified), auditor.is_catching_up
        began, cpu = time.monotonic(), time.process_time()
        goes_on = self._ask(auditor.step_full_pass)
        self._pace.after_piece(
            began,
            time.monotonic(),
            time.process_time() - cpu,
            is_catching_up=is_catching_up,
            goes_on=bool(goes_on),
        )
        self._count(before)

    def _ask(self, step: Callable[[Servers], bool]) -> bool | None:
        """The answer of the step; None: it could not be done."""
        try:
            return self._servers.ask(step)
        except Exception as error:  # noqa: BLE001 whatever a client raises, the next round connects again
            self._auditor.tell_problem(_line(error))
            return None

    def _count(self, before: dict[str, int]) -> None:
        for kind, records in self._auditor.verified.items():
            self.metrics.verified(kind, records - before[kind])


def serve(settings: Settings, paths: StatePaths) -> None:
    """Audit until SIGTERM or SIGINT, or the end of supervisord. SIGUSR1 asks for a full pass, SIGUSR2 acknowledges what
    Kafka has removed before it was accounted for.

    Args: paths: of the tree whose fleet it is.

    Raises:
        UnavailableError: another auditor of the group runs here, or the port is taken.
    """
    # Held until the end of the process: two auditors would write the same files.
    lock_group(settings, paths)
    stop_event, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_event.set())
    with suppress(OSError):
        os.nice(NICENESS)
    # It reads records: a decompression bomb must fail one round, and not take the memory of the machine.
    limit_memory(settings.memory_limit)
    # The client logs every attempt to connect, for hours; it is logged once that Kafka is unavailable.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    health = Health(LONGEST_ROUND_SECONDS + settings.audit_interval)
    health.connected = lambda: True
    process = AuditProcess(settings, paths, health.iterated)
    process.resume()
    signal.signal(signal.SIGUSR1, process.ask_full_pass)
    signal.signal(signal.SIGUSR2, process.acknowledge_removed)
    server = HealthServer(
        settings.metrics_host, settings.auditor_port, process.metrics.registry, health, "WORKERS_AUDITOR_PORT"
    ).start()
    log.info("auditing", pid=os.getpid(), metrics=f"http://{address(settings.metrics_host, server.port)}/metrics")
    thread = process.start()
    # Ends with its parent: an orphan would keep the port that the next fleet needs.
    while not stop_event.wait(CHECK_SECONDS) and os.getppid() == parent and thread.is_alive():
        pass
    server.close()
    if not thread.is_alive():
        # Python has printed the traceback. supervisord starts the next one, which goes on where this one ends.
        raise RuntimeError("the auditor's rounds have ended by an error; it is above")
    log.info("stopped")


def lock_group(settings: Settings, paths: StatePaths) -> int | None:
    """Let no second auditor of the group run with this state directory.

    Returns:
        The descriptor that holds the lock; None: it could not be locked.

    Raises:
        UnavailableError: another one runs.
    """
    path = audit_lock_file(paths.state_dir, settings.group)
    try:
        return lock(path)
    except BlockingIOError as error:
        pid = holder_pid(path)
        raise UnavailableError(
            f"another auditor of the group {settings.group} runs here{f' (pid {pid})' if pid else ''}, and one is enough; "
            f"`workers status` shows what it has verified"
        ) from error
    except OSError as error:
        # It audits without files, too.
        log.warning("cannot lock a file; a second auditor would not be noticed", file=str(path), error=str(error))
        return None


def _line(error: Exception) -> str:
    message = str(error) if isinstance(error, WorkersError) else type(error).__name__
    return message.partition("\n")[0]


def _log_unavailable(error: Exception) -> None:
    # What no client raises is a bug, and needs its traceback.
    text = _line(error) if isinstance(error, WorkersError) else "".join(traceback.format_exception(error))
    log.warning("nothing can be verified now; trying again in every round", error=text)


def _log_available() -> None:
    log.info("verifying again")
