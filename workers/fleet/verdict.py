"""The verdict on the fleet: one sentence and how much it matters, the same on the page and in `workers status`. Pure.

Calm: all is well, or heals itself and nothing waits. Attention: something waits, or is about to be mended by itself.
Act: a person must do something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.fleet.audit_verdict import proven, unaccounted, unproven
from workers.fleet.deaths import Death, recent_deaths
from workers.fleet.pause_verdict import limited, paused, without_paused
from workers.fleet.sentences import capital, duration, listed, plural, which
from workers.fleet.status.group import CORRECT, no_topics
from workers.fleet.status.slot import WORKING
from workers.fleet.verdict_facts import Facts, Level, Verdict
from workers.naming import is_worker
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.types import TopicPartition

ACT_SECONDS = 60.0
"""A service that does not answer for longer needs a person."""
RECENT_SECONDS = 600.0
"""What happened in the last ten minutes is told although it is over."""
SETTLING_SECONDS = 60.0
"""A worker that died so short a time before is still expected back."""
HOLE_SECONDS = 10.0
"""A shorter hole is that of a rebalance."""

BEGINNING = (
    "exited",
    "ended",
    "backoff",
    State.STARTING,
    State.CRASH_LOOP_BACKOFF,
    State.WAITING_FOR_KAFKA,
    State.WAITING_FOR_MONGODB,
    State.JOINING,
)
"""States of a slot between the end of one process and the work of the next."""


def verdict(facts: Facts) -> Verdict:
    """The first that applies, the worst first."""
    facts = without_paused(facts)
    judges = (unaccounted, _no_fleet, _database, _kafka, _standing, _deaths, _others, _holes, paused, unproven)
    return next((found for judge in judges if (found := judge(facts))), None) or _calm(facts)


def _no_fleet(facts: Facts) -> Verdict | None:
    if facts.status.fleet or facts.elsewhere:
        return None
    _, _, hint = facts.status.problems[0].partition("; ")
    return Verdict(Level.ACT, "No fleet runs here", f"{hint}; {facts.waiting}" if hint else facts.waiting)


def _database(facts: Facts) -> Verdict | None:
    service = facts.status.services.get("MongoDB")
    waiting = [slot for slot in facts.status.slots if slot.state == State.SINK_UNAVAILABLE]
    if service is None or (service.up and not waiting):
        return None
    seconds = max([service.seconds or 0.0, *(slot.state_seconds or 0.0 for slot in waiting)])
    what = "taken no write" if service.up else "not answered"
    detail = next((slot.problem for slot in waiting if slot.problem), "") if service.up else service.detail
    return _away("The database", what, seconds, f"nothing is lost, {facts.waiting}", detail or "")


def _kafka(facts: Facts) -> Verdict | None:
    service = facts.status.services.get("Kafka")
    if service is None or service.up:
        return None
    return _away(
        "Kafka", "not answered", service.seconds or 0.0, "nothing is lost, the workers wait for it", service.detail
    )


def _away(who: str, what: str, seconds: float, rest: str, detail: str) -> Verdict:
    level = Level.ACT if seconds > ACT_SECONDS or "refuses" in detail else Level.ATTENTION
    said = f"{who} has {what} for {duration(seconds)}" if seconds >= 1 else f"{who} has just stopped answering"
    return Verdict(level, f"{said}; {rest}", detail)


def _standing(facts: Facts) -> Verdict | None:
    """What keeps a partition from being read although all services answer."""
    status, group = facts.status, facts.status.group
    if group and group.unroutable:
        topics = sorted(group.unroutable)
        more = f" and {plural(len(topics) - 1, 'more topic')}" if len(topics) > 1 else ""
        verb = "are" if more else "is"
        text = (
            f"The topic {topics[0]}{more} {verb} halted: no route can have {'them' if more else 'it'}; {facts.waiting}"
        )
        return Verdict(Level.ACT, text, f"{group.unroutable[topics[0]]}; {CORRECT}")
    if group and group.refused:
        topics = sorted(group.refused)
        more = f" and {plural(len(topics) - 1, 'more topic')}" if len(topics) > 1 else ""
        return Verdict(
            Level.ACT, f"Kafka does not let this client see the topic {topics[0]}{more}", group.refused[topics[0]]
        )
    halted = sorted(partition for slot in status.slots for partition in slot.halted_partitions)
    if halted:
        why = next((slot.problem for slot in status.slots if slot.halted_partitions and slot.problem), "")
        verb = "is" if len(halted) == 1 else "are"
        return Verdict(Level.ACT, f"{capital(_which(facts, halted))} {verb} halted; {facts.waiting}", why or "")
    fatal = [slot for slot in status.slots if slot.state == "fatal"]
    if fatal:
        names = listed([slot.name for slot in fatal])
        does = "does" if len(fatal) == 1 else "do"
        return Verdict(Level.ACT, f"{names} {does} not stay up: supervisord has given up", fatal[0].problem or "")
    if group is None:
        return None
    if group.partitions is None:
        none = no_topics(group.missing) if group.has_several_topics else f"there is no topic {group.topic}"
        if group.has_several_topics and not group.missing:
            none = f"there is no topic of {group.topic}"
        return Verdict(Level.ATTENTION, f"{capital(none)} yet", "`workers doctor` shows the command that makes it")
    hanging = {partition: each for partition, each in group.open_transactions.items() if each.hanging}
    if hanging:
        first = max(hanging.values(), key=lambda each: each.seconds or 0.0)
        hidden = sum(each.offsets for each in hanging.values())
        verb, transaction = (
            ("has", "an open transaction hides") if len(hanging) == 1 else ("have", "open transactions hide")
        )
        text = f"{capital(_which(facts, hanging))} {verb} stood still for {duration(first.seconds or 0.0)}: {transaction} {hidden:,} records"
        return Verdict(Level.ACT, text, first.describe())
    if group.unanswered:
        text = f"Kafka does not answer for {_which(facts, group.unanswered)}; the others are read"
        return Verdict(Level.ATTENTION, text, "is every broker up?")
    return None


def _deaths(facts: Facts) -> Verdict | None:
    """Workers that died a moment ago and are not back yet, or whose partitions wait."""
    away = {slot.name for slot in facts.status.slots if slot.state in BEGINNING}
    dead = [
        death
        for death in recent_deaths(facts.status, facts.now, SETTLING_SECONDS)
        if death.process in away or (facts.holes and not death.stored_again)
    ]
    told = {death.process for death in dead}
    # The event of an end comes a moment later than the end.
    dead += [
        Death(slot.name, facts.now, killed=False)
        for slot in facts.status.slots
        if slot.state == "ended" and slot.name not in told
    ]
    if not dead:
        return None
    last = dead[-1]
    if len(dead) > 1:
        text = f"{listed([death.process for death in dead])} died in the last {duration(facts.now - dead[0].at)}"
    else:
        text = last.words(facts.now)
    starts = "" if last.process not in away else "; it starts again" if len(dead) == 1 else "; they start again"
    if facts.holes:
        verb = "waits" if len(facts.holes) == 1 else "wait"
        return Verdict(Level.ATTENTION, f"{text}; {_which(facts, facts.holes)} {verb}", facts.waiting)
    owners = listed(sorted({name for death in dead for name in death.owners}))
    if owners:
        its = "its" if len(dead) == 1 else "their"
        return Verdict(Level.ATTENTION, f"{text}; {its} partitions are with {owners}", f"{facts.waiting}{starts}")
    return Verdict(Level.ATTENTION, f"{text}{starts}", facts.waiting)


def _others(facts: Facts) -> Verdict | None:
    problems = facts.problems
    if not problems:
        return None
    supervised = facts.status.services.get("supervisord")
    ended = [slot for slot in facts.status.slots if slot.state == "stopped"]
    if ended and len(ended) == len(facts.status.slots):
        return Verdict(Level.ATTENTION, f"All workers are stopped; {facts.waiting}", problems[0])
    is_broken = (supervised is not None and not supervised.up and not facts.elsewhere) or "FATAL" in problems[0]
    more = len(problems) - 1
    detail = f"and {more} more; {facts.waiting}" if more else facts.waiting
    return Verdict(Level.ACT if is_broken else Level.ATTENTION, capital(problems[0], names=True), detail)


def _holes(facts: Facts) -> Verdict | None:
    """Partitions that wait though nothing else is wrong: a write that hangs, a leader that is slow."""
    long = {partition: seconds for partition, seconds in facts.holes.items() if seconds >= HOLE_SECONDS}
    if not long:
        return None
    seconds = max(long.values())
    have = "has" if len(long) == 1 else "have"
    text = f"{capital(_which(facts, long))} {have} not been stored for {duration(seconds)}; {facts.waiting}"
    return Verdict(Level.ACT if seconds > ACT_SECONDS else Level.ATTENTION, text, "")


def _calm(facts: Facts) -> Verdict:
    status = facts.status
    reading = sum(slot.state in WORKING for slot in status.slots)
    if status.group and status.group.settled:
        # Those of other hosts read, too.
        reading = max(reading, sum(is_worker(member.client_id) for member in status.group.members))
    where = " elsewhere" if facts.elsewhere else ""
    work = f"{plural(reading, 'worker')}{where} {'reads' if reading == 1 else 'read'}"
    limit = limited(facts)
    if status.group and status.group.partitions:
        work += f" {plural(status.group.partitions, 'partition')}"
        topics = sum(topic.partitions > 0 for route in status.routes for topic in route.topics)
        work += f" of {plural(topics, 'topic')}" if status.has_several_topics else ""
    work += f", {limit}" if limit else ""
    happened = _what_happened(facts)
    text, besides = proven(facts)
    known = happened or (f"{work}; {facts.waiting}" if text else "")
    separator = "" if not known or not besides else " " if known.endswith(".") else ". "
    return Verdict(Level.CALM, text or f"{work}; {facts.waiting}", f"{known}{separator}{besides}")


def _which(facts: Facts, partitions: Iterable[TopicPartition]) -> str:
    return which(sorted(partitions), named=facts.status.has_several_topics)


def _what_happened(facts: Facts) -> str:
    deaths = recent_deaths(facts.status, facts.now, RECENT_SECONDS)
    if not deaths:
        return ""
    last = deaths[-1]
    text = last.words(facts.now)
    if last.seconds is not None:
        does = "were stored again" if last.stored_again else "were taken over"
        text += f"; its partitions {does} after {last.seconds:.2f} s"
    audit = facts.audit
    is_proven = audit is not None and audit.is_clean and not audit.removed and (audit.until or 0.0) >= last.at
    return f"{text}.{' Nothing lost, nothing twice.' if is_proven else ''}"
