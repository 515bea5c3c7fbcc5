"""`workers doctor`: asks everything with the user's settings, and says what is right, what is not, and how to mend it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from workers.cli import render as show
from workers.cli.options import Json, Tree
from workers.errors import BadConfigurationError, ExitCode

if TYPE_CHECKING:
    from workers.doctor.examination import Report

out = show.console()
err = show.console(stderr=True)


def doctor(tree: Tree = Path(), as_json: Json = False) -> None:
    """Find out with your settings what is right and what is not, with the fix for each.

    It asks Kafka, MongoDB, this machine and supervisord at the same time, and takes a few seconds also when one of them
    is down. It changes nothing: it sends no record, commits nothing, joins no group, and makes no topic, collection or
    file. Your rights are found without trying them: Kafka tells them beside topic and group, MongoDB with
    connectionStatus.

    Example: workers doctor

    Exit codes: 0 all is well, or there are warnings only, 1 something is wrong, 2 nothing that was seen is wrong, but
    something could not be asked.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_doctor

    report = _examined(tree)
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    else:
        render_doctor.report(out, report)
    if report.exit_code is not ExitCode.OK:
        raise typer.Exit(report.exit_code)


def _examined(tree: Path) -> Report:
    # Not at the top: see `workers.cli`.
    from workers.doctor.examination import examine, without_settings
    from workers.settings import load_all

    try:
        loaded = load_all(tree)
    except BadConfigurationError as error:
        return without_settings(error.problems)
    # The client logs every attempt to connect; the report says what is down.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if not err.is_terminal:
        return examine(loaded)
    braille = (err.encoding or "").lower().startswith("utf")
    with err.status("asking", spinner="dots" if braille else "line") as spinner:
        return examine(loaded, lambda names: spinner.update(f"asking {', '.join(names)}"))
