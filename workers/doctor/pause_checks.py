"""What people have paused: a fleet that does nothing, and is meant to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.findings import Finding, warning, wrong
from workers.pauses import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.doctor.answers import DoctorAnswers


def check_pauses(answers: DoctorAnswers) -> Iterator[Finding]:
    """Nothing, where nothing is paused."""
    if isinstance(answers.fleet, Unanswered):
        return
    pauses = answers.fleet.pauses
    if pauses.problem:
        why = "whoever starts now reads nothing"
        yield wrong("fleet.pauses", f"{pauses.problem}; {why}", "`workers resume` writes it anew, with no pause")
    elif pauses.all:
        yield warning("fleet.pauses", described(pauses.all), "`workers resume` ends that; ask that person before")
