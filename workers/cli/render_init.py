"""The report of `workers init`, its differences, and what to do next."""

from __future__ import annotations

import difflib
import os
import shlex
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from workers import __version__
from workers.fleet.start_command import CONF, pasted
from workers.scaffold import Platform
from workers.scaffold.plan import WRITES, StepKind
from workers.scaffold.systemd import UNIT

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from workers.scaffold.plan import Plan, Step

SUMMED = {StepKind.WRITTEN: "written", StepKind.CURRENT: "already there", StepKind.REPLACED: "replaced"}
"""Told by folder: there is nothing to do about them."""
SINGLE = {
    StepKind.MERGED: "yours, with what this version changed merged into it",
    StepKind.YOURS: "yours, and left as it is",
    StepKind.BESIDE: "yours, and left as it is; this version's is {path}.new",
    StepKind.OUTDATED: "of an earlier version: `workers init --upgrade` brings it up to date, `--diff` shows how",
    StepKind.LEFT_OUT: "you have removed it, so it is left out",
    StepKind.OBSOLETE: "not used any more; you can remove it",
}
"""Told one by one."""
WIDEST_COMMAND = 40
"""With its comment, in 80 columns."""


def report(console: Console, folder: Path, plan: Plan) -> None:
    """What was done."""
    before = "" if plan.before in (None, __version__) else f" (before: {plan.before})"
    console.print(f"{folder}: kafka-mongo-workers {__version__}{before}", markup=False)
    for kind, words in SUMMED.items():
        if names := _names(plan.steps, kind):
            _print_wrapped(console, f"{words}: {names}")
    for step in plan.steps:
        if step.kind in SINGLE:
            _print_wrapped(console, f"{step.file.path}: {SINGLE[step.kind].format(path=step.file.path)}")


def differences(plan: Plan) -> str:
    """What an upgrade would write, as a unified diff of what is there; empty: nothing."""
    changes: list[str] = []
    for step in plan.steps:
        if step.kind not in WRITES:
            continue
        old = step.present.decode(errors="replace") if step.present is not None else ""
        new = step.file.content.decode(errors="replace")
        before = step.file.path if step.present is not None else os.devnull
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), before, step.target, lineterm="")
        changes += [line + "\n" for line in lines]
    return "".join(changes)


def next_steps(console: Console, folder: Path, platforms: Collection[Platform], *, upgraded: bool) -> None:
    """The commands that follow, to be pasted one by one."""
    workers, supervisord, supervisorctl = (pasted(name, folder) for name in ("workers", "supervisord", "supervisorctl"))
    enter = ("cd " + shlex.quote(_relative(folder)), "") if folder != Path.cwd() else None
    if upgraded:
        commands = [
            enter,
            (f"{supervisorctl} -c {CONF} update", "restarts what has changed"),
            (f"{workers} restart", "the workers, one at a time"),
        ]
        _print_commands(console, "Next, if the fleet runs:", [each for each in commands if each])
        return
    commands = [
        enter,
        ("${EDITOR:-vi} .env", "your Kafka, topic, group and MongoDB"),
        (f"{workers} doctor", "what is right and what is not"),
        (f"{supervisord} -c {CONF}", "the fleet; Ctrl-C stops it"),
        (f"{workers} status --watch", "in another terminal: see it work"),
        (f"{workers} verify --wait 60", "prove that every record is stored once"),
    ]
    _print_commands(console, "Next:", [each for each in commands if each])
    if Platform.SYSTEMD in platforms:
        console.print(f"\nAs a service: the commands at the top of {UNIT}", markup=False)
    if Platform.KUBERNETES in platforms:
        console.print(
            "\nOn Kubernetes, with the image of kubernetes/Dockerfile and your settings.yaml:\n"
            "  kubectl apply -f kubernetes/settings.yaml -f kubernetes/fleet.yaml",
            markup=False,
        )


def _print_commands(console: Console, heading: str, commands: list[tuple[str, str]]) -> None:
    """Each with its comment beside it, or above it where that would be too wide."""
    console.print(f"\n{heading}", markup=False)
    width = max(len(command) for command, _ in commands)
    for command, comment in commands:
        if comment and width > WIDEST_COMMAND:
            console.print(f"  # {comment}", markup=False)
        beside = f"  # {comment}" if comment and width <= WIDEST_COMMAND else ""
        console.print(f"  {command:{width if beside else 0}}{beside}", markup=False)


def _print_wrapped(console: Console, line: str) -> None:
    wrapped = textwrap.fill(
        line,
        console.width,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(wrapped, markup=False)


def _names(steps: list[Step], kind: StepKind) -> str:
    """The files of a kind: those of the folder itself by name, all others by their folder and number."""
    paths = [Path(step.file.path) for step in steps if step.kind is kind]
    folders = Counter(path.parts[0] for path in paths if len(path.parts) > 1)
    alone = [str(path) for path in paths if len(path.parts) == 1]
    return ", ".join([*alone, *(f"{name}/ ({count})" for name, count in folders.items())])


def _relative(folder: Path) -> str:
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("../..") else relative
