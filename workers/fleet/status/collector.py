"""Asks supervisord, Kafka, MongoDB and the workers' heartbeats how the fleet is, and waits for none that hangs."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from workers.connection import KeptConnection
from workers.errors import SinkUnavailableError, UnavailableError
from workers.fleet.status.model import Answers, Kafka, Status, Supervisord, Where, judge
from workers.fleet.status.poller import Down, Poller
from workers.fleet.status.slot import Seen
from workers.fleet.supervisor import Process, SupervisorClient
from workers.kafka.admin import Admin
from workers.naming import all_worker_names, is_worker
from workers.settings import redact
from workers.sinks.registry import open_sink
from workers.state.event_log import count_starts, read_events
from workers.state.heartbeat import Beat, read_beat
from workers.state.proc import process_stat, uptime
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from workers.settings import Settings
    from workers.settings.paths import StatePaths

STATUS_PATIENCE_SECONDS = 1.5
"""For Kafka: less than `HANGING_SECONDS`, so that a broker that is not there is said not to answer, and not to hang."""
RATE_SECONDS = 5.0
"""Records a second are those of so many last seconds, at most."""
EVENTS = 20
AWAY = {
    "unreachable": "does not answer",
    "timeout": "does not answer in time",
    "not_authorized": "refuses the user or the password",
}
"""What the reasons of `workers.sinks.mongodb.errors` mean to a ping."""


class StatusCollector:
    """Asks in the background from `start` to `close`, or with `with`; `collect` puts the latest answers together."""

    def __init__(self, settings: Settings, paths: StatePaths, every: float = 2.0, events: int = EVENTS) -> None:
        """Args:
        paths: of the tree whose fleet it is.
        every: seconds between two questions to Kafka, and to MongoDB.
        events: how many of the last ones are told.
        """
        self._state_dir = paths.state_dir
        self._settings = settings
        self._where = Where(
            str(paths.tree),
            settings.topic,
            settings.group,
            settings.bootstrap_servers,
            redact(settings)["WORKERS_MONGODB_URI"].partition("?")[0],
            settings.max_iteration_seconds,
        )
        client = SupervisorClient(paths.supervisord_socket)
        self._supervisord = Poller(lambda: Supervisord(client.pid(), client.processes()), 0.3)
        broker, database = _Broker(settings), _Database(settings, self._where.mongodb)
        self._kafka = Poller(broker, every, broker.close)
        self._mongodb = Poller(database, every, database.close)
        self._pollers: list[Poller[Any]] = [self._supervisord, self._kafka, self._mongodb]
        self._rates = _Rates()
        self._events = _EventFile(paths.events_file, events)

    def start(self) -> None:
        """Begin to ask, each service on a thread of its own."""
        for poller in self._pollers:
            poller.start()

    def close(self) -> None:
        """Ask no more. A question that hangs is left behind."""
        for poller in self._pollers:
            poller.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, seconds: float, least: float = 0.0) -> Self:
        """Until every service has answered once, at most so long; and at least so long, for there to be rates."""
        begun = time.monotonic()
        # The first look at the heartbeats, from which the rates are counted.
        self.collect()
        for poller in self._pollers:
            poller.answered.wait(max(0.0, begun + seconds - time.monotonic()))
        time.sleep(max(0.0, begun + least - time.monotonic()))
        return self

    def collect(self) -> Status:
        """The fleet as it is now, by what is known now."""
        now = time.monotonic()
        supervisord, mongodb = self._supervisord.answer(now), self._mongodb.answer(now)
        processes = supervisord.processes if isinstance(supervisord, Supervisord) else []
        slots = dict(self._slots(now, {each.name: each for each in processes if is_worker(each.name)}))
        answers = Answers(
            supervisord,
            self._kafka.answer(now),
            mongodb if isinstance(mongodb, Down) else None,
            slots,
            {
                name: seconds
                for name, seen in slots.items()
                if seen.living and (seconds := uptime(seen.living.started)) is not None
            },
            self._events.last(),
        )
        return judge(self._where, answers, now, datetime.now(UTC).isoformat(timespec="milliseconds"))

    def _slots(self, now: float, processes: Mapping[str, Process]) -> Iterator[tuple[str, Seen]]:
        """Those of supervisord, and those that a living worker holds. What a dead one left behind is no slot."""
        starts = self._events.starts()
        for name in all_worker_names():
            slot = Slot(self._state_dir, self._settings.group, name)
            process, beat = processes.get(name), read_beat(slot.heartbeat_file)
            kernel = _kernel_state(beat) if beat else None
            if process or kernel not in (None, "Z", "X"):
                restarts = max(0, starts[name] - 1) if process and name in starts else None
                rate = self._rates.of(beat, now) if beat else None
                yield name, Seen(process, beat, kernel, slot.predecessor() if beat else None, restarts, rate)


class _Broker:
    """The question to Kafka, on a connection that is kept while it works. Asked and closed on one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = KeptConnection(lambda: Admin(settings, STATUS_PATIENCE_SECONDS))
        self.close = self._connection.close

    def __call__(self) -> Kafka:
        return self._connection.ask(self._ask)

    def _ask(self, admin: Admin) -> Kafka:
        topic = admin.topic(self._settings.topic)
        group = admin.group(self._settings.group, self._settings.topic)
        return Kafka(group, topic and admin.partition_offsets(topic, self._settings.group))


class _Database:
    """The question to MongoDB, on a connection that is kept while it works."""

    def __init__(self, settings: Settings, address: str) -> None:
        self._address = address
        self._connection = KeptConnection(lambda: open_sink(settings))
        self.close = self._connection.close

    def __call__(self) -> bool:
        try:
            self._connection.ask(lambda sink: sink.ping())
        except SinkUnavailableError as error:
            why = AWAY.get(error.reason, f"cannot take writes: {error.reason.replace('_', ' ')}")
            raise UnavailableError(f"{why} ({self._address})") from error
        return True


class _Rates:
    """Records a second of every worker, from the counts in its heartbeats."""

    def __init__(self) -> None:
        self._looks: dict[tuple[int, int], deque[tuple[float, int]]] = {}

    def of(self, beat: Beat, now: float) -> float | None:
        looks = self._looks.setdefault((beat.pid, beat.started), deque())
        looks.append((now, beat.records))
        while len(looks) > 2 and looks[1][0] <= now - RATE_SECONDS:
            looks.popleft()
        seconds = now - looks[0][0]
        return (beat.records - looks[0][1]) / seconds if seconds > 0 else None


class _EventFile:
    """What the watchdog has written, read again when there is more."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count
        self._seen: tuple[int, int] | None = None
        self._last: list[dict[str, Any]] = []
        self._starts: Mapping[str, int] = {}

    def last(self) -> list[dict[str, Any]]:
        self._read()
        return self._last

    def starts(self) -> Mapping[str, int]:
        """By process: how often it was started since the fleet was; empty where nobody counts."""
        self._read()
        return self._starts

    def _read(self) -> None:
        with suppress(OSError):
            found = self._path.stat()
            if (found.st_ino, found.st_size) != self._seen:
                self._seen = found.st_ino, found.st_size
                self._last, self._starts = read_events(self._path, self._count), count_starts(self._path)


def _kernel_state(beat: Beat) -> str | None:
    """See `Seen.kernel`: None only where the process that wrote this has ended."""
    stat = process_stat(beat.pid)
    if stat is None or stat.started != beat.started:
        return None
    # It lives, and that is all that is known of it: a running one is judged by its heartbeat.
    return stat.state or "R"
