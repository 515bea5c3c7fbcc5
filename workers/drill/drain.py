"""The wait after a drill: until the fleet has committed every record, as long as it makes progress."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from workers.connection import KeptConnection
from workers.errors import UnavailableError
from workers.kafka.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.drill.interrupt import Interrupts
    from workers.drill.load import Load
    from workers.settings import Settings

NO_PROGRESS_SECONDS = 180.0
"""The wait ends after this long without any progress."""
INTERRUPTED_SECONDS = 30.0
"""The longest wait after Ctrl-C."""
POLL_SECONDS = 0.3


def wait_until_committed(settings: Settings, load: Load, interrupts: Interrupts, tell: Callable[[str], None]) -> None:
    """Return once every record is committed, or when it is no use to wait longer: what is left is pending then.

    Raises:
        LeftUnprovenError: a second signal has come.
    """
    least: int | None = None
    progressed = began = time.monotonic()
    with closing(KeptConnection(lambda: Admin(settings).connect())) as kafka:
        while True:
            interrupts.leave_if_asked_again()
            left, over = None, load.over(POLL_SECONDS)
            with suppress(UnavailableError):
                left = kafka.ask(lambda admin: _left(admin, settings, load))
            if over and not left and left is not None:
                return
            if left is not None and (least is None or left < least):
                least, progressed = left, time.monotonic()
            what = "Kafka does not answer" if left is None else f"{left:,} records are not committed yet"
            hint = "; Ctrl-C again leaves without the proof" if interrupts else ""
            tell(f"waiting for the fleet: {what}{hint}")
            if interrupts and time.monotonic() - began > INTERRUPTED_SECONDS:
                return
            if time.monotonic() - progressed > NO_PROGRESS_SECONDS:
                return
            time.sleep(POLL_SECONDS if over else 0)


def _left(admin: Admin, settings: Settings, load: Load) -> int | None:
    """Offsets that the group has not committed; None: there is no such topic.

    Up to what was acknowledged, also where a transaction that is open still hides it from all readers.
    """
    topic = admin.topic(settings.topic)
    if topic is None:
        return None
    return sum(
        max(0, max(each.end, load.next_offsets.get(partition, 0)) - each.next_offset)
        for partition, each in admin.partition_offsets(topic, settings.group).items()
    )
