"""Whether supervisord runs this fleet, as it is planned and with the settings that this command has. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.doctor.pause_checks import check_pauses
from workers.findings import Finding, brief, count, ok, unknown, warning, wrong
from workers.fleet.status.audit import is_spare
from workers.fleet.supervisor import NOT_RUNNING
from workers.naming import is_worker
from workers.settings.load import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.doctor.answers import DoctorAnswers
    from workers.doctor.fleet_answers import FleetAnswers, FleetPlan
    from workers.settings import Settings

OWN = ("slot", "state_dir", "events_file")
"""Settings that supervisord.conf sets for each process."""
STARTING, RUNNING = "STARTING", "RUNNING"


def check_fleet(answers: DoctorAnswers) -> Iterator[Finding]:
    """The configuration of supervisord, then supervisord itself."""
    fleet = answers.fleet
    if isinstance(fleet, Unanswered):
        yield unknown("fleet", fleet.why)
        return
    if fleet.plan is None:
        yield warning(
            "fleet.configuration",
            f"there is no supervisord.conf in {answers.loaded.paths.tree}",
            "`workers init` writes one; or name the folder of the fleet with --tree",
        )
    elif fleet.plan.problem:
        yield wrong(
            "fleet.configuration",
            f"supervisord would not start with {_short(fleet.plan)}: {fleet.plan.problem}",
            f"mend {_short(fleet.plan)}, or the file in local.d/ beside it",
        )
    else:
        yield from _plan(fleet.plan, answers.loaded.settings)
    yield from _running(answers, fleet)


def _plan(plan: FleetPlan, settings: Settings) -> Iterator[Finding]:
    workers = [each for each in plan.processes if each.command == "run"]
    yield ok("fleet.configuration", f"{_short(plan)} plans {count(len(workers), 'worker')}")
    cut_off = [each for each in workers if each.stop_seconds <= settings.drain_timeout]
    if cut_off:
        yield wrong(
            "fleet.stop",
            f"stopwaitsecs={cut_off[0].stop_seconds:g} is not longer than WORKERS_DRAIN_TIMEOUT={settings.drain_timeout:g}: the "
            f"workers refuse to start",
            f"set stopwaitsecs to {settings.drain_timeout + 10:g} in local.d/",
        )
    others: dict[str, str] = {}
    for each in plan.processes:
        for name, value in each.environment.items():
            field = name.removeprefix(PREFIX).lower()
            if name.startswith(PREFIX) and field in type(settings).model_fields and field not in OWN:
                mine = getattr(settings, field)
                shown = mine.get_secret_value() if hasattr(mine, "get_secret_value") else mine
                if str(shown) != value:
                    others.setdefault(name, each.name)
    if others:
        listed = ", ".join(f"{name} (for {process})" for name, process in sorted(others.items()))
        yield warning(
            "fleet.settings",
            f"supervisord's configuration sets other values than this command has: {listed}",
            f"write them into .env instead of local.d/, so that commands have them too; or export {' '.join(sorted(others))}",
        )


def _running(answers: DoctorAnswers, fleet: FleetAnswers) -> Iterator[Finding]:
    check = "fleet.supervisord"
    if fleet.pid is None:
        if fleet.why == NOT_RUNNING:
            # Without a configuration that is no news.
            if fleet.plan:
                yield warning(check, f"no fleet runs in {answers.loaded.paths.tree}", fleet.start)
        else:
            yield wrong(
                check,
                f"supervisord {fleet.why}",
                "run this as the user of the fleet, or end and start supervisord again",
            )
        return
    workers = [each for each in fleet.processes if is_worker(each.name)]
    running = sum(each.state == RUNNING for each in workers)
    text = f"supervisord runs, pid {fleet.pid}: {running} of {count(len(workers), 'worker')}"
    others = [f"{each.name} {each.state.lower()}" for each in fleet.processes if not is_worker(each.name)]
    yield ok(check, ", ".join([text, *others]))
    for each in fleet.processes:
        if each.state not in (RUNNING, STARTING) and not is_spare(each):
            log = f"; its log is {os.path.relpath(each.log)}" if each.log else ""
            yield wrong(
                "fleet.processes",
                f"program {each.name} is {each.state}{log}",
                f"read the end of its log, then `supervisorctl -c {_short(fleet.plan)} start {each.full_name}`",
            )
    planned = {each.name for each in fleet.plan.processes} if fleet.plan and not fleet.plan.problem else set()
    if planned and planned != {each.name for each in fleet.processes}:
        yield warning(
            "fleet.processes",
            f"supervisord runs {count(len(fleet.processes), 'process').replace('processs', 'processes')}, and its "
            f"configuration plans {len(planned)} by now",
            f"`supervisorctl -c {_short(fleet.plan)} update` takes the change over",
        )


def _short(plan: FleetPlan | None) -> str:
    """The file as a person would type it."""
    if plan is None:
        return "supervisord.conf"
    return brief(plan.file)


CHECKS = (check_fleet, check_pauses)
