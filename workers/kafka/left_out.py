"""Which offsets of a partition a group leaves out on purpose: those before its start, and those over which a person moved it.

A part of the mark of each commit, so that it is written in the same instant as the offset that leaves them out, and that
`verify` knows of it on every host. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import unquote

BEFORE_START, SKIPPED = "before_start", "skipped"
"""Words of `verification.report.OUTCOMES`."""
MOST_SKIPS = 8
"""Notes of one partition. Those before the log start are not needed any more."""
LONGEST_BY, LONGEST_BECAUSE = 48, 160
"""Bytes of UTF-8, as they are in the mark: eight notes and the rest of a mark stay below Kafka's 4,096 bytes."""


class Skip(NamedTuple):
    """The offsets in [first, end), over which a person moved the group."""

    first: int
    end: int
    at: int
    """Unix time, in seconds."""
    by: str
    """Who: user@host."""
    because: str
    """Why, in that person's words."""

    def __contains__(self, offset: object) -> bool:
        return isinstance(offset, int) and self.first <= offset < self.end

    def __str__(self) -> str:
        """As it is in the mark."""
        return f"{self.first}-{self.end}/{self.at}/{escaped(self.by)}/{escaped(self.because)}"


SKIP = r"\d{1,19}-\d{1,19}/\d{1,12}/[^\s,/]*/[^\s,/]*"
"""A `Skip`, as it is in the mark."""


def parse_skip(text: str) -> Skip:
    """The inverse of `str`; the text matches `SKIP`."""
    offsets, at, by, because = text.split("/")
    first, _, end = offsets.partition("-")
    return Skip(int(first), int(end), int(at), unquote(by), unquote(because))


def escaped(text: str) -> str:
    """Text without a character that separates the parts of a mark. Other letters stay as they are, and short."""
    return re.sub(r"[\s%,/]|[^\w\s%,/!-~]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def shortened(text: str, most: int) -> str:
    """As much of a text as has at most so many bytes in a mark."""
    while len(escaped(text).encode()) > most:
        text = text[:-1]
    return text


@dataclass(frozen=True)
class LeftOut:
    """Of one partition."""

    start: int | None = None
    """The group began here: no record before it was to be read. None: it began where it was first read."""
    setting: str = ""
    """The `start` that was in force then."""
    skips: tuple[Skip, ...] = ()
    """In the order of their offsets; they do not overlap."""

    def __bool__(self) -> bool:
        return self.start is not None or bool(self.skips)

    def word(self, offset: int) -> str | None:
        """Why the record at this offset was not read; None: it was to be read."""
        if self.start is not None and offset < self.start:
            return BEFORE_START
        return SKIPPED if any(offset in skip for skip in self.skips) else None

    def count(self, first: int, end: int) -> int:
        """How many of the offsets in [first, end) are left out."""
        start = min(max(self.start or 0, first), end)
        skipped = (min(skip.end, end) - max(skip.first, start) for skip in self.skips)
        return start - first + sum(each for each in skipped if each > 0)

    def read_again(self, offset: int) -> LeftOut:
        """The group reads again from this offset on: nothing from here on is left out."""
        if not self:
            return self
        skips = tuple(skip._replace(end=min(skip.end, offset)) for skip in self.skips if skip.first < offset)
        return replace(self, start=None if self.start is None else min(self.start, offset), skips=skips)

    def skip(self, skip: Skip, log_start: int) -> LeftOut:
        """Leave these out too; forget the notes about records that Kafka has removed since."""
        kept = [each for each in self.skips if each.end > log_start]
        return replace(self, skips=tuple(sorted([*kept, skip])))
