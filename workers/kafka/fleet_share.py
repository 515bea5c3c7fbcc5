"""A worker's share of the rate of the whole group: by how many members own something, which Kafka is asked now and then."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from workers.connection import KeptConnection
from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.client_errors import describe
from workers.naming import MAX_SLOTS
from workers.pipeline.rate_limit import RateLimit
from workers.process import NoThreadError, start_thread

if TYPE_CHECKING:
    from workers.kafka.group_description import GroupDescription
    from workers.settings import Settings

ASK_SECONDS = 2.0
"""Between two questions: so long, at most, the share of a member that has died is not used, or that of a new one is used twice."""

log = structlog.get_logger()


class FleetShare:
    """Asks on a thread of its own, from the first `members` on, so that no poll waits for an answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._members = MAX_SLOTS
        self._connection = KeptConnection(
            lambda: Admin(settings, WATCH_PATIENCE_SECONDS).connect(), _log_unavailable, _log_available
        )
        self._thread: threading.Thread | None = None

    def members(self) -> int:
        """How many members own something, as Kafka said last. Until it has said so once: as many as a fleet may have."""
        if self._thread is None:
            # Without a thread now there may be one at the next poll.
            with suppress(NoThreadError):
                self._thread = start_thread(self._run, "share")
        return self._members

    def _run(self) -> None:
        wait = threading.Event()
        while True:
            # Whatever a client raises: the last number stays, and it is asked again.
            with suppress(Exception):
                self.learn(self._connection.ask(lambda admin: admin.group(self._settings.group)))
            wait.wait(ASK_SECONDS)

    def learn(self, group: GroupDescription) -> None:
        """Take the number from a description; while the group rebalances nobody owns anything, and the last one stays."""
        if owners := sum(bool(member.partitions) for member in group.members.values()):
            self._members = owners


def open_limit(settings: Settings) -> RateLimit | None:
    """The limit of one worker by its settings; None: there is none."""
    own, fleet = settings.max_rate, settings.max_fleet_rate
    if not (own or fleet or settings.max_byte_rate):
        return None
    if not fleet:
        return RateLimit(lambda: (own, "WORKERS_MAX_RATE"), settings.max_byte_rate)
    share = FleetShare(settings)

    def rate() -> tuple[float, str]:
        part = fleet / share.members()
        return (own, "WORKERS_MAX_RATE") if own and own <= part else (part, "WORKERS_MAX_FLEET_RATE")

    return RateLimit(rate, settings.max_byte_rate)


def _log_unavailable(error: Exception) -> None:
    log.warning("the members of the group are not known; the last number stays in force", error=describe(error))


def _log_available() -> None:
    log.info("the members of the group are known again")
