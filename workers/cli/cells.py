"""A timeline in the cells of a terminal: which band, which value and which mark stands where. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from workers.naming import is_worker, short_name, slot_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HOLE, UNKNOWN, HALTED, PAUSED = "waiting", "unknown", "halted", "paused"
PAUSE = "pause"
"""A hole that is much shorter than the cell: it is seen, and does not look like a long one."""
PAUSE_SHARE = 0.3
"""Of a cell; a longer hole fills it."""
ENDS = ("killed", "died", "stopped", "stalled")
LABELS = {"killed": "killed", "died": "died", "stopped": "stopped", "stalled": "hung", "back": "back"}
"""Of the marks that have a place above the bands; the others are told below, as events."""


class Cell(NamedTuple):
    """One cell of a band."""

    kind: str
    worker: str | None


class Row(NamedTuple):
    """One line: one partition, or some that are neighbours."""

    label: str
    cells: list[Cell]
    owner: str
    """Who has it now, for people; empty: several."""


def rows(told: Mapping[str, Any], width: int, most: int) -> list[Row]:
    """The bands. Args: width: cells; most: lines; more partitions are grouped, neighbours of a topic first, then topics."""
    topics: dict[str, list[Mapping[str, Any]]] = {}
    for each in told["partitions"]:
        topics.setdefault(each["topic"], []).append(each)
    found: list[Row] = []
    for group in _groups(topics, max(1, most)):
        cells = [_cells(each["bands"], told["start"], told["now"], width) for each in group]
        label = _label(group, topics)
        found.append(
            Row(label, [_one(column, mixed=len(topics) > 1) for column in zip(*cells, strict=True)], _owner(group))
        )
    return found


def _groups(topics: Mapping[str, Sequence[Mapping[str, Any]]], most: int) -> list[Sequence[Mapping[str, Any]]]:
    """At most so many groups of partitions, all of them together."""
    if len(topics) > most:
        several, size = list(topics.values()), -(-len(topics) // most)
        return [
            [each for topic in several[first : first + size] for each in topic]
            for first in range(0, len(several), size)
        ]
    size = 1
    while sum(-(-len(each) // size) for each in topics.values()) > most:
        size += 1
    return [own[first : first + size] for own in topics.values() for first in range(0, len(own), size)]


def _label(group: Sequence[Mapping[str, Any]], topics: Mapping[str, Sequence[object]]) -> str:
    """`4`, `0-3`; with several topics `orders:0-3`, `orders` for all of it, `orders +2` for it and two others."""
    names = list(dict.fromkeys(each["topic"] for each in group))
    if len(names) > 1:
        return f"{names[0]} +{len(names) - 1}"
    numbers = [each["partition"] for each in group]
    label = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
    if len(topics) == 1:
        return label
    return names[0] if 1 < len(group) == len(topics[names[0]]) else f"{names[0]}:{label}"


def _cells(bands: Sequence[Sequence[Any]], start: float, now: float, width: int) -> list[Cell]:
    """A hole is seen in each cell that it touches, however short it is; else what lasts longest in a cell."""
    cells, step = [], (now - start) / width
    place = 0
    for number in range(width):
        left, right = start + number * step, start + (number + 1) * step
        while place < len(bands) - 1 and bands[place][1] <= left:
            place += 1
        best, longest, hole = Cell(UNKNOWN, None), 0.0, 0.0
        for begin, end, worker, kind in bands[place:]:
            if begin >= right:
                break
            lasts = min(end, right) - max(begin, left)
            if kind == HOLE:
                hole += max(0.0, lasts)
            if lasts > longest:
                best, longest = Cell(kind, worker), lasts
        if hole > PAUSE_SHARE * step:
            best = Cell(HOLE, None)
        elif hole > 0:
            best = Cell(PAUSE, best.worker)
        cells.append(best)
    return cells


def _one(cells: Sequence[Cell], *, mixed: bool) -> Cell:
    """Of several partitions: a hole if one is; else what most of them are.

    Args: mixed: whether a cell of several workers is nobody's: the partitions of several topics are dealt out one by one.
    """
    for kind in (HOLE, HALTED, PAUSE):
        if any(cell.kind == kind for cell in cells):
            return next(cell for cell in cells if cell.kind == kind)
    most = max(dict.fromkeys(cells), key=cells.count)
    return Cell(most.kind, None) if mixed and len({cell.worker for cell in cells}) > 1 else most


def _owner(group: Iterable[Mapping[str, Any]]) -> str:
    last = {(each["bands"][-1][2], each["bands"][-1][3]) for each in group if each["bands"]}
    if len(last) != 1:
        return ""
    ((worker, kind),) = last
    if worker is None:
        return "?" if kind == UNKNOWN else "nobody"
    return short_name(worker) + {HOLE: " waits", HALTED: " halted", PAUSED: " paused", "idle": " idle"}.get(kind, "")


def values(series: Mapping[str, Sequence[float | None]], name: str, width: int, *, most: bool) -> list[float | None]:
    """A series in so many cells. Args: most: the greatest in a cell, else the mean."""
    told = series[name]
    found: list[float | None] = []
    for number in range(width):
        first, last = (
            number * len(told) // width,
            max(number * len(told) // width + 1, (number + 1) * len(told) // width),
        )
        known = [value for value in told[first:last] if value is not None]
        found.append(None if not known else max(known) if most else sum(known) / len(known))
    return found


def marks_line(told: Mapping[str, Any], width: int, down: str, up: str) -> list[tuple[int, str, str]]:
    """The marks above the bands: column, text and kind. No two overlap: where there is no room, a label is shorter.

    Args: down, up: what points to the moment of an end, and of a return.
    """
    taken: dict[int, tuple[str, str, str]] = {}
    """By column of an arrow: the arrow, what is written beside it, and the kind."""
    span = told["now"] - told["start"]
    # The newest first: it is what somebody looks for.
    for mark in sorted(told["marks"], key=lambda mark: -float(mark["time"])):
        label, process = LABELS.get(mark["kind"]), str(mark["process"])
        if label is None or not is_worker(process):
            continue
        column = min(width - 1, max(0, int((mark["time"] - told["start"]) / span * width)))
        free = [
            each
            for each in (column, column - 1, column + 1, column - 2, column + 2)
            if 0 <= each < width and each not in taken
        ]
        if free:
            arrow = up if mark["kind"] == "back" else down
            taken[free[0]] = arrow, f"{short_name(process)} {label}", str(mark["kind"])
    used, found = set(taken), []
    for column, (arrow, label, kind) in taken.items():
        place, text = column, arrow
        for words in (label, label.partition(" ")[0]):
            right, left = range(column + 1, column + 1 + len(words)), range(column - len(words), column)
            # And one more on the other side, so that labels do not run into each other.
            if right[-1] < width and not used & {*right, right[-1] + 1}:
                text, cells_used = f"{arrow}{words}", right
            elif left[0] >= 0 and not used & {*left, left[0] - 1}:
                place, text, cells_used = left[0], f"{words}{arrow}", left
            else:
                continue
            used |= set(cells_used)
            break
        found.append((place, text, kind))
    return sorted(found)


def axis(width: int, seconds: float) -> str:
    """The times below the bands, at equal distances."""
    line = [" "] * width
    parts = 4 if width >= 48 else 2
    for part in range(parts, -1, -1):
        ago = seconds * part / parts
        text = "now" if part == 0 else f"{ago:.0f} s ago" if part == parts else f"{ago:.0f} s"
        place = min(
            width - len(text), max(0, round(width * (parts - part) / parts) - (0 if part == parts else len(text) // 2))
        )
        line[place : place + len(text)] = text
    return "".join(line)[:width]


def number_of(worker: str | None) -> int:
    """A number for the colour and the pattern of a worker; -1: it is none."""
    return slot_of(worker) if worker and is_worker(worker) else -1
