"""The report of `workers verify` over several topics: a row for each topic, and one verdict."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workers.cli.payload import escaped
from workers.cli.render import RARE, TOPIC, counts_table, verify_notes, verify_verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from workers.verification.foreign_ids import ForeignTopic
    from workers.verification.routes_report import CollectionVerdict, RoutesReport, TopicVerdict

NOT_YET = "not there yet"


def routes_report(console: Console, found: RoutesReport) -> None:
    """A row for each topic; of one alone, a row for each of its partitions."""
    from workers.verification.report import OUTCOMES

    outcomes = [outcome for outcome in OUTCOMES if outcome not in RARE or found.total(outcome)]
    names = {account.partition: str(account.partition) for account in found.partitions}
    foreign = [line for each in found.collections for line in foreign_lines(each)]
    if found.is_one_topic:
        (report,) = found.reports
        console.print(_where(found.topics[0]), markup=False)
        rows = [(str(account.partition.partition), account.counts) for account in report.partitions]
        head = "partition"
    else:
        rows = [
            (each.topic, Counter({outcome: each.report.total(outcome) for outcome in outcomes}))
            for each in found.topics
            if each.report
        ]
        head = TOPIC
    if rows:
        rows.append(("all", Counter({outcome: found.total(outcome) for outcome in outcomes})))
        counts_table(console, head, rows, outcomes)
    missing = [each.topic for each in found.topics if not each.report]
    for topic in missing:
        console.print(f"{topic}: {NOT_YET}", markup=False)
    verify_notes(console, found, found.reports, names, foreign)
    for topic, why in found.unroutable.items():
        console.print(
            f"[red]not routed[/]: {topic}, whose records nobody reads: {escaped(why)}; correct WORKERS_ROUTES"
        )
    verify_verdict(console, found)


def _where(verdict: TopicVerdict) -> str:
    route = "" if verdict.route == verdict.topic else f", by the route {verdict.route}"
    return f"{verdict.topic}, into {verdict.collection}{route}"


def foreign_lines(verdict: CollectionVerdict) -> Iterator[str]:
    """What a collection holds that belongs to none of its topics, a line for each topic that it is of."""
    for each in verdict.of:
        documents = "document is" if each.documents == 1 else "documents are"
        yield f"{verdict.collection}: {each.documents:,} {documents} {_of_whom(each)}"


def _of_whom(each: ForeignTopic) -> str:
    return {
        "elsewhere": f"of {each.topic}, which goes into {each.collection} now",
        "earlier": f"of an earlier topic {each.topic}, which was deleted",
        "unroutable": f"of {each.topic}, which is not routed",
        "no_route": f"of {each.topic}, which is in no route",
        "no_topic": f"of no topic: somebody else has inserted {'it' if each.documents == 1 else 'them'}",
    }[each.why]
