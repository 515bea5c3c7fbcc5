"""`workers init`: writes the folder of a fleet, and brings it up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers import __version__
from workers.cli import render as show
from workers.errors import BadUsageError, ExitCode, NotFoundError, WorkersError
from workers.scaffold import Platform

if TYPE_CHECKING:
    from workers.scaffold.plan import Plan

out = show.console()
err = show.console(stderr=True)


def init(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The folder, which is made if it is missing; else this one.", show_default=False
        ),
    ] = Path(),
    platforms: Annotated[
        list[Platform] | None,
        typer.Option(
            "--for",
            metavar="systemd|kubernetes",
            help="Also what this platform needs to run the fleet; may be given several times.",
        ),
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --upgrade would change, as a diff, and write nothing.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Bring the folder to this version. What you have changed stays.")
    ] = False,
    targets: Annotated[
        bool,
        typer.Option(
            "--targets",
            help="Only tell Prometheus of the fleet's ports again, after a change of ports or of the number of workers.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Write everything that a fleet needs into a folder: supervisord's configuration, settings, Prometheus, Grafana.

    What you have changed is never lost. With --upgrade, what this version changed is merged into your files; where both
    changed the same lines, your file stays, and this version's is written beside it, with .new after its name.

    Example: workers init my-fleet --for systemd

    Exit codes: 0 done, or with --diff nothing to change, 1 with --diff something to change, 64 no fleet could run there,
    69 something cannot be written.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_init
    from workers.scaffold.contents import contents
    from workers.scaffold.init_record import read_record
    from workers.scaffold.plan import make_plan
    from workers.scaffold.write import carry_out, require_usable
    from workers.settings.files import shown

    if sum((diff, upgrade, targets)) > 1:
        raise BadUsageError("--diff, --upgrade and --targets are three different things; give one of them")
    folder = directory.resolve()
    if targets:
        _write_targets(folder, as_json=as_json)
        return
    require_usable(folder)
    record = read_record(folder)
    if record is None and (diff or upgrade):
        raise NotFoundError(
            f"{shown(folder)} was not made by `workers init`; `workers init` without an option writes it"
        )
    chosen = _platforms(record.platforms if record else [], platforms or [])
    files = contents(folder, chosen)
    plan = make_plan(folder, files, record, chosen, upgrade=upgrade or diff)
    if diff:
        changes = render_init.differences(plan)
        if as_json:
            out.print_json(json.dumps(_as_dict(folder, plan)))
        else:
            out.print(changes, markup=False, end="")
        raise typer.Exit(ExitCode.FAILED if changes else ExitCode.OK)
    carry_out(folder, plan)
    problem = _targets_problem(folder)
    if as_json:
        out.print_json(json.dumps(_as_dict(folder, plan)))
        return
    render_init.report(out, folder, plan)
    if problem:
        err.print(
            f"workers: var/run/targets.json is not written yet: {problem}; then: workers init --targets", markup=False
        )
    render_init.next_steps(out, folder, chosen, upgraded=upgrade)


def _platforms(before: list[str], now: list[Platform]) -> list[Platform]:
    """Those that the folder is for already, and those that are asked for now."""
    return [each for each in Platform if each.value in before or each in now]


def _write_targets(folder: Path, *, as_json: bool) -> None:
    # Not at the top: see `workers.cli`.
    from workers.scaffold.targets import write_targets

    found = write_targets(folder)
    if as_json:
        out.print_json(json.dumps({"folder": str(folder), "targets": found}))
    else:
        out.print(f"Prometheus scrapes {', '.join(found)}", markup=False)


def _targets_problem(folder: Path) -> str | None:
    """Why Prometheus could not be told of the fleet's ports; the folder is none the worse for it."""
    # Not at the top: see `workers.cli`.
    from workers.scaffold.targets import write_targets

    try:
        write_targets(folder)
    except WorkersError as error:
        return "; ".join(str(error).splitlines())
    return None


def _as_dict(folder: Path, plan: Plan) -> dict[str, object]:
    return {
        "folder": str(folder),
        "version": __version__,
        "before": plan.before,
        "files": {step.file.path: step.kind.value for step in plan.steps},
    }
