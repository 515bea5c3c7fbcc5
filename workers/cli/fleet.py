"""`workers status` and `workers restart`: show and restart the fleet of a checkout."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import render as show
from workers.cli.ctrl_c import ctrl_c
from workers.cli.options import LONGEST_SECONDS, OfRoute, Tree, finite, require_route
from workers.errors import BadUsageError, ExitCode

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.status.one_route import OneRoute
    from workers.fleet.timeline.reader import TimelineReader
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

out = show.console()
err = show.console(stderr=True)

ANSWER_SECONDS = 3.5
"""How long `status` waits for services that do not answer."""
RESTART_ANSWER_SECONDS = 10.0
"""The same for `restart`, which does nothing without an answer."""
RATE_SECONDS = 1.0
"""Between the two samples from which `status` computes records a second."""
POLL_SECONDS = 0.2
"""Between two requests to a service for `restart`, which waits for what changes."""


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh it until Ctrl-C, with the timeline of the last two minutes.")
    ] = False,
    route: OfRoute = None,
    tree: Tree = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Show the fleet on one screen: the verdict, workers, services, consumer group and last events.

    Example: workers status --watch

    Exit codes: 0 healthy, 1 not healthy, 2 there is no fleet; with --watch 0.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_status as show_status
    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.verdict import verdict
    from workers.fleet.verdict_facts import Facts
    from workers.settings import load_all

    settings, _, paths = load_all(tree)
    # The client logs every attempt to connect; the screen shows what is down.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if watch and (as_json or not out.is_terminal):
        raise BadUsageError("--watch needs a terminal; without one, run `workers status --json` repeatedly")
    require_route(settings, route)
    if watch:
        _watch(settings, paths, route)
        return
    with StatusCollector(settings, paths, route=route) as collector:
        found = collector.wait(ANSWER_SECONDS, RATE_SECONDS).collect()
    said = verdict(Facts(found, time.time()))
    if as_json:
        out.print_json(json.dumps({"verdict": said._asdict(), **found.as_dict()}))
    else:
        out.print(show_status.screen(found, out.width, said, ascii_only=out.options.ascii_only), soft_wrap=False)
    if found.exit_code is not ExitCode.OK:
        raise typer.Exit(found.exit_code)


def _watch(settings: Settings, paths: StatePaths, route: str | None) -> None:
    # Not for `status` alone: the timeline is a sixth of all that is imported for it.
    from workers.cli.watch import show_until_interrupted
    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.status.one_route import OneRoute
    from workers.fleet.timeline.reader import TimelineReader

    chosen = None if route is None else OneRoute(settings.route_table, route)
    with (
        StatusCollector(settings, paths, route=route) as collector,
        TimelineReader(settings, paths) as timeline,
    ):
        collector.wait(ANSWER_SECONDS)
        show_until_interrupted(out, partial(_watch_screen, collector, timeline, chosen))


def _watch_screen(
    collector: StatusCollector, timeline: TimelineReader, route: OneRoute | None, height: int
) -> RenderableType:
    # Not at the top: see `workers.cli`.
    from workers.cli.render_watch import WatchScreen
    from workers.fleet.timeline.reader import holes_in
    from workers.fleet.verdict import verdict
    from workers.fleet.verdict_facts import Facts

    status, told = collector.collect(), timeline.read()
    if route is not None:
        # What waits, and how fast it is stored, is told by the second of all topics together.
        own = [each for each in told["partitions"] if route.has(each["topic"])]
        told = {**told, "partitions": own, "series": {}}
    said = verdict(Facts(status, time.time(), holes_in(told)))
    return WatchScreen(status, said, told, height)


def restart(
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=LONGEST_SECONDS,
            callback=finite,
            help="How soon a slot must be back at work.",
        ),
    ] = 60.0,
    tree: Tree = Path(),
) -> None:
    """Restart the fleet without a pause: one slot at a time, each back at work before the next is stopped.

    Example: workers restart

    Exit codes: 0 every slot is back, 1 one is not, and those after it were not restarted, 69 nothing was restarted.
    """
    # Not at the top: see `workers.cli`.
    from workers.fleet.restart import Restart
    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.status.group import describe_partitions
    from workers.pauses import described
    from workers.settings import load_all
    from workers.state.pause_file import pause_file, read_pauses

    settings, _, paths = load_all(tree)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if pauses := read_pauses(pause_file(paths.state_dir, settings.group)).all:
        err.print(f"{described(pauses)}; it stays so after the restart", markup=False)
    started, done = time.monotonic(), 0
    with StatusCollector(settings, paths, POLL_SECONDS) as collector, out.status("collecting the status") as spinner:
        collector.wait(RESTART_ANSWER_SECONDS)
        try:
            for slot in Restart(collector, paths, timeout, spinner.update).run():
                done += 1
                partitions = describe_partitions(slot.partitions) if slot.partitions else "idle"
                killed = "; it did not stop in time, and was killed" if slot.killed else ""
                pids = f"pid {slot.old_pid or '-'} -> {slot.pid}"
                out.print(f"{slot.name}  back in {slot.seconds:4.1f} s, {pids}, {partitions}{killed}", markup=False)
        except KeyboardInterrupt:
            ctrl_c.tell(err, f"after {done} slots; the slot that was stopped is started again")
            raise
    out.print(f"restarted {done} slots in {time.monotonic() - started:.0f} s, one at a time")
