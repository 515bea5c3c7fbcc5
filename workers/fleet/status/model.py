"""The status of the whole fleet at one moment, and whether it is healthy. Pure: no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.errors import ExitCode
from workers.fleet.status.audit import AUDITOR, age, audit_now, is_spare
from workers.fleet.status.group import GroupStatus, build_group_status
from workers.fleet.status.poller import Down
from workers.fleet.status.services import Service, services_of, supervisord_problems
from workers.fleet.status.slot import WAITING_FOR_TOPIC, SlotStatus, build_slot_status
from workers.fleet.status.slot_facts import SlotFacts
from workers.fleet.status.topics import RouteStatus, build_route_statuses
from workers.fleet.supervisor import NOT_RUNNING
from workers.kafka.kafka_look import KafkaLook
from workers.pauses import NO_PAUSES, Pauses
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.fleet.supervisor import Process
    from workers.settings.route import RouteTable
    from workers.state.audit_file import Audit


class SupervisordAnswer(NamedTuple):
    """What supervisord answered."""

    pid: int
    processes: list[Process]


@dataclass(frozen=True)
class Answers:
    """The latest answers of every service and worker."""

    supervisord: SupervisordAnswer | Down
    kafka: KafkaLook | Down
    mongodb: Down | None
    """None: it answered."""
    slots: Mapping[str, SlotFacts]
    """By name: every slot that supervisord has or a live worker holds."""
    uptimes: Mapping[str, float] = field(default_factory=dict)
    """By slot: seconds since its process was started, according to the kernel."""
    events: Sequence[Mapping[str, Any]] = ()
    down_seconds: Mapping[str, float] = field(default_factory=dict)
    """By name of a service that is down: for how long."""
    audit: Audit | None = None
    """What the auditor found last; None: it has left no file."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """By topic: offsets that the group commits a second."""
    pauses: Pauses = NO_PAUSES
    """What people have paused here."""


@dataclass(frozen=True)
class Status:
    """The status of the fleet at one moment."""

    time: str
    """ISO 8601, UTC."""
    problems: list[str]
    """Everything that is wrong, a line each, the worst first."""
    services: dict[str, Service]
    slots: list[SlotStatus]
    group: GroupStatus | None
    """None: the broker did not answer."""
    events: list[dict[str, Any]]
    """The last ones, oldest first."""
    fleet: bool
    """Whether there is a fleet at all: a supervisord, or a live worker."""
    audit: Audit | None = None
    """What counts of it: see `audit_now`."""
    routes: list[RouteStatus] = field(default_factory=list)
    """Every route, with its topics. Empty: Kafka does not answer."""
    pauses: Pauses = NO_PAUSES
    """What people have paused here. That is no problem: somebody wants it so."""

    @property
    def has_several_topics(self) -> bool:
        """Whether there are, or may be: then each partition is named with its topic."""
        return self.group is not None and self.group.has_several_topics

    @property
    def healthy(self) -> bool:
        """Every worker runs, iterates and is in the group, every partition is assigned and can be read, every service answers."""
        return not self.problems

    @property
    def exit_code(self) -> ExitCode:
        """UNCHECKED if there is no fleet."""
        if not self.fleet:
            return ExitCode.UNCHECKED
        return ExitCode.OK if self.healthy else ExitCode.FAILED

    def slot(self, name: str) -> SlotStatus | None:
        """The slot of this name, if there is one."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        group = self.group and self.group.as_dict()
        return {
            "healthy": self.healthy,
            **asdict(self),
            "group": group,
            "audit": self.audit and self.audit._asdict(),
            "pauses": self.pauses.as_list(),
            "slots": [slot.as_dict() for slot in self.slots],
            "routes": [route.as_dict() for route in self.routes],
        }


class FleetInfo(NamedTuple):
    """The names and addresses of a fleet, and the limit for its workers."""

    tree: str
    topic: str
    """Of several, as words: see `RouteTable.names`."""
    group: str
    bootstrap_servers: str
    mongodb: str
    max_iteration_seconds: float
    """Seconds that one iteration of a worker's loop may take."""
    create_topic: str = ""
    """The command that makes the topic, for when there is none."""
    start: str = "supervisord starts one"
    """How one is started."""
    routes: RouteTable | None = None
    """None: nothing is told by route."""
    fingerprint: str | None = None
    """Of all routes of the fleet; None: they are not compared with those of the members."""


def build_status(info: FleetInfo, answers: Answers, now: float, time: str) -> Status:
    """The status of the fleet from the answers.

    Args:
        now: `time.monotonic`, the clock of the heartbeats.
        time: the same moment for people, ISO 8601.
    """
    kafka = answers.kafka if isinstance(answers.kafka, KafkaLook) else None
    lags = None
    if kafka and kafka.offsets is not None:
        lags = {partition: each.lag for partition, each in kafka.offsets.items()}
    dead = {member for facts in answers.slots.values() for member in facts.dead_members}
    several = info.routes is not None and info.routes.has_several_topics
    group = kafka and build_group_status(
        info.group,
        info.topic,
        kafka.group,
        lags,
        dead,
        kafka.unanswered,
        kafka.open_transactions,
        info.create_topic,
        look=kafka,
        has_several_topics=several,
        fingerprint=info.fingerprint,
    )
    members = kafka.group.members if kafka and group and group.settled else None
    unread = {*kafka.unroutable, *kafka.refused} if kafka else ()
    slots = [
        build_slot_status(
            name, facts, now, info.max_iteration_seconds, answers.uptimes.get(name), lags, members, unread
        )
        for name, facts in sorted(answers.slots.items())
    ]
    if kafka and kafka.offsets is None:
        # That is said once, by the group, and not once for each worker.
        slots = [_without_topic(slot) for slot in slots]
    fleet = isinstance(answers.supervisord, SupervisordAnswer) or bool(slots)
    services = services_of(info, answers, slots)
    problems = [f"{name}: {service.detail}" for name, service in services.items() if not service.up]
    if not fleet and isinstance(answers.supervisord, Down) and answers.supervisord.why == NOT_RUNNING:
        problems[0] = f"no fleet runs in {info.tree}; {info.start}"
    problems += supervisord_problems(answers.supervisord, slots)
    problems += [slot.problem for slot in slots if slot.problem]
    problems += group.problems if group and fleet else []
    unix_now = datetime.fromisoformat(time).timestamp()
    audit = audit_now(answers.audit, unix_now, is_expected=_has_auditor(answers.supervisord), routes=info.fingerprint)
    if audit and not audit.is_clean and fleet:
        found = f"{audit.failures}{age(audit, unix_now)}"
        problems.append(f"records are not accounted for: {found}; `{audit.command}` shows more")
    events = [dict(event) for event in answers.events]
    if answers.pauses.problem and fleet:
        problems.append(f"{answers.pauses.problem}: what is paused is not known; `workers resume` writes it anew")
    halted = {partition for slot in slots for partition in slot.halted_partitions}
    routes = (
        build_route_statuses(info.routes, kafka, dead=dead, halted=halted, rates=answers.rates, pauses=answers.pauses)
        if kafka and info.routes
        else []
    )
    return Status(time, problems, services, slots, group, events, fleet, audit, routes, answers.pauses)


def _has_auditor(supervisord: SupervisordAnswer | Down) -> bool:
    return isinstance(supervisord, SupervisordAnswer) and any(
        each.name == AUDITOR and not is_spare(each) for each in supervisord.processes
    )


def _without_topic(slot: SlotStatus) -> SlotStatus:
    """Kafka answers and there is no topic, so a worker that waits for Kafka waits for that, and nothing is wrong with it."""
    return replace(slot, text=WAITING_FOR_TOPIC, problem=None) if slot.state == State.WAITING_FOR_KAFKA else slot
