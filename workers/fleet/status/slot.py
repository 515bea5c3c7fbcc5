"""What is the matter with one slot: supervisord's word, the worker's own and the kernel's, made into one."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from workers.fleet.status.group import named
from workers.state.heartbeat import State
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.fleet.supervisor import Process
    from workers.state.heartbeat import Beat
    from workers.types import TopicPartition

IDLE = "idle"
STOPPED_BY_SIGNAL = "stopped (SIGSTOP)"
LOOP_STALLED = "loop stalled"
NO_HEARTBEAT = "no heartbeat"
WELL = (State.READING, IDLE)
NOT_JOINED = (State.STARTING, State.CRASH_LOOP_BACKOFF, State.WAITING_FOR_MONGODB, State.WAITING_FOR_KAFKA)
"""States of a process that has not been in the group yet."""

YOUNG_SECONDS = 10.0
"""Python starting on a busy machine: so long a process may live before its first heartbeat."""
SILENT_SECONDS = 10.0
"""A loop that has not turned for longer is shown as such; a long write may be the cause, so it is no fault yet."""
CLOCK_SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known about one slot, by those who know it."""

    process: Process | None = None
    """None: supervisord has no such process, or is not there."""
    beat: Beat | None = None
    kernel: str | None = None
    """The kernel's letter for the state of the process that wrote the heartbeat (proc(5)); None: it has ended."""
    member: str | None = None
    """The id in the slot's member file: of this process, once it is in the group; before, of its predecessor."""
    restarts: int | None = None
    rate: float | None = None
    """Records a second, of late."""

    @property
    def living(self) -> Beat | None:
        """The heartbeat, if it is of a process that lives, and of the one that supervisord means."""
        process, beat = self.process, self.beat
        if beat is None or self.kernel is None or (process and process.pid != beat.pid):
            return None
        return beat

    @property
    def dead_member(self) -> str | None:
        """The id in the member file, if the process that had it is gone: nobody reads what the broker gives it."""
        joined = self.living is not None and self.living.state not in NOT_JOINED
        return None if joined else self.member


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """One slot as it is shown. Names and units are those of `workers status --json`."""

    name: str
    state: str
    """The worker's own word where it has one (`workers.state.heartbeat.State`, or idle), else what is known of its end."""
    text: str
    """The same for people, with its seconds."""
    problem: str | None = None
    """What is wrong, in words; None: the slot does its work."""
    supervised: bool = True
    full_name: str = ""
    """What supervisorctl calls it."""
    pid: int | None = None
    uptime_seconds: float | None = None
    exit_status: int | None = None
    restarts: int | None = None
    in_group: bool | None = None
    """By the broker's word; None: it was not there to be asked."""
    member_id: str | None = None
    """In the group, as the worker says."""
    partitions: tuple[TopicPartition, ...] = ()
    """What the worker says it owns."""
    halted_partitions: tuple[TopicPartition, ...] = ()
    """Those of them that it has paused until it is restarted."""
    records: int | None = None
    records_per_second: float | None = None
    lag: int | None = None
    dead_letters: int | None = None
    rebalances: int | None = None
    seconds_since_iteration: float | None = None
    seconds_since_commit: float | None = None
    backoff_seconds: float | None = None
    log: str = ""

    @property
    def healthy(self) -> bool:
        """Nothing is wrong with it."""
        return self.problem is None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        owned = {name: by_topic(getattr(self, name)) for name in ("partitions", "halted_partitions")}
        return asdict(self) | owned | {"healthy": self.healthy}


def judge_slot(
    name: str,
    seen: Seen,
    now: float,
    max_iteration_seconds: float,
    uptime: float | None = None,
    lags: Mapping[TopicPartition, int] | None = None,
    members: Mapping[str, object] | None = None,
) -> SlotStatus:
    """Make one word of what is known.

    Args:
        now: `time.monotonic`, the clock of the heartbeat.
        max_iteration_seconds: seconds that a turn of the loop may take.
        uptime: seconds since the process was started, where supervisord does not know.
        lags: by partition; None: Kafka was not there to be asked.
        members: by member id; None: the broker was not asked, or the group is just moving.
    """
    process, beat = seen.process, seen.living
    state, text, problem = (
        _ended(process) if process and not process.pid else _running(seen, now, max_iteration_seconds)
    )
    in_group = seen.member in members if beat and members is not None and state in WELL else None
    if problem is None and in_group is False:
        problem = f"{text}, but the broker does not have it in the group"
    if problem is None and beat and (halted := _halted(beat)):
        problem = f"has halted {named(halted)}: see its log for the reason"
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
        restarts=seen.restarts,
        in_group=in_group,
        member_id=seen.member if seen.dead_member is None else None,
        log=process.log if process else "",
    )
    return _with_numbers(own, seen, beat, now, lags) if beat and beat.iterated <= now + CLOCK_SLACK else own


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
        "FATAL": f"FATAL, supervisord has given it up: {why}{log}",
        "BACKOFF": f"cannot start, is tried again: {why}{log}",
    }
    return process.state.lower(), text, problem.get(process.state, text)


def _running(seen: Seen, now: float, max_iteration_seconds: float) -> tuple[str, str, str | None]:
    """State, text and problem of a process that runs."""
    process, beat = seen.process, seen.living
    if process and process.state == "STOPPING":
        return State.STOPPING, State.STOPPING, "is stopping"
    if beat is None:
        if process and seen.beat and seen.beat.pid == process.pid:
            # supervisord has not noticed yet.
            return "ended", "ended", "has just ended"
        if process and (process.uptime or 0.0) < YOUNG_SECONDS:
            return State.STARTING, State.STARTING, "is starting"
        return NO_HEARTBEAT, NO_HEARTBEAT, "no heartbeat: has it another WORKERS_GROUP or WORKERS_STATE_DIR?"
    if seen.kernel in ("T", "t"):
        return STOPPED_BY_SIGNAL, STOPPED_BY_SIGNAL, f"stopped by a signal; `kill -CONT {beat.pid}` lets it go on"
    if seen.kernel in ("Z", "X"):
        return "ended", "ended", "has ended"
    if beat.iterated > now + CLOCK_SLACK:
        return NO_HEARTBEAT, NO_HEARTBEAT, "its heartbeat is of the future: nothing is known of it"
    if beat.state is State.CRASH_LOOP_BACKOFF and beat.until is not None and beat.until >= now:
        left = max(1, math.ceil(beat.until - now))
        return (
            State.CRASH_LOOP_BACKOFF,
            f"backoff {left} s",
            f"crashed repeatedly; the next start is in {left} s (crash-loop backoff)",
        )
    silent = now - beat.iterated
    if silent > max_iteration_seconds:
        return LOOP_STALLED, f"stalled for {silent:.0f} s", f"its loop is stalled: no iteration for {silent:.0f} s"
    state = IDLE if beat.state is State.READING and not beat.partitions else beat.state
    text = f"stalled for {silent:.0f} s" if silent > SILENT_SECONDS else str(state)
    return state, text, None if state in WELL else str(state)


def _with_numbers(
    own: SlotStatus, seen: Seen, beat: Beat, now: float, lags: Mapping[TopicPartition, int] | None
) -> SlotStatus:
    return replace(
        own,
        partitions=beat.partitions,
        halted_partitions=_halted(beat),
        records=beat.records,
        records_per_second=seen.rate,
        lag=None if lags is None else sum(lags.get(partition, 0) for partition in beat.partitions),
        dead_letters=beat.dead_letters,
        rebalances=beat.rebalances,
        seconds_since_iteration=max(0.0, now - beat.iterated),
        seconds_since_commit=None if beat.committed is None else max(0.0, now - beat.committed),
        backoff_seconds=max(0.0, beat.until - now) if beat.state is State.CRASH_LOOP_BACKOFF and beat.until else None,
    )


def _halted(beat: Beat) -> tuple[TopicPartition, ...]:
    return tuple(sorted({*beat.halted} & {*beat.partitions}))
