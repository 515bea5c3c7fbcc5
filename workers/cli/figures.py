"""Figures in few characters, for tables on a terminal. Pure."""

from __future__ import annotations


def number(value: float | None, most: int = 6, *, plain: bool = False) -> str:
    """With separators; in thousands or millions if it would be longer than `most` characters."""
    if value is None:
        return "-"
    if plain or len(f"{value:,.0f}") <= most:
        return f"{value:.0f}" if plain else f"{value:,.0f}"
    return f"{value / 1e3:,.0f}k" if len(f"{value / 1e3:,.0f}k") <= most else f"{value / 1e6:,.0f}M"


def at_least(value: int | None, most: int, *, partial: bool) -> str:
    """A sum; with a plus where a part of it is not known."""
    shown = number(value, most - partial)
    return f"{shown}+" if partial and value is not None else shown


def duration(seconds: float | None, *, exact: bool = True) -> str:
    """At most six characters: 2.5s, 40s, 3m12s, 2h05m, 4d03h, 120d."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if exact and seconds < 10:
        return f"{seconds:.1f}s"
    if whole < 60:
        return f"{whole}s"
    for small, large, first, second in ((60, 3600, "m", "s"), (3600, 86400, "h", "m"), (86400, 8640000, "d", "h")):
        if whole < large:
            return f"{whole // small}{first}{whole % small // {60: 1, 3600: 60, 86400: 3600}[small]:02d}{second}"
    return f"{whole // 86400}d"


def verb(number: int) -> str:
    return "reads" if number == 1 else "read"
