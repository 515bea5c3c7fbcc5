"""What the auditor has verified, in one line: the same in `workers status` and on the page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.fleet.sentences import clock, duration
from workers.fleet.status.audit import is_silent
from workers.fleet.verdict_facts import Level

if TYPE_CHECKING:
    from workers.state.audit_file import Audit


def audit_words(audit: Audit | None, now: float) -> tuple[Level | None, str]:
    """How much it matters, None while nothing is known; and until when every record is accounted for. Args: now: Unix time."""
    if audit is None:
        return None, "nothing is known: no auditor has run here"
    if not audit.is_clean:
        said = f" (said {duration(now - audit.time)} ago)" if is_silent(audit, now) else ""
        return Level.ACT, f"{audit.failures}{said}: `{audit.command}` shows more"
    if audit.until is not None:
        proven = f"until {clock(audit.until, now)}"
    elif audit.since is not None and audit.recent is not None:
        proven = f"{clock(audit.since, now)} to {clock(audit.recent, now)}"
    else:
        proven = ""
    every = "every other record" if audit.removed else "every record"
    if is_silent(audit, now) and audit.time < now:
        words = f"{every} {proven}" if proven else "nothing is verified"
        return Level.ATTENTION, f"{words}; the auditor does not answer any more"
    if audit.problem:
        words = f"{every} {proven}; not since: " if proven else "nothing is verified: "
        return Level.ATTENTION, f"{words}{audit.problem}"
    if not proven and audit.set_back:
        return Level.ATTENTION, f"nothing is proven: the group was set back at {clock(audit.set_back, now)}"
    if not proven:
        return None, "verifying what was stored; nothing is proven yet"
    if audit.removed:
        return Level.ATTENTION, f"{every} {proven} is accounted for; {audit.removed:,} removed by Kafka"
    rest = "; older follow" if audit.until is None else ""
    return Level.CALM, f"{every} {proven} is accounted for{rest}"
