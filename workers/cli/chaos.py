"""`workers chaos`: runs the drill."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import render as show
from workers.cli.options import LONGEST_SECONDS, Json, Tree, finite
from workers.errors import BadUsageError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from workers.drill.report import DrillReport
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

out = show.console()
err = show.console(stderr=True)

TELL_SECONDS = 10.0
"""Between two lines of progress, without a terminal."""
SIGNAL_EXIT = 128
"""The exit code of a command that a signal has ended is this, and the signal's number."""


class DrillScreen:
    """Lines that stay, and below them, on a terminal, the one that says what is being done; else a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._told_at = time.monotonic()
        if console.is_terminal:
            self._status = console.status("")
            self._status.start()

    def line(self, text: str) -> None:
        self._console.print(text, markup=False)

    def now(self, text: str) -> None:
        if self._status:
            self._status.update(text)
        elif time.monotonic() - self._told_at > TELL_SECONDS:
            self._told_at = time.monotonic()
            self.line(text)

    def reading(self, what: str, done: int, total: int) -> None:
        self.now(f"comparing with Kafka and the database: {done:,} of {total:,} {what}")

    def close(self) -> None:
        if self._status:
            self._status.stop()


def chaos(
    seconds: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=5, max=LONGEST_SECONDS, callback=finite, help="How long to inject faults."),
    ] = 60.0,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The same seed gives the same faults.")] = None,
    rate: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Records a second.")] = 3_000,
    bad_share: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=0.4,
            callback=finite,
            help="The share of tombstones and of values that are not JSON.",
        ),
    ] = 0.0,
    all_faults: Annotated[
        bool, typer.Option("--all-faults", help="More kinds: transactions, connections, a full disk, a frozen broker.")
    ] = False,
    tree: Tree = Path(),
    allow: Annotated[
        str | None, typer.Option(metavar="BROKERS", help="Confirm the brokers, if they are not the embedded Kafka.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Kill workers, database and broker while records flow; then heal, and verify what was sent.

    Ctrl-C ends it early: it heals, and proves what was sent until then; Ctrl-C again leaves that out.

    Example: workers chaos --seconds 60 --seed 7

    Exit codes: 0 nothing lost, twice or unexplained, 1 something is, 2 nothing was proven, 130, 143 interrupted, and
    nothing wrong was found.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_drill
    from workers.drill.chaos import Drill
    from workers.drill.faults import KINDS, MORE_KINDS
    from workers.settings import load_all

    settings, _, paths = load_all(tree)
    embedded = is_embedded(settings, paths)
    if not embedded and allow != settings.bootstrap_servers:
        raise BadUsageError(
            f"{settings.bootstrap_servers} and MongoDB are not the embedded stack of {paths.tree}; to kill the "
            f"workers there nevertheless, pass --allow {settings.bootstrap_servers}"
        )
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    kinds = KINDS | MORE_KINDS if all_faults else KINDS
    screen = DrillScreen(err)
    try:
        report = Drill(settings, paths, seed, screen, embedded=embedded, kinds=kinds).run(seconds, rate, bad_share)
    finally:
        screen.close()
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    else:
        render_drill.drill(out, report)
    raise typer.Exit(exit_code(report))


def exit_code(report: DrillReport) -> int:
    """What the command ends with: see its help."""
    if report.broken:
        return ExitCode.FAILED
    if report.interrupted:
        return SIGNAL_EXIT + signal.Signals[report.interrupted]
    return ExitCode.OK if report.passed else ExitCode.UNCHECKED


def is_embedded(settings: Settings, paths: StatePaths) -> bool:
    """Whether the settings name the Kafka and the MongoDB of this tree's embedded stack, by its records.

    A stack may have several brokers: kafka, kafka_2, ...; the settings name one of them, or more.
    """
    brokers = {_address(record) for record in paths.stack_record("kafka").parent.glob("kafka*.json")}
    named = {server.strip() for server in settings.bootstrap_servers.replace("localhost", "127.0.0.1").split(",")}
    mongodb = settings.mongodb_uri.get_secret_value().replace("localhost", "127.0.0.1").rstrip("/")
    return named <= brokers and mongodb == f"mongodb://{_address(paths.stack_record('ferretdb'))}"


def _address(record: Path) -> Any:
    try:
        return json.loads(record.read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
