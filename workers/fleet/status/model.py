"""The status of the whole fleet at one moment, and whether it is healthy. Pure: no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.errors import ExitCode
from workers.fleet.sentences import plural
from workers.fleet.status.audit import AUDITOR, age, audit_now, is_spare
from workers.fleet.status.group import GroupStatus, build_group_status
from workers.fleet.status.poller import Down
from workers.fleet.status.slot import WAITING_FOR_TOPIC, SlotStatus, build_slot_status
from workers.fleet.status.slot_facts import SlotFacts
from workers.fleet.supervisor import NOT_RUNNING
from workers.kafka.kafka_look import KafkaLook
from workers.pauses import NO_PAUSES, Pauses
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.fleet.supervisor import Process
    from workers.state.audit_file import Audit

NOT_YET = ("ended", State.STARTING)
"""States of a slot whose process is about to end, or to begin its work."""


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
    pauses: Pauses = NO_PAUSES
    """What people have paused here."""


@dataclass(frozen=True)
class Service:
    """A service that the fleet needs."""

    up: bool
    detail: str
    """Its address, or why it is down."""
    seconds: float | None = None
    """For how long it has been down, as far as this process knows; None: it is up, or that is not known."""


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
    pauses: Pauses = NO_PAUSES
    """What people have paused here. That is no problem: somebody wants it so."""

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
        }


class FleetInfo(NamedTuple):
    """The names and addresses of a fleet, and the limit for its workers."""

    tree: str
    topic: str
    group: str
    bootstrap_servers: str
    mongodb: str
    max_iteration_seconds: float
    """Seconds that one iteration of a worker's loop may take."""
    create_topic: str = ""
    """The command that makes the topic, for when there is none."""
    start: str = "supervisord starts one"
    """How one is started."""


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
    group = kafka and build_group_status(
        info.group, info.topic, kafka.group, lags, dead, kafka.unanswered, kafka.open_transactions, info.create_topic
    )
    members = kafka.group.members if kafka and group and group.settled else None
    slots = [
        build_slot_status(name, facts, now, info.max_iteration_seconds, answers.uptimes.get(name), lags, members)
        for name, facts in sorted(answers.slots.items())
    ]
    if kafka and kafka.offsets is None:
        # That is said once, by the group, and not once for each worker.
        slots = [_without_topic(slot) for slot in slots]
    fleet = isinstance(answers.supervisord, SupervisordAnswer) or bool(slots)
    services = _services(info, answers, slots)
    problems = [f"{name}: {service.detail}" for name, service in services.items() if not service.up]
    if not fleet and isinstance(answers.supervisord, Down) and answers.supervisord.why == NOT_RUNNING:
        problems[0] = f"no fleet runs in {info.tree}; {info.start}"
    problems += _supervisord_problems(answers.supervisord, slots)
    problems += [slot.problem for slot in slots if slot.problem]
    problems += group.problems if group and fleet else []
    unix_now = datetime.fromisoformat(time).timestamp()
    audit = audit_now(answers.audit, unix_now, is_expected=_has_auditor(answers.supervisord))
    if audit and not audit.is_clean and fleet:
        found = f"{audit.failures}{age(audit, unix_now)}"
        problems.append(f"records are not accounted for: {found}; `{audit.command}` shows more")
    events = [dict(event) for event in answers.events]
    if answers.pauses.problem and fleet:
        problems.append(f"{answers.pauses.problem}: what is paused is not known; `workers resume` writes it anew")
    return Status(time, problems, services, slots, group, events, fleet, audit, answers.pauses)


def _has_auditor(supervisord: SupervisordAnswer | Down) -> bool:
    return isinstance(supervisord, SupervisordAnswer) and any(
        each.name == AUDITOR and not is_spare(each) for each in supervisord.processes
    )


def _without_topic(slot: SlotStatus) -> SlotStatus:
    """Kafka answers and there is no topic, so a worker that waits for Kafka waits for that, and nothing is wrong with it."""
    return replace(slot, text=WAITING_FOR_TOPIC, problem=None) if slot.state == State.WAITING_FOR_KAFKA else slot


def _services(info: FleetInfo, answers: Answers, slots: list[SlotStatus]) -> dict[str, Service]:
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


def _supervisord_problems(supervisord: SupervisordAnswer | Down, slots: list[SlotStatus]) -> list[str]:
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
