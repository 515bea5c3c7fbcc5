"""What goes wrong in a drill, and when: a plan that is the same for the same seed."""

from __future__ import annotations

import random
from typing import NamedTuple

CALM_SECONDS = 1.0
"""At the beginning, so that there is something to break."""
NOTICE_SECONDS = 3.5
"""After the database was killed nothing else is: a worker that is killed before it writes tells nobody."""


class Kind(NamedTuple):
    """One way to break something."""

    weight: int
    """How often it is chosen, beside the others."""
    settles: float
    """Seconds after which the fleet writes again."""
    needs_calm: bool = False
    """It is felt only by a fleet that writes."""
    needs_stack: bool = False
    """It is done to the embedded servers."""


KINDS = {
    "kill a worker": Kind(8, 2),
    "kill a worker in a write": Kind(4, 3, needs_calm=True, needs_stack=True),
    "stop and continue a worker": Kind(3, 6),
    "restart a worker": Kind(3, 2),
    "kill all workers": Kind(1, 6),
    "kill the database": Kind(5, 9, needs_calm=True, needs_stack=True),
    "kill the broker": Kind(6, 14, needs_calm=True, needs_stack=True),
}


class ChaosFault(NamedTuple):
    """One thing that goes wrong: when, in seconds from the beginning, what, in which slot, and for how long."""

    at: float
    kind: str
    slot: int
    lasts: float = 0.0


def plan(seconds: float, seed: int, slots: int, session_timeout: float, *, embedded: bool) -> list[ChaosFault]:
    """The faults of one drill, the same for the same seed: each kind once, as far as the time goes, then by weight.
    One worker is stopped for longer than Kafka believes in it, where there is time for that.
    """
    dice = random.Random(seed)  # noqa: S311 a plan, not a secret
    kinds = [name for name, kind in KINDS.items() if embedded or not kind.needs_stack]
    each_once = dice.sample(kinds, len(kinds))
    faults: list[ChaosFault] = []
    at = calm_at = CALM_SECONDS
    if seconds > session_timeout + 25:
        stop = ChaosFault(at, "stop and continue a worker", dice.randrange(slots), session_timeout + 5)
        faults.append(stop)
        calm_at = at + stop.lasts + KINDS[stop.kind].settles
    while True:
        # While some have not had their turn, no wait is so long that the time could go by without them.
        at += min(max(0.5, dice.expovariate(1 / 2.5)), 2.5 if each_once else seconds)
        calm = at >= calm_at
        # Before the last ones of `each_once` have had their turn, those that must wait for a calm are waited for.
        name = next((name for name in each_once if calm or not KINDS[name].needs_calm), None)
        if name:
            each_once.remove(name)
        elif each_once:
            name, at = each_once.pop(0), calm_at
        else:
            possible = [name for name in kinds if calm or not KINDS[name].needs_calm]
            name = dice.choices(possible, [KINDS[name].weight for name in possible])[0]
        if at >= seconds - 1:
            return faults
        faults.append(ChaosFault(at, name, dice.randrange(slots), dice.uniform(0.5, 4)))
        calm_at = max(calm_at, at + KINDS[name].settles)
        if name == "kill the database":
            at += NOTICE_SECONDS
