"""Polls Kafka for the lag of the group once an interval, however often the snapshot is read; each second while somebody
looks at the page. One snapshot serves metrics, page and timeline: they never contradict each other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from workers.connection import KeptConnection
from workers.errors import UnavailableError, WorkersError
from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.first_records import FirstRecords
from workers.kafka.fleet_topics import TopicFinder
from workers.kafka.open_transactions import OpenTransactions
from workers.kafka.partition_offsets import leader_epochs
from workers.log_fields import Action, of_partition
from workers.monitoring.lag import CommitTimes, LagSnapshot, Point, lag_snapshot, uncommitted_ranges
from workers.process import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.kafka.kafka_look import KafkaLook
    from workers.settings import Settings
    from workers.types import TopicPartition

HISTORY_SECONDS = 600
STALE_INTERVALS = 2
"""A snapshot is not served when it is older than so many intervals, or once a later poll has failed."""
WATCHED_SECONDS = 15.0
"""So long after the last `watch` it polls once in `WATCHED_INTERVAL`."""
WATCHED_INTERVAL = 1.0
POINT_SLACK_SECONDS = 0.05
"""A poll may begin so much earlier than one interval after the last one, as waits are not exact."""
SILENT_SECONDS = 3.5
"""A poll that takes longer has no answer: Kafka hangs."""
STOP_SECONDS = 1.0
"""How long `stop` waits for a poll that hangs: supervisord waits for the process, and the thread is a daemon."""

log = structlog.get_logger()


class LagPoller:
    """Polls on a thread of its own from `start` to `stop`. `current` and `points` are safe on any thread."""

    def __init__(self, settings: Settings, on_iteration: Callable[[], None] = lambda: None) -> None:
        """Args: on_iteration: called after every poll, also after one that failed."""
        self._settings = settings
        self.interval = settings.lag_interval
        """Seconds between two polls, and between two `points`."""
        self._on_iteration = on_iteration
        self._connection = KeptConnection(
            lambda: Admin(settings, WATCH_PATIENCE_SECONDS).connect(), _log_unavailable, _log_available
        )
        self._topics = TopicFinder(settings)
        self._first_records = FirstRecords(settings)
        self._open_transactions = OpenTransactions(settings)
        self._commit_times = CommitTimes()
        self._waiting_times = CommitTimes(lambda each: each.next_offset if each.lag else None)
        self._standing: dict[TopicPartition, str] = {}
        """By partition that stands for a reason of Kafka's own: the reason, which was logged."""
        self._snapshot: LagSnapshot | None = None
        self._taken_at = self._asked_at = self._answered_at = 0.0
        self._look: KafkaLook | None = None
        self._answer: tuple[float, float, LagSnapshot, KafkaLook] | None = None
        """The last answer, and when its offsets were asked for, and answered."""
        self._polling_since: float | None = None
        self._problem: str | None = None
        self._watched_until = self._next_point = 0.0
        self._wakeup = threading.Event()
        self._points: deque[Point | None] = deque(maxlen=max(2, int(HISTORY_SECONDS / self.interval)))
        self._stop_event = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_success: float | None = None
        """Unix time of the last snapshot."""

    def start(self) -> None:
        """Raises: NoThreadError."""
        self._thread = start_thread(self._run, "lag")

    def stop(self) -> None:
        self._stop_event.set()
        self._wakeup.set()
        if self._thread:
            self._thread.join(STOP_SECONDS)

    def current(self) -> LagSnapshot | None:
        """The last snapshot; None: there is none, or it is stale."""
        taken_at, snapshot = self._taken_at, self._snapshot
        return snapshot if snapshot and time.monotonic() - taken_at <= STALE_INTERVALS * self.interval else None

    def latest(self) -> tuple[float, float, LagSnapshot] | None:
        """When the offsets were asked for, and answered, by `time.monotonic`, and the snapshot; None: the last poll failed."""
        answer = self._answer
        return answer[:3] if answer else None

    def look(self) -> KafkaLook:
        """What Kafka answered last, for the status of the fleet.

        Raises:
            UnavailableError: it does not answer.
        """
        since, answer = self._polling_since, self._answer
        if since is not None and (seconds := time.monotonic() - since) > SILENT_SECONDS:
            raise UnavailableError(f"has not answered for {seconds:.0f} s")
        if answer is None:
            raise UnavailableError(self._problem or "has not answered yet")
        return answer[3]

    def watch(self) -> None:
        """Somebody looks: poll each second for a while, and at once if the last answer is old."""
        now = time.monotonic()
        if now > self._watched_until:
            self._wakeup.set()
        self._watched_until = now + WATCHED_SECONDS

    def points(self) -> list[Point | None]:
        """The sums of the last ten minutes, one an interval, oldest first; None: Kafka did not answer."""
        return list(self._points)

    def take_snapshot(self) -> LagSnapshot:
        """Poll Kafka now.

        Raises:
            UnavailableError: one of the questions was not answered.
        """
        return self._connection.ask(self._ask)

    def _ask(self, admin: Admin) -> LagSnapshot:
        settings, now = self._settings, time.time()
        found = self._topics.find(admin)
        look = found.look(self._topics.group(admin, found))
        if not found.topics:
            self._asked_at = self._answered_at = time.monotonic()
            self._look = look
            return lag_snapshot(now, look.group, None, {}, {}, missing=look.missing, unroutable=look.unroutable)
        self._asked_at = time.monotonic()
        offsets = admin.offsets_of_topics(found.topics, settings.group)
        # It does answer: reading the first records may take its time.
        self._polling_since = None
        self._answered_at = time.monotonic()
        self._look = look = look._replace(
            offsets=offsets,
            unanswered=found.partitions - offsets.keys(),
            open_transactions=self._open_transactions.look(found.identities, offsets, now),
            at=self._asked_at,
        )
        return lag_snapshot(
            now,
            look.group,
            offsets,
            self._first_records.times(found.identities, uncommitted_ranges(offsets), leader_epochs(offsets)),
            self._commit_times.update(offsets, now),
            waiting=self._waiting_times.update(offsets, now),
            open_transactions=look.open_transactions,
            unanswered=look.unanswered,
            missing=look.missing,
            unroutable=look.unroutable,
        )

    def close(self) -> None:
        """Close the connections. Not after `start`: then the thread does so at its end."""
        self._first_records.close()
        self._open_transactions.close()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop_event.is_set():
            started = time.monotonic()
            self._poll()
            self._on_iteration()
            self._wakeup.clear()
            watched = time.monotonic() < self._watched_until
            interval = min(WATCHED_INTERVAL, self.interval) if watched else self.interval
            if not self._stop_event.is_set():
                self._wakeup.wait(max(0.1, started + interval - time.monotonic()))
        self.close()

    def _poll(self) -> None:
        began = self._polling_since = time.monotonic()
        snapshot = None
        try:
            snapshot = self.take_snapshot()
        except Exception as error:  # noqa: BLE001 whatever a client raises, the lag is not known, and the next poll reconnects
            self._snapshot = self._answer = None
            self._problem = (
                str(error) if isinstance(error, WorkersError) else f"could not be asked: {type(error).__name__}"
            )
        else:
            self._taken_at, self._snapshot, self.last_success = time.monotonic(), snapshot, snapshot.time
            self._answer = (self._asked_at, self._answered_at, snapshot, self._look) if self._look else None
            self._log_standstill(snapshot)
        self._polling_since = None
        if began >= self._next_point:
            # Points are at equal distances, also while it polls more often.
            self._next_point = began + self.interval - POINT_SLACK_SECONDS
            self._points.append(snapshot.point if snapshot else None)

    def _log_standstill(self, snapshot: LagSnapshot) -> None:
        """Log, once each, what keeps a partition from being read although every worker is well."""
        found = {}
        for partition, part in (snapshot.partitions or {}).items():
            if not part.answered:
                found[partition] = "Kafka does not answer for a partition; nothing is known of it"
            elif part.hanging:
                found[partition] = "a transaction stays open; what was sent after its first record cannot be read"
        for partition in sorted(found.keys() | self._standing.keys()):
            if (why := found.get(partition)) == self._standing.get(partition):
                continue
            if why is None:
                log.info(
                    "a partition can be read again",
                    action=Action.READ,
                    **of_partition(partition),
                )
                continue
            part = (snapshot.partitions or {})[partition]
            facts = {"offset": part.end, "unstable": part.unstable, "seconds": part.unstable_seconds}
            log.warning(
                why,
                action=Action.READ,
                **of_partition(partition),
                **(facts if part.answered else {}),
            )
        self._standing = found


def _log_unavailable(error: Exception) -> None:
    message = str(error) if isinstance(error, WorkersError) else type(error).__name__
    log.warning("cannot read the lag from Kafka; none is served", error=message)


def _log_available() -> None:
    log.info("the lag is read from Kafka again")
