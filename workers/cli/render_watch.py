"""The screen of `workers status --watch`: verdict, timeline, workers, services and events, in as many lines as there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.text import Text

from workers.cli import render_status as parts
from workers.cli import render_timeline as timeline
from workers.fleet.status.slot import WORKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from workers.fleet.status.model import Status
    from workers.fleet.status.slot import SlotStatus
    from workers.fleet.verdict_facts import Verdict

    Lines = list[list[Segment]]

LEAST_BANDS = 3
MOST_BANDS = 24
LEAST_SLOTS = 2
LEAST_ROUTES, LEAST_HEIGHT = 3, 24
"""Lines of routes, and of a terminal on which there is room for them."""
CHARTS = 5
"""Lines of the timeline besides its bands: marks, times, three charts."""


@dataclass(frozen=True)
class WatchScreen:
    """One screen, at the size that the terminal has when it is drawn."""

    status: Status
    said: Verdict
    told: Mapping[str, Any]
    """The timeline: see `Timeline.as_dict`."""
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        ascii_only = options.ascii_only

        def drawn(part: RenderableType) -> Lines:
            return console.render_lines(part, options.update(height=None), pad=False)

        head = drawn(parts.headline(self.said, ascii_only=ascii_only))[:4]
        services = drawn(self._services())[:8]
        routes = self._routes(drawn, width)
        events = parts.last_events(self.status)[-parts.EVENTS :]
        # The last line stays empty: a terminal scrolls when it is written to its end.
        room = self.height - len(head) - len(services) - len(routes) - CHARTS - 1 - 1
        wanted = min(max(LEAST_BANDS, self.height // 3), len(self.told["partitions"]))
        slots = self._slots(max(LEAST_SLOTS, room - wanted - 2))
        room -= len(slots) + (len(slots) < len(self.status.slots))
        terminal = timeline.Terminal(
            width,
            console.color_system is not None and not console.no_color,
            timeline.ASCII if ascii_only else timeline.UNICODE,
        )
        bands = min(MOST_BANDS, max(LEAST_BANDS, room - min(2, len(events))))
        graph = [line for text in timeline.lines(self.told, terminal, bands) for line in drawn(text)[:1]]
        room -= max(0, len(graph) - CHARTS)
        if room > len(events) + 1 and self.told["partitions"]:
            graph += drawn(timeline.legend(terminal, has_several_topics=self.status.has_several_topics))[:1]
            room -= 1
        table = drawn(parts.slots(self.status, width, slots)) if slots else []
        if (more := len(self.status.slots) - len(slots)) > 0:
            table += drawn(Text(f"and {more} more workers", style=parts.FAINT))
        told = drawn(parts.events(events, named=self.status.has_several_topics)) if events else []
        told = told[-max(0, room) :] if room > 0 else []
        blocks = [head, routes, graph, table, services, told]
        spare = room - len(told)
        for number, block in enumerate(blocks):
            if number and block and spare > 0:
                spare -= 1
                yield Segment.line()
            for line in block:
                yield from line
                yield Segment.line()

    def _routes(self, drawn: Callable[[RenderableType], Lines], width: int) -> Lines:
        """A quarter of the screen at most; none where there is one topic."""
        if not self.status.has_several_topics or not self.status.routes or self.height < LEAST_HEIGHT:
            return []
        return drawn(parts.routes_of(self.status, width, max(LEAST_ROUTES, self.height // 4)))

    def _services(self) -> RenderableType:
        """One line while all are up: then only what runs is of interest."""
        services = self.status.services
        supervised = services.get("supervisord")
        if supervised is None or not all(service.up for service in services.values()):
            return parts.services(self.status)
        up = ", ".join(name for name in services if name != "supervisord")
        return Text.assemble((f"{up} up", parts.GOOD), f"; {supervised.detail}")

    def _slots(self, most: int) -> list[SlotStatus]:
        """Those that are not well first, where there is no room for all; in their own order."""
        slots = self.status.slots
        if len(slots) <= most:
            return list(slots)
        chosen = sorted(slots, key=lambda slot: (slot.healthy and slot.state in WORKING, slot.name))[: most - 1]
        return sorted(chosen, key=lambda slot: slot.name)
