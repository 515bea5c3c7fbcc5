"""The plan of a drill: which faults are injected, and when. The same seed gives the same plan."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

CALM_SECONDS = 1.0
"""Without a fault at the beginning, so that records flow at the first one."""
NOTICE_SECONDS = 3.5
"""Without a fault after a kill of the database: a worker that is killed before its write fails counts no retry."""


class Kind(NamedTuple):
    """One kind of fault."""

    weight: int
    """How often it is chosen, relative to the others."""
    settles: float
    """Seconds after which the fleet writes again."""
    needs_calm: bool = False
    """It has an effect only on a fleet that writes."""
    needs_stack: bool = False
    """It is injected into the embedded servers."""
    shows_as: str = ""
    """The counter of the fleet that rises when the fault has bitten (see `FleetCounters`); "": it bites by itself."""


SUSPENSION = "stop and continue a worker"
ASSIGNED, REDELIVERED, RETRIED = "assigned", "duplicate", "workers_write_retries_total"

KINDS = {
    "kill a worker": Kind(8, 2, shows_as=ASSIGNED),
    "kill a worker in a write": Kind(4, 3, needs_calm=True, needs_stack=True, shows_as=REDELIVERED),
    SUSPENSION: Kind(3, 6),
    "restart a worker": Kind(3, 2, shows_as=ASSIGNED),
    "kill all workers": Kind(1, 6, shows_as=ASSIGNED),
    "kill the database": Kind(5, 9, needs_calm=True, needs_stack=True, shows_as=RETRIED),
    "kill the broker": Kind(6, 14, needs_calm=True, needs_stack=True),
}
"""What a drill injects unless more is asked for."""
MORE_KINDS = {
    "stop and continue the broker": Kind(2, 12, needs_calm=True, needs_stack=True),
    "leave a transaction open": Kind(3, 1, needs_calm=True, needs_stack=True),
    "hold connections open": Kind(2, 1),
    "fill the state disk": Kind(2, 3),
}
"""What `--all-faults` adds."""


class ChaosFault(NamedTuple):
    """One fault: when (seconds from the beginning), what, in which slot, and for how many seconds."""

    at: float
    kind: str
    slot: int
    lasts: float = 0.0


def plan(
    seconds: float,
    seed: int,
    slots: int,
    session_timeout: float,
    *,
    embedded: bool,
    all_kinds: Mapping[str, Kind] = KINDS,
) -> list[ChaosFault]:
    """The faults of one drill, the same for the same seed: each kind once, as far as there is time, then by weight.
    If there is time for it, one worker is suspended for longer than the session timeout.
    """
    rng = random.Random(seed)  # noqa: S311 a plan, not a secret
    kinds = [name for name, kind in all_kinds.items() if embedded or not kind.needs_stack]
    each_once = rng.sample(kinds, len(kinds))
    faults: list[ChaosFault] = []
    at = calm_at = CALM_SECONDS
    if seconds > session_timeout + 25 and SUSPENSION in kinds:
        stop = ChaosFault(at, SUSPENSION, rng.randrange(slots), session_timeout + 5)
        faults.append(stop)
        calm_at = at + stop.lasts + all_kinds[stop.kind].settles
    while True:
        # Until each kind was injected once, the waits are short enough that the time suffices for the rest.
        at += min(max(0.5, rng.expovariate(1 / 2.5)), 2.5 if each_once else seconds)
        calm = at >= calm_at
        # If all that is left of `each_once` needs a calm fleet, wait until it is calm.
        name = next((name for name in each_once if calm or not all_kinds[name].needs_calm), None)
        if name:
            each_once.remove(name)
        elif each_once:
            name, at = each_once.pop(0), calm_at
        else:
            possible = [name for name in kinds if calm or not all_kinds[name].needs_calm]
            name = rng.choices(possible, [all_kinds[name].weight for name in possible])[0]
        if at >= seconds - 1:
            return faults
        faults.append(ChaosFault(at, name, rng.randrange(slots), rng.uniform(0.5, 4)))
        calm_at = max(calm_at, at + all_kinds[name].settles)
        if name == "kill the database":
            at += NOTICE_SECONDS
