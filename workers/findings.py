"""What a check found: a mark, a line for people, and what to do about it. For `workers doctor`; pure."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ADVICE = re.compile(
    r"(?P<what>.+?)(?:[:;] |\? )(?P<fix>(?:to log in, |to encrypt, )?(?:set|write|renew|give|mend|grant|name|use|remove|make|is the clock|is WORKERS|are these|"
    r"`workers)\b.*|is it running.*)",
    re.DOTALL,
)
"""How messages of this project go on from what happened to what to do next."""


class Severity(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """The fleet works, and somebody should know this."""
    WRONG = "wrong"
    """The fleet does not start, waits, loses or takes over slowly because of this."""
    UNKNOWN = "unknown"
    """It could not be asked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    """The name of the check, for scripts: it stays. For example `topic.retention`."""
    mark: Severity
    text: str
    """What was found, with figures."""
    fix: str = ""
    """What to do, for everything that is not ok: a setting, a right, a command."""


def ok(check: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Severity.OK, text)


def warning(check: str, text: str, fix: str) -> Finding:
    """See `Severity.WARNING`."""
    return Finding(check, Severity.WARNING, text, fix)


def wrong(check: str, text: str, fix: str) -> Finding:
    """See `Severity.WRONG`."""
    return Finding(check, Severity.WRONG, text, fix)


def unknown(check: str, text: str, fix: str = "") -> Finding:
    """See `Severity.UNKNOWN`."""
    return Finding(check, Severity.UNKNOWN, text, fix)


def advised(check: str, mark: Severity, message: str, otherwise: str) -> Finding:
    """A message of an error, divided into what happened and what to do. Args: otherwise: the fix, if it has none."""
    if mark is Severity.UNKNOWN and message.startswith("not asked"):
        # The fix stands at the question that failed.
        return Finding(check, mark, message)
    if found := ADVICE.fullmatch(message):
        return Finding(check, mark, found["what"], found["fix"])
    return Finding(check, mark, message, otherwise)


def count(number: int, noun: str) -> str:
    """For a sentence: `1 partition`, `1,200 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """For a sentence: 3 ms, 2.5 s, 40 s, 12 min, 5 h, 7 d."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def size(number: float) -> str:
    """For a sentence: 512 bytes, 1 MiB, 1.5 GiB."""
    if number < 1024:
        return f"{number:.0f} bytes"
    power = min(4, (max(1, int(number)).bit_length() - 1) // 10)
    value, unit = number / 1024**power, ("KiB", "MiB", "GiB", "TiB")[power - 1]
    return f"{value:.0f} {unit}" if value >= 10 or value == int(value) else f"{value:.1f} {unit}"


def is_this_machine(host: str) -> bool:
    """Whether this is a name of the loopback. What is all on one machine does not survive that machine, whatever it copies."""
    return host in ("localhost", "::1") or host.startswith("127.")


def brief(path: Path) -> str:
    """A path as a person would type it: relative where it is below the current folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
