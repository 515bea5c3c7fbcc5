"""The state of the whole fleet at one moment: pure data, and the judgement whether that is healthy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.errors import ExitCode
from workers.fleet.status.group import GroupStatus, judge_group
from workers.fleet.status.poller import Down
from workers.fleet.status.slot import Seen, SlotStatus, judge_slot
from workers.fleet.supervisor import NOT_RUNNING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.fleet.supervisor import Process
    from workers.kafka.admin import GroupDescription, PartitionOffsets


class Supervisord(NamedTuple):
    """What supervisord said."""

    pid: int
    processes: list[Process]


class Kafka(NamedTuple):
    """What the broker said."""

    group: GroupDescription
    spans: Mapping[int, PartitionOffsets] | None
    """By partition; None: there is no such topic."""


@dataclass(frozen=True)
class Answers:
    """Everything that was asked, as it was answered at one moment."""

    supervisord: Supervisord | Down
    kafka: Kafka | Down
    mongodb: Down | None
    """None: it answered."""
    slots: Mapping[str, Seen]
    """Every slot that supervisord or a living worker knows, by name."""
    uptimes: Mapping[str, float] = field(default_factory=dict)
    """Seconds since the process of a slot was started, by name, as the kernel knows it."""
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Service:
    """A service that the fleet cannot do without."""

    up: bool
    detail: str
    """Where it is and what is there, or why it is down."""


@dataclass(frozen=True)
class Status:
    """One snapshot."""

    time: str
    """ISO 8601, UTC."""
    problems: list[str]
    """Everything that is wrong, a line each, the worst first."""
    services: dict[str, Service]
    slots: list[SlotStatus]
    group: GroupStatus | None
    """None: the broker was not there to be asked."""
    events: list[dict[str, Any]]
    """The last ones, oldest first."""
    fleet: bool
    """Whether a fleet is there at all: a supervisord, or a worker that lives."""

    @property
    def healthy(self) -> bool:
        """Every slot runs, turns and is in the group, every partition is owned, every service answers."""
        return not self.problems

    @property
    def exit_code(self) -> ExitCode:
        """UNCHECKED where there is no fleet to judge."""
        if not self.fleet:
            return ExitCode.UNCHECKED
        return ExitCode.OK if self.healthy else ExitCode.FAILED

    def slot(self, name: str) -> SlotStatus | None:
        """The slot of this name, if there is one."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        slots = [{**asdict(slot), "healthy": slot.healthy} for slot in self.slots]
        return {"healthy": self.healthy, **asdict(self), "slots": slots}


class Where(NamedTuple):
    """What is judged: names and addresses, for the words."""

    tree: str
    topic: str
    group: str
    bootstrap_servers: str
    mongodb: str
    max_iteration_seconds: float
    """Seconds that one turn of a worker's loop may take."""


def judge(where: Where, answers: Answers, now: float, time: str) -> Status:
    """Judge what was answered.

    Args:
        now: `time.monotonic`, the clock of the heartbeats.
        time: the same moment for people, ISO 8601.
    """
    kafka = answers.kafka if isinstance(answers.kafka, Kafka) else None
    lags = None if kafka is None or kafka.spans is None else {p: span.lag for p, span in kafka.spans.items()}
    dead = {seen.dead_member for seen in answers.slots.values()}
    group = kafka and judge_group(where.group, where.topic, kafka.group, lags, dead)
    members = kafka.group.members if kafka and group and group.settled else None
    slots = [
        judge_slot(name, seen, now, where.max_iteration_seconds, answers.uptimes.get(name), lags, members)
        for name, seen in sorted(answers.slots.items())
    ]
    fleet = isinstance(answers.supervisord, Supervisord) or bool(slots)
    services = _services(where, answers, slots)
    problems = [f"{name}: {service.detail}" for name, service in services.items() if not service.up]
    if not fleet and isinstance(answers.supervisord, Down) and answers.supervisord.why == NOT_RUNNING:
        problems[0] = f"no fleet runs in {where.tree}; `supervisord -c deploy/supervisord.conf` starts one"
    problems += _of_supervisord(answers.supervisord, slots)
    problems += [slot.problem for slot in slots if slot.problem]
    problems += group.problems if group and fleet else []
    events = [dict(event) for event in answers.events]
    return Status(time, problems, services, slots, group, events, fleet)


def _services(where: Where, answers: Answers, slots: list[SlotStatus]) -> dict[str, Service]:
    found = {}
    if isinstance(answers.supervisord, Down):
        found["supervisord"] = Service(up=False, detail=answers.supervisord.why)
    else:
        supervised = [slot for slot in slots if slot.supervised]
        running = sum(slot.pid is not None for slot in supervised)
        others = [process for process in answers.supervisord.processes if process.name not in answers.slots]
        told = "".join(f", {process.name} {process.state.lower()}" for process in others)
        detail = f"pid {answers.supervisord.pid}, {running} of {_count(len(supervised), 'worker')} running{told}"
        found["supervisord"] = Service(up=True, detail=detail)
    for name, answer, address in (
        ("Kafka", answers.kafka, where.bootstrap_servers),
        ("MongoDB", answers.mongodb, where.mongodb),
    ):
        down = isinstance(answer, Down)
        found[name] = Service(up=not down, detail=answer.why if isinstance(answer, Down) else address)
    return found


def _of_supervisord(supervisord: Supervisord | Down, slots: list[SlotStatus]) -> list[str]:
    if isinstance(supervisord, Down):
        return []
    names = {slot.name for slot in slots}
    problems = [
        f"{process.full_name} is {process.state}" + (f"; see {process.log}" if process.log else "")
        for process in supervisord.processes
        if process.name not in names and process.state != "RUNNING"
    ]
    if not any(slot.supervised for slot in slots):
        problems.append("supervisord has no workers")
    strangers = [slot for slot in slots if not slot.supervised]
    return problems + [f"{slot.name}: pid {slot.pid} is not supervisord's" for slot in strangers]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
