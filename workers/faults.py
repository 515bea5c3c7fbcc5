"""What goes wrong in a drill, and when: a plan that is the same for the same seed."""

from __future__ import annotations

import random
from typing import NamedTuple

CALM_SECONDS = 1.0
"""At the beginning, so that there is something to break."""
WEIGHTS = {
    "kill a worker": 10,
    "stop and continue a worker": 3,
    "restart a worker": 3,
    "kill all workers": 1,
    "kill the database": 2,
    "kill the broker": 1,
}
GAP_SECONDS = {"kill the database": 12.0, "kill the broker": 15.0}
"""How long each needs to come back, and so how often it may be killed."""


class Fault(NamedTuple):
    """One thing that goes wrong: when, in seconds from the beginning, what, in which slot, and for how long."""

    at: float
    kind: str
    slot: int
    lasts: float = 0.0


def plan(seconds: float, seed: int, slots: int, session_timeout: float, *, embedded: bool) -> list[Fault]:
    """The faults of one drill, the same for the same seed. One worker is stopped for longer than Kafka believes in it,
    where there is time for that.
    """
    dice = random.Random(seed)  # noqa: S311 a plan, not a secret
    faults = []
    if seconds > session_timeout + 15:
        faults.append(Fault(CALM_SECONDS, "stop and continue a worker", dice.randrange(slots), session_timeout + 5))
    kinds = [kind for kind in WEIGHTS if embedded or "worker" in kind]
    last = {kind: -GAP_SECONDS.get(kind, 0.0) for kind in kinds}
    at = CALM_SECONDS
    while (at := at + max(0.5, dice.expovariate(1 / 2.5))) < seconds - 1:
        kind = dice.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
        if at - last[kind] >= GAP_SECONDS.get(kind, 0.0):
            last[kind] = at
            faults.append(Fault(at, kind, dice.randrange(slots), dice.uniform(0.5, 4)))
    return sorted(faults)
