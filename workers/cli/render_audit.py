"""The line of `workers status` about what the auditor has verified."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text

from workers.fleet.sentences import clock, duration
from workers.fleet.status.audit import is_silent

if TYPE_CHECKING:
    from workers.state.audit_file import Audit


def audit_line(audit: Audit | None, now: float | None = None) -> Text:
    """Until when every record is accounted for. Args: now: Unix time; None: that of now."""
    now = time.time() if now is None else now
    if audit is None:
        return Text.assemble(("nothing is known: no auditor has run here", "dim"))
    if not audit.is_clean:
        said = f" (said {duration(now - audit.time)} ago)" if is_silent(audit, now) else ""
        return Text.assemble((f"{audit.failures}{said}", "bold red"), f": `{audit.command}` shows more")
    if audit.until is not None:
        proven = f"until {clock(audit.until, now)}"
    elif audit.since is not None and audit.recent is not None:
        proven = f"{clock(audit.since, now)} to {clock(audit.recent, now)}"
    else:
        proven = ""
    every = "every other record" if audit.removed else "every record"
    if is_silent(audit, now) and audit.time < now:
        words = f"{every} {proven}" if proven else "nothing is verified"
        return Text.assemble((f"{words}; the auditor does not answer any more", "yellow"))
    if audit.problem:
        words = f"{every} {proven}; not since: " if proven else "nothing is verified: "
        return Text.assemble((f"{words}{audit.problem}", "yellow"))
    if not proven and audit.set_back:
        return Text.assemble((f"nothing is proven: the group was set back at {clock(audit.set_back, now)}", "yellow"))
    if not proven:
        return Text.assemble(("verifying what was stored; nothing is proven yet", "dim"))
    if audit.removed:
        removed = f"; {audit.removed:,} removed by Kafka"
        return Text.assemble((f"{every} {proven} is accounted for{removed}", "yellow"))
    rest = "; older follow" if audit.until is None else ""
    return Text.assemble((f"{every} {proven} is accounted for", "green"), rest)
