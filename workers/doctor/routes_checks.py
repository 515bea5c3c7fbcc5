"""The routes: topics that none can have, patterns that match nothing, and hosts that have other routes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.findings import Finding, count, ok, unknown, warning, wrong
from workers.grouped_findings import listed
from workers.kafka.group_description import GroupDescription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workers.doctor.answers import DoctorAnswers


def check_routes(answers: DoctorAnswers) -> Iterator[Finding]:
    """Which topics there are for them, and which of those they cannot take."""
    settings, routed = answers.loaded.settings, answers.kafka.routed
    table = settings.route_table
    if routed is None or isinstance(routed, Unanswered):
        yield unknown(
            "routes.topics", "not asked: Kafka does not say which topics there are" if routed is None else routed.why
        )
        return
    collections = {each.collection for each in routed.topics.values()}
    yield ok(
        "routes.topics",
        f"{count(len(table.routes), 'route')}, {count(len(routed.topics), 'topic')}, {count(len(collections), 'collection')} "
        f"in {settings.database}",
    )
    for topic, why in routed.unroutable.items():
        yield wrong(
            "routes.unroutable",
            f"{topic} has no route: {why}; nobody reads its records",
            "correct WORKERS_ROUTES, so that exactly one route has it, and restart the workers: `workers restart`",
        )
    for route in table.routes:
        if route.topic_pattern is not None and not any(table.route_of(topic) == route for topic in routed.topics):
            yield warning(
                "routes.pattern",
                f"no topic that is there now is of the route {route.label}, with the pattern {route.topic_pattern}",
                "nothing, if its topics are still to be made: they are read within a minute; else correct the pattern",
            )


def check_members(answers: DoctorAnswers) -> Iterator[Finding]:
    """Whether the workers of all hosts have the routes that this command has."""
    group = answers.kafka.group
    if not isinstance(group, GroupDescription):
        return
    if others := group.with_other_routes(answers.loaded.settings.route_table.fingerprint):
        yield wrong(
            "routes.members",
            f"other routes than these have {listed(others)}: what becomes of a record depends on who reads it",
            "give all hosts the same WORKERS_ROUTES and settings, then `workers restart`",
        )
    elif any(member.routes for member in group.members.values()):
        yield ok("routes.members", "all workers have these routes")


CHECKS: tuple[Callable[[DoctorAnswers], Iterable[Finding]], ...] = (check_routes, check_members)
