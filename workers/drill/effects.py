"""Whether the faults of a drill have bitten, by the counters of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.drill.faults import ASSIGNED, REDELIVERED, RETRIED

if TYPE_CHECKING:
    from workers.drill.fleet_watch import FleetCounters
    from workers.drill.report import FaultReport

NOT_FELT = {
    ASSIGNED: "no worker took over its partitions",
    REDELIVERED: "no record was redelivered; a higher --rate or more --seconds make that likelier",
    RETRIED: "no worker had to retry a write",
}


class Effects:
    """Of each fault: the counter that rises when it has bitten."""

    def __init__(self, counters: FleetCounters) -> None:
        self._counters = counters
        self._expected: list[tuple[FaultReport, str, float]] = []

    def expect(self, report: FaultReport, shows_as: str, before: float) -> None:
        """Args:
        shows_as: the counter; "": the fault is its own effect.
        before: its value when the fault was injected.
        """
        self._expected.append((report, shows_as, before))

    def judge(self) -> None:
        """Write into each report whether its fault has bitten, by the counters as they are now."""
        for report, shows_as, before in self._expected:
            if not shows_as:
                report.bit = True
            elif self._counters.seen:
                report.bit = self._counters.count(shows_as) > before

    def toothless(self) -> dict[str, str]:
        """By kind, for those of which not one fault was seen to bite: the counter that should have risen."""
        self.judge()
        bit = {report.kind for report, _, _ in self._expected if report.bit}
        return {report.kind: shows_as for report, shows_as, _ in self._expected if report.kind not in bit}

    def remarks(self) -> list[str]:
        """One line for each kind that did not bite."""
        toothless = self.toothless()
        if toothless and not self._counters.seen:
            return ["no worker's metrics could be read, so it is not known which of the faults were felt"]
        times = [report.kind for report, _, _ in self._expected]
        return [
            f"{kind} ({times.count(kind)} of them) had no effect: {NOT_FELT[shows_as]}"
            for kind, shows_as in toothless.items()
        ]
