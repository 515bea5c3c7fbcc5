"""The status of one slot, from what supervisord, the worker's heartbeat and the kernel say."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from workers.fleet.status.group import describe_partitions
from workers.state.heartbeat import State
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.fleet.status.slot_facts import SlotFacts
    from workers.fleet.supervisor import Process
    from workers.state.heartbeat import Beat
    from workers.types import TopicPartition

IDLE = "idle"
PAUSED = "paused"
"""All that it has is paused (`workers pause`)."""
STOPPED_BY_SIGNAL = "stopped (SIGSTOP)"
LOOP_STALLED = "loop stalled"
NO_HEARTBEAT = "no heartbeat"
WAITING_FOR_TOPIC = "waiting for the topic"
FENCED = (
    "fenced: another process is in the group with its static id; stop that fleet, or give each fleet slots of its own "
    "(numprocs_start in local.d/)"
)
WORKING = (State.READING, IDLE, PAUSED)
STARTUP_SECONDS = 10.0
"""From the start of a process to its first heartbeat, with Python starting on a busy machine."""
SLOW_ITERATION_SECONDS = 10.0
"""A longer iteration is shown; it is no problem yet, since a long write may be the cause."""
CLOCK_SLACK = 1.0


PARTITIONS = ("partitions", "halted_partitions", "paused_partitions")


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """One slot, with the names and units of `workers status --json`."""

    name: str
    state: str
    """`workers.state.heartbeat.State`, idle or paused; without a heartbeat, how the process ended."""
    text: str
    """The same for people, with seconds."""
    problem: str | None = None
    """What is wrong, in a sentence; None: nothing."""
    state_seconds: float | None = None
    """Since the worker says that it is in this state; None: it does not say it."""
    supervised: bool = True
    full_name: str = ""
    """What supervisorctl calls it."""
    pid: int | None = None
    uptime_seconds: float | None = None
    exit_status: int | None = None
    restarts: int | None = None
    in_group: bool | None = None
    """According to the broker; None: it did not answer."""
    member_id: str | None = None
    """According to the worker."""
    partitions: tuple[TopicPartition, ...] = ()
    """Assigned to it, according to the worker."""
    halted_partitions: tuple[TopicPartition, ...] = ()
    """Those of them that are paused until the worker is restarted."""
    records: int | None = None
    records_per_second: float | None = None
    lag: int | None = None
    """Of its partitions for which Kafka answered; None: for none of them."""
    lag_partial: bool = False
    """Whether Kafka did not answer for some of its partitions."""
    dead_letters: int | None = None
    rebalances: int | None = None
    seconds_since_iteration: float | None = None
    seconds_since_commit: float | None = None
    backoff_seconds: float | None = None
    log: str = ""
    paused_partitions: tuple[TopicPartition, ...] = ()
    """Those of its partitions that somebody has paused (`workers pause`)."""
    limited_by: str | None = None
    """The setting by which it reads no faster; None: it reads as fast as it can."""

    @property
    def healthy(self) -> bool:
        """Nothing is wrong with it."""
        return self.problem is None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        owned = {name: by_topic(getattr(self, name)) for name in PARTITIONS}
        return asdict(self) | owned | {"healthy": self.healthy}


def build_slot_status(
    name: str,
    facts: SlotFacts,
    now: float,
    max_iteration_seconds: float,
    uptime: float | None = None,
    lags: Mapping[TopicPartition, int] | None = None,
    members: Mapping[str, object] | None = None,
    unread: Collection[str] = (),
) -> SlotStatus:
    """The status of a slot from what is known about it.

    Args:
        now: `time.monotonic`, the clock of the heartbeat.
        max_iteration_seconds: seconds that an iteration of the loop may take.
        uptime: seconds since the process was started, if supervisord does not know them.
        lags: by partition; None: Kafka did not answer.
        members: by member id; None: the broker did not answer, or the group is rebalancing.
        unread: topics of which nothing is read, or known: they are in no lag.
    """
    process, beat = facts.process, facts.live_beat
    state, text, problem = (
        _ended(process) if process and not process.pid else _running(facts, now, max_iteration_seconds)
    )
    own_member = facts.own_member
    asked = beat and own_member and members is not None and state in WORKING
    in_group = own_member in members if asked and members is not None else None
    if problem is None and in_group is False:
        problem = f"{text}, but the broker does not list it as a member of the group"
    if problem is None and beat and (halted := _halted(beat)):
        problem = f"has halted {describe_partitions(halted)}: see its log for the reason"
    own = SlotStatus(
        name,
        state,
        text,
        problem and f"{name}: {problem}",
        supervised=process is not None,
        full_name=process.full_name if process else "",
        pid=process.pid if process else beat.pid if beat else None,
        uptime_seconds=process.uptime if process else uptime,
        exit_status=process.exit_status if process else None,
        restarts=facts.restarts,
        in_group=in_group,
        member_id=own_member,
        log=process.log if process else "",
    )
    return _with_numbers(own, facts, beat, now, lags, unread) if beat and beat.iterated <= now + CLOCK_SLACK else own


def _ended(process: Process) -> tuple[str, str, str | None]:
    """State, text and problem of a process that does not run."""
    text = process.state if process.state in ("FATAL", "BACKOFF") else process.state.lower()
    if process.state == "EXITED":
        text = "killed" if process.exit_status == -1 else f"exited with {process.exit_status}"
    log = f"; see {process.log}" if process.log else ""
    why = process.error.removesuffix(" (process log may have details)").replace("Exited", "exited")
    problem = {
        "STOPPED": f"stopped; `supervisorctl start {process.full_name}` starts it",
        "EXITED": f"{text}{log}",
        "FATAL": f"FATAL, supervisord has given up on it: {why}{log}",
        "BACKOFF": f"does not stay up, supervisord retries: {why}{log}",
    }
    return process.state.lower(), text, problem.get(process.state, text)


def _running(facts: SlotFacts, now: float, max_iteration_seconds: float) -> tuple[str, str, str | None]:
    """State, text and problem of a process that runs."""
    process, beat = facts.process, facts.live_beat
    if process and process.state == "STOPPING":
        return State.STOPPING, State.STOPPING, "is stopping"
    if beat is None:
        if process and facts.beat and facts.beat.pid == process.pid:
            # supervisord has not noticed yet.
            return "ended", "ended", "has just ended"
        if process and (process.uptime or 0.0) < STARTUP_SECONDS:
            return State.STARTING, State.STARTING, "is starting"
        if facts.own_member:
            return NO_HEARTBEAT, NO_HEARTBEAT, "no heartbeat, although it has joined the group: its log says why"
        return NO_HEARTBEAT, NO_HEARTBEAT, "no heartbeat: does it run with another WORKERS_GROUP or WORKERS_STATE_DIR?"
    if facts.kernel in ("T", "t"):
        return STOPPED_BY_SIGNAL, STOPPED_BY_SIGNAL, f"stopped by a signal; `kill -CONT {beat.pid}` continues it"
    if facts.kernel in ("Z", "X"):
        return "ended", "ended", "has ended"
    if beat.iterated > now + CLOCK_SLACK:
        return NO_HEARTBEAT, NO_HEARTBEAT, "its heartbeat has a time in the future and is ignored"
    if beat.state is State.CRASH_LOOP_BACKOFF and beat.until is not None and beat.until >= now:
        left = max(1, math.ceil(beat.until - now))
        return (
            State.CRASH_LOOP_BACKOFF,
            f"backoff {left} s",
            f"crashed repeatedly; the next start is in {left} s (crash-loop backoff)",
        )
    if beat.state is State.FENCED:
        return beat.state, beat.state, FENCED
    seconds = now - beat.iterated
    if seconds > max_iteration_seconds:
        return LOOP_STALLED, f"stalled for {seconds:.0f} s", f"its loop is stalled: no iteration for {seconds:.0f} s"
    state = beat.state if beat.state is not State.READING else _what_it_reads(beat)
    text = f"stalled for {seconds:.0f} s" if seconds > SLOW_ITERATION_SECONDS else str(state)
    return state, text, None if state in WORKING else str(state)


def _with_numbers(
    own: SlotStatus,
    facts: SlotFacts,
    beat: Beat,
    now: float,
    lags: Mapping[TopicPartition, int] | None,
    unread: Collection[str],
) -> SlotStatus:
    read = [partition for partition in beat.partitions if partition.topic not in unread]
    known = [lags[partition] for partition in read if partition in lags] if lags is not None else []
    partial = lags is not None and len(known) < len(read)
    return replace(
        own,
        state_seconds=max(0.0, now - beat.since) if own.state == beat.state else None,
        partitions=beat.partitions,
        halted_partitions=_halted(beat),
        paused_partitions=_paused(beat),
        limited_by=beat.limited if beat.state is State.READING else None,
        records=beat.records,
        records_per_second=facts.rate,
        lag=None if lags is None or (partial and not known) else sum(known),
        lag_partial=partial,
        dead_letters=beat.dead_letters,
        rebalances=beat.rebalances,
        seconds_since_iteration=max(0.0, now - beat.iterated),
        seconds_since_commit=None if beat.committed is None else max(0.0, now - beat.committed),
        backoff_seconds=max(0.0, beat.until - now) if beat.state is State.CRASH_LOOP_BACKOFF and beat.until else None,
    )


def _what_it_reads(beat: Beat) -> str:
    if not beat.partitions:
        return IDLE
    return PAUSED if len(_paused(beat)) == len(beat.partitions) else State.READING


def _paused(beat: Beat) -> tuple[TopicPartition, ...]:
    return tuple(sorted({*beat.paused} & {*beat.partitions}))


def _halted(beat: Beat) -> tuple[TopicPartition, ...]:
    return tuple(sorted({*beat.halted} & {*beat.partitions}))
