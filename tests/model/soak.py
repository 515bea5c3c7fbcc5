# ruff: noqa: T201
"""Play schedules for as long as there is time; the test plays the first 2,000 of them. One seed is one schedule.

    python -m tests.model.soak [seconds] [first seed]

Ends with 1, and the seed that repeats it, at the first schedule that breaks the promise.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.model.schedules import ACTIONS, play
from tests.model.world import World

TELL_EVERY = 10_000


def main(seconds: float = 600, first: int = 0) -> int:
    sightings: Counter[str] = Counter()
    started, seed = time.monotonic(), first
    while time.monotonic() - started < seconds:
        world = World(sightings=sightings)
        try:
            play(world, seed)
        except Exception as error:  # noqa: BLE001  whatever it is, the seed is what counts
            print(f"schedule {seed}: {type(error).__name__}: {error}")
            return 1
        seed += 1
        if (seed - first) % TELL_EVERY == 0:
            tell(seed - first, sightings, time.monotonic() - started)
    tell(seed - first, sightings, time.monotonic() - started)
    for what, times in sorted(sightings.items()):
        print(f"{times:12,} {what}")
    return 0


def tell(schedules: int, sightings: Counter[str], seconds: float) -> None:
    checks = sightings["times checked"]
    print(f"{schedules:,} schedules of {ACTIONS} actions, checked {checks:,} times, in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(*(int(value) for value in sys.argv[1:])))
