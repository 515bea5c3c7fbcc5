"""`workers produce`: sends numbers, or the lines of a file."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from workers.cli import render as show
from workers.cli.ctrl_c import ctrl_c
from workers.cli.entry import INTERRUPTED
from workers.cli.options import Json, OfRoute, Tree, finite, require_route, text, texts, topic_names
from workers.errors import BadUsageError, ExitCode, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from workers.kafka.producer import Extras, ProduceReport
    from workers.settings import Settings

out = show.console()
err = show.console(stderr=True)


def produce(
    start: Annotated[
        int, typer.Option(metavar="N", min=-(2**63), max=2**63 - 1, help="The first number, of at most 64 bits.")
    ] = 0,
    count: Annotated[int, typer.Option(metavar="N", min=0, help="How many numbers.")] = 1000,
    interval: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, max=86_400, callback=finite, help="Seconds between two records."),
    ] = 0.0,
    partitions: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100_000, help="Partitions of the topic, if it has to be created."),
    ] = 6,
    topic: Annotated[
        str | None,
        typer.Option(callback=text, autocompletion=topic_names, help="The topic, instead of WORKERS_TOPIC."),
    ] = None,
    route: OfRoute = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Send the lines of a file, unchanged; -: of standard input."),
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="TEXT", callback=text, help="The key of each record.")] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", callback=texts, help="A header of each record; may be given several times."),
    ] = None,
    tree: Tree = Path(),
    as_json: Json = False,
) -> None:
    """Send numbers to Kafka as JSON, {"number": n}, and count what is acknowledged.

    All in-sync replicas acknowledge a record. The topic is created if there is none. With WORKERS_ROUTES the records go in
    turn to all topics that the routes name.

    Example: workers produce --start 1000 --count 500

    Exit codes: 0 every record is acknowledged, 1 one is not, 69 Kafka does not answer or refuses, 130 interrupted: the
    report counts what was acknowledged until then.
    """
    # Not at the top: see `workers.cli`.
    from workers.kafka.producer import Extras, numbers
    from workers.settings import load

    extras = Extras(None if key is None else key.encode(), headers(header or ()))
    settings = load(tree)
    if topic is not None and settings.routes is None:
        settings = load(tree, topic=topic)
    require_route(settings, route)
    topics = _topics(settings, topic, route)
    with opened(source) as lines:
        sent, total = (numbers(start, count), count) if lines is None else (values(lines), None)
        report, interrupted = _produce(settings, topics, sent, total, interval, partitions, extras, quiet=as_json)
    if as_json:
        by_partition = {str(partition): count for partition, count in sorted(report.by_partition.items())}
        where = {"topic": topics[0]} if len(topics) == 1 else {"topics": topics}
        out.print_json(json.dumps(vars(report) | where | {"rate": report.rate, "by_partition": by_partition}))
    else:
        show.produced(out, topics[0] if len(topics) == 1 else f"{len(topics)} topics", report)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(ExitCode.FAILED)


def _topics(settings: Settings, topic: str | None, route: str | None) -> Sequence[str]:
    """To which the records go in turn.

    Raises:
        BadUsageError: none is named.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings.files import shown
    from workers.settings.values import topic_problem

    if topic is not None:
        if problem := topic_problem(topic):
            raise BadUsageError(f"--topic {shown(topic)}: {problem}")
        return (topic,)
    table = settings.route_table
    only = table.labelled(route) if route is not None else None
    topics = only.topics if only else table.topics
    if not topics:
        raise BadUsageError(f"to which topic? There are only patterns: say it with --topic, as one of {table.names}")
    return topics


def _produce(
    settings: Settings,
    topics: Sequence[str],
    values: Iterable[bytes],
    total: int | None,
    interval: float,
    partitions: int,
    extras: Extras,
    *,
    quiet: bool,
) -> tuple[ProduceReport, bool]:
    """What was sent, and whether Ctrl-C ended it early."""
    # Not at the top: see `workers.cli`.
    from workers.kafka.admin import Admin
    from workers.kafka.producer import Producer

    interrupted = False
    # Errors name the topic of the settings.
    settings = settings.model_copy(update={"topic": topics[0]})
    with Admin(settings) as admin:
        created = [
            each for each in topics if admin.topic(each, right="WRITE") is None and admin.create_topic(each, partitions)
        ]
    if created and not quiet:
        what = f"the topic {created[0]}" if len(created) == 1 else f"{len(created)} topics, each"
        out.print(f"created {what} with {partitions} partitions")
    with (
        Producer(settings, topics=topics, extras=extras) as producer,
        show.counting(err, "produced", total) as counted,
    ):
        try:
            producer.send_all(counted(values), interval)
        except KeyboardInterrupt:
            interrupted = True
            ctrl_c.tell(err, "no more records are sent; the report counts those already sent")
    return producer.report, interrupted


def opened(source: str | None) -> AbstractContextManager[BinaryIO | None]:
    """The lines to send; None: send numbers.

    Raises:
        NotFoundError: the file cannot be read.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings.files import shown

    if source is None:
        return nullcontext()
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise NotFoundError(f"cannot read {shown(source)}: {error.strerror}") from error


def headers(given: Iterable[str]) -> list[tuple[str, bytes]]:
    """In the order in which they are given; a name may be there twice.

    Raises:
        BadUsageError: one is not NAME=TEXT.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings.files import shown

    pairs = [each.partition("=") for each in given]
    for name, equals, value in pairs:
        if not name or not equals:
            raise BadUsageError(f"--header {shown(name + value)}: write NAME=TEXT, for example ce_type=order.created")
    return [(name, value.encode()) for name, _, value in pairs]


def values(lines: BinaryIO) -> Iterator[bytes]:
    """The lines, without their ends."""
    return (line.removesuffix(b"\n").removesuffix(b"\r") for line in lines)
