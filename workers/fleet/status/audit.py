"""What the last word of an auditor is worth when it is old. Pure. Page, `status` and verdict go by this, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.fleet.sentences import duration

if TYPE_CHECKING:
    from workers.fleet.supervisor import Process
    from workers.state.audit_file import Audit

AUDITOR = "auditor"
"""The name of its program in supervisord."""
SILENT_SECONDS = 60.0
"""It speaks every few seconds, if WORKERS_AUDIT_INTERVAL is not longer: what is older was said by one that hangs, or does not run."""
GONE_SECONDS = 600.0
"""So long after its last word an auditor that supervisord does not have is one that was taken out of use."""


def is_spare(process: Process) -> bool:
    """Whether it is an auditor that somebody has stopped: one is enough for a group, and the others need not run."""
    return process.name == AUDITOR and process.state == "STOPPED"


def audit_now(audit: Audit | None, now: float, *, is_expected: bool, routes: str | None = None) -> Audit | None:
    """What counts of it; None: no auditor runs.

    What is not accounted for stays so, however long ago it was said: nobody has looked since. What was proven stays proven,
    and is forgotten only where no auditor is to run any more.

    Args:
        audit: what an auditor has left; None: nothing.
        now: Unix time.
        is_expected: whether supervisord has an auditor that was not stopped on purpose.
        routes: the fingerprint of those of this folder; None: it does not matter.
    """
    if audit is None:
        return None
    if audit.time > now + SILENT_SECONDS:
        problem = "the clock was set back: what the auditor said last is of a time that is still to come"
        return audit._replace(until=None, since=None, recent=None, problem=problem)
    if routes and audit.routes not in ("", routes):
        problem = "the auditor has other routes than this folder: restart it (supervisorctl restart auditor)"
        return audit._replace(until=None, since=None, recent=None, problem=problem)
    is_gone = now - audit.time > GONE_SECONDS and not is_expected
    return None if is_gone and audit.is_clean and not audit.removed else audit


def is_silent(audit: Audit, now: float) -> bool:
    """Whether it has said nothing for too long. Args: now: Unix time."""
    return abs(now - audit.time) > max(SILENT_SECONDS, 3 * audit.interval)


def age(audit: Audit, now: float) -> str:
    """For behind what was found: ` (said 3 h ago; no auditor has looked since)`; empty: it was said a moment ago."""
    if not is_silent(audit, now):
        return ""
    return f" (said {duration(now - audit.time)} ago; no auditor has looked since)"
