"""The line of `workers status` about what the auditor has verified."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from workers.state.audit_file import Audit

STALE_SECONDS = 60.0
"""What is older was said by an auditor that does not run any more, or that hangs."""


def audit_line(audit: Audit | None, now: float | None = None) -> Text:
    """Until when every record is accounted for. Args: now: Unix time; None: that of now."""
    now = time.time() if now is None else now
    head = f"{'audit':<13}"
    if audit is None:
        return Text.assemble(head, ("nothing is known: no auditor has run here", "dim"))
    if not audit.is_clean:
        places = ", ".join(f"{topic}/{partition}/{offset}" for topic, partition, offset, _ in audit.found[:2])
        return Text.assemble(head, (f"{audit.failures}: {places}", "bold red"), "; `workers peek` shows more")
    if audit.until is not None:
        proven = f"until {_clock(audit.until, now)}"
    elif audit.since is not None and audit.recent is not None:
        proven = f"{_clock(audit.since, now)} to {_clock(audit.recent, now)}"
    else:
        proven = ""
    if audit.problem:
        words = f"every record {proven}; not since: " if proven else "nothing is verified: "
        return Text.assemble(head, (f"{words}{audit.problem}", "yellow"))
    if now - audit.time > STALE_SECONDS:
        words = f"every record {proven}" if proven else "nothing is verified"
        return Text.assemble(head, (f"{words}; the auditor does not answer any more", "yellow"))
    if not proven:
        return Text.assemble(head, ("verifying what was stored; nothing is proven yet", "dim"))
    rest = "; older follow" if audit.until is None else ""
    return Text.assemble(head, (f"every record {proven} is accounted for", "green"), rest)


def _clock(seconds: float, now: float) -> str:
    """The local time, with its day if that is not today."""
    then, today = datetime.fromtimestamp(seconds).astimezone(), datetime.fromtimestamp(now).astimezone()
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%d %b %H:%M:%S}"
