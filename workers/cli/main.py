"""The command line: every command, and what ends them all: the report, a line for a mistake, the exit code.

The module of a command is imported when that command is called, and all of them when all are shown.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from workers import __version__
from workers.cli import render as show
from workers.cli import streams
from workers.cli.ctrl_c import clear_line, ctrl_c
from workers.cli.entry import INTERRUPTED
from workers.cli.failure import exit_code
from workers.cli.help import App
from workers.cli.options import LONGEST_SECONDS, Json, OfRoute, Tree, finite, one_topic, require_route
from workers.errors import BadUsageError, ExitCode, WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.pauses import Pause
    from workers.settings import Settings
    from workers.types import TopicPartition
    from workers.verification.report import VerifyReport

COMMANDS = {
    "audit": "audit:audit",
    "chaos": "chaos:chaos",
    "config": "config:config",
    "dead-letters": "dead_letters:app",
    "doctor": "doctor:doctor",
    "init": "init:init",
    "kill": "kill:kill",
    "lag": "lag:lag",
    "pause": "pause:pause",
    "peek": "peek:peek",
    "produce": "produce:produce",
    "restart": "fleet:restart",
    "resume": "pause:resume",
    "run": "main:run",
    "seek": "seek:seek",
    "status": "fleet:status",
    "verify": "main:verify",
    "watchdog": "watchdog:watchdog",
}
"""By name: where it is, below `workers.cli`: a function, or an `App` if it has commands of its own."""
out = show.console()
err = show.console(stderr=True)


def _version(requested: bool) -> None:
    if requested:
        out.print(f"kafka-mongo-workers {__version__}")
        raise typer.Exit


def _workers(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def run() -> None:
    """Run one worker until SIGTERM; supervisord runs one for each slot.

    Example: WORKERS_SLOT=0 workers run

    Exit codes: 0 it was asked to stop, 69 something that it needs refuses it, 75 it stood still, 76 only a new process
    finds Kafka again, 78 a setting is wrong.
    """
    # Not at the top: see `workers.cli`.
    from workers.monitoring import logs as log
    from workers.settings import load
    from workers.worker.app import Worker

    settings = load()
    Worker(settings, log.configure(settings)).run()


def verify(
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            callback=finite,
            help="First wait for the fleet to commit all records, at most so long.",
        ),
    ] = 0.0,
    since: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=LONGEST_SECONDS,
            callback=finite,
            help="Only records that are no older: fast enough for every minute.",
        ),
    ] = None,
    route: OfRoute = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on behind what an interrupted run of this group has verified.")
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=64,
            help="How many processes compare; else half as many as cores, at most 4, or 1 where the database has no index for ids.",
        ),
    ] = None,
    tree: Tree = Path(),
    as_json: Json = False,
) -> None:
    """Compare every record in Kafka with its document or dead letter in MongoDB.

    Records behind an open transaction cannot be read before it ends: they are counted as unstable, neither lost nor
    proven, with the age of the transaction.

    A topic is verified in parts. What is done is kept in WORKERS_STATE_DIR until all is, and --resume goes on behind it,
    up to where the log ended at the beginning: each part is proven for the time at which it was read.

    With WORKERS_ROUTES it is one verdict over all topics, with a line for each. A topic that no route can have is no good
    verdict: nobody reads its records.

    Example: workers verify --wait 60

    Exit codes: 0 every record that can be read is accounted for, 1 some are missing, twice or unexplained, or with
    --wait still pending or unstable, 2 Kafka or MongoDB could not be read, 130 interrupted: it says what was verified.
    """
    from workers.cli import render_verify_routes as show_routes
    from workers.cli.render_pauses import mark_paused
    from workers.cli.render_progress import verifying
    from workers.settings.load import load_all
    from workers.state.paused_now import paused_now
    from workers.verification import verify as verification
    from workers.verification.routes_report import RoutesReport
    from workers.verification.unfinished import UnfinishedFile
    from workers.verification.unfinished_topics import UnfinishedTopicsFile
    from workers.verification.verify_routes import RoutesRun, verify_routes

    if resume and since is not None:
        raise BadUsageError("--resume goes on with a run over the whole topic: leave --since out")
    loaded = load_all(tree)
    settings = loaded.settings
    require_route(settings, route)
    is_one = not settings.route_table.has_several_topics
    of_all = UnfinishedTopicsFile(loaded.paths.state_dir, settings.group)
    file = UnfinishedFile(loaded.paths.state_dir, settings.group) if is_one else of_all
    try:
        resting = partial(paused_now, loaded.paths.state_dir, settings.group)
        if wait:
            _wait_until_committed(settings, wait, route, resting)
        with verifying(err) as on_progress:
            report: VerifyReport | RoutesReport
            if is_one:
                whole = verification.WholeRun(file, resume, processes)
                report = verification.verify(one_topic(settings), since, on_progress, whole=whole)
            else:
                report = verify_routes(settings, route, since, on_progress, whole=RoutesRun(of_all, resume, processes))
        mark_paused(report, resting())
    except WorkersError as error:
        err.print(f"workers verify: {error}", markup=False)
        err.print(file.describe(), markup=False)
        raise typer.Exit(ExitCode.UNCHECKED) from error
    except KeyboardInterrupt:
        ctrl_c.tell(err, file.describe())
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    elif isinstance(report, RoutesReport):
        show_routes.routes_report(out, report)
    else:
        show.verify_report(out, report)
    if not report.accounted or (wait and (report.total("pending") or report.total("unstable"))):
        raise typer.Exit(ExitCode.FAILED)


def application(command: str | None = None) -> App:
    """The command line.

    Args: command: the one that is called, if that is known: no other is imported then.
    """
    app = App(
        "Kafka records to MongoDB documents: nothing lost, nothing twice, nothing unexplained.\n\n"
        "Settings are environment variables WORKERS_*, or lines of a file .env in the folder of the fleet: "
        "`workers config` lists them.",
        epilog="Example: workers produce --count 1000, then workers verify --wait 60\n\n"
        "Exit codes: 0 done, 1 done, and the answer is no, 2 not known, 64 the command line is wrong, 69 something that is "
        "needed does not answer or refuses, 78 a setting is wrong, 130 Ctrl-C. `workers COMMAND --help` has the rest.",
    )
    app.callback()(_workers)
    for name, place in COMMANDS.items():
        if command in (None, name):
            module, _, attribute = place.partition(":")
            found = getattr(import_module(f"workers.cli.{module}"), attribute)
            if isinstance(found, App):
                app.add_typer(found, name=name)
            else:
                app.command(name)(found)
    return app


def called(arguments: Sequence[str]) -> str | None:
    """The command that a command line begins with; None: it begins with an option, with nothing, or with a mistake."""
    return arguments[0] if arguments and arguments[0] in COMMANDS else None


def main() -> NoReturn:
    """Run a command line. Ends with one of `ExitCode`, or 130 after Ctrl-C. `workers.cli.entry` is where a process begins."""
    streams.prepare()
    try:
        with ctrl_c.raised():
            code = exit_code(lambda: application(called(sys.argv[1:]))(prog_name="workers", standalone_mode=False), err)
            code = streams.finish(code, lambda message: err.print(f"workers: {message}", markup=False))
    except KeyboardInterrupt:
        # A second one, while the first was being told.
        code = INTERRUPTED
    if code == INTERRUPTED and ctrl_c.untold:
        clear_line(err)
        err.print("workers: interrupted")
    sys.exit(code)


def _wait_until_committed(
    settings: Settings, seconds: float, route: str | None, paused: Callable[[], Mapping[TopicPartition, Pause]]
) -> None:
    from workers.verification.backlog import wait_until_committed

    wait_until_committed(settings, seconds, lambda line: err.print(line, markup=False), route, paused)
