"""The services that the fleet needs, and what supervisord says of its programs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.fleet.sentences import plural
from workers.fleet.status.audit import is_spare
from workers.fleet.status.poller import Down
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from workers.fleet.status.model import Answers, FleetInfo, SupervisordAnswer
    from workers.fleet.status.slot import SlotStatus

NOT_YET = ("ended", State.STARTING)
"""States of a slot whose process is about to end, or to begin its work."""


@dataclass(frozen=True)
class Service:
    """A service that the fleet needs."""

    up: bool
    detail: str
    """Its address, or why it is down."""
    seconds: float | None = None
    """For how long it has been down, as far as this process knows; None: it is up, or that is not known."""


def services_of(info: FleetInfo, answers: Answers, slots: list[SlotStatus]) -> dict[str, Service]:
    """By name."""
    found = {}
    if isinstance(answers.supervisord, Down):
        seconds = answers.down_seconds.get("supervisord")
        found["supervisord"] = Service(up=False, detail=answers.supervisord.why, seconds=seconds)
    else:
        supervised = [slot for slot in slots if slot.supervised]
        running = sum(slot.pid is not None and slot.state not in NOT_YET for slot in supervised)
        others = [process for process in answers.supervisord.processes if process.name not in answers.slots]
        well = [process.name for process in others if process.state == "RUNNING"]
        listed = f", {', '.join(well)} up" if well else ""
        listed += "".join(
            f", {process.name} {process.state.lower()}" for process in others if process.state != "RUNNING"
        )
        # Within 80 columns: what is needed least stands last.
        workers = f"{running} of {plural(len(supervised), 'worker')} running"
        detail = f"{workers}{listed}; pid {answers.supervisord.pid}"
        found["supervisord"] = Service(up=True, detail=detail)
    for name, answer, address in (
        ("Kafka", answers.kafka, info.bootstrap_servers),
        ("MongoDB", answers.mongodb, info.mongodb),
    ):
        down = isinstance(answer, Down)
        detail = answer.why if isinstance(answer, Down) else address
        found[name] = Service(up=not down, detail=detail, seconds=answers.down_seconds.get(name) if down else None)
    return found


def supervisord_problems(supervisord: SupervisordAnswer | Down, slots: list[SlotStatus]) -> list[str]:
    """Programs that do not run, and workers that are not its own."""
    if isinstance(supervisord, Down):
        return []
    names = {slot.name for slot in slots}
    problems = [
        f"program {process.name} is {process.state}" + (f"; see {process.log}" if process.log else "")
        for process in supervisord.processes
        if process.name not in names and process.state != "RUNNING" and not is_spare(process)
    ]
    if not any(slot.supervised for slot in slots):
        problems.append("supervisord has no workers")
    unsupervised = [slot for slot in slots if not slot.supervised]
    return problems + [f"{slot.name}: pid {slot.pid} is not a process of this supervisord" for slot in unsupervised]
