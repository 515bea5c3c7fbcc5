"""What `--help` shows: commands in the order of a first day, whole sentences, ranges and choices in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECTIONS = {
    "The first day": ("init", "doctor", "run", "produce", "status", "verify", "kill"),
    "Every day": ("peek", "dead-letters", "restart", "pause", "resume", "seek", "config", "chaos"),
    "Run by supervisord": ("lag", "watchdog", "audit"),
}
"""The order in which somebody meets the commands. One that stands nowhere here is shown under the second heading."""
OTHERS = "Every day"
NO_LIMIT = 2**31 - 1
"""A limit that is there because numbers end somewhere, and that nobody has to know."""
LONGEST_CHOICES = 24
"""Choices that are longer together stand in the description, not beside the name of the option."""
TYPES = {"int": "N", "int range": "N", "float": "NUMBER", "float range": "NUMBER", "str": "TEXT", "path": "PATH"}


class Command(TyperCommand):
    """One command."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)


class Group(TyperGroup):
    """Several commands, in sections if they are those of `SECTIONS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """By section; then those that no section names, in the order in which they were added."""
        order = [name for names in SECTIONS.values() for name in names]
        return sorted(super().list_commands(ctx), key=lambda name: order.index(name) if name in order else len(order))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        shown = {
            name: first_sentence(command.help or "")
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        }
        for heading, names in _sections(list(shown)):
            with formatter.section(heading):
                # As wide in every section, so that all descriptions stand below each other.
                width = max(map(len, shown))
                formatter.write_dl([(name.ljust(width), shown[name]) for name in names])


class App(typer.Typer):
    """Commands with the help of this module."""

    def __init__(self, help: str, **options: Any) -> None:
        super().__init__(
            help=help, cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, **options
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        return super().command(name, **{"cls": Command, **options})


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph, maxsplit=1)[0]


def readable(name: str, text: str, low: float | None, high: float | None) -> tuple[str, str]:
    """Name and description of an option as people read them.

    Args:
        name, text: typer's own: `--count <int range>`, `How many.  [default: 0.0; 0<=x<=86400]`.
        low, high: its limits; None: it has none.
    """
    flags, _, kind = name.partition(" <")
    text, _, details = text.partition("  [")
    parts = [re.sub(r"^(default: -?[0-9]+)\.0$", r"\1", part) for part in details.removesuffix("]").split("; ")]
    parts = [range_in_words(low, high) if re.search(r"x[<>]=|<=x", part) else part for part in parts]
    if kind := kind.removesuffix(">"):
        if "|" in kind and len(kind) > LONGEST_CHOICES:
            text = f"{text.rstrip('.')}: {', '.join(kind.split('|'))}."
            kind = "WORD"
        flags = f"{flags} {TYPES.get(kind, kind)}"
    known = "; ".join(filter(None, parts))
    return flags, f"{text}  [{known}]" if known else text


def range_in_words(low: float | None, high: float | None) -> str:
    """In words; empty, if there is nothing to say."""
    least, most = (
        "" if each is None or abs(each) >= NO_LIMIT else f"{each:,}".removesuffix(".0") for each in (low, high)
    )
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}" if least else f"at most {most}" if most else ""


def _sections(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    named = {name for section in SECTIONS.values() for name in section}
    if not named & set(names):
        yield "Commands", names
        return
    for heading, section in SECTIONS.items():
        found = [name for name in names if name in section or (heading == OTHERS and name not in named)]
        if found:
            yield heading, found


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    records: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        if (record := param.get_help_record(ctx)) is not None:
            name, text = readable(record[0], record[1], getattr(param, "min", None), getattr(param, "max", None))
            if param.param_type_name == "argument":
                # Its name says what it is.
                records["Arguments"].append((record[0].partition(" <")[0], text))
            else:
                records["Options"].append((name, text))
    for heading, rows in records.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)
