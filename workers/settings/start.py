"""Where a group begins a topic that it has never committed: what `start` can be, and what it means at one moment. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EARLIEST, LATEST = "earliest", "latest"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FORMS = "earliest, latest, a time with its zone like 2026-11-01T00:00:00Z, or how long ago: -90s, -15m, -6h, -7d"
LONGEST = timedelta(days=3650)


class Start(NamedTuple):
    """A position by its meaning."""

    text: str
    """As a person wrote it."""
    time: datetime | None = None
    """The first record that is not older."""
    ago: timedelta | None = None
    """The same, as long before the moment at which it is resolved."""

    def timestamp(self, now: float) -> float | None:
        """The Unix time of the first record; None: the log start or the log end. Args: now: Unix time."""
        if self.ago is not None:
            return now - self.ago.total_seconds()
        return self.time.timestamp() if self.time else None


def parse_start(text: str) -> Start:
    """What a `start` means.

    Raises:
        ValueError: nothing; the text says what it can be.
    """
    if text in (EARLIEST, LATEST):
        return Start(text)
    if found := re.fullmatch(r"-(\d{1,9})([smhd])", text, re.ASCII):
        ago = timedelta(**{UNITS[found[2]]: int(found[1])})
        if ago > LONGEST:
            raise ValueError("is longer ago than ten years: use earliest")
        return Start(text, ago=ago)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"can be {FORMS}") from None
    if time.tzinfo is None:
        raise ValueError(f"needs a zone: {time.isoformat()}Z for UTC, or {time.isoformat()}+01:00, for example")
    if not 1970 <= time.year <= 9998:
        raise ValueError("is a time that no record has; use earliest or latest")
    if time > datetime.now(UTC):
        raise ValueError("is in the future: no record is that new; use latest to begin with the next record")
    return Start(time.isoformat().replace("+00:00", "Z"), time=time)
