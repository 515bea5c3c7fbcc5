"""`workers kill`: kills one worker, and tells what the fleet does about it."""

from __future__ import annotations

import json
import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import render as show
from workers.cli import render_kill
from workers.cli.chaos import SIGNAL_EXIT, TELL_SECONDS, is_embedded
from workers.cli.complete import complete_slot
from workers.cli.ctrl_c import ctrl_c
from workers.cli.options import Json, Tree
from workers.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from workers.drill.kill_report import KillReport
    from workers.drill.kill_steps import Step

out = show.console()
err = show.console(stderr=True)

DRAW_SECONDS = 0.1
"""Between two changes of the line that says what is waited for."""


class KillScreen:
    """The steps, each as soon as it is known, and below them, on a terminal, what is waited for."""

    def __init__(self, console: Console) -> None:
        """Args: console: for the steps. Where it is no terminal, everything else goes to standard error."""
        self._console = console
        self._told_at = time.monotonic()
        self._drawn_at = 0.0
        # Never on another stream than the steps: Rich would take one for the other. The spinner is ASCII.
        self._status = console.status("", spinner="line") if console.is_terminal else None
        if self._status:
            self._status.start()

    def line(self, text: str) -> None:
        (self._console if self._status else err).print(text, markup=False)

    def step(self, line: render_kill.Line) -> None:
        """A line of the story."""
        render_kill.show(self._console, [line])

    def now(self, text: str) -> None:
        now = time.monotonic()
        if self._status:
            if now - self._drawn_at > DRAW_SECONDS:
                self._drawn_at = now
                self._status.update(text)
        elif now - self._told_at > TELL_SECONDS:
            self._told_at = now
            err.print(text, markup=False)

    def reading(self, what: str, done: int, total: int) -> None:
        self.now(f"comparing with Kafka and the database: {done:,} of {total:,} {what}")

    def close(self) -> None:
        """Take away the line that says what is waited for."""
        if self._status:
            self._status.stop()


def kill(
    slot: Annotated[
        str | None,
        typer.Argument(
            metavar="SLOT",
            help="Whom: worker_02, or 2; else the one with most partitions.",
            autocompletion=complete_slot,
        ),
    ] = None,
    load: Annotated[
        bool,
        typer.Option("--load", help="Send test numbers into the topic, also if its Kafka is not the embedded one."),
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1_000_000, help="Records a second to send; else 600, and more for many partitions."
        ),
    ] = None,
    tree: Tree = Path(),
    as_json: Json = False,
) -> None:
    """Kill one worker with -9 under load, and tell what the fleet does about it, with milliseconds since the kill.

    It tells when the worker died, when it was removed from the consumer group, who took its partitions over, when their
    first records were stored again, when the worker was back, and how long the records of any partition waited. Then it
    compares every record since it began with MongoDB.

    If no records flow, it sends numbers: into that of a `make demo`, and with --load into any other.

    Ctrl-C ends it early, and says what was proven until then; the fleet becomes whole by itself.

    Example: workers kill worker_02

    Exit codes: 0 the fleet is whole and every record is accounted for; 1 some are lost, twice or unexplained, or the
    fleet did not become whole; 2 nothing was proven; 64, 69 nothing was killed; 130, 143 interrupted, and nothing wrong
    was found.
    """
    # Not at the top: see `workers.cli`.
    from workers.drill.kill import Kill
    from workers.settings import load_all

    settings, _, paths = load_all(tree)
    # The client logs every attempt to connect; what is down is told in the report.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    may_send = load or is_embedded(settings, paths)
    screen = KillScreen(err if as_json else out)

    def on_step(step: Step, name: str) -> None:
        screen.step(render_kill.step_line(step, name, settings.session_timeout))

    try:
        report = Kill(settings, paths, screen, on_step).run(slot, rate, may_send=may_send)
    except KeyboardInterrupt:
        ctrl_c.tell(err, "nothing was killed")
        raise
    finally:
        screen.close()
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    if report.killed is None:
        sent = f"; {report.sent:,} records were sent" if report.own_load else ""
        err.print(f"interrupted: nothing was killed{sent}")
    else:
        render_kill.show(err if as_json else out, render_kill.report_lines(report))
    raise typer.Exit(exit_code(report))


def exit_code(report: KillReport) -> int:
    """What the command ends with: see its help."""
    if report.broken:
        return ExitCode.FAILED
    if report.interrupted:
        return SIGNAL_EXIT + signal.Signals[report.interrupted]
    if report.waiting_for:
        return ExitCode.FAILED
    return ExitCode.OK if report.passed else ExitCode.UNCHECKED
