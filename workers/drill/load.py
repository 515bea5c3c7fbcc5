"""The load of a drill: numbers, a known share of bad records among them, and what Kafka has acknowledged of all this; and
what others send meanwhile.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from workers.drill.drill_topics import offsets_of_all
from workers.kafka.admin import Admin
from workers.kafka.producer import Producer
from workers.verification.offset_bitmap import OffsetBitmap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.drill.interrupt import Interrupts
    from workers.settings import Settings
    from workers.types import TopicPartition

GOOD = b'{"number": '
BAD = b"sent by a drill, and not JSON: "
SHOWN_ERRORS = 3
WATCH_SECONDS, LOOK_SECONDS = 1.5, 0.05
"""For which `arrival_rate` watches the log; between two looks for Ctrl-C."""


def is_ours(value: bytes | None) -> bool:
    """Whether a drill sends such values. (Anybody may send a number or a tombstone; those are judged alike.)"""
    return value is None or value.startswith((GOOD, BAD))


def is_bad(value: bytes | None) -> bool:
    """Whether a value of `is_ours` is one that cannot be stored."""
    return value is None or value.startswith(BAD)


class Load:
    """Sends on a thread of its own inside a `with`, until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        rate: int,
        bad_share: float,
        ends: Mapping[TopicPartition, int],
        topics: Sequence[str] = (),
    ) -> None:
        """Args:
        topics: to which the records go in turn; empty: to that of the settings.
        rate: records a second, to all of them together.
        bad_share: of tombstones and of values that are not JSON, half of each.
        ends: by partition: the end of the log before the first record.
        """
        self._rate, self._bad_share = rate, bad_share
        self.acknowledged = {partition: OffsetBitmap(end) for partition, end in ends.items()}
        self.next_offsets: dict[TopicPartition, int] = {}
        """By partition: one more than the last offset that was acknowledged."""
        self._lock = threading.Lock()
        self._producer = Producer(settings, lambda partition, offset, _value: self.note(partition, offset), topics)
        self._closing = ExitStack()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="drill-load", daemon=True)
        self.error: Exception | None = None
        """What ended it early."""

    def __enter__(self) -> Self:
        """Connect, and begin.

        Raises:
            UnavailableError: no broker answered, or it refused this client.
        """
        self._closing.enter_context(self._producer)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._closing.close()

    def stop(self) -> None:
        """Send no more. What was sent may still be acknowledged: see `over`."""
        self._stop.set()

    def over(self, seconds: float) -> bool:
        """Wait at most so long; return whether every record that was sent has its outcome."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def count(self) -> int:
        """How many records were acknowledged so far."""
        return self._producer.report.acknowledged

    @property
    def failed(self) -> int:
        """How many were not, for certain or as far as is known."""
        return self._producer.report.failed

    @property
    def refusal(self) -> str | None:
        """Why Kafka took none of the records that have their outcome; None: it took some, or none has its outcome yet."""
        errors = self.errors()
        return errors[0][0] if errors and not self.count else None

    def errors(self) -> list[tuple[str, int]]:
        """Why records were not acknowledged, and how many, the most frequent first."""
        # One step for the interpreter: the client's thread adds to it.
        found = list(self._producer.report.errors.items())
        return sorted(found, key=lambda each: -each[1])[:SHOWN_ERRORS]

    def remarks(self) -> list[str]:
        """What to know of the sending: that it ended early, records that were not acknowledged."""
        early = f"sending ended early: {type(self.error).__name__}: {self.error}"
        failed = [f"{count:,} records were not acknowledged: {error}" for error, count in self.errors()]
        return ([early] if self.error else []) + failed

    def note(self, partition: TopicPartition, offset: int) -> None:
        """A record of the drill was acknowledged. Called on the clients' threads."""
        with self._lock:
            # A partition that the topic did not have when the drill began.
            self.acknowledged.setdefault(partition, OffsetBitmap()).add(offset)
            self.next_offsets[partition] = max(self.next_offsets.get(partition, 0), offset + 1)

    def _send(self) -> None:
        try:
            self._producer.send_all(self._paced())
        except Exception as error:  # noqa: BLE001 told in the report; the faults go on without records
            self.error = error

    def _paced(self) -> Iterator[bytes | None]:
        started = time.monotonic()
        sent, bad = 0, 0
        while not self._stop.is_set():
            if (ahead := sent / self._rate - (time.monotonic() - started)) > 0.01:
                self._stop.wait(ahead)
                continue
            if bad < self._bad_share * sent:
                yield None if bad % 2 else b"%s%d" % (BAD, sent)
                bad += 1
            else:
                yield b"%s%d}" % (GOOD, sent)
            sent += 1


def arrival_rate(settings: Settings, ends: Mapping[TopicPartition, int], interrupts: Interrupts) -> float:
    """Records a second that others send, over `WATCH_SECONDS`, or until Ctrl-C. A transaction marker counts as a record.

    Args: ends: the ends of the logs a moment ago, by partition.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    began = time.monotonic()
    while time.monotonic() < began + WATCH_SECONDS and not interrupts:
        time.sleep(LOOK_SECONDS)
    grown = sum(log_ends(settings).values()) - sum(ends.values())
    return max(0, grown) / (time.monotonic() - began)


def log_ends(settings: Settings) -> dict[TopicPartition, int]:
    """By partition of all topics: the end of what can be read. Empty: there is no topic.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    with Admin(settings) as admin:
        return {partition: each.end for partition, each in offsets_of_all(settings, admin).items()}
