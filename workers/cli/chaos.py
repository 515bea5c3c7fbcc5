"""`workers chaos`: runs the drill."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from workers.cli import render as show
from workers.cli.options import LONGEST_SECONDS, finite
from workers.errors import BadUsageError, ExitCode
from workers.settings import Settings, load_all
from workers.settings.paths import StatePaths

out = show.console()
err = show.console(stderr=True)


def chaos(
    seconds: Annotated[
        float, typer.Option(min=5, max=LONGEST_SECONDS, callback=finite, help="How long to inject faults.")
    ] = 60.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same faults.")] = None,
    rate: Annotated[int, typer.Option(min=1, max=1_000_000, help="Records a second.")] = 3_000,
    tree: Annotated[Path, typer.Option(help="The checkout whose fleet and stack get the faults.")] = Path(),
    allow: Annotated[
        str | None, typer.Option(metavar="BROKERS", help="Confirm the brokers, if they are not the embedded Kafka.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Kill workers, database and broker while records flow; then heal, wait, verify, and report.

    Exit code: 0 nothing lost, twice or unexplained; 1 something is; 2 void: a fault had no effect.

    Example: workers chaos --seconds 60 --seed 7
    """
    from workers.drill.chaos import Drill

    settings, _, paths = load_all(tree)
    embedded = _is_embedded(settings, paths)
    if not embedded and allow != settings.bootstrap_servers:
        raise BadUsageError(
            f"{settings.bootstrap_servers} and MongoDB are not the embedded stack of {paths.tree}; to kill the "
            f"workers there nevertheless, pass --allow {settings.bootstrap_servers}"
        )
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    err.print(f"injecting faults for {seconds:.0f} s, seed {seed}")
    report = Drill(settings, paths, seed, err.print, embedded=embedded).run(seconds, rate)
    if as_json:
        out.print_json(json.dumps(asdict(report) | {"passed": report.passed}))
    else:
        show.drill(out, report)
    if report.lost or report.twice or report.unexplained:
        raise typer.Exit(ExitCode.FAILED)
    if report.void:
        raise typer.Exit(ExitCode.UNCHECKED)


def _is_embedded(settings: Settings, paths: StatePaths) -> bool:
    """Whether the settings name the Kafka and the MongoDB of this tree's embedded stack, by its records."""
    try:
        addresses = {
            name: json.loads(paths.stack_record(name).read_text(encoding="utf-8"))["address"]
            for name in ("kafka", "ferretdb")
        }
    except (OSError, ValueError, KeyError, TypeError):
        return False
    kafka = settings.bootstrap_servers.replace("localhost", "127.0.0.1")
    mongodb = settings.mongodb_uri.get_secret_value().replace("localhost", "127.0.0.1").rstrip("/")
    return kafka == addresses["kafka"] and mongodb == f"mongodb://{addresses['ferretdb']}"
