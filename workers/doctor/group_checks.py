"""The consumer group: who is in it, what it has committed and by whom, and what this client may do with it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.doctor.kafka_checks import grant, principal
from workers.doctor.topic_checks import number
from workers.findings import Finding, Severity, advised, count, ok, warning, wrong
from workers.kafka.group_description import GroupDescription
from workers.kafka.inspector import TopicDetails
from workers.naming import is_worker, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.doctor.answers import DoctorAnswers
    from workers.kafka.group_description import Member
    from workers.kafka.inspector import Commits

NONE = "Dead"
"""The state of a group that does not exist."""
SETTLED = ("Stable", "Empty", NONE)
LISTED = 6
"""Members that are named in one line."""
JOIN_SECONDS = 20.0
"""Within which a worker has joined, also on a busy machine."""
OTHER_GROUP = "set WORKERS_GROUP to a group of the workers' own"


def check_rights(answers: DoctorAnswers) -> Iterator[Finding]:
    """What this client may do with the group."""
    settings, rights = answers.loaded.settings, answers.kafka.group_rights
    if isinstance(rights, Unanswered):
        if rights.was_asked and not isinstance(answers.kafka.group, Unanswered):
            yield advised("group.rights", Severity.UNKNOWN, rights.why, "")
        return
    if rights is None:
        return
    if "READ" not in rights:
        yield wrong(
            "group.rights",
            f"{principal(settings)} may not join {settings.group} (Kafka's right READ on the group)",
            grant(settings, "READ", "group", settings.group),
        )
    else:
        yield ok("group.rights", f"{principal(settings)} has READ")


def check_members(answers: DoctorAnswers) -> Iterator[Finding]:
    """Who is in the group: our workers, workers of other fleets, and programs that are no workers at all."""
    settings, group, check = answers.loaded.settings, answers.kafka.group, "group.members"
    if isinstance(group, Unanswered):
        yield advised(check, Severity.WRONG if group.was_asked else Severity.UNKNOWN, group.why, "start Kafka")
        return
    if group.state == NONE or not group.members:
        why = "it does not exist yet: the first worker makes it" if group.state == NONE else "nobody is in it now"
        if (running := _running(answers)) and isinstance(answers.kafka.topic, TopicDetails):
            yield warning(
                check,
                f"{count(running, 'worker')} of this folder run, and none of them is in the group {settings.group}",
                "is WORKERS_GROUP theirs, too? else `workers status` says what they wait for",
            )
        else:
            yield ok(check, f"{settings.group}: {why}")
        return
    known = frozenset() if isinstance(answers.fleet, Unanswered) else answers.fleet.members
    ours = [each for member, each in group.members.items() if member in known]
    others = [each for member, each in group.members.items() if member not in known]
    listed = _named(ours)
    yield ok(
        check, f"{settings.group}: {group.state}, {count(len(group.members), 'member')}{listed and f', here {listed}'}"
    )
    if group.state not in SETTLED:
        yield warning(
            "group.state", f"the group is rebalancing ({group.state})", "look again in a minute: `workers status`"
        )
    yield from _others(answers, others)


def _running(answers: DoctorAnswers) -> int:
    """How many workers have run for so long that they should have joined."""
    if isinstance(answers.fleet, Unanswered):
        return 0
    return sum(is_worker(each.name) and (each.uptime or 0.0) > JOIN_SECONDS for each in answers.fleet.processes)


def _others(answers: DoctorAnswers, others: Sequence[Member]) -> Iterator[Finding]:
    foreign = [each for each in others if not is_worker(each.client_id)]
    if foreign:
        named = ", ".join(f"{each.client_id} from {each.host}" for each in foreign[:LISTED])
        held = sum(len(each.partitions) for each in foreign)
        yield wrong(
            "group.foreign",
            f"a program that is no worker is in the group ({named}) with {count(held, 'partition')}: what it reads and commits "
            f"there is never stored",
            f"stop it, or give it another group; or {OTHER_GROUP}",
        )
    workers = [each for each in others if is_worker(each.client_id)]
    here = [each for each in workers if each.host in answers.kafka.own_hosts]
    elsewhere = sorted({each.host for each in workers if each.host not in answers.kafka.own_hosts})
    if here:
        yield warning(
            "group.second_fleet",
            f"another fleet on this machine is in the same group: {_named(here)}",
            "nothing, if that is meant; else stop it, or give one of both another WORKERS_GROUP; if it is this one, its "
            "WORKERS_STATE_DIR is not that of this command",
        )
    if elsewhere:
        away = [each for each in workers if each.host in elsewhere]
        yield ok(
            "group.second_fleet",
            f"{count(len(away), 'worker')} on other machines: {', '.join(elsewhere[:LISTED])}",
        )


def _named(members: Sequence[Member]) -> str:
    names = sorted(short_name(each.client_id) for each in members)
    return " ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def check_commits(answers: DoctorAnswers) -> Iterator[Finding]:
    """Where the workers read on, and whether that was written by them."""
    offsets, commits = answers.kafka.offsets, answers.kafka.commits
    if isinstance(offsets, Unanswered) or isinstance(commits, Unanswered) or answers.kafka.topic is None:
        failed = next((each for each in (offsets, commits) if isinstance(each, Unanswered) and each.was_asked), None)
        if failed and isinstance(answers.kafka.group, GroupDescription):
            yield advised("group.commits", Severity.UNKNOWN, failed.why, "look again: `workers doctor`")
        return
    lag, total = sum(each.lag for each in offsets.values()), len(offsets)
    committed = sum(each.committed is not None for each in offsets.values())
    waiting = f"{count(lag, 'record')} waiting" if lag else "nothing waits"
    if not committed:
        earlier = " of this topic" if commits.of_deleted_topic else ""
        text = f"nothing{earlier} is committed yet: the workers begin at the log start, {waiting}"
        if gone := sum(each.start for each in offsets.values()):
            text += f"; {count(gone, 'offset')} before it were deleted already"
        yield ok("group.commits", text)
    else:
        yield ok("group.commits", f"committed in {committed} of {count(total, 'partition')}, {waiting}")
    yield from _strange_commits(commits)
    lost = sum(max(0, each.start - each.committed) for each in offsets.values() if each.committed is not None)
    if lost:
        yield warning(
            "group.lost",
            f"Kafka deleted {count(lost, 'offset')} behind the commits before they were read: they are lost",
            "runbook LostRecords: docs/runbooks/LostRecords.md",
        )
    unstable = sum(each.unstable for each in offsets.values())
    if unstable:
        yield warning(
            "group.unstable",
            f"{count(unstable, 'record')} behind an open transaction: nobody can read them before it ends",
            "`workers status` says since when; runbook HangingTransaction",
        )


def _strange_commits(commits: Commits) -> Iterator[Finding]:
    if commits.others:
        yield warning(
            "group.commits",
            f"another program has committed for this group in {count(commits.others, 'partition')}: the workers begin there, "
            f"and what lies before is never stored",
            f"nothing, if these records are to be left out; else {OTHER_GROUP}",
        )


def check_session_timeout(answers: DoctorAnswers) -> Iterator[Finding]:
    """Whether the broker takes WORKERS_SESSION_TIMEOUT: else no worker can join."""
    configuration = answers.kafka.broker_configuration
    if not isinstance(configuration, dict):
        return
    settings = answers.loaded.settings
    least, most = (number(configuration, f"group.{end}.session.timeout.ms") for end in ("min", "max"))
    if least is None or most is None:
        return
    if not least <= settings.session_timeout * 1000 <= most:
        yield wrong(
            "group.session_timeout",
            f"the broker takes session timeouts of {least / 1000:g} to {most / 1000:g} s, and WORKERS_SESSION_TIMEOUT is "
            f"{settings.session_timeout:g}: no worker can join",
            f"set WORKERS_SESSION_TIMEOUT to a value between {least / 1000:g} and {most / 1000:g}",
        )


CHECKS = (check_members, check_rights, check_commits, check_session_timeout)
