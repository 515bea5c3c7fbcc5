"""The command line: creates the objects, prints their reports, and turns errors into exit codes."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn

import typer

from workers import __version__
from workers.cli import audit as cli_audit
from workers.cli import chaos as cli_chaos
from workers.cli import dead_letters as cli_dead_letters
from workers.cli import fleet as cli_fleet
from workers.cli import lag as cli_lag
from workers.cli import render as show
from workers.cli import streams
from workers.cli import watchdog as cli_watchdog
from workers.cli.failure import exit_code
from workers.cli.options import LONGEST_SECONDS, finite
from workers.errors import ExitCode, NotFoundError, WorkersError
from workers.settings import load, load_all, redact, unused
from workers.settings.files import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from workers.kafka.producer import ProduceReport
    from workers.settings import Settings

app = typer.Typer(
    help="Kafka records to MongoDB documents: nothing lost, nothing twice, nothing unexplained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = show.console()
err = show.console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]


def _version(requested: bool) -> None:
    if requested:
        out.print(f"kafka-mongo-workers {__version__}")
        raise typer.Exit


@app.callback()
def _workers(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Settings are environment variables WORKERS_*, in the environment or in .env: `workers config` lists them."""


@app.command()
def run() -> None:
    """Run one worker until SIGTERM. supervisord runs one for each slot.

    Example: WORKERS_SLOT=0 workers run
    """
    from workers.monitoring import logs as log
    from workers.worker.app import Worker

    settings = load()
    Worker(settings, log.configure(settings)).run()


@app.command()
def produce(
    start: Annotated[int, typer.Option(min=-(2**63), max=2**63 - 1, help="The first number.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="How many numbers.")] = 1000,
    interval: Annotated[
        float, typer.Option(min=0, max=86_400, callback=finite, help="Seconds between two records.")
    ] = 0.0,
    partitions: Annotated[
        int, typer.Option(min=1, max=100_000, help="Partitions of the topic, if it has to be created.")
    ] = 6,
    topic: Annotated[str | None, typer.Option(help="The topic, instead of WORKERS_TOPIC.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="Send the lines of a file, unchanged.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send numbers as JSON, {"number": n}, each acknowledged by all in-sync replicas.

    Example: workers produce --start 1000 --count 500
    """
    from workers.kafka.producer import numbers

    settings = load(topic=topic)
    with _opened(source) as lines:
        values, total = (numbers(start, count), count) if lines is None else (_values(lines), None)
        report = _produce(settings, values, total, interval, partitions, quiet=as_json)
    if as_json:
        by_partition = {str(partition): count for partition, count in sorted(report.by_partition.items())}
        out.print_json(
            json.dumps(vars(report) | {"topic": settings.topic, "rate": report.rate, "by_partition": by_partition})
        )
    else:
        show.produced(out, settings.topic, report)
    if report.failed:
        raise typer.Exit(ExitCode.FAILED)


def _produce(
    settings: Settings, values: Iterable[bytes], total: int | None, interval: float, partitions: int, *, quiet: bool
) -> ProduceReport:
    from workers.kafka.admin import Admin
    from workers.kafka.producer import Producer

    with Admin(settings) as admin:
        created = admin.topic(settings.topic, right="WRITE") is None and admin.create_topic(settings.topic, partitions)
    if created and not quiet:
        out.print(f"created the topic {settings.topic} with {partitions} partitions")
    with Producer(settings) as producer, show.counting(err, "produced", total) as counted:
        try:
            producer.send_all(counted(values), interval)
        except KeyboardInterrupt:
            err.print("interrupted: no more records are sent; the report counts those already sent")
    return producer.report


@app.command()
def verify(
    wait: Annotated[
        float,
        typer.Option(
            min=0, callback=finite, help="First wait for the fleet to commit all records, at most so many seconds."
        ),
    ] = 0.0,
    since: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=LONGEST_SECONDS,
            callback=finite,
            help="Only records of the last so many seconds: fast enough for every minute.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare every record in Kafka with its document or dead letter in MongoDB.

    Records behind an open transaction cannot be read before it ends: they are counted as unstable, neither lost nor
    proven, with the age of the transaction.

    Exit code: 0 every record that can be read is accounted for, 1 some are missing, twice or unexplained, or with
    --wait still pending or unstable, 2 Kafka or MongoDB could not be read.

    Example: workers verify --wait 60
    """
    from workers.verification import verify as verification

    settings = load()
    try:
        if wait:
            _wait_until_committed(settings, wait)
        with show.reading(err) as on_progress:
            report = verification.verify(settings, since, on_progress)
    except WorkersError as error:
        err.print(f"workers verify: {error}", markup=False)
        err.print("nothing was verified")
        raise typer.Exit(ExitCode.UNCHECKED) from error
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    else:
        show.verify_report(out, report)
    if not report.accounted or (wait and (report.total("pending") or report.total("unstable"))):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def config(
    tree: Annotated[Path, typer.Option(help="The checkout whose .env is read.")] = Path(),
    as_json: Json = False,
) -> None:
    """Show every setting with its value, without secrets, and the source of the value.

    With --json: the values by name, and under "from" the source of each.

    Example: WORKERS_TOPIC=orders workers config
    """
    settings, sources, _ = load_all(tree)
    values = redact(settings)
    for note in unused(settings):
        err.print(f"workers: {note}", markup=False)
    if as_json:
        out.print_json(json.dumps(values | {"from": sources}))
    else:
        show.settings(out, settings, values, sources)


app.command()(cli_chaos.chaos)
app.command()(cli_fleet.status)
app.command()(cli_fleet.restart)
app.command()(cli_lag.lag)
app.command()(cli_watchdog.watchdog)
app.command()(cli_audit.audit)
app.add_typer(cli_dead_letters.app, name="dead-letters")


def main() -> NoReturn:
    """The entry point `workers`. Ends with one of `ExitCode`, or 130 after Ctrl-C."""
    streams.prepare()
    code = exit_code(lambda: app(standalone_mode=False), err)
    sys.exit(streams.finish(code, lambda message: err.print(f"workers: {message}", markup=False)))


def _opened(source: str | None) -> AbstractContextManager[BinaryIO | None]:
    if source is None:
        return nullcontext()
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise NotFoundError(f"cannot read {shown(source)}: {error.strerror}") from error


def _values(lines: BinaryIO) -> Iterator[bytes]:
    return (line.removesuffix(b"\n").removesuffix(b"\r") for line in lines)


def _wait_until_committed(settings: Settings, seconds: float) -> None:
    from workers.verification.backlog import wait_until_committed

    wait_until_committed(settings, seconds, lambda line: err.print(line, markup=False))
