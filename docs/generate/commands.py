"""docs/reference/commands.md: every command with its options, from what `--help` says."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from docs.generate.markdown import anchored, as_code, code, page, table
from workers.cli.main import application

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """
What `workers COMMAND --help` says, on one page. Commands that report something have `--json`. [Exit codes](exit-codes.md)
mean the same for all of them. Settings are [environment variables](settings.md).
"""
EXAMPLE = "Example:"
METAVARS = {int: "N", float: "N", Path: "FOLDER"}
"""The value of an option, by its type, where the option has no better name for it."""


def commands(command: Any, path: str = "workers") -> Iterator[tuple[str, Any]]:
    """Every command that can be run, by its whole name, in the order of `--help`."""
    if hasattr(command, "commands"):
        for name in command.list_commands(typer.Context(command)):
            if not command.commands[name].hidden:
                yield from commands(command.commands[name], f"{path} {name}")
    else:
        yield path, command


def everything() -> list[tuple[str, Any]]:
    return list(commands(typer.main.get_command(application())))


def paragraphs(command: Any) -> list[str]:
    """The help of a command, each paragraph on one line, without the parts that only `--help` needs."""
    text = inspect.cleandoc((command.help or "").partition("\f")[0])
    return [" ".join(each.split()) for each in text.split("\n\n") if each.strip()]


def exit_codes(command: Any) -> str | None:
    """What its help says of exit codes; None: nothing beyond what is common to all."""
    found = [each for each in paragraphs(command) if each.startswith("Exit code")]
    return found[0].partition(":")[2].strip() if found else None


def make() -> str:
    parts = [HEAD, table(("command", "what it does"), map(_overview, everything()))]
    for name, command in everything():
        parts += [f"## {name}", *_section(command)]
    return page("Commands", *parts)


def _overview(named: tuple[str, Any]) -> list[str]:
    name, command = named
    return [f"[`{name}`](#{anchored(name)})", as_code((paragraphs(command) or [""])[0])]


def _section(command: Any) -> Iterator[str]:
    for text in paragraphs(command):
        before, example, shown = text.partition(EXAMPLE)
        if before.strip():
            yield as_code(before.strip())
        if example:
            yield f"Example: {code(shown.strip())}"
    rows = [row for each in command.params if (row := _parameter(each))]
    if rows:
        yield table(("option", "default", "meaning"), rows)


def _parameter(parameter: Any) -> list[str] | None:
    """One row; None: it needs none."""
    if parameter.hidden or parameter.name == "help":
        return None
    kind = parameter.type_descriptor.annotation
    meaning = as_code(parameter.help or "")
    if isinstance(kind, type) and issubclass(kind, Enum):
        meaning += " One of: " + ", ".join(code(str(each.value)) for each in kind) + "."
    if parameter.param_type_name == "argument":
        return [code(parameter.metavar or parameter.name.upper()), "", meaning]
    value = "" if parameter.is_flag else f" {parameter.metavar or METAVARS.get(kind) or parameter.name.upper()}"
    return [code(", ".join([*parameter.opts, *parameter.secondary_opts]) + value), _default(parameter), meaning]


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.is_flag or value is None or callable(value) or str(value) in ("", "."):
        return ""
    return code(f"{value:g}" if isinstance(value, float) else str(value))
