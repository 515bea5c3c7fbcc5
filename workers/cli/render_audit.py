"""The line of `workers status` about what the auditor has verified."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text

from workers.fleet.audit_words import audit_words
from workers.fleet.verdict_facts import Level

if TYPE_CHECKING:
    from workers.state.audit_file import Audit

STYLES = {None: "dim", Level.CALM: "green", Level.ATTENTION: "yellow", Level.ACT: "bold red"}


def audit_line(audit: Audit | None, now: float | None = None) -> Text:
    """Until when every record is accounted for. Args: now: Unix time; None: that of now."""
    level, words = audit_words(audit, time.time() if now is None else now)
    return Text(words, style=STYLES[level])
