"""One worker process: it waits for what it needs, takes over from its predecessor, runs the loop, and stops cleanly."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.admin import Admin
from workers.decode import Limits
from workers.errors import ExitCode, StoreAwayError, UnavailableError
from workers.health import Health, HealthServer
from workers.heartbeat import Heartbeat
from workers.loop import Loop
from workers.metrics import Metrics
from workers.narrator import Narrator
from workers.observe import Observers
from workers.reject_limit import RejectLimit
from workers.retry import Backoff, BatchSize
from workers.slot import Slot
from workers.source import KafkaSource, require_extras
from workers.store import MongoStore
from workers.suspects import Suspects, Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.deaths import Death
    from workers.settings import Settings

T = TypeVar("T")
TURN_SLACK = 15.0
"""Seconds that a turn may take besides its write and its commit: a rebalance, and finding out where to begin."""
PR_SET_PDEATHSIG = 1
TELL_EVERY = 10.0
"""Seconds between two log lines about the same wait."""

log = structlog.get_logger()


def _end_with_supervisord() -> None:
    """Have the kernel send SIGTERM when supervisord dies, even of SIGKILL: an orphan would hold its slot for ever."""
    if sys.platform == "linux" and os.environ.get("SUPERVISOR_ENABLED"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _limit_memory(mebibytes: int) -> None:
    """Let a decompression bomb end this process, and not the machine."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (mebibytes << 20, mebibytes << 20))


def _make_room() -> None:
    """Tell the interpreter what this process does all day (measured: docs/decisions/0003-interpreter.md)."""
    # Records are tuples of bytes and make no cycles: looking for some after every 700 of them finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    # The client's IO thread reads the next records while this one decodes; at 5 ms a turn it starves.
    sys.setswitchinterval(0.0005)


def _tell_death(death: Death) -> None:
    log.warning(
        "a worker died with these records in hand",
        partition=death.partition,
        first=death.first,
        last=death.next - 1,
    )


class Worker:
    """Build it in the process that it is to run in; `run` returns after a clean stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._metrics = Metrics(settings.topic)
        self._health = Health(settings.write_timeout + settings.commit_timeout + TURN_SLACK)
        self._observer = Observers(self._metrics, self._health, Narrator())
        self._slot = settings.state_dir and Slot(settings.state_dir, settings.group, settings.worker)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, then finish the batch in hand.

        Raises:
            BadConfigurationError: the Kafka client lacks one of its parts, or the collection cannot keep the promise.
            UnavailableError: another live process has this slot or this port.
        """
        require_extras()
        settings = self._settings
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        _end_with_supervisord()
        _limit_memory(settings.memory_limit)
        if self._slot:
            self._take_slot(self._slot)
            self._observer = Observers(self._observer, Heartbeat(self._slot.heartbeat_file))
        port = settings.metrics_port and settings.metrics_port + settings.slot
        server = HealthServer(settings.metrics_host, port, self._metrics.registry, self._health)
        log.info("started", pid=os.getpid(), metrics=f"http://{settings.metrics_host}:{server.port}/metrics")
        suspects = Suspects(self._slot, _tell_death) if self._slot else Trust()
        self._observer.add(suspects)
        store = MongoStore(settings)
        self._health.ping = store.ping
        self._wait_for("MongoDB", store.check, StoreAwayError)
        if source := self._wait_for("Kafka", self._join, UnavailableError):
            self._health.connected = source.connected
            _make_room()
            Loop(
                source,
                store,
                self._observer,
                self._stop.is_set,
                Limits(settings.max_value_bytes, settings.max_depth, settings.max_fields),
                BatchSize(settings.max_poll_records),
                RejectLimit(settings.max_reject_share, settings.min_reject_records),
                suspects,
            ).run()
            if self._slot:
                self._slot.release()
        store.close()
        server.close()
        log.info("stopped")

    def _join(self) -> KafkaSource:
        """Connect to Kafka, remove this slot's dead member from the group, and subscribe."""
        settings = self._settings
        with Admin(settings) as admin:
            if admin.topic(settings.topic) is None:
                raise UnavailableError(f"there is no topic {settings.topic} yet; `workers produce` makes it")
            if self._slot and (member_id := self._slot.predecessor()):
                evicted = admin.evict(settings.group, member_id)
                log.info("took over from the predecessor", member=member_id, was_still_member=evicted)
        remember = self._slot.remember if self._slot else lambda _member_id: None
        return KafkaSource(settings, self._observer, self._stop.is_set, remember)

    def _wait_for(self, service: str, attempt: Callable[[], T], away: type[Exception]) -> T | None:
        """Try until it succeeds, for hours if need be: an exit would only make supervisord try, with less patience.

        Returns:
            What the attempt returned, or None if the worker is to stop.
        """
        backoff, told = Backoff(first=0.2), -TELL_EVERY
        while not self._stop.is_set():
            self._observer.turned()
            try:
                return attempt()
            except away as error:
                if (now := time.monotonic()) - told >= TELL_EVERY:
                    told = now
                    log.warning(f"waiting for {service}", error=str(error))
                self._stop.wait(backoff.next_wait())
        return None

    def _take_slot(self, slot: Slot) -> None:
        """Wait for the slot for as long as a predecessor may take to stop; then it is somebody else's."""
        patience = Backoff(cap=1.0)
        waited = 0.0
        while (holder := slot.take()) is not None:
            if waited > self._settings.drain_timeout or self._stop.is_set():
                raise UnavailableError(
                    f"{self._settings.worker} is already running as pid {holder}: another fleet of this group uses "
                    f"the same state folder; stop it, or set WORKERS_STATE_DIR or WORKERS_SLOT"
                )
            if waited == 0:
                log.warning("the slot is still held by another process; waiting for it to end", pid=holder)
            wait = patience.next_wait()
            waited += wait
            self._stop.wait(wait)

    def _ask_to_stop(self, number: int, _frame: object) -> None:
        """The first signal asks for a clean stop, within the drain timeout; the second one ends the process now."""
        if self._stop.is_set():
            os._exit(ExitCode.UNAVAILABLE)
        self._stop.set()
        deadline = threading.Timer(self._settings.drain_timeout, os._exit, [ExitCode.STALLED])
        deadline.daemon = True
        deadline.start()
