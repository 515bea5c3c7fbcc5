"""How far `workers verify` is: percent, records a second, time left."""

from __future__ import annotations

import io

from rich.console import Console

from workers.cli.render_progress import LINE_SECONDS, Lines, verifying


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_some_seconds_with_percent_rate_and_time_left() -> None:
    clock, said = Clock(), []
    lines = Lines(said.append, clock)
    lines.show("records", 0, 1_000_000)
    clock.now = LINE_SECONDS - 1
    lines.show("records", 100_000, 1_000_000)
    assert said == []
    clock.now = LINE_SECONDS
    lines.show("records", 200_000, 1_000_000)
    lines.show("documents", 5, 1_000_000)
    assert said == ["records 200,000 of 1,000,000 (20 %), 20,000/s, 0:00:40 left"]


def test_what_an_earlier_run_did_does_not_make_this_one_look_quick() -> None:
    clock, said = Clock(), []
    lines = Lines(said.append, clock)
    lines.show("records", 900_000, 1_000_000)
    clock.now = LINE_SECONDS
    lines.show("records", 901_000, 1_000_000)
    assert said == ["records 901,000 of 1,000,000 (90 %), 100/s, 0:16:30 left"]


def test_without_a_terminal_there_are_lines_and_on_one_there_is_one_that_is_drawn_again() -> None:
    for is_terminal in (False, True):
        clock, out = Clock(), io.StringIO()
        console = Console(file=out, force_terminal=is_terminal, width=120)
        with verifying(console, clock) as show:
            show("records", 0, 1_000)
            clock.now = 20.0
            show("records", 500, 1_000)
            show("looked up", 3, 0)
        if not is_terminal:
            assert out.getvalue() == "records 500 of 1,000 (50 %), 25/s, 0:00:20 left\n"
        else:
            assert "25/s" in out.getvalue()
            assert "looked up 3" in out.getvalue()
            drawn = out.getvalue().rpartition("looked up 3")[0].split("\x1b[2K")[-1]
            assert "\n" not in drawn, "one line"
