"""The command line: it wires the objects, shows what they report, and turns errors into exit codes."""

from __future__ import annotations

import json
import sys
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

import typer

from workers import __version__
from workers.cli import chaos as cli_chaos
from workers.cli import dead_letters as cli_dead_letters
from workers.cli import fleet as cli_fleet
from workers.cli import lag as cli_lag
from workers.cli import render as show
from workers.cli import watchdog as cli_watchdog
from workers.errors import ExitCode, NotFoundError, WorkersError
from workers.settings import load, load_all, redact

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

WAIT_LOOK_SECONDS = 0.2
"""Between two looks of `verify --wait`: late by so much, at the most."""

Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"kafka-mongo-workers {__version__}")
        raise typer.Exit


@app.callback()
def _workers(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Settings are environment variables WORKERS_*, also read from .env: `workers config` lists them."""


@app.command()
def run() -> None:
    """Run one worker until SIGTERM. supervisord runs one of these a slot.

    Example: WORKERS_SLOT=0 workers run
    """
    from workers.monitoring import logs as log
    from workers.worker.app import Worker

    settings = load()
    log.configure(settings)
    Worker(settings).run()


@app.command()
def produce(
    start: Annotated[int, typer.Option(min=-(2**63), max=2**63 - 1, help="The first number.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="How many numbers.")] = 1000,
    interval: Annotated[float, typer.Option(min=0, max=86_400, help="Seconds between two records.")] = 0.0,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the topic, if it has to be made.")] = 6,
    topic: Annotated[str | None, typer.Option(help="Another topic than WORKERS_TOPIC.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="Send the lines of a file as they are.")
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
        made = admin.topic(settings.topic) is None and admin.create_topic(settings.topic, partitions)
    if made and not quiet:
        out.print(f"made the topic {settings.topic} with {partitions} partitions")
    with Producer(settings) as producer, show.counting(err, "produced", total) as counted:
        try:
            producer.send_all(counted(values), interval)
        except KeyboardInterrupt:
            err.print("interrupted: no more records are sent; those sent were waited for")
    return producer.report


@app.command()
def verify(
    wait: Annotated[float, typer.Option(min=0, help="Wait this many seconds for the fleet to finish first.")] = 0.0,
    since: Annotated[
        float | None, typer.Option(min=0, help="Only records of the last so many seconds: quick, for every minute.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare, record by record, what Kafka holds with what MongoDB holds.

    Exit code: 0 every record is accounted for, 1 some are missing, twice or unexplained, or with --wait still to be
    read, 2 it could not be checked.

    Example: workers verify --wait 60
    """
    from workers.verification import verify as verification

    settings = load()
    try:
        if wait:
            _wait_until_committed(settings, wait)
        with show.reading(err) as tell:
            verdict = verification.verify(settings, since, tell)
    except WorkersError as error:
        err.print(f"workers verify: {error}", markup=False)
        err.print("nothing was verified")
        raise typer.Exit(ExitCode.UNCHECKED) from error
    if as_json:
        out.print_json(json.dumps(verdict.as_dict()))
    else:
        show.verdict(out, verdict)
    if not verdict.accounted or (wait and verdict.total("pending")):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def config(
    tree: Annotated[Path, typer.Option(help="The checkout whose .env is read.")] = Path(),
    as_json: Json = False,
) -> None:
    """Show every setting, its value now, without secrets, and where that came from.

    With --json: the values by name, and under "from" the origin of each.

    Example: WORKERS_TOPIC=orders workers config
    """
    settings, sources, _ = load_all(tree)
    shown = redact(settings)
    if as_json:
        out.print_json(json.dumps(shown | {"from": sources}))
    else:
        show.settings(out, settings, shown, sources)


app.command()(cli_chaos.chaos)
app.command()(cli_fleet.status)
app.command()(cli_fleet.restart)
app.command()(cli_lag.lag)
app.command()(cli_watchdog.watchdog)
app.add_typer(cli_dead_letters.app, name="dead-letters")


def main() -> NoReturn:
    """The entry point `workers`. Every way out is one of `ExitCode`."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        code: Any = app(standalone_mode=False)
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        message = error.format_message()
        err.print(message if "\n" in message else f"workers: {message.rstrip('.')}; see `workers --help`", markup=False)
        return ExitCode.USAGE
    except WorkersError as error:
        for line in str(error).splitlines():
            err.print(f"workers: {line}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return ExitCode.FAILED
    except Exception:  # noqa: BLE001 the last resort: a bug ends with its own exit code, and its traceback
        err.print("workers: a bug, or an error nobody foresaw; it ends this process:")
        traceback.print_exc()
        return ExitCode.BUG
    return code if isinstance(code, int) else ExitCode.OK


def _opened(source: str | None) -> AbstractContextManager[BinaryIO | None]:
    if source is None:
        return nullcontext()
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise NotFoundError(f"cannot read {source}: {error.strerror}") from error


def _values(lines: BinaryIO) -> Iterator[bytes]:
    return (line.removesuffix(b"\n").removesuffix(b"\r") for line in lines)


def _wait_until_committed(settings: Settings, seconds: float) -> None:
    """At most so long. On one connection: a new one costs several requests each time."""
    from workers.kafka.admin import Admin
    from workers.verification.verify import pending

    until = time.monotonic() + seconds
    with Admin(settings) as admin:
        while pending(admin, settings) and time.monotonic() < until:
            time.sleep(WAIT_LOOK_SECONDS)
