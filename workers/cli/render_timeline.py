"""The timeline on a terminal: bands in the colours of the workers, and what waits, as small charts.

Never colour alone: each stretch of a band begins with the number of its worker; without colours every cell is that number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from workers.cli import cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.cli.cells import Cell, Row

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Okabe and Ito's: people who see colours differently tell them apart."""
WHITE_ON = (0,)
"""Of those, the ones on which black cannot be read."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
BAD, GOOD, FAINT = "bold red", "green", "dim"
LABEL_WIDTH, LONGEST_LABEL = 9, 16
WIDE, LONGEST_WIDE_LABEL = 100, 28
"""From so many columns on there is room for longer ones."""
RIGHT_WIDTH = 11


class Glyphs(NamedTuple):
    """The characters of one kind of terminal."""

    idle: str
    hole: str
    pause: str
    """A hole that is much shorter than a cell."""
    halted: str
    paused: str
    """By a person."""
    unknown: str
    several: str
    """Stored, by several workers."""
    patterns: str
    """Of a worker's band, by how often the colours were used before it."""
    levels: str
    """Of a small chart, from nothing to the most."""
    down: str
    up: str


UNICODE = Glyphs("─", "▞", "┆", "▚", "═", "·", "▒", " ·░▒", "▁▂▃▄▅▆▇█", "▼", "▲")
ASCII = Glyphs("-", "!", ":", "x", '"', ".", "+", " .:%", "_.-~=+*#", "v", "^")


class Terminal(NamedTuple):
    """What a terminal can show."""

    width: int
    colours: bool
    glyphs: Glyphs

    @property
    def cells(self) -> int:
        """Columns of the bands."""
        return max(20, self.width - LABEL_WIDTH - RIGHT_WIDTH)


def lines(told: Mapping[str, Any], terminal: Terminal, most: int) -> list[Text]:
    """Marks, bands, times and charts. Args: most: lines for the bands."""
    rows = cells.rows(told, terminal.cells, most)
    if not rows:
        return [Text("no partition is known yet", style=FAINT)]
    longest = LONGEST_LABEL if terminal.width < WIDE else LONGEST_WIDE_LABEL
    label = min(longest, max([LABEL_WIDTH, *(len(row.label) + 1 for row in rows)]))
    if label > LABEL_WIDTH:
        terminal = terminal._replace(width=terminal.width - (label - LABEL_WIDTH))
        rows = cells.rows(told, terminal.cells, most)
    margin = " " * label
    found = [Text.assemble(margin, _marks(told, terminal))]
    found += [
        Text.assemble((f"{_cut(row.label, label - 1):>{label - 1}} ", FAINT), *_band(row, terminal)) for row in rows
    ]
    found.append(Text(margin + cells.axis(terminal.cells, told["now"] - told["start"]), style=FAINT))
    return [*found, *_charts(told["series"], terminal, label)]


def legend(terminal: Terminal, *, has_several_topics: bool = False) -> Text:
    """What the cells mean, where it is not said beside them."""
    glyphs = terminal.glyphs
    hole = "nobody stores" if terminal.width < 76 else "records wait, nobody stores them"
    several = f"  {glyphs.several} by several workers" if has_several_topics else ""
    return Text(
        f"{glyphs.hole} {hole}  {glyphs.idle} nothing waits  {glyphs.halted} halted  {glyphs.unknown} unknown{several}",
        style=FAINT,
    )


def _band(row: Row, terminal: Terminal) -> list[Text]:
    found: list[Text] = []
    place = 0
    while place < len(row.cells):
        cell, end = row.cells[place], place
        while end < len(row.cells) and row.cells[end] == cell:
            end += 1
        found.append(_stretch(cell, end - place, terminal))
        place = end
    style = BAD if row.owner == "nobody" or "waits" in row.owner or "halted" in row.owner else FAINT
    return [*found, Text(f" {row.owner[: RIGHT_WIDTH - 1]}", style=style)]


def _stretch(cell: Cell, length: int, terminal: Terminal) -> Text:
    glyphs, number = terminal.glyphs, cells.number_of(cell.worker)
    if cell.kind == cells.HOLE:
        return Text(glyphs.hole * length, style=BAD)
    if cell.kind == cells.HALTED:
        return Text(glyphs.halted * length, style="bold magenta")
    if cell.kind == cells.PAUSED:
        return Text(glyphs.paused * length, style="yellow")
    if cell.kind == cells.UNKNOWN:
        return Text(glyphs.unknown * length, style=FAINT)
    colour = COLOURS[number % len(COLOURS)] if number >= 0 else "default"
    ink = "#ffffff" if number % len(COLOURS) in WHITE_ON else "#000000"
    if cell.kind == cells.PAUSE:
        return Text(glyphs.pause * length, style=f"bold {ink} on {colour}" if terminal.colours and number >= 0 else BAD)
    if cell.kind == "idle":
        return Text(glyphs.idle * length, style=colour if number >= 0 else FAINT)
    if cell.worker is None:
        return Text(glyphs.several * length, style=FAINT)
    if not terminal.colours:
        return Text((DIGITS[number] if 0 <= number < len(DIGITS) else "+") * length)
    fill = glyphs.patterns[number // len(COLOURS) % len(glyphs.patterns)]
    name = f"{number:02d}" if number >= 0 else "?"
    text = f"{name}{fill}" if length > 3 else name[-1]
    return Text(text.ljust(length, fill)[:length], style=f"{ink} on {colour}")


def _marks(told: Mapping[str, Any], terminal: Terminal) -> Text:
    line, place = Text(), 0
    for column, text, kind in cells.marks_line(told, terminal.cells, terminal.glyphs.down, terminal.glyphs.up):
        line.append(" " * (column - place))
        line.append(text, style=GOOD if kind == "back" else BAD)
        place = column + len(text)
    return line


def _charts(series: Mapping[str, Sequence[float | None]], terminal: Terminal, label: int) -> list[Text]:
    found: list[Text] = []
    if not series:
        return found
    for name, title, colour, most in (
        ("stored", "stored/s", COLOURS[4], False),
        ("waiting", "waiting", COLOURS[5], True),
        ("age", "oldest", COLOURS[1], True),
    ):
        told = cells.values(series, name, terminal.cells, most=most)
        line = Text(f"{title:>{label - 1}} ", style=FAINT)
        line.append(_sparkline(told, terminal.glyphs), style=colour if terminal.colours else "")
        last = next((value for value in reversed(series[name]) if value is not None), None)
        line.append(f" {_figure(name, last)}"[:RIGHT_WIDTH])
        found.append(line)
    return found


def _sparkline(told: Sequence[float | None], glyphs: Glyphs) -> str:
    most = max((value for value in told if value is not None), default=0.0)
    levels = len(glyphs.levels) - 1
    return "".join(
        " " if value is None else glyphs.levels[0 if not most else max(value > 0, round(value / most * levels))]
        for value in told
    )


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    if name == "age":
        return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"
    return f"{value:,.0f}" if value < 1_000_000 else f"{value / 1e6:,.1f}M"


def _cut(text: str, most: int) -> str:
    """Its beginning, and its end, which tells partitions of one topic apart."""
    return text if len(text) <= most else f"{text[: most // 3]}~{text[-(most - most // 3 - 1) :]}"
