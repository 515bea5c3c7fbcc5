"""What the verdict on the fleet is, and all that it depends on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.fleet.status.model import Status
    from workers.state.audit_file import Audit
    from workers.types import TopicPartition


class Level(StrEnum):
    """How much it matters."""

    CALM = "calm"
    ATTENTION = "attention"
    ACT = "act"


class Verdict(NamedTuple):
    """What is to be said of the fleet."""

    level: Level
    text: str
    """One sentence, without a full stop."""
    detail: str
    """What else is to be known; may be empty."""


@dataclass(frozen=True)
class Facts:
    """All that the verdict depends on."""

    status: Status
    now: float
    """Unix time."""
    holes: Mapping[TopicPartition, float] = field(default_factory=dict)
    """By partition whose records wait and are stored by nobody now: for how many seconds."""

    @property
    def audit(self) -> Audit | None:
        """What counts of what the auditor found last; None: none runs."""
        return self.status.audit

    @property
    def waiting(self) -> str:
        """For a sentence: how many records wait."""
        lag = self.status.group.lag if self.status.group else None
        if lag is None:
            return "records may wait"
        return "nothing waits" if lag == 0 else "1 record waits" if lag == 1 else f"{lag:,} records wait"
