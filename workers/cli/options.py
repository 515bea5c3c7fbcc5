"""Options that several commands have, and checks that typer's own `min` and `max` do not make."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

LONGEST_SECONDS = 315_360_000
"""Ten years: for options that are seconds, and that have no shorter limit."""
Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]
Tree = Annotated[
    Path,
    typer.Option(help="The folder of the fleet; else this one, or one above it.", show_default=False),
]
"""Its default, `Path()`, is what `workers.settings.paths.find_tree` makes of the current folder."""


def finite(value: float | None) -> float | None:
    """Refuse "nan", which passes every comparison, and "inf".

    Raises:
        typer.BadParameter: it is one of them.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number of seconds.")
    return value


def text(value: str | None) -> str | None:
    """Refuse bytes that are not UTF-8: no server takes them.

    Raises:
        typer.BadParameter: the value holds such bytes.
    """
    if value is not None and any(0xD800 <= ord(character) < 0xE000 for character in value):
        raise typer.BadParameter(f"{value!a} is not UTF-8 text.")
    return value


def texts(values: list[str] | None) -> list[str] | None:
    """The same, for an argument that may be given several times."""
    return [checked for value in values if (checked := text(value)) is not None] if values is not None else None
