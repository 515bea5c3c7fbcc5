"""What the verdict on the fleet is, and all that it depends on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from workers.fleet.supervisor import NOT_RUNNING
from workers.naming import is_worker

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
    def elsewhere(self) -> int:
        """Where no fleet runs here: workers that are members of the group, of other hosts, or pods of Kubernetes."""
        status, supervisord = self.status, self.status.services.get("supervisord")
        if status.fleet or status.group is None or supervisord is None or supervisord.detail != NOT_RUNNING:
            return 0
        return sum(is_worker(member.client_id) for member in status.group.members)

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong with the fleet, wherever it runs."""
        status = self.status
        if not self.elsewhere or status.group is None:
            return status.problems
        # Without the first: that none runs here.
        return [*status.problems[1:], *status.group.problems]

    @property
    def waiting(self) -> str:
        """For a sentence: how many records wait."""
        lag = self.status.group.lag if self.status.group else None
        if lag is None:
            return "records may wait"
        return "nothing waits" if lag == 0 else "1 record waits" if lag == 1 else f"{lag:,} records wait"
