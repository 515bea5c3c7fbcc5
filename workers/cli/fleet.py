"""`workers status` and `workers restart`: the fleet of a checkout, looked at and renewed."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import render as show
from workers.errors import BadUsageError, ExitCode
from workers.settings import load_all

if TYPE_CHECKING:
    from workers.fleet.status.collector import StatusCollector

out = show.console()
err = show.console(stderr=True)

Tree = Annotated[Path, typer.Option(help="The checkout whose fleet it is.")]
ANSWER_SECONDS = 2.5
"""So long `status` waits for what does not answer."""
PATIENCE_SECONDS = 10.0
"""The same of `restart`, which does nothing without an answer."""
LOOK_SECONDS = 1.0
"""Between the two looks from which it knows the records a second."""
REDRAW_SECONDS = 0.5
SERVICE_SECONDS = 2.0
"""Between two questions to a service by somebody who watches for hours."""
QUICK_SECONDS = 0.2
"""The same by somebody who waits for the answer."""


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Draw it again and again, until Ctrl-C.")] = False,
    tree: Tree = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Show the fleet on one screen: workers, services, group, and what happened last.

    Exit code: 0 healthy, 1 something is wrong, 2 there is no fleet to ask; with --watch 0.

    Example: workers status --watch
    """
    from workers.cli import render_status as show_status
    from workers.fleet.status.collector import StatusCollector

    settings, _, paths = load_all(tree)
    # The client tells of every attempt to connect; what is down stands on the screen.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if watch and (as_json or not out.is_terminal):
        raise BadUsageError("--watch draws on a terminal; without one, run `workers status --json` again and again")
    with StatusCollector(settings, paths, every=SERVICE_SECONDS if watch else QUICK_SECONDS) as collector:
        if watch:
            _watch(collector)
            return
        found = collector.wait(ANSWER_SECONDS, LOOK_SECONDS).collect()
    if as_json:
        out.print_json(json.dumps(found.as_dict()))
    else:
        out.print(show_status.screen(found, out.width), soft_wrap=False)
    if found.exit_code is not ExitCode.OK:
        raise typer.Exit(found.exit_code)


def _watch(collector: StatusCollector) -> None:
    """Until Ctrl-C, which leaves the last screen where it is."""
    from rich.live import Live

    from workers.cli import render_status as show_status

    with suppress(KeyboardInterrupt):
        collector.wait(ANSWER_SECONDS)
        with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(show_status.screen(collector.collect(), out.width, out.height), refresh=True)
                time.sleep(REDRAW_SECONDS)


def restart(
    timeout: Annotated[float, typer.Option(min=1, help="Seconds a slot may take to be back at work.")] = 60.0,
    tree: Tree = Path(),
) -> None:
    """Restart the fleet without a pause: one slot at a time, each back at work before the next is stopped.

    Exit code: 0 every slot is back, 1 one is not, and those behind it were left alone, 69 nothing was restarted.

    Example: workers restart
    """
    from workers.fleet.restart import Restart
    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.status.group import describe_partitions

    settings, _, paths = load_all(tree)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    begun, done = time.monotonic(), 0
    with StatusCollector(settings, paths, QUICK_SECONDS) as collector, out.status("looking at the fleet") as spinner:
        collector.wait(PATIENCE_SECONDS)
        try:
            for slot in Restart(collector, paths, timeout, spinner.update).run():
                done += 1
                owns = describe_partitions(slot.partitions) if slot.partitions else "idle"
                killed = "; it did not stop in time, and was killed" if slot.killed else ""
                pids = f"pid {slot.old_pid or '-'} -> {slot.pid}"
                out.print(f"{slot.name}  back in {slot.seconds:4.1f} s, {pids}, {owns}{killed}", markup=False)
        except KeyboardInterrupt:
            err.print(f"interrupted after {done} slots; the one that was being restarted was started")
            raise
    out.print(f"restarted {done} slots in {time.monotonic() - begun:.0f} s, one at a time")
