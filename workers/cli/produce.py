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
from workers.cli.options import Json, Tree, finite, text, texts
from workers.errors import BadUsageError, ExitCode, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
    topic: Annotated[str | None, typer.Option(help="The topic, instead of WORKERS_TOPIC.")] = None,
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

    All in-sync replicas acknowledge a record. The topic is created if there is none.

    Example: workers produce --start 1000 --count 500

    Exit codes: 0 every record is acknowledged, 1 one is not, 69 Kafka does not answer or refuses, 130 interrupted: the
    report counts what was acknowledged until then.
    """
    # Not at the top: see `workers.cli`.
    from workers.kafka.producer import Extras, numbers
    from workers.settings import load

    extras = Extras(None if key is None else key.encode(), headers(header or ()))
    settings = load(tree, topic=topic)
    with opened(source) as lines:
        sent, total = (numbers(start, count), count) if lines is None else (values(lines), None)
        report, interrupted = _produce(settings, sent, total, interval, partitions, extras, quiet=as_json)
    if as_json:
        by_partition = {str(partition): count for partition, count in sorted(report.by_partition.items())}
        out.print_json(
            json.dumps(vars(report) | {"topic": settings.topic, "rate": report.rate, "by_partition": by_partition})
        )
    else:
        show.produced(out, settings.topic, report)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(ExitCode.FAILED)


def _produce(
    settings: Settings,
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
    with Admin(settings) as admin:
        created = admin.topic(settings.topic, right="WRITE") is None and admin.create_topic(settings.topic, partitions)
    if created and not quiet:
        out.print(f"created the topic {settings.topic} with {partitions} partitions")
    with Producer(settings, extras=extras) as producer, show.counting(err, "produced", total) as counted:
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
